//! Cores are divided anew only where that changes something: never does it leave out a change.

use super::*;
use crate::domain::Resource;

/// Five services that call one another, on one machine.
fn crowd() -> Application {
    let mut services: Vec<Service> =
        ["front", "a", "b", "c", "d"].iter().map(|name| service(name, Kind::Stateless)).collect();
    for (own, limit) in services.iter_mut().zip([None, Some(1.0), Some(0.7), Some(2.0), Some(0.25)]) {
        (own.threads, own.cpu_limit) = (4, limit);
    }
    let mut root = call(0, 300.0, 0.7);
    root.stages =
        vec![vec![call(1, 900.0, 0.7), call(2, 700.0, 0.7)], (0..6).map(|_| call(3, 500.0, 0.7)).collect()];
    root.stages[0][0].stages = vec![vec![call(4, 200.0, 0.7)]];
    application(services, root, 250.0)
}

/// Cores granted to each replica and each machine's neighbour.
fn granted(simulation: &Simulation) -> Vec<f64> {
    let replicas = simulation.replicas.iter().map(|replica| replica.cpu.grant());
    replicas.chain(simulation.nodes.iter().map(|node| node.neighbour_granted)).collect()
}

#[test]
fn what_is_granted_is_what_a_division_from_scratch_grants() {
    let app = crowd();
    let place = |name: &str| name.to_owned();
    let at = |id, kind, from, until, intensity| Fault { id, kind, from_s: from, until_s: until, intensity };
    let faults = [
        at(1, FaultKind::NoisyNeighbour { node: place("node-front") }, 0.5, 3.0, 0.7),
        at(2, FaultKind::CpuHog { service: place("b") }, 1.0, 4.0, 0.4),
        at(3, FaultKind::GarbageCollection { service: place("c") }, 0.0, 9.0, 0.6),
        at(4, FaultKind::QuotaCut { service: place("d") }, 2.0, 9.0, 0.6),
    ];
    let spared = Settings { normal: [(1, Resource::Cpu)].into(), ..steady(3) };
    for (settings, cores) in [(steady(3), 2), (steady(3), 5), (spared, 3)] {
        let mut simulation = simulation(&app, together(&app, cores), settings, &faults);
        let (mut seen, mut full, mut level) = (Keep::default(), 0, 0);
        for step in 1..=5_000 {
            if step == 2_500 {
                simulation.change(Change::Replicas(3, 2)).unwrap();
                simulation.change(Change::ReplicaCpuLimit(1, 0, Some(0.5))).unwrap();
            }
            simulation.run_until(step * MILLISECOND, &mut seen);
            let found = granted(&simulation);
            full += u32::from(simulation.nodes[0].full);
            level += u32::from(simulation.nodes[0].level.is_finite());
            simulation.share(0);
            assert_eq!(found, granted(&simulation), "at {step} ms with {cores} cores");
            // Who is spared the neighbour has cores that are not there.
            let sum: f64 = if simulation.nodes[0].spares { 0.0 } else { found.iter().sum() };
            assert!(sum < f64::from(cores) + 1e-9, "{sum} of {cores} cores at {step} ms");
        }
        assert!(full > 500 && full < 5_000 && level == full, "{full} of 5000 looks met a full machine");
        assert!(seen.0.len() > 300, "{} requests", seen.0.len());
    }
}
