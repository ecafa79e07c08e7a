//! Changes on machines: what changes, as words for the script, as its inverse, and as what a fresh read
//! must show.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::amount::Shares;
use super::container::{NoSeat, Seat};
use super::resctrl::Schemata;
use super::traffic::{DEFAULT_KINDS, classes};
use crate::domain::Clean;
use crate::remedy::names::{Interface, ResctrlGroup, Unit};
use crate::remedy::operation::OperationId;

/// Handle of the queues that are put at the root of an interface.
const HANDLE: &str = "htb 1a:";
/// Longest name of an operation that machines take.
const LONGEST_OPERATION: usize = 64;

/// A change on a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeWrite {
    /// Whose processes it is about; of a share of the link, for whom it is kept.
    pub seat: Seat,
    /// What changes.
    pub deed: Deed,
}

/// What changes on a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Lines of a group's `schemata` in resctrl, and the container's threads in that group.
    Schemata {
        /// The group.
        group: String,
        /// The lines now; `None` if there is no such group.
        before: Option<String>,
        /// The lines then.
        after: String,
    },
    /// A share of the link.
    Link {
        /// The interface that leads out of the machine.
        interface: String,
        /// Kind of its root's queues, which are the kernel's own.
        before: String,
        /// Who gets how much.
        shares: Shares,
        /// Address of the pod whose sending is preferred.
        address: Ipv4Addr,
    },
    /// `cpu.max`.
    Cpu {
        /// Quota and period now, such as `max 100000`.
        before: String,
        /// Quota and period then.
        after: String,
        /// The systemd scope that owns it, where one does.
        unit: Option<String>,
    },
    /// `io.max`, of one disk.
    Disk {
        /// Its line now; `None` if it has none.
        before: Option<String>,
        /// Its line then.
        after: String,
    },
}

/// Why there are no words for a change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWords {
    /// The container's.
    #[error(transparent)]
    Seat(#[from] NoSeat),
    /// A name.
    #[error(transparent)]
    Name(#[from] crate::remedy::names::NameError),
    /// A value.
    #[error("{0:?} is not a value that may be written on a machine")]
    Value(String),
}

/// How a machine stands to a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As before it.
    Before,
    /// As after it.
    After,
    /// Otherwise; what was seen.
    Neither(Clean),
    /// The container is gone, and the change with it.
    Gone,
}

fn operation(op: &OperationId) -> Result<String, BadWords> {
    let text = op.0.as_str();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = !text.is_empty()
        && text.len() <= LONGEST_OPERATION
        && text.bytes().all(plain)
        && !text.starts_with('-')
        // The machine's own names for inverses.
        && !text.starts_with("revert-");
    if fits { Ok(text.to_owned()) } else { Err(BadWords::Value(text.to_owned())) }
}

/// A value that is of a form, as it stands.
fn value(text: &str, fits: impl FnOnce(&str) -> bool) -> Result<String, BadWords> {
    if fits(text) { Ok(text.to_owned()) } else { Err(BadWords::Value(text.chars().take(64).collect())) }
}

/// Lines as [`Schemata`] prints them, of one resource or of code and data.
fn lines(text: &str) -> Result<String, BadWords> {
    let known = |line: &str| ["L3:", "L3CODE:", "L3DATA:", "MB:"].iter().any(|name| line.starts_with(name));
    value(text, |text| {
        text.split(',').all(known)
            && Schemata::read(text.split(',')).is_some_and(|read| read.to_string() == text)
    })
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `max 100000`, `150000 100000`.
fn quota(text: &str) -> Result<String, BadWords> {
    value(text, |text| {
        text.split_once(' ')
            .is_some_and(|(quota, period)| (quota == "max" || digits(quota)) && digits(period))
    })
}

/// `8:0 rbps=max wbps=1000 riops=max wiops=max`.
fn limits(text: &str) -> Result<String, BadWords> {
    let field = |word: &str, key: &str| {
        word.strip_prefix(key)
            .and_then(|rest| rest.strip_prefix('='))
            .is_some_and(|n| n == "max" || digits(n))
    };
    value(text, |text| match text.split(' ').collect::<Vec<_>>().as_slice() {
        [disk, a, b, c, d] => {
            disk.split_once(':').is_some_and(|(major, minor)| digits(major) && digits(minor))
                && field(a, "rbps")
                && field(b, "wbps")
                && field(c, "riops")
                && field(d, "wiops")
        }
        _ => false,
    })
}

impl NodeWrite {
    /// What of it comes behind mechanism, verb and operations, and the mechanism's name.
    fn own_words(&self, verb: &str) -> Result<(&'static str, Vec<String>), BadWords> {
        let seat = self.seat.words()?;
        let absent = || "absent".to_owned();
        Ok(match &self.deed {
            Deed::Schemata { group, before, after } => {
                let group = ResctrlGroup::new(group)?.to_string();
                let before = before.as_deref().map_or_else(|| Ok(absent()), lines)?;
                let after = lines(after)?;
                let words = match verb {
                    "apply" => [&[group], seat.as_slice(), &[before, after]].concat(),
                    "undo" => vec![group, before, after],
                    _ => vec![group, after],
                };
                ("resctrl", words)
            }
            Deed::Link { interface, before, shares, address } => {
                let interface = Interface::new(interface)?.to_string();
                let before = value(before, |kind| DEFAULT_KINDS.contains(&kind))?;
                let Shares { link, victim, rest, management } = shares;
                let rates = [link, victim, rest, management].map(u64::to_string);
                let words = match verb {
                    "apply" => {
                        // What the pod sends leaves the machine with its address as the source.
                        let filter = ["src".to_owned(), address.to_string()];
                        [&[interface], seat.as_slice(), &[before], &rates, &filter].concat()
                    }
                    _ => vec![interface],
                };
                ("htb", words)
            }
            Deed::Cpu { before, after, unit } => {
                let unit = unit.as_deref().map_or_else(|| Ok("none".to_owned()), scope)?;
                let values = [quota(before)?, quota(after)?, unit];
                ("cgroup", [&["cpu.max".to_owned()], seat.as_slice(), &values].concat())
            }
            Deed::Disk { before, after } => {
                let before = before.as_deref().map_or_else(|| Ok(absent()), limits)?;
                let values = [before, limits(after)?, "none".to_owned()];
                ("cgroup", [&["io.max".to_owned()], seat.as_slice(), &values].concat())
            }
        })
    }

    fn with(&self, verb: &str, operations: &[&OperationId]) -> Result<Vec<String>, BadWords> {
        let (mechanism, own) = self.own_words(verb)?;
        let mut words = vec![mechanism.to_owned(), verb.to_owned()];
        for op in operations {
            words.push(operation(op)?);
        }
        words.extend(own);
        Ok(words)
    }

    /// Words that make the change, as operation `op`. Its inverse is scheduled by it.
    ///
    /// # Errors
    /// Something in it is not of the form it should have.
    pub fn apply(&self, op: &OperationId) -> Result<Vec<String>, BadWords> {
        self.with("apply", &[op])
    }

    /// Words that take it back, as operation `op`, when it was done as operation `of`.
    ///
    /// # Errors
    /// Something in it is not of the form it should have.
    pub fn undo(&self, op: &OperationId, of: &OperationId) -> Result<Vec<String>, BadWords> {
        self.with("undo", &[op, of])
    }

    /// Words that read how the machine stands to it.
    ///
    /// # Errors
    /// Something in it is not of the form it should have.
    pub fn read(&self) -> Result<Vec<String>, BadWords> {
        self.with("read", &[])
    }

    /// How a machine stands to it that answered [`Self::read`] with `said`.
    pub fn standing(&self, said: &str) -> Standing {
        let said = said.trim();
        let neither = || Standing::Neither(Clean::capped(said, 400));
        let of = |before: &str, after: &str| match said {
            "gone" => Standing::Gone,
            said if said == after => Standing::After,
            said if said == before => Standing::Before,
            _ => neither(),
        };
        match &self.deed {
            Deed::Schemata { before, after, .. } => of(before.as_deref().unwrap_or("absent"), after),
            Deed::Cpu { before, after, .. } => of(before, after),
            Deed::Disk { before, after } => of(before.as_deref().unwrap_or("absent"), after),
            Deed::Link { before, shares, .. } => {
                let (found, rest) = said.split_once('\n').unwrap_or((said, ""));
                if found == before {
                    return Standing::Before;
                }
                let classes = classes(rest).unwrap_or_default();
                let is = |id: &str, rate: u64, ceil: u64| {
                    classes.iter().any(|class| class.id == id && class.rate == rate && class.ceil == ceil)
                };
                let Shares { link, victim, rest, management } = *shares;
                let all = is("1a:1", link, link)
                    && is("1a:5", management, link)
                    && is("1a:10", victim, link)
                    && is("1a:20", rest, rest);
                if found == HANDLE && all { Standing::After } else { neither() }
            }
        }
    }
}

fn scope(unit: &str) -> Result<String, BadWords> {
    let unit = Unit::new(unit)?.to_string();
    value(&unit, |unit| unit.ends_with(".scope") && !unit.contains('\\'))
}

/// Words that keep what was done as operation `of`, as operation `op`: it does not take itself back.
///
/// # Errors
/// A name is none.
pub fn keep(op: &OperationId, of: &OperationId) -> Result<Vec<String>, BadWords> {
    Ok(vec!["operation".to_owned(), "keep".to_owned(), operation(op)?, operation(of)?])
}

/// Words that ask what came of operation `op`.
///
/// # Errors
/// The name is none.
pub fn outcome(op: &OperationId) -> Result<Vec<String>, BadWords> {
    Ok(vec!["operation".to_owned(), "outcome".to_owned(), operation(op)?])
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
