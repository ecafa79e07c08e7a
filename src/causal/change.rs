//! What changed about an application's shape since a moment: services and calls that came or went.
//!
//! Read off the latencies, which tell who is asked and by whom. What came must be there now and not have
//! been there before; what went must have been busy until then and be silent now. A service that is
//! merely idle, or whose numbers are late, has neither come nor gone.

use std::collections::BTreeSet;
use std::fmt;

use crate::domain::{Column, Party, ServiceName, Stat};
use crate::windows::Frame;

/// Windows that are "now".
const NOW: usize = 5;
/// Windows of silence after which something is gone: a restart is shorter.
const SILENCE: usize = 10;
/// Windows that are "until then".
const BEFORE: usize = 60;
/// Share of the windows in which something must have been seen to be there.
const PRESENT: f64 = 0.5;
/// Share of the windows until then in which something that went must have been seen.
const STEADY: f64 = 0.9;

/// A call: who asks, and who is asked.
type Call = (ServiceName, ServiceName);

/// Services and calls that came or went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Services that were not there before.
    pub came: BTreeSet<ServiceName>,
    /// Services that were there, and are not heard of now.
    pub went: BTreeSet<ServiceName>,
    /// Calls between services that were there before, but did not call each other.
    pub new_calls: BTreeSet<Call>,
    /// Calls that are no longer made by services that are still there.
    pub ended_calls: BTreeSet<Call>,
    /// First row in which any of it shows.
    pub row: Option<usize>,
}

impl Change {
    /// Compares the last windows of `frame` with those before row `since`.
    pub fn since(frame: &Frame, since: usize) -> Self {
        let since = since.min(frame.len());
        let now = frame.len().saturating_sub(NOW).max(since)..frame.len();
        let before = since.saturating_sub(BEFORE)..since;
        if now.len() < NOW || before.len() < NOW {
            return Self::default();
        }
        let lately = frame.len().saturating_sub(SILENCE)..frame.len();
        let share = |values: &[f32]| known(values) as f64 / values.len().max(1) as f64;
        let (mut here, mut ever, mut steady, mut heard) =
            (Seen::default(), Seen::default(), Seen::default(), Seen::default());
        for (column, values) in &frame.columns {
            let Column::Latency { rpc, stat: Stat::Quantile(_), .. } = column else { continue };
            let (Some(callee), caller) = (rpc.callee.service(), &rpc.caller) else { continue };
            if share(&values[now.clone()]) >= PRESENT {
                here.add(caller, callee);
            }
            if known(&values[..since]) > 0 {
                ever.add(caller, callee);
            }
            if share(&values[before.clone()]) >= STEADY {
                steady.add(caller, callee);
            }
            if known(&values[lately.clone()]) > 0 {
                heard.add(caller, callee);
            }
        }
        let came = &here.services - &ever.services;
        let went = &steady.services - &heard.services;
        let both = |(caller, callee): &Call, other: &BTreeSet<ServiceName>| {
            !other.contains(caller) && !other.contains(callee)
        };
        let new_calls = (&here.calls - &ever.calls).into_iter().filter(|call| both(call, &came)).collect();
        let ended = &steady.calls - &heard.calls;
        let ended_calls = ended.into_iter().filter(|call| both(call, &went)).collect();
        let mut change = Self { came, went, new_calls, ended_calls, row: None };
        change.row =
            frame.columns.iter().filter_map(|(column, values)| change.shows(column, values, since)).min();
        change
    }

    /// The first row from `since` on in which a column shows a part of the change.
    fn shows(&self, column: &Column, values: &[f32], since: usize) -> Option<usize> {
        let Column::Latency { rpc, stat: Stat::Quantile(_), .. } = column else { return None };
        let callee = rpc.callee.service()?;
        let call = rpc.caller.service().map(|caller| (caller.clone(), callee.clone()));
        let parties = || rpc.caller.service().into_iter().chain([callee]);
        let of = |services: &BTreeSet<ServiceName>, calls: &BTreeSet<Call>| {
            parties().any(|s| services.contains(s)) || call.as_ref().is_some_and(|call| calls.contains(call))
        };
        let mut rows = values.iter().enumerate().skip(since);
        if of(&self.came, &self.new_calls) {
            return rows.find(|(_, value)| value.is_finite()).map(|(row, _)| row);
        }
        if of(&self.went, &self.ended_calls) {
            let last = values.iter().rposition(|value| value.is_finite());
            return Some(last.map_or(since, |last| (last + 1).max(since)));
        }
        None
    }

    /// Whether nothing changed.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

fn known(values: &[f32]) -> usize {
    values.iter().filter(|value| value.is_finite()).count()
}

#[derive(Default)]
struct Seen {
    services: BTreeSet<ServiceName>,
    calls: BTreeSet<Call>,
}

impl Seen {
    fn add(&mut self, caller: &Party, callee: &ServiceName) {
        self.services.insert(callee.clone());
        if let Some(caller) = caller.service() {
            self.services.insert(caller.clone());
            self.calls.insert((caller.clone(), callee.clone()));
        }
    }
}

impl fmt::Display for Change {
    /// In words, such as `cart-v2 is new; web no longer calls cart`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services = |set: &BTreeSet<ServiceName>, one: &str, many: &str| {
            let names = Vec::from_iter(set.iter().map(ServiceName::as_str));
            (!names.is_empty())
                .then(|| format!("{} {}", names.join(", "), if names.len() > 1 { many } else { one }))
        };
        let calls = |set: &BTreeSet<Call>, verb: &str| {
            let told = Vec::from_iter(set.iter().map(|(caller, callee)| format!("{caller} {verb} {callee}")));
            (!told.is_empty()).then(|| told.join(", "))
        };
        let parts = [
            services(&self.came, "is new", "are new"),
            services(&self.went, "is gone", "are gone"),
            calls(&self.new_calls, "now calls"),
            calls(&self.ended_calls, "no longer calls"),
        ];
        f.write_str(&Vec::from_iter(parts.into_iter().flatten()).join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Quantile, Rpc, Side, Timestamp};

    /// Windows in which the calls of `before` are made, then those of `after`.
    fn life(before: &[(&str, &str)], rows: usize, after: &[(&str, &str)], more: usize) -> Frame {
        let total = rows + more;
        let column = |&(caller, callee): &(&str, &str)| Column::Latency {
            rpc: Rpc::edge(&caller.into(), &callee.into()),
            side: Side::Client,
            stat: Stat::Quantile(Quantile(500)),
        };
        let mut frame = Frame { ends: vec![Timestamp::UNIX_EPOCH; total], ..Frame::default() };
        for (calls, range) in [(before, 0..rows), (after, rows..total)] {
            for call in calls {
                let values = frame.columns.entry(column(call)).or_insert_with(|| vec![f32::NAN; total]);
                values[range.clone()].fill(3.0);
            }
        }
        frame
    }

    const SHOP: [(&str, &str); 3] = [("web", "cart"), ("web", "search"), ("cart", "store")];

    #[test]
    fn nothing_changes_by_itself() {
        let frame = life(&SHOP, 80, &SHOP, 30);
        assert_eq!(Change::since(&frame, 80), Change::default());
        assert_eq!(Change::since(&frame, 70), Change::default());
        assert!(Change::since(&life(&SHOP, 80, &[], 4), 80).is_none(), "too little to tell");
        assert!(Change::since(&Frame::default(), 3).is_none());
    }

    #[test]
    fn what_came_and_went_is_named() {
        let told = |after: &[(&str, &str)]| Change::since(&life(&SHOP, 80, after, 30), 80).to_string();
        assert_eq!(told(&[SHOP.as_slice(), &[("cart", "gifts")]].concat()), "gifts is new");
        assert_eq!(told(&SHOP[1..]), "web no longer calls cart");
        assert_eq!(told(&SHOP[1..2]), "cart, store are gone");
        assert_eq!(told(&[SHOP.as_slice(), &[("search", "store")]].concat()), "search now calls store");
        let other = [("web", "cart"), ("web", "search"), ("search", "store")];
        assert_eq!(Change::since(&life(&SHOP, 80, &SHOP[1..], 30), 60).row, Some(80));
        assert_eq!(Change::since(&life(&SHOP[1..], 80, &SHOP, 30), 60).row, Some(80));
        assert_eq!(told(&other), "search now calls store; cart no longer calls store");
    }

    #[test]
    fn a_pause_is_no_farewell() {
        let mut frame = life(&SHOP, 80, &SHOP, 30);
        for values in frame.columns.values_mut() {
            values[103..].fill(f32::NAN);
        }
        assert!(Change::since(&frame, 80).is_none());
    }
}
