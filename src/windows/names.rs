//! One name for one service: trace names → workloads, pods → workloads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::ServiceName;

/// How services are called in traces, and how elsewhere. The workload's name is the one
/// that columns, graph and screens use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NameMap(BTreeMap<ServiceName, ServiceName>);

impl NameMap {
    /// From pairs of (name in traces, workload).
    pub fn new(pairs: impl IntoIterator<Item = (ServiceName, ServiceName)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// The workload behind a name as traces or labels give it; unmapped names stand for themselves.
    pub fn canonical<'a>(&'a self, name: &'a ServiceName) -> &'a ServiceName {
        self.0.get(name).unwrap_or(name)
    }

    /// The names under which a workload may appear in traces; at least one.
    pub fn in_traces(&self, workload: &ServiceName) -> Vec<ServiceName> {
        if self.0.contains_key(workload) {
            return vec![workload.clone()];
        }
        let names: Vec<_> =
            self.0.iter().filter(|(_, to)| *to == workload).map(|(from, _)| from.clone()).collect();
        if names.is_empty() { vec![workload.clone()] } else { names }
    }

    /// The workload that runs a pod, by the suffix its controller appended.
    pub fn of_pod(&self, pod: &str) -> ServiceName {
        self.canonical(&ServiceName::new(without_pod_suffix(pod))).clone()
    }
}

/// Strips what a ReplicaSet (`-579f59597d-wc2lz`), Job (`-28391040-x7kqp`), DaemonSet (`-x7kqp`) or
/// StatefulSet (`-0`) appends to a workload's name. Kubernetes draws the suffixes from
/// alphabets without vowels, which is what tells them from words.
fn without_pod_suffix(pod: &str) -> &str {
    let Some((rest, last)) = split_last(pod) else { return pod };
    if is_ordinal(last) {
        return rest;
    }
    if !is_random(last) {
        return pod;
    }
    match split_last(rest) {
        Some((workload, hash)) if is_template_hash(hash) => workload,
        _ => rest,
    }
}

fn split_last(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('-').filter(|(rest, last)| !rest.is_empty() && !last.is_empty())
}

fn is_ordinal(s: &str) -> bool {
    s.len() <= 4 && s.bytes().all(|b| b.is_ascii_digit())
}

/// The five characters that end the names of generated pods.
fn is_random(s: &str) -> bool {
    s.len() == 5 && s.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b))
}

/// A pod template hash (a decimal number spelled in `456789bcdf`), or the plain number that old
/// clusters and CronJobs use.
fn is_template_hash(s: &str) -> bool {
    (6..=10).contains(&s.len())
        && (s.bytes().all(|b| b"456789bcdf".contains(&b)) || s.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_lead_to_their_workloads() {
        for (pod, workload) in [
            ("cart-579f59597d-wc2lz", "cart"),
            ("productcatalogservice-668d5f85fb-wckp8", "productcatalogservice"),
            ("user-timeline-mongodb-6d4cf56db6-xkz2v", "user-timeline-mongodb"),
            ("old-3245984123-x7kqp", "old"),
            ("report-28391040-x7kqp", "report"),
            ("fluentd-x7kqp", "fluentd"),
            ("db-0", "db"),
            ("kafka-broker-12", "kafka-broker"),
            // Words and plain names are not suffixes.
            ("cart-redis", "cart-redis"),
            ("frontend", "frontend"),
            ("api-gateway", "api-gateway"),
            ("-x7kqp", "-x7kqp"),
            ("", ""),
        ] {
            assert_eq!(NameMap::default().of_pod(pod).as_str(), workload, "{pod}");
        }
    }

    #[test]
    fn explicit_names_win_and_lead_back() {
        let map = NameMap::new([("cartservice".into(), "cart".into())]);
        assert_eq!(map.canonical(&"cartservice".into()).as_str(), "cart");
        assert_eq!(map.canonical(&"other".into()).as_str(), "other");
        assert_eq!(map.of_pod("cartservice-579f59597d-wc2lz").as_str(), "cart");
        assert_eq!(map.in_traces(&"cart".into()), ["cartservice".into()]);
        assert_eq!(map.in_traces(&"cartservice".into()), ["cartservice".into()]);
        assert_eq!(map.in_traces(&"other".into()), ["other".into()]);
    }
}
