//! Runs that share their randomness: what differs is caused by what was changed.

use super::*;
use crate::domain::Resource;

fn chain(rate: f64) -> Application {
    let mut services = vec![
        service("front", Kind::Frontend),
        service("middle", Kind::Stateless),
        service("store", Kind::Database),
    ];
    services[1].cpu_limit = Some(1.0);
    let mut root = call(0, 100.0, 0.7);
    let mut middle = call(1, 500.0, 0.7);
    let mut store = call(2, 800.0, 0.7);
    store.disk = Some(Disk { probability: 0.05, mean_us: 500.0, bytes: 4096 });
    middle.stages = vec![vec![store]];
    root.stages = vec![vec![middle]];
    application(services, root, rate)
}

fn store() -> String {
    "store".to_owned()
}

/// All kinds of faults at the store, or where else they belong.
fn kinds() -> Vec<FaultKind> {
    let node = || "node-store".to_owned();
    vec![
        FaultKind::CpuHog { service: store() },
        FaultKind::QuotaCut { service: store() },
        FaultKind::NoisyNeighbour { node: node() },
        FaultKind::CacheInterference { node: node() },
        FaultKind::MemoryBandwidth { node: node() },
        FaultKind::MemoryPressure { service: store() },
        FaultKind::MemoryLeak { service: store() },
        FaultKind::DiskContention { service: store() },
        FaultKind::NetworkDelay { service: store() },
        FaultKind::NetworkLoss { service: store() },
        FaultKind::NetworkBandwidth { service: store() },
        FaultKind::PoolExhaustion { service: store() },
        FaultKind::GarbageCollection { service: store() },
        FaultKind::LoadSurge,
        FaultKind::Latent { service: store() },
        FaultKind::VersionChange { service: store() },
    ]
}

fn requests(app: &Application, settings: Settings, faults: &[Fault], seconds: u64) -> Vec<Kept> {
    run(&mut simulation(app, apart(app), settings, faults), seconds)
}

#[test]
fn equal_runs_are_equal_and_seeds_differ() {
    let app = chain(400.0);
    let first = requests(&app, steady(1), &[], 3);
    assert!(first.len() > 1_000);
    assert_eq!(first, requests(&app, steady(1), &[], 3));
    assert_ne!(first, requests(&app, steady(2), &[], 3));
}

#[test]
fn a_day_of_load_is_the_same_however_it_is_read() {
    let app = chain(50.0);
    let settings = Settings { seed: 1, start: 3600 * SECOND, ..Settings::default() };
    let once = requests(&app, settings.clone(), &[], 30);
    let mut simulation = simulation(&app, apart(&app), settings, &[]);
    let mut parts = Keep::default();
    for step in 1..=3_000 {
        simulation.run_until(step * SECOND / 100, &mut parts);
        assert_eq!(simulation.replicas().len(), 3);
        assert!(simulation.nodes().iter().all(|node| node.cpu_s.2 >= 0.0));
        simulation.probe(2);
    }
    parts.0.sort_by_key(|request| request.id);
    assert_eq!(once, parts.0);
}

/// Before a fault nothing differs; a while after it nothing differs again; in between only what the
/// fault does.
#[test]
fn runs_part_at_a_fault_and_meet_again() {
    let app = chain(300.0);
    let settings = || Settings { startup: SECOND, ..steady(9) };
    let plain = requests(&app, settings(), &[], 9);
    for kind in kinds() {
        if matches!(kind, FaultKind::VersionChange { .. }) {
            continue;
        }
        let faulty = requests(&app, settings(), &[fault(kind.clone(), 2.0, 3.0, 0.6)], 9);
        let (from, after) = (2 * SECOND, 7 * SECOND);
        let usual: Vec<&Kept> = faulty.iter().filter(|request| request.id >> 63 == 0).collect();
        let mut differing = 0;
        for (plain, faulty) in plain.iter().zip(&usual) {
            assert_eq!((plain.id, plain.sent), (faulty.id, faulty.sent), "{kind:?}");
            if plain.returned < from || plain.sent > after {
                assert_eq!(&plain, faulty, "{kind:?}");
            } else {
                differing += u32::from(plain != *faulty);
            }
        }
        assert!(differing > 5, "{kind:?} changes {differing} requests");
    }
}

/// A fault that is switched off by `normal` leaves the run of a cluster without it.
#[test]
fn normal_is_as_if_the_fault_were_not() {
    let app = chain(300.0);
    let plain = requests(&app, steady(4), &[], 4);
    for kind in kinds() {
        // A neighbour is on the node whether or not somebody suffers: the same requests, other cores.
        let resource = resource_of(&kind);
        let place = if resource == Resource::Load { 0 } else { 2 };
        let settings = Settings { normal: [(place, resource)].into(), ..steady(4) };
        let cured = requests(&app, settings.clone(), &[fault(kind.clone(), 1.0, 4.0, 0.9)], 4);
        assert!(plain == cured, "{kind:?}");
        let window = Settings { normal_window: Some((0, 2 * SECOND)), ..settings };
        let late = requests(&app, window, &[fault(kind.clone(), 1.0, 4.0, 0.9)], 4);
        assert!(plain != late, "{kind:?} outside the window");
    }
}

/// A delay of the store costs each request what its own packets were late, and nothing else: the
/// requests do not get in each other's way here.
#[test]
fn the_effect_on_each_request_is_exact() {
    let app = chain(2.0);
    let plain = requests(&app, steady(6), &[], 60);
    let faults = [fault(FaultKind::NetworkDelay { service: store() }, 0.0, 100.0, 0.4)];
    let late = requests(&app, steady(6), &faults, 60);
    assert_eq!(plain.len(), late.len());
    let mut compared = 0;
    for (plain, late) in plain.iter().zip(&late) {
        let (ways, delayed) = (&plain.calls[2], &late.calls[2]);
        let packets = |call: &CallRecord| (call.arrived - call.sent) + (call.returned - call.ended);
        let effect = packets(delayed) - packets(ways);
        assert!(effect > MILLISECOND);
        // Processor sharing and quotas make neighbours in time depend on each other: skip those.
        if ways.ended - ways.started == delayed.ended - delayed.started {
            assert_eq!(late.returned - plain.returned, effect);
            compared += 1;
        }
    }
    assert!(compared > 80, "{compared}");
}
