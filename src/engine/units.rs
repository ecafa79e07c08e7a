//! Units of the values in a verdict: the catalogue has them, the model does not need them.

use super::Engine;
use crate::domain::{Clean, Entity, Scope, Verdict};
use crate::telemetry::Catalogue;

/// What the diagnosis adds to the name of a metric's largest value over replicas.
const WORST: &str = " (worst replica)";

impl Engine {
    /// Fills in the units of all causes.
    pub(super) fn name_units(&self, verdict: &mut Verdict) {
        let named = verdict.culprits.iter_mut().chain(&mut verdict.suspects);
        for cause in named.flat_map(|c| &mut c.resources) {
            cause.unit = unit(&self.catalogue, cause.metric.as_str());
        }
    }
}

/// The unit of what a verdict calls `metric`. Causes are seen on services and on channels.
fn unit(catalogue: &Catalogue, metric: &str) -> Option<Clean> {
    let name = metric.strip_suffix(WORST).unwrap_or(metric);
    let of = |scope| catalogue.feature.iter().find(|f| f.scope == scope && f.name.as_str() == name);
    match of(Scope::Service).or_else(|| of(Scope::Channel)) {
        Some(feature) => feature.unit.clone(),
        // Whatever is no feature is a latency.
        None => Some(Clean::new("ms")),
    }
}

/// The unit of the metric called `what` of `entity`, where the catalogue names one.
pub(super) fn unit_of(catalogue: &Catalogue, entity: &Entity, what: &str) -> Option<Clean> {
    let scope = match entity {
        Entity::Service(_) => Scope::Service,
        Entity::Channel { .. } => Scope::Channel,
        Entity::Node(_) => Scope::Node,
    };
    let name = what.strip_suffix(WORST).unwrap_or(what);
    let feature = catalogue.feature.iter().find(|f| f.scope == scope && f.name.as_str() == name);
    feature.and_then(|f| f.unit.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_service_and_its_node_may_measure_the_same_in_different_units() {
        let catalogue = Catalogue::standard().unwrap();
        assert_eq!(unit(&catalogue, "cpu_usage").unwrap().as_str(), "cores");
        assert_eq!(unit(&catalogue, "cpu_usage (worst replica)").unwrap().as_str(), "cores");
        assert_eq!(unit(&catalogue, "probe_rtt").unwrap().as_str(), "s");
        assert_eq!(unit(&catalogue, "network delay p50 a → b").unwrap().as_str(), "ms");
    }
}
