//! Whose doing a slow way between two services is.
//!
//! A delay between caller and callee may be either's. Connections and queues are at the callee. What
//! holds up a caller holds up all of its calls, by about as much. And what is wrong with the network of a
//! service shows on all of its channels, in and out: of two ends of a slow channel, the one whose other
//! channels are fine is innocent; so is the one that loses no packets, if the other does.

use std::collections::BTreeMap;

use super::evidence::Finding;
use crate::domain::{Entity, ServiceName, Tells};

/// Delays are alike if the smallest is at least this share of the largest.
const ALIKE: f64 = 0.3;
/// A quantile matters if its delay is at least this share of the largest.
const MATTERS: f64 = 0.1;
/// With this share of its channels slow, all of a service's are: some are hardly used.
const NEARLY_ALL: f64 = 0.75;

/// What is known of the way from one service to another.
struct Way<'a> {
    caller: &'a ServiceName,
    callee: &'a ServiceName,
    slow: bool,
    /// Whether the network's own metrics are known …
    probed: bool,
    /// … and odd.
    network: bool,
    /// Whether the caller loses packets, enough of them to be noticed, and the callee does not.
    lossy: bool,
    /// By how much calls are later than usual, milliseconds by quantile.
    excess: Vec<f64>,
}

/// The callers that hold up their own calls; `channels` are the findings on channels by callee, `loses` tells
/// who loses packets.
pub fn slow_callers(
    channels: &BTreeMap<ServiceName, Vec<Finding>>,
    loses: impl Fn(&ServiceName) -> bool,
    unusual: f64,
) -> Vec<ServiceName> {
    let ways = ways(channels, loses, unusual);
    let mut callers: Vec<&ServiceName> = ways.iter().map(|way| way.caller).collect();
    callers.sort();
    callers.dedup();
    callers.into_iter().filter(|caller| holds_up(caller, &ways)).cloned().collect()
}

fn ways(
    channels: &BTreeMap<ServiceName, Vec<Finding>>,
    loses: impl Fn(&ServiceName) -> bool,
    unusual: f64,
) -> Vec<Way<'_>> {
    let mut ways: BTreeMap<(&ServiceName, &ServiceName), Way> = BTreeMap::new();
    for finding in channels.values().flatten() {
        let Entity::Channel { caller, callee } = &finding.entity else { continue };
        let new = || Way {
            caller,
            callee,
            slow: false,
            probed: false,
            network: false,
            lossy: loses(caller) && !loses(callee),
            excess: Vec::new(),
        };
        let way = ways.entry((caller, callee)).or_insert_with(new);
        let odd = finding.surprise >= unusual;
        way.slow |= odd;
        way.probed |= finding.tells == Some(Tells::Shortage);
        way.network |= odd && finding.tells == Some(Tells::Shortage);
        if !finding.excess_ms.is_empty() {
            way.excess.clone_from(&finding.excess_ms);
        }
    }
    ways.into_values().collect()
}

fn holds_up(service: &ServiceName, ways: &[Way]) -> bool {
    let out: Vec<&Way> = ways.iter().filter(|way| way.caller == service).collect();
    let slow: Vec<&Way> = out.iter().filter(|way| way.slow).copied().collect();
    if slow.is_empty() || (slow.len() as f64) < NEARLY_ALL * out.len() as f64 {
        return false;
    }
    if !are_alike(&slow) {
        return false;
    }
    if slow.len() > 1 {
        return true;
    }
    // With a single callee, that is told from the callee's doing by the other channels of the two.
    let comes_in_slow = ways.iter().any(|way| way.callee == service && way.slow && way.network);
    let fine_beyond = |way: &&Way| {
        let mut beyond = ways.iter().filter(|next| next.caller == way.callee).peekable();
        beyond.peek().is_some() && beyond.all(|next| !next.slow)
    };
    let fine_there = slow.iter().all(|way| way.probed && !way.network);
    (fine_there && (comes_in_slow || slow.iter().all(|way| way.lossy)))
        || (slow.iter().all(|way| way.network) && (comes_in_slow || slow.iter().all(fine_beyond)))
}

/// Whether calls on all of these ways are late by about as much, at each quantile that matters.
fn are_alike(ways: &[&Way]) -> bool {
    let known: Vec<&[f64]> =
        ways.iter().map(|way| &*way.excess).filter(|excess| !excess.is_empty()).collect();
    let quantiles = known.iter().map(|excess| excess.len()).min().unwrap_or(0);
    let most = |q: usize| known.iter().map(|excess| excess[q]).fold(0.0, f64::max);
    let largest = (0..quantiles).map(most).fold(0.0, f64::max);
    let matter = (0..quantiles).filter(|q| most(*q) >= MATTERS * largest);
    matter.into_iter().all(|q| known.iter().all(|excess| excess[q] >= ALIKE * most(q)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Clean, Column, Pool, Resource};

    /// Who holds up calls, given channels such as `ab` with the delay in milliseconds (1 is usual) and
    /// whether a probe is slow as well.
    fn of(channels: &[(&str, f64, bool)]) -> String {
        of_losing("", channels)
    }

    /// The same where some services lose packets.
    fn of_losing(losing: &str, channels: &[(&str, f64, bool)]) -> String {
        let mut findings: BTreeMap<ServiceName, Vec<Finding>> = BTreeMap::new();
        for (ends, ms, probed) in channels {
            let (caller, callee) = (ServiceName::new(&ends[..1]), ServiceName::new(&ends[1..]));
            let finding = |tells, odd: bool| Finding {
                column: Column::Metric {
                    entity: Entity::Channel { caller: caller.clone(), callee: callee.clone() },
                    feature: Clean::new("something"),
                    pool: Pool::Mean,
                },
                entity: Entity::Channel { caller: caller.clone(), callee: callee.clone() },
                resource: Resource::Network,
                what: Clean::new("delay"),
                observed: Some(*ms),
                normal: Some(1.0),
                surprise: if odd { 20.0 } else { 1.0 },
                tells,
                excess_ms: if tells.is_none() { vec![*ms - 1.0] } else { Vec::new() },
            };
            let of = findings.entry(callee.clone()).or_default();
            of.extend([finding(None, *ms > 1.5), finding(Some(Tells::Shortage), *probed)]);
        }
        slow_callers(&findings, |service| losing.contains(service.as_str()), 7.0)
            .iter()
            .map(ServiceName::as_str)
            .collect()
    }

    #[test]
    fn a_caller_holds_up_all_of_its_calls_alike() {
        assert_eq!(of(&[("ab", 5.0, false), ("ac", 6.0, false)]), "a");
        assert_eq!(of(&[("ab", 5.0, false), ("ac", 1.0, false)]), "");
        // One of them is far worse: that callee's, whatever is odd about the other.
        assert_eq!(of(&[("ab", 50.0, false), ("ac", 2.0, false)]), "");
    }

    #[test]
    fn in_a_chain_the_other_channels_tell() {
        // The network of b: its way in and its way out.
        assert_eq!(of(&[("ab", 5.0, true), ("bc", 5.0, true), ("cd", 1.0, false)]), "b");
        // The first one's: its only way out, while its callee's is fine.
        assert_eq!(of(&[("ab", 5.0, true), ("bc", 1.0, false)]), "a");
        // The network of b again, which the probe of c does not see.
        assert_eq!(of(&[("ab", 5.0, true), ("bc", 5.0, false)]), "b");
        // The last one's.
        assert_eq!(of(&[("ab", 1.0, false), ("bc", 5.0, true)]), "");
        // Packets of a are lost, and none of b's; but for the probe of b.
        assert_eq!(of_losing("a", &[("ab", 5.0, false), ("bc", 1.0, false)]), "a");
        assert_eq!(of_losing("ab", &[("ab", 5.0, false), ("bc", 1.0, false)]), "");
        assert_eq!(of_losing("a", &[("ab", 5.0, true), ("bc", 5.0, false)]), "b");
        // Connections of b: nothing of the network is odd.
        assert_eq!(of(&[("ab", 5.0, false), ("bc", 1.0, false)]), "");
    }
}
