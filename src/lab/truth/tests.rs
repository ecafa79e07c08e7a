//! Labels of cases whose truth is plain.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use super::*;
use crate::lab::app::from_json;
use crate::lab::cluster::Node;
use crate::lab::fault::FaultKind;
use crate::lab::sim::LoadProfile;

const FRONT: usize = 0;
const LOGIC: usize = 1;
const STORE: usize = 2;

/// A front end calls logic, which calls a store; 95 % within 30 ms. Logic needs `us` of CPU.
fn shop(us: u32) -> Application {
    let service = |name: &str, kind: &str| {
        format!(
            r#"{{ "name": "{name}", "kind": "{kind}", "settings": {{ "threads": 1, "cpu_limit": "unlimited" }} }}"#
        )
    };
    let services = [("front", "frontend"), ("logic", "stateless"), ("store", "redis")];
    let services = services.map(|(name, kind)| service(name, kind)).join(",");
    from_json(&format!(
        r#"{{ "name": "shop", "title": "Shop", "rate": 100, "objective": {{ "quantile": 0.95, "limit_ms": 30 }},
            "services": [{services}],
            "flows": [{{ "name": "buy", "share": 1, "http": "POST /buy", "root": {{
                "service": "front", "cpu": {{ "mean_us": 100, "cv": 0.3 }},
                "stages": [[{{ "service": "logic", "transport": "grpc", "cpu": {{ "mean_us": {us}, "cv": 0.3 }},
                    "stages": [[{{ "service": "store", "cpu": {{ "mean_us": 200, "cv": 0.3 }} }}]] }}]] }} }}] }}"#
    ))
    .unwrap()
}

/// The front end on a machine of its own, the others together on a small one.
fn cluster(app: &Application) -> Cluster {
    let nodes = vec![Node::standard(1), Node { cores: 1, ..Node::standard(2) }];
    Cluster { namespace: app.name.clone(), nodes, placement: vec![vec![0], vec![1], vec![1]] }
}

/// Faults strike after a second; requests count from the second to the eighth.
fn case(us: u32, faults: &[(FaultKind, f64)]) -> Case {
    let app = shop(us);
    let fault = |(id, (kind, intensity)): (u64, &(FaultKind, f64))| Fault {
        id,
        kind: kind.clone(),
        from_s: 1.0,
        until_s: 8.0,
        intensity: *intensity,
    };
    Case {
        cluster: cluster(&app),
        app: Arc::new(app),
        settings: Settings {
            seed: 4,
            load: LoadProfile::steady(),
            startup: SECOND / 2,
            ..Settings::default()
        },
        faults: (1..).zip(faults).map(fault).collect(),
        changes: Vec::new(),
        window: (2 * SECOND, 8 * SECOND),
    }
}

fn latent(service: &str) -> FaultKind {
    FaultKind::Latent { service: service.to_owned() }
}

/// Blames as `service resource node`.
fn told(set: &BTreeSet<Blame>) -> Vec<String> {
    let tell = |blame: &Blame| {
        let node = blame.node.as_deref().unwrap_or("-");
        format!("{} {} {node}", blame.cause.service, blame.cause.resource)
    };
    set.iter().map(tell).collect()
}

#[test]
fn without_a_fault_the_objective_is_met_and_nobody_is_to_blame() {
    let label = case(500, &[]).label().unwrap();
    assert!(label.factual.met && label.causes.is_empty() && label.faults.is_empty(), "{label:?}");
    assert!(label.factual.requests > 500 && label.factual.failed == 0);
    assert!(label.factual.seen_ms < label.factual.quantile_ms, "the way to the user counts: {label:?}");
    assert!(label.remedies.is_empty() && label.alternatives.is_empty());
}

#[test]
fn of_a_single_fault_the_label_is_exactly_that() {
    let label = case(500, &[(latent("store"), 1.0)]).label().unwrap();
    assert!(!label.factual.met && label.normal.met, "{label:?}");
    assert_eq!(told(&label.causes), ["store latent -"]);
    assert_eq!(label.restored, Some(label.normal));
    assert!(label.alternatives.is_empty() && label.smallest);
    assert_eq!(label.faults, [1].into());
}

#[test]
fn what_hurts_nobody_is_not_to_blame() {
    let faults = [(latent("store"), 0.1), (latent("logic"), 1.0), (latent("front"), 0.1)];
    let label = case(500, &faults).causes().unwrap();
    assert_eq!(told(&label.causes), ["logic latent -"]);
    assert_eq!(label.faults, [2].into());
    let harmless = case(500, &faults[..1]).causes().unwrap();
    assert!(harmless.factual.met && harmless.causes.is_empty());
}

#[test]
fn of_two_faults_either_may_do_or_both_be_needed() {
    let two = |intensity| case(500, &[(latent("store"), intensity), (latent("logic"), intensity)]);
    let either = two(0.75).causes().unwrap();
    assert_eq!((either.causes.len(), either.alternatives.len()), (1, 1), "{either:?}");
    assert!(either.restored.unwrap().quantile_ms <= 30.0);
    assert_ne!(either.alternatives[0], either.causes);
    let both = two(1.0).causes().unwrap();
    assert_eq!(told(&both.causes), ["logic latent -", "store latent -"]);
    assert!(both.alternatives.is_empty());
    assert_eq!(both.faults, [1, 2].into());
}

#[test]
fn a_surge_is_the_loads_and_a_replica_is_a_remedy_not_a_cause() {
    let label = case(3_000, &[(FaultKind::LoadSurge, 1.0)]).label().unwrap();
    assert_eq!(told(&label.causes), ["front load -"], "{label:?}");
    assert!(label.normal.requests < label.factual.requests);
    let remedies: Vec<&Change> = label.remedies.iter().map(|(change, _)| change).collect();
    assert_eq!(remedies, [&Change::Replicas(LOGIC, 2)]);
    assert!(label.remedies[0].1.met);
}

#[test]
fn a_neighbour_is_told_by_its_node_and_whoever_minds_it() {
    let neighbour = || FaultKind::NoisyNeighbour { node: "node-2".into() };
    let case = case(3_000, &[(neighbour(), 0.9)]);
    assert_eq!(case.candidates(), [(LOGIC, Resource::Cpu), (STORE, Resource::Cpu)].into());
    let label = case.causes().unwrap();
    assert_eq!(told(&label.causes), ["logic cpu node-2"], "{label:?}");
    assert_eq!(label.faults, [1].into());
    // The service's own trouble goes before the node's.
    let hog = FaultKind::CpuHog { service: "logic".into() };
    let label = super::tests::case(3_000, &[(neighbour(), 0.9), (hog, 0.9)]).causes().unwrap();
    assert_eq!(told(&label.causes), ["logic cpu -"], "{label:?}");
}

#[test]
fn the_order_of_faults_does_not_matter() {
    let mut case = case(500, &[(latent("store"), 0.8), (latent("logic"), 0.9), (FaultKind::LoadSurge, 0.2)]);
    let label = case.causes().unwrap();
    case.faults.reverse();
    assert_eq!(case.causes().unwrap(), label);
}

/// "Made normal" is "never happened", request by request and to the nanosecond; so the difference to what
/// happened is the causal effect.
#[test]
fn effects_on_requests_are_exact() {
    for (kind, made) in [
        (latent("store"), vec![(STORE, Resource::Latent)]),
        (FaultKind::CpuHog { service: "logic".into() }, vec![(LOGIC, Resource::Cpu)]),
        (
            FaultKind::NoisyNeighbour { node: "node-2".into() },
            vec![(LOGIC, Resource::Cpu), (STORE, Resource::Cpu)],
        ),
        (FaultKind::LoadSurge, vec![(FRONT, Resource::Load)]),
    ] {
        let mut case = case(500, &[(kind.clone(), 0.7)]);
        (case.faults[0].from_s, case.faults[0].until_s) = (3.0, 5.0);
        let happened = case.answers(&Normal::new(), &[]).unwrap();
        let normal = case.answers(&made.into_iter().collect(), &[]).unwrap();
        case.faults.clear();
        let never = case.answers(&Normal::new(), &[]).unwrap();
        assert!(never.len() > 500);
        assert_eq!(normal, never, "{kind:?}");
        let ids: BTreeSet<u64> = never.iter().map(|answer| answer.id).collect();
        let usual = Vec::from_iter(happened.iter().filter(|answer| ids.contains(&answer.id)).copied());
        let changed = usual.iter().zip(&never).filter(|(a, b)| a != b);
        let changed = Vec::from_iter(changed.map(|(_, never)| never.sent as f64 / SECOND as f64));
        assert!(!changed.is_empty(), "{kind:?}");
        // A request that was under way may suffer; none does that was sent well before or after.
        assert!(changed.iter().all(|sent| (2.9..6.0).contains(sent)), "{kind:?} {changed:?}");
    }
}

#[test]
fn an_error_is_no_answer() {
    let limit = crate::lab::app::Objective { quantile: 0.9, limit_ms: 10.0 };
    let answer = |id, latency: Option<u64>| Answer {
        id,
        sent: 0,
        latency: latency.map(|ms| ms * 1_000_000),
        seen: Some(1_000_000),
    };
    let answers = Vec::from_iter((0..10).map(|id| answer(id, (id > 0).then_some(id))));
    let tail = Tail::of(&answers, limit);
    assert_eq!((tail.quantile_ms, tail.seen_ms, tail.failed, tail.met), (9.0, 1.0, 1, true));
    let tail = Tail::of(&[answers, vec![answer(11, None)]].concat(), limit);
    assert_eq!((tail.quantile_ms, tail.failed, tail.met), (f64::INFINITY, 2, false));
    let none = Tail::of(&[], limit);
    assert!(none.met && none.requests == 0);
}

#[test]
fn what_came_long_before_need_not_be_simulated() {
    let mut case = case(5_000, &[(latent("store"), 0.7)]);
    case.window = (4 * SECOND, 8 * SECOND);
    let all = case.answers(&Normal::new(), &[]).unwrap();
    case.settings.quiet_until = 2 * SECOND;
    assert!(case.answers(&Normal::new(), &[]).unwrap() == all);
    // Without the requests just before, the queues are others.
    case.settings.quiet_until = 4 * SECOND;
    assert!(case.answers(&Normal::new(), &[]).unwrap() != all);
}
