//! Caches that miss: what they would have answered, the store behind them has to.
//!
//! A cache that misses is neither slow nor short of anything; what shows is a store that is asked far more
//! often than its caller's load explains, and is slow because of that. The store is the victim, and the
//! cache that the same caller asks first is the reason.

use std::collections::BTreeMap;

use super::evidence::{Evidence, Finding};
use crate::causal::Cbn;
use crate::domain::{Entity, Resource, ServiceName};

/// A store is asked so many times as often as its callers' load explains.
const MORE: f64 = 1.5;
/// Fewer calls a second are too few to tell.
const FEWEST: f64 = 0.5;

/// Stores that are asked for what a cache should have answered, each with that cache.
pub fn missing<'a>(cbn: &'a Cbn, evidence: &Evidence) -> BTreeMap<&'a ServiceName, &'a ServiceName> {
    let calls: Vec<(&ServiceName, &ServiceName)> = cbn
        .entities
        .iter()
        .filter_map(|node| match &node.entity {
            Entity::Channel { caller, callee } => Some((caller, callee)),
            Entity::Service(_) | Entity::Node(_) => None,
        })
        .collect();
    let asks_nobody = |service: &ServiceName| !calls.iter().any(|(caller, _)| *caller == service);
    let rise = |service: &ServiceName| {
        let load = load(evidence, service)?;
        Some(load.observed? / load.normal?.max(1e-9))
    };
    let asked = |service: &ServiceName| load(evidence, service)?.observed;
    let mut found = BTreeMap::new();
    for (caller, store) in calls.iter().filter(|(_, store)| asks_nobody(store)) {
        let (Some(more), Some(usual), Some(often)) = (rise(store), rise(caller), asked(store)) else {
            continue;
        };
        if often < FEWEST || more < MORE * usual.max(1e-9) {
            continue;
        }
        let caches = calls.iter().filter(|(by, cache)| by == caller && cache != store && asks_nobody(cache));
        let caches = caches.filter_map(|(_, cache)| Some((*cache, asked(cache)?, rise(cache)?)));
        // It is asked for everything, and after a miss once more, to keep what the store has said.
        let first = caches.filter(|(_, asked, rise)| *asked >= often && *rise < more);
        if let Some((cache, ..)) = first.max_by(|a, b| a.1.total_cmp(&b.1)) {
            found.insert(*store, cache);
        }
    }
    found
}

/// What tells how often a service is asked.
pub fn load<'a>(evidence: &'a Evidence, service: &ServiceName) -> Option<&'a Finding> {
    let mut findings = evidence.metrics.get(service)?.iter();
    findings.find(|finding| finding.resource == Resource::Load && finding.observed.is_some())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::causal::CallGraph;
    use crate::causal::EdgeOrigin;
    use crate::domain::{Clean, Column, Pool};

    /// `web` asks `logic`, which asks `cache` and `store`; the numbers are requests a second, now and usually.
    fn found(loads: [(&str, f64, f64); 4]) -> Vec<(String, String)> {
        let mut graph = CallGraph::default();
        for (caller, callee) in [("web", "logic"), ("logic", "cache"), ("logic", "store")] {
            graph.add_edge(&ServiceName::new(caller), &ServiceName::new(callee), EdgeOrigin::Spans, 1);
        }
        let column = |service: &str| Column::Metric {
            entity: Entity::Service(ServiceName::new(service)),
            feature: Clean::new("requests"),
            pool: Pool::Mean,
        };
        let columns = Vec::from_iter(loads.iter().map(|(service, ..)| column(service)));
        let cbn = Cbn::build(&graph, columns.iter(), &BTreeMap::new());
        let mut evidence = Evidence::default();
        for (service, now, usually) in loads {
            let finding = Finding {
                column: column(service),
                entity: Entity::Service(ServiceName::new(service)),
                resource: Resource::Load,
                what: Clean::new("requests"),
                observed: Some(now),
                normal: Some(usually),
                surprise: 1.0,
                tells: None,
                excess_ms: Vec::new(),
            };
            evidence.metrics.insert(ServiceName::new(service), vec![finding]);
        }
        let found = missing(&cbn, &evidence);
        found.into_iter().map(|(store, cache)| (store.to_string(), cache.to_string())).collect()
    }

    #[test]
    fn a_store_that_is_asked_more_than_its_caller_is_has_a_cache_that_misses() {
        let of = |logic, cache, store| {
            found([
                ("web", 60.0, 60.0),
                ("logic", logic, 60.0),
                ("cache", cache, 65.0),
                ("store", store, 6.0),
            ])
        };
        let misses = [("store".to_owned(), "cache".to_owned())];
        assert_eq!(of(60.0, 95.0, 40.0), misses);
        // More of everything is the load, and a cache that is asked as much more is no cache that misses.
        assert!(of(120.0, 130.0, 12.0).is_empty());
        assert!(of(60.0, 650.0, 40.0).is_empty());
        // At night as by day.
        assert_eq!(of(20.0, 30.0, 12.0), misses);
        assert!(of(0.6, 0.65, 0.06).is_empty(), "too few to tell");
    }
}
