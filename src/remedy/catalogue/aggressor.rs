//! Who takes the network from a service: of those that share a machine with it, whoever sends most.
//! Its bandwidth is limited, never the victim's.

use std::collections::BTreeMap;

use super::draft::Unfit;
use crate::domain::{NodeName, ServiceName};
use crate::remedy::cluster::{Found, Object, View, find};

/// A service beside the victim.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggressor {
    /// It.
    pub service: ServiceName,
    /// The machine that both have a pod on.
    pub node: NodeName,
    /// What each of its replicas sends, bytes per second.
    pub sends: f64,
}

/// Whoever sends most beside `victim`: on the `blamed` machine, else on any that it has a pod on.
///
/// # Errors
/// The machines are not known, or nobody whose sending is measured and who may be changed is on them.
pub fn aggressor(
    views: &[View],
    victim: &ServiceName,
    blamed: Option<&NodeName>,
    sends: &BTreeMap<ServiceName, f64>,
) -> Result<Aggressor, Unfit> {
    let machines = match blamed {
        Some(node) => vec![node.as_str()],
        None => machines(views, victim),
    };
    if machines.is_empty() {
        return Err(Unfit::because(format!(
            "on which machines {victim} runs is not known, so that whoever disturbs it there is not either"
        )));
    }
    let mut others: Vec<_> =
        sends.iter().filter(|(service, sends)| *service != victim && **sends > 0.0).collect();
    others.sort_by(|a, b| b.1.total_cmp(a.1));
    let beside = others.into_iter().find_map(|(service, sends)| {
        let node = self::machines(views, service).into_iter().find(|node| machines.contains(node))?;
        Some(Aggressor { service: service.clone(), node: NodeName::new(node), sends: *sends })
    });
    beside.ok_or_else(|| {
        Unfit::because(format!(
            "nobody who may be changed and whose sending is measured shares a machine with {victim}"
        ))
    })
}

/// The machines that a service has living pods on; none if it is not known which workload it is.
fn machines<'a>(views: &'a [View], service: &ServiceName) -> Vec<&'a str> {
    let Found::One(workload) = find(views, service) else { return Vec::new() };
    let lives = |pod: &&&Object| !["Succeeded", "Failed"].contains(&pod.text("/status/phase"));
    let pods = workload.view.selected(workload.object.at("/spec/selector"));
    let mut names: Vec<&str> = pods.iter().filter(lives).map(|pod| pod.text("/spec/nodeName")).collect();
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::domain::Timestamp;
    use crate::remedy::names::Label;

    /// Services by name and the machines of their pods.
    fn view(services: &[(&str, &[&str])]) -> View {
        let object = |kind: &str, name: &str, of: &str, spec: serde_json::Value| {
            Object::of(json!({
                "kind": kind,
                "metadata": { "name": name, "namespace": "shop", "uid": format!("uid-{name}"), "labels": { "app": of } },
                "spec": spec,
                "status": { "phase": "Running" },
            }))
            .unwrap()
        };
        let workload = |(name, _): &(&str, &[&str])| {
            object("Deployment", name, name, json!({ "selector": { "matchLabels": { "app": name } } }))
        };
        let pods = services.iter().flat_map(|(name, nodes)| {
            let pod = move |(number, node): (usize, &&str)| {
                object("Pod", &format!("{name}-{number}"), name, json!({ "nodeName": node }))
            };
            nodes.iter().enumerate().map(pod)
        });
        View {
            namespace: Label::new("shop").unwrap(),
            at: Timestamp::UNIX_EPOCH,
            workloads: services.iter().map(workload).collect(),
            pods: pods.collect(),
            autoscalers: Vec::new(),
            scaled_objects: Vec::new(),
            vertical: Vec::new(),
            quotas: Vec::new(),
            limits: Vec::new(),
            budgets: Vec::new(),
            nodes: None,
            versions: None,
            gaps: Vec::new(),
        }
    }

    #[test]
    fn the_loudest_beside_the_victim_and_nobody_elsewhere() {
        let views = [view(&[
            ("victim", &["n1", "n2"]),
            ("near", &["n2"]),
            ("nearer", &["n1", "n3"]),
            ("far", &["n3"]),
            ("pending", &[""]),
        ])];
        let all = [
            ("victim", 9e7),
            ("far", 8e7),
            ("pending", 7e7),
            ("foreign", 6e7),
            ("near", 2e6),
            ("nearer", 1e6),
        ];
        let sends: BTreeMap<_, _> =
            all.iter().map(|(name, sends)| (ServiceName::new(name), *sends)).collect();
        let found = |victim: &str, node: Option<&str>| {
            let node = node.map(NodeName::new);
            aggressor(&views, &ServiceName::new(victim), node.as_ref(), &sends)
                .map(|found| (found.service.to_string(), found.node.as_str().to_owned(), found.sends))
        };
        assert_eq!(found("victim", None), Ok(("near".into(), "n2".into(), 2e6)));
        assert_eq!(found("victim", Some("n1")), Ok(("nearer".into(), "n1".into(), 1e6)));
        assert_eq!(found("far", None), Ok(("nearer".into(), "n3".into(), 1e6)));
        for (victim, node, words) in [
            ("victim", Some("n9"), "nobody who may be changed"),
            ("pending", None, "on which machines pending runs"),
            ("stranger", None, "on which machines stranger runs"),
        ] {
            let refused = found(victim, node);
            assert!(
                matches!(&refused, Err(Unfit::Told(why)) if why.as_str().contains(words)),
                "{victim}: {refused:?}"
            );
        }
    }
}
