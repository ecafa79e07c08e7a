//! An autoscaler by CPU, as Kubernetes has it: the number of replicas follows usage over a target.
//!
//! It asks nobody: it looks at usage every minute, whether or not an objective is violated.

use std::collections::BTreeMap;

use super::hands::{Act, Hands};
use crate::lab::app::Application;

/// Within this share of the target nothing is done (the default of Kubernetes).
const TOLERANCE: f64 = 0.1;
/// Minutes for which fewer replicas must have been enough before some are taken away (its default, too).
const STABLE_MIN: usize = 5;

/// An autoscaler of every service.
#[derive(Debug)]
pub struct Autoscaler {
    /// Share of the CPU limit that replicas are to use.
    target: f64,
    /// Replicas that would have been enough, of the last minutes.
    enough: BTreeMap<String, Vec<u32>>,
}

impl Autoscaler {
    /// One that aims at this share of the CPU limit.
    pub fn new(target: f64) -> Self {
        Self { target, enough: BTreeMap::new() }
    }

    /// What it does when a replica of each service uses so many cores.
    pub fn act(&mut self, app: &Application, usage: &BTreeMap<String, f64>, hands: &mut Hands) -> Vec<Act> {
        let mut acts = Vec::new();
        for (id, service) in app.services.iter().enumerate() {
            let (Some(limit), Some(used)) = (hands.limit(id), usage.get(&*service.name)) else { continue };
            let now = hands.replicas(id);
            let ratio = used / limit / self.target;
            let wanted = if (ratio - 1.0).abs() <= TOLERANCE {
                now
            } else {
                (f64::from(now) * ratio).ceil().max(1.0) as u32
            };
            let past = self.enough.entry(service.name.to_string()).or_default();
            past.push(wanted);
            past.drain(..past.len().saturating_sub(STABLE_MIN));
            // Up at once, down only when none of the last minutes needed more.
            let most = past.iter().copied().max().unwrap_or(wanted);
            let known = past.len() == STABLE_MIN;
            let wanted = if wanted >= now {
                wanted
            } else if known {
                most.min(now)
            } else {
                now
            };
            // Never below what the application was deployed with.
            acts.extend(hands.scale(id, wanted.max(service.replicas)));
        }
        acts
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use crate::lab::app::named;
    use crate::lab::cluster::Cluster;

    #[test]
    fn it_grows_at_once_and_shrinks_late() {
        let app = Arc::new(named("chain-3").unwrap());
        let mut hands = Hands::new(&app, &Cluster::for_application(&app, 2));
        let (limit, had) = (app.services[1].cpu_limit.unwrap(), app.services[1].replicas);
        let mut scaler = Autoscaler::new(0.5);
        let mut at = |share: f64| {
            let usage = BTreeMap::from([(app.services[1].name.to_string(), share * limit)]);
            scaler.act(&app, &usage, &mut hands);
            hands.replicas(1)
        };
        assert_eq!(at(0.52), had, "within the tolerance");
        assert_eq!(at(1.0), 2 * had);
        let later = Vec::from_iter((0..6).map(|_| at(0.1)));
        assert_eq!(later[3], 2 * had, "not yet: {later:?}");
        assert_eq!(later[5], had, "{later:?}");
    }
}
