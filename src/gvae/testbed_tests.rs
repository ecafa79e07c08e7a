//! Tests of the test application itself: a wrong truth would prove nothing.

use super::*;
use crate::domain::{Column, Entity, Quantile, Rpc, Side, Stat};

fn quantile(frame: &Frame, rpc: Rpc, side: Side, q: u16) -> Vec<f32> {
    frame.columns[&Column::Latency { rpc, side, stat: Stat::Quantile(Quantile(q)) }].clone()
}

fn complete(episode: Episode) -> Episode {
    Episode { missing: 0.0, ..episode }
}

#[test]
fn a_fault_changes_only_what_descends_from_it() {
    let app = App::shop();
    let broken = complete(Episode::ending_in(3, 12, 4, &[Fault::Latent(4, 3.0)]));
    let (with, without) = (app.run(&broken), app.run(&broken.without(0)));
    for (column, values) in &with.columns {
        let same = values == &without.columns[column];
        let upstream = ["payment", "checkout", "web"];
        let descends = match column {
            Column::Metric { .. } | Column::Latency { side: Side::Network, .. } => false,
            Column::Latency { stat: Stat::Count, .. } => false,
            Column::Latency { rpc, .. } => {
                rpc.callee.service().is_some_and(|s| upstream.contains(&s.as_str()))
            }
        };
        assert_eq!(same, !descends, "{column:?}");
        assert_eq!(values[..8], without.columns[column][..8], "before the fault: {column:?}");
    }
}

#[test]
fn scarcity_slows_down_and_shows_in_its_metric() {
    let app = App::shop();
    let faults = [Fault::Cpu(1, 0.6), Fault::Memory(1, 2.6), Fault::Latent(1, 2.0), Fault::Node(0, 0.6)];
    for fault in faults {
        let broken = complete(Episode::ending_in(5, 10, 5, &[fault]));
        let (with, without) = (app.run(&broken), app.run(&broken.without(0)));
        let of = |f: &Frame| quantile(f, Rpc::served_by(&service(&app, 1)), Side::Server, 500)[9];
        assert!(of(&with) > 1.2 * of(&without), "{fault:?}: {} {}", of(&with), of(&without));
        let moved = with.columns.iter().filter(|(c, v)| {
            matches!(c, Column::Metric { entity: Entity::Service(_) | Entity::Node(_), .. })
                && v[9] > 1.2 * without.columns[*c][9]
        });
        assert_eq!(moved.count() > 0, !matches!(fault, Fault::Latent(..)), "{fault:?}");
    }
}

#[test]
fn the_network_has_every_variable_of_the_application() {
    let app = App::shop();
    let frame = app.run(&Episode::quiet(1, 3));
    let cbn = app.cbn(&frame);
    assert_eq!(cbn.services().len(), 6);
    // Three sides of six calls, six services, two sides of the entry.
    assert_eq!(cbn.latencies.len(), 3 * 6 + 6 + 2);
    assert!(cbn.broken_cycles.is_empty());
}
