//! What a machine's resctrl can do and how it stands, from what the script reports
//! (Documentation/filesystems/resctrl.rst).

use std::collections::BTreeMap;
use std::fmt;

use super::report::Report;

/// Lines of a `schemata`: by resource, then by domain, as the kernel prints the values, without padding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schemata(BTreeMap<String, BTreeMap<u32, String>>);

impl Schemata {
    /// Reads lines such as `    L3:0=fff;1=fff`; `None` if one is of another form.
    pub fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut all = BTreeMap::new();
        for line in lines.into_iter().map(str::trim).filter(|line| !line.is_empty()) {
            let (resource, domains) = line.split_once(':')?;
            let mut values = BTreeMap::new();
            for domain in domains.split(';') {
                let (id, value) = domain.split_once('=')?;
                let padded = value.trim();
                let bare = padded.trim_start_matches('0');
                let value = if bare.is_empty() { "0" } else { bare };
                let plain = !padded.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
                if !plain || values.insert(id.trim().parse().ok()?, value.to_owned()).is_some() {
                    return None;
                }
            }
            all.insert(resource.trim().to_owned(), values);
        }
        Some(Self(all))
    }

    /// The values of a resource by domain.
    pub fn of(&self, resource: &str) -> Option<&BTreeMap<u32, String>> {
        self.0.get(resource)
    }

    /// Only the lines of these resources.
    pub fn only(&self, resources: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| resources.contains(&name.as_str()));
        Self(kept.map(|(name, values)| (name.clone(), values.clone())).collect())
    }

    /// Lines that give each domain of `resources` what `value` says for it.
    pub fn with(&self, resources: &[&str], value: impl Fn(u32, &str) -> String) -> Self {
        let Self(lines) = self.only(resources);
        let set = |values: BTreeMap<u32, String>| {
            values.into_iter().map(|(id, now)| (id, value(id, &now))).collect::<BTreeMap<_, _>>()
        };
        Self(lines.into_iter().map(|(name, values)| (name, set(values))).collect())
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Schemata {
    /// As the script takes and prints it: lines in the order of their names, joined by commas.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (resource, values)) in self.0.iter().enumerate() {
            let values: Vec<String> = values.iter().map(|(id, value)| format!("{id}={value}")).collect();
            write!(f, "{}{resource}:{}", if i > 0 { "," } else { "" }, values.join(";"))?;
        }
        Ok(())
    }
}

/// The cache whose ways can be shared out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Names of its lines: one, or two where code and data have masks of their own (CDP).
    pub resources: Vec<&'static str>,
    /// All ways, one bit each.
    pub mask: u64,
    /// Fewest ways a group may have.
    pub min_bits: u32,
    /// Ways that devices use as well.
    pub shareable: u64,
}

/// In what memory bandwidth is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bandwidth {
    /// Percent of each core's, at least `least`, in steps of `step` (Intel).
    Percent {
        /// Smallest share.
        least: u32,
        /// Steps between shares.
        step: u32,
    },
    /// MiB/s of the group, held by the kernel (mount option `mba_MBps`).
    Megabytes,
    /// Eighths of a GB/s of the group (AMD); 2048 is no limit.
    Eighths,
}

/// Why there is no number to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBandwidth {
    /// The machine cannot do it.
    Absent,
    /// In what it is counted is not clear.
    UnclearUnit,
}

/// A machine's resctrl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resctrl {
    /// The last-level cache.
    pub cache: Option<Cache>,
    /// Memory bandwidth.
    pub bandwidth: Result<Bandwidth, NoBandwidth>,
    /// How many groups there can be, the root's included.
    pub groups_at_most: Option<u32>,
    /// The root's lines.
    pub root: Schemata,
    /// The groups and their lines.
    pub groups: BTreeMap<String, Schemata>,
}

/// Why nothing can be done with a machine's resctrl.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoResctrl {
    /// The kernel has none.
    #[error("the machine's kernel or processor has no resctrl")]
    Absent,
    /// It has, but nobody uses it.
    #[error("resctrl is not mounted on the machine; mounting it is its operator's decision")]
    NotMounted,
    /// It says what is not understood.
    #[error("what resctrl says on the machine is not understood")]
    Unreadable,
}

impl Resctrl {
    /// From a report on `probe machine`.
    ///
    /// # Errors
    /// There is none, or it is not mounted.
    pub fn read(report: &Report) -> Result<Self, NoResctrl> {
        if !report.has("schemata") {
            let absent = report.lines("filesystem").is_empty();
            return Err(if absent { NoResctrl::Absent } else { NoResctrl::NotMounted });
        }
        let schemata = |lines: &[String]| Schemata::read(lines.iter().map(String::as_str));
        let root = schemata(report.lines("schemata")).ok_or(NoResctrl::Unreadable)?;
        let mut groups = BTreeMap::new();
        for (name, lines) in report.below("group/") {
            if let Some(name) = name.strip_suffix("/schemata") {
                groups.insert(name.to_owned(), schemata(lines).ok_or(NoResctrl::Unreadable)?);
            }
        }
        let number = |name: &str| report.word(name)?.parse::<u32>().ok();
        let closids = ["L3", "L3CODE", "MB"].map(|resource| number(&format!("info/{resource}/num_closids")));
        Ok(Self {
            cache: cache(report, &root),
            bandwidth: bandwidth(report, &root),
            groups_at_most: closids.into_iter().flatten().min(),
            root,
            groups,
        })
    }

    /// Groups that are not sagetop's: somebody else shares this machine's cache out.
    pub fn foreign(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str).filter(|name| !name.starts_with("sagetop-"))
    }
}

fn cache(report: &Report, root: &Schemata) -> Option<Cache> {
    let resources: Vec<&'static str> = match root.of("L3CODE").is_some() && root.of("L3DATA").is_some() {
        true => vec!["L3CODE", "L3DATA"],
        false => vec!["L3"],
    };
    root.of(resources[0])?;
    let word = |file: &str| report.word(&format!("info/{}/{file}", resources[0]));
    let hex = |file: &str| u64::from_str_radix(word(file)?.trim_start_matches("0x"), 16).ok();
    Some(Cache {
        mask: hex("cbm_mask").filter(|mask| *mask != 0)?,
        min_bits: word("min_cbm_bits")?.parse().ok()?,
        shareable: hex("shareable_bits").unwrap_or(0),
        resources,
    })
}

/// The unit shows in who made the processor, how resctrl is mounted, and what the root's line says. What
/// does not agree is not guessed at.
fn bandwidth(report: &Report, root: &Schemata) -> Result<Bandwidth, NoBandwidth> {
    let values = root.of("MB").ok_or(NoBandwidth::Absent)?;
    let values: Option<Vec<u64>> = values.values().map(|value| value.parse().ok()).collect();
    let values = values.filter(|values| !values.is_empty()).ok_or(NoBandwidth::UnclearUnit)?;
    let number = |file: &str| report.word(&format!("info/MB/{file}"))?.parse::<u32>().ok();
    let (least, step) = (number("min_bandwidth"), number("bandwidth_gran"));
    let mounts = || report.lines("mount").iter().filter(|line| line.contains(" /sys/fs/resctrl "));
    let held_by_kernel = mounts().any(|line| {
        line.split_whitespace()
            .nth(3)
            .is_some_and(|options| options.split(',').any(|word| word == "mba_MBps"))
    });
    if mounts().next().is_none() {
        return Err(NoBandwidth::UnclearUnit);
    }
    let made_by = |vendor: &str| {
        let vendors = report.lines("vendor");
        !vendors.is_empty() && vendors.iter().all(|line| line.ends_with(vendor))
    };
    match (made_by("GenuineIntel"), made_by("AuthenticAMD")) {
        (true, false) if held_by_kernel => Ok(Bandwidth::Megabytes),
        (true, false) if values.iter().all(|value| *value <= 100) => match (least, step) {
            (Some(least @ 1..=100), Some(step @ 1..=100)) => Ok(Bandwidth::Percent { least, step }),
            _ => Err(NoBandwidth::UnclearUnit),
        },
        // A root that is limited itself could be in anything.
        (false, true) if !held_by_kernel && values.iter().all(|value| *value >= 2048) => {
            Ok(Bandwidth::Eighths)
        }
        _ => Err(NoBandwidth::UnclearUnit),
    }
}

#[cfg(test)]
#[path = "resctrl_tests.rs"]
mod tests;
