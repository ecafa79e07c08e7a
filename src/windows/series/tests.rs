//! Hand-computed readings of small matrices.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::Direction;
use crate::domain::{LatencyUnit, Resource};

const RANGE: Ends = Ends { after: 0, until: 180 };

fn series(labels: &[(&str, &str)], points: &[(i64, f64)]) -> Series {
    Series {
        labels: labels.iter().map(|(k, v)| (Clean::new(k), Clean::new(v))).collect(),
        points: points.iter().map(|(s, v)| (s * 1000, *v)).collect(),
    }
}

fn matrix(series: impl Into<Vec<Series>>) -> Matrix {
    Matrix { series: series.into(), warnings: Vec::new() }
}

fn feature(scope: Scope) -> Feature {
    Feature {
        name: "cpu".into(),
        resource: Resource::Cpu,
        scope,
        query: "cpu".into(),
        replica: Some("pod".into()),
        service: Some("app".into()),
        node: Some("node".into()),
        caller: Some("client".into()),
        callee: Some("server".into()),
        direction: Direction::Up,
        unit: None,
        drifts: false,
        tells: crate::domain::Tells::default(),
    }
}

fn read_with(matrix: &Matrix, meaning: Meaning) -> Read {
    read(matrix, &meaning, Grid { range: RANGE, length: 60, names: &NameMap::default() })
}

fn metric(entity: Entity, pool: Pool) -> Column {
    Column::Metric { entity, feature: "cpu".into(), pool }
}

#[test]
fn replicas_are_pooled_and_placed() {
    let m = matrix([
        series(&[("app", "cart"), ("pod", "a"), ("node", "n1")], &[(60, 1.0), (120, 2.0)]),
        series(&[("app", "cart"), ("pod", "b"), ("node", "n2")], &[(60, 5.0)]),
        series(&[("app", "web"), ("pod", "c"), ("node", "n1")], &[(60, 7.0)]),
    ]);
    let Read { cells, unplaced, .. } = read_with(&m, Meaning::Feature(feature(Scope::Service)));
    let cart = |pool| metric(Entity::Service("cart".into()), pool);
    assert_eq!(unplaced, 0);
    assert_eq!(cells.get(60, &cart(Pool::Mean)), Some(3.0));
    assert_eq!(cells.get(60, &cart(Pool::Max)), Some(5.0));
    assert_eq!(cells.get(120, &cart(Pool::Mean)), Some(2.0));
    assert_eq!(cells.get(120, &cart(Pool::Max)), None, "one replica: the maximum says nothing new");
    assert_eq!(cells.get(60, &metric(Entity::Service("web".into()), Pool::Max)), None);
    let (cart, web) = ("cart".into(), "web".into());
    let (n1, n2) = ("n1".into(), "n2".into());
    assert_eq!(
        cells.placements(RANGE, 60),
        [(&cart, &n1, 60, 120), (&cart, &n2, 60, 60), (&web, &n1, 60, 60)]
    );
}

#[test]
fn containers_of_one_pod_are_not_replicas() {
    let m = matrix([
        series(&[("app", "cart"), ("pod", "a"), ("container", "x")], &[(60, 1.0)]),
        series(&[("app", "cart"), ("pod", "a"), ("container", "y")], &[(60, 3.0)]),
    ]);
    let Read { cells, .. } = read_with(&m, Meaning::Feature(feature(Scope::Service)));
    assert_eq!(cells.get(60, &metric(Entity::Service("cart".into()), Pool::Mean)), Some(2.0));
    assert_eq!(cells.get(60, &metric(Entity::Service("cart".into()), Pool::Max)), None);
}

#[test]
fn a_service_is_derived_from_its_pod() {
    let m = matrix([
        series(&[("pod", "cart-579f59597d-wc2lz")], &[(60, 1.0)]),
        series(&[("app", ""), ("pod", "db-0")], &[(60, 2.0)]),
        series(&[("instance", "x")], &[(60, 3.0)]),
    ]);
    let Read { cells, unplaced, .. } = read_with(&m, Meaning::Feature(feature(Scope::Service)));
    assert_eq!(cells.get(60, &metric(Entity::Service("cart".into()), Pool::Mean)), Some(1.0));
    assert_eq!(cells.get(60, &metric(Entity::Service("db".into()), Pool::Mean)), Some(2.0));
    assert_eq!(unplaced, 1);
}

#[test]
fn channels_and_nodes_are_entities() {
    let m = matrix([
        series(&[("client", "web"), ("server", "cart")], &[(60, 1.0)]),
        series(&[("client", "web")], &[(60, 9.0)]),
    ]);
    let read = read_with(&m, Meaning::Feature(feature(Scope::Channel)));
    let channel = Entity::Channel { caller: "web".into(), callee: "cart".into() };
    assert_eq!(read.cells.get(60, &metric(channel, Pool::Mean)), Some(1.0));
    assert_eq!(read.unplaced, 1);
    let m = matrix([series(&[("node", "n1")], &[(60, 4.0)])]);
    let read = read_with(&m, Meaning::Feature(feature(Scope::Node)));
    assert_eq!(read.cells.get(60, &metric(Entity::Node("n1".into()), Pool::Mean)), Some(4.0));
    assert!(read.cells.placements(RANGE, 60).is_empty(), "a node series says nothing about services");
}

#[test]
fn only_finite_samples_on_the_grid_and_in_range_count() {
    let mut odd = series(
        &[("app", "cart")],
        &[(0, 1.0), (59, 1.0), (60, f64::NAN), (120, f64::INFINITY), (180, 4.0), (240, 5.0)],
    );
    odd.points.push((180_500, 6.0));
    let Read { cells, .. } = read_with(&matrix([odd]), Meaning::Feature(feature(Scope::Service)));
    assert_eq!(cells.rows().map(|(end, _)| end).collect::<Vec<_>>(), [180]);
}

fn latency(quantile: Option<f64>) -> LatencyQuery {
    LatencyQuery {
        query: "x".into(),
        side: Side::Client,
        quantile,
        caller: Some("client".into()),
        callee: Some("server".into()),
        operation: None,
        unit: LatencyUnit::Seconds,
    }
}

#[test]
fn latencies_become_milliseconds_and_negative_ones_are_missing() {
    let m = matrix([
        series(&[("client", "web"), ("server", "cart")], &[(60, 0.25), (120, -1.0)]),
        series(&[("client", "web"), ("server", "cart"), ("zone", "b")], &[(60, 0.75)]),
        series(&[("client", "web")], &[(60, 0.1)]),
    ]);
    let read = read_with(&m, Meaning::Latency(latency(Some(0.5))));
    let column =
        |stat| Column::Latency { rpc: Rpc::edge(&"web".into(), &"cart".into()), side: Side::Client, stat };
    let p50 = column(Stat::Quantile(Quantile(500)));
    assert_eq!((read.cells.get(60, &p50), read.cells.get(120, &p50)), (Some(500.0), None));
    assert_eq!(read.unplaced, 1);
    let read = read_with(&m, Meaning::Latency(latency(None)));
    assert_eq!(read.cells.get(60, &column(Stat::Count)), Some(1.0), "calls add up, without a unit");
}

#[test]
fn pooled_peers_and_operations_follow_the_labels() {
    let mut query = latency(Some(0.99));
    query.caller = None;
    query.operation = Some("op".into());
    let m = matrix([series(&[("server", "cart"), ("op", "Get")], &[(60, 0.001)])]);
    let read = read_with(&m, Meaning::Latency(query));
    let rpc = Rpc { operation: Some("Get".into()), ..Rpc::served_by(&"cart".into()) };
    let stat = Stat::Quantile(Quantile(990));
    assert_eq!(read.cells.get(60, &Column::Latency { rpc, side: Side::Client, stat }), Some(1.0));
}

#[test]
fn an_slo_is_one_series() {
    let rpc = Rpc::entry(&"web".into(), Some(&"GET /".into()));
    let meaning = Meaning::Slo { rpc: rpc.clone(), quantile: Quantile(950), to_ms: 1000.0 };
    let column = Column::Latency { rpc, side: Side::Client, stat: Stat::Quantile(Quantile(950)) };
    let one = read_with(&matrix([series(&[], &[(60, 1.139)])]), meaning.clone());
    assert_eq!((one.cells.get(60, &column), one.remark), (Some(1139.0), None));
    let two = matrix([series(&[], &[(60, 0.5)]), series(&[("a", "b")], &[(60, 0.75), (120, 0.1)])]);
    let two = read_with(&two, meaning);
    assert_eq!((two.cells.get(60, &column), two.cells.get(120, &column)), (Some(750.0), Some(100.0)));
    assert!(two.remark.is_some_and(|r| r.as_str().contains("2 series")));
}
