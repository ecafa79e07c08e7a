//! Tests of the causal Bayesian network.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::causal::EdgeOrigin;

fn service(name: &str) -> ServiceName {
    ServiceName::new(name)
}

fn latency(rpc: Rpc, side: Side) -> Column {
    Column::Latency { rpc, side, stat: Stat::Quantile(Quantile(500)) }
}

fn chain(edges: &[(&str, &str)]) -> (CallGraph, Vec<Column>) {
    let mut graph = CallGraph::default();
    let mut columns = vec![latency(Rpc::entry(&service(edges[0].0), None), Side::Client)];
    for (p, q) in edges {
        let (p, q) = (service(p), service(q));
        graph.add_edge(&p, &q, EdgeOrigin::Spans, 1);
        for side in [Side::Client, Side::Server, Side::Network] {
            columns.push(latency(Rpc::edge(&p, &q), side));
        }
        for s in [&p, &q] {
            columns.push(latency(Rpc::served_by(s), Side::Server));
        }
    }
    columns.sort();
    columns.dedup();
    (graph, columns)
}

fn parents(cbn: &Cbn, rpc: &Rpc, side: Side) -> Vec<(String, Side)> {
    let node = &cbn.latencies[cbn.latency(rpc, side).unwrap()];
    node.parents.iter().map(|p| (cbn.latencies[*p].rpc.to_string(), cbn.latencies[*p].side)).collect()
}

#[test]
fn latency_flows_from_back_end_to_front_end() {
    let (graph, columns) = chain(&[("web", "cart"), ("cart", "db")]);
    let cbn = Cbn::build(&graph, &columns, &BTreeMap::new());
    let (web, cart) = (service("web"), service("cart"));
    assert_eq!(parents(&cbn, &Rpc::entry(&web, None), Side::Client), [("* → web".to_owned(), Side::Server)]);
    let mut of_client = parents(&cbn, &Rpc::edge(&web, &cart), Side::Client);
    of_client.sort();
    assert_eq!(
        of_client,
        [("web → cart".to_owned(), Side::Server), ("web → cart".to_owned(), Side::Network)]
    );
    assert_eq!(
        parents(&cbn, &Rpc::edge(&web, &cart), Side::Server),
        [("cart → db".to_owned(), Side::Client)]
    );
    for (i, node) in cbn.latencies.iter().enumerate() {
        assert!(node.parents.iter().all(|p| *p < i), "{} comes before its parents", node.rpc);
        assert!(!node.entities.is_empty());
    }
}

#[test]
fn channel_delay_belongs_to_the_channel_and_node_metrics_reach_the_services_on_it() {
    let (graph, mut columns) = chain(&[("web", "cart")]);
    let node = NodeName::new("n1");
    columns.push(Column::Metric {
        entity: Entity::Node(node.clone()),
        feature: "node_cpu".into(),
        pool: crate::domain::Pool::Mean,
    });
    let placement = BTreeMap::from([(service("cart"), vec![node.clone()])]);
    let cbn = Cbn::build(&graph, &columns, &placement);
    let edge = Rpc::edge(&service("web"), &service("cart"));
    let owner = |side| {
        let n = &cbn.latencies[cbn.latency(&edge, side).unwrap()];
        n.entities.iter().map(|e| cbn.entities[*e].entity.clone()).collect::<Vec<_>>()
    };
    assert!(matches!(owner(Side::Network)[..], [Entity::Channel { .. }]));
    assert_eq!(owner(Side::Server), [Entity::Service(service("cart")), Entity::Node(node)]);
    assert_eq!(owner(Side::Client), [Entity::Service(service("web"))]);
}

#[test]
fn cycles_are_broken_and_reported() {
    let (graph, columns) = chain(&[("a", "b"), ("b", "c"), ("c", "a")]);
    let cbn = Cbn::build(&graph, &columns, &BTreeMap::new());
    assert!(!cbn.broken_cycles.is_empty());
    assert_eq!(cbn.latencies.len(), columns.len());
    for (i, node) in cbn.latencies.iter().enumerate() {
        assert!(node.parents.iter().all(|p| *p < i));
    }
}

#[test]
fn pooled_client_latency_of_a_leaf_is_left_out() {
    let (graph, mut columns) = chain(&[("web", "cart")]);
    columns.push(latency(Rpc::issued_by(&service("cart")), Side::Client));
    columns.push(latency(Rpc::issued_by(&service("web")), Side::Client));
    let cbn = Cbn::build(&graph, &columns, &BTreeMap::new());
    assert!(cbn.latency(&Rpc::issued_by(&service("cart")), Side::Client).is_none());
    assert_eq!(
        parents(&cbn, &Rpc::issued_by(&service("web")), Side::Client),
        [("web → cart".to_owned(), Side::Client)]
    );
}

/// Such a latency has nobody to be blamed on and nothing to be predicted from.
#[test]
fn delays_that_belong_to_no_channel_are_left_out() {
    let (graph, mut columns) = chain(&[("web", "cart")]);
    let before = Cbn::build(&graph, &columns, &BTreeMap::new());
    for side in [Side::Server, Side::Request, Side::Response, Side::Network] {
        columns.push(latency(Rpc::issued_by(&service("web")), side));
    }
    assert_eq!(Cbn::build(&graph, &columns, &BTreeMap::new()), before);
    columns.push(latency(Rpc::issued_by(&service("web")), Side::Client));
    let pooled = Cbn::build(&graph, &columns, &BTreeMap::new());
    assert_eq!(pooled.latencies.len(), before.latencies.len() + 1);
    assert!(pooled.latencies.iter().all(|node| !node.entities.is_empty()));
}
