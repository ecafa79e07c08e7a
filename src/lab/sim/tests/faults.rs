//! What each fault moves, and what stays flat: the symptoms that mislead.

use super::*;

/// Seconds before the fault, and with it.
const HEALTHY: u64 = 6;
const FAULTY: u64 = 6;

const FRONT: usize = 0;
const LOGIC: usize = 1;
const CACHE: usize = 2;
const STORE: usize = 3;

/// A front end, logic with a quota, a cache in front of a store with a disk.
fn shop() -> Application {
    let mut services = vec![
        service("front", Kind::Frontend),
        service("logic", Kind::Stateless),
        service("cache", Kind::Cache),
        service("store", Kind::Database),
    ];
    for own in &mut services {
        own.threads = 4;
        own.cpu_limit = Some(2.0);
    }
    services[CACHE].hit_ratio = 0.8;
    let mut miss = call(STORE, 800.0, 0.7);
    miss.chance = Chance::MissOf { cache: CACHE, keys: 1, draw: "miss".into() };
    miss.disk = Some(Disk { probability: 0.3, mean_us: 1_000.0, bytes: 16_384 });
    let mut logic = call(LOGIC, 900.0, 0.7);
    logic.stages = vec![vec![call(CACHE, 20.0, 0.7)], vec![miss]];
    let mut root = call(FRONT, 100.0, 0.7);
    root.stages = vec![vec![logic]];
    application(services, root, 300.0)
}

/// What a reading moved by in the healthy and in the faulty span.
struct Moved {
    healthy: (Vec<ReplicaReading>, Vec<Kept>),
    faulty: (Vec<ReplicaReading>, Vec<Kept>),
    nodes: [Vec<NodeReading>; 3],
    start: Vec<ReplicaReading>,
}

/// Runs the shop with a fault in its second half.
fn moved(kind: FaultKind, intensity: f64) -> Moved {
    let app = shop();
    let faults = [fault(kind, HEALTHY as f64 + 0.001, (HEALTHY + FAULTY + 1) as f64, intensity)];
    let mut simulation = simulation(&app, apart(&app), steady(8), &faults);
    run(&mut simulation, 1);
    let (start, before) = (simulation.replicas(), simulation.nodes());
    let healthy = run(&mut simulation, HEALTHY - 1);
    let (middle, between) = (simulation.replicas(), simulation.nodes());
    let faulty = run(&mut simulation, FAULTY);
    Moved {
        start,
        healthy: (middle, healthy),
        faulty: (simulation.replicas(), faulty),
        nodes: [before, between, simulation.nodes()],
    }
}

impl Moved {
    /// Rate of a counter per second, healthy and faulty.
    fn rates(&self, service: usize, counter: impl Fn(&ReplicaReading) -> f64) -> (f64, f64) {
        let [start, middle, end] =
            [&self.start, &self.healthy.0, &self.faulty.0].map(|readings| counter(&readings[service]));
        ((middle - start) / (HEALTHY - 1) as f64, (end - middle) / FAULTY as f64)
    }

    fn node_rates(&self, node: usize, counter: impl Fn(&NodeReading) -> f64) -> (f64, f64) {
        let [start, middle, end] = [0, 1, 2].map(|i| counter(&self.nodes[i][node]));
        ((middle - start) / (HEALTHY - 1) as f64, (end - middle) / FAULTY as f64)
    }

    fn cpu(&self, service: usize) -> f64 {
        let (healthy, faulty) = self.rates(service, |reading| reading.cpu_s);
        faulty / healthy
    }

    /// Share of periods throttled under the fault.
    fn throttled(&self, service: usize) -> f64 {
        self.rates(service, |reading| reading.cfs.1 as f64).1
            / self.rates(service, |reading| reading.cfs.0 as f64).1
    }

    /// Ratio of the mean of a time of a service's calls.
    fn time(&self, site: u32, time: impl Fn(&CallRecord) -> u64) -> f64 {
        let of = |requests: &[Kept]| {
            let calls = requests.iter().flat_map(|request| &request.calls);
            mean(calls.filter(|call| call.site == site).map(|call| time(call) as f64))
        };
        of(&self.faulty.1) / of(&self.healthy.1)
    }

    fn server(&self, site: u32) -> f64 {
        self.time(site, |call| call.ended - call.arrived)
    }

    fn p99(&self) -> f64 {
        quantile_ms(&self.faulty.1, 0.99) / quantile_ms(&self.healthy.1, 0.99)
    }
}

fn near(value: f64, expected: f64) -> bool {
    (value / expected - 1.0).abs() < 0.15
}

fn logic() -> String {
    "logic".into()
}

#[test]
fn a_hog_uses_up_the_quota() {
    let moved = moved(FaultKind::CpuHog { service: logic() }, 0.7);
    assert!(
        moved.cpu(LOGIC) > 2.5 && moved.throttled(LOGIC) > 0.3,
        "{} {}",
        moved.cpu(LOGIC),
        moved.throttled(LOGIC)
    );
    assert!(near(moved.rates(LOGIC, |r| r.cpu_s).1, 2.0), "at its quota");
    assert!(near(moved.cpu(STORE), 1.0) && moved.p99() > 2.0);
}

#[test]
fn a_cut_quota_throttles_at_the_usual_usage() {
    let moved = moved(FaultKind::QuotaCut { service: logic() }, 0.7);
    assert!(moved.throttled(LOGIC) > 0.2 && moved.throttled(STORE) == 0.0, "{}", moved.throttled(LOGIC));
    assert!(near(moved.cpu(LOGIC), 1.0), "usage is flat: {}", moved.cpu(LOGIC));
    assert!(moved.p99() > 2.0 && moved.server(1) > 2.0);
}

#[test]
fn a_noisy_neighbour_leaves_its_victims_usage_flat() {
    let moved = moved(FaultKind::NoisyNeighbour { node: "node-logic".into() }, 0.8);
    let (quiet, loud) = moved.node_rates(LOGIC, |node| node.cpu_s.0 + node.cpu_s.1);
    assert!(loud > 10.0 * quiet, "{quiet} {loud}");
    assert!(moved.rates(LOGIC, |r| r.cpu_waiting_s).1 > 0.2);
    assert!(near(moved.cpu(LOGIC), 1.0) && moved.throttled(LOGIC) == 0.0, "{}", moved.cpu(LOGIC));
    assert!(moved.server(1) > 1.5, "{}", moved.server(1));
}

/// The neighbour takes cores from everything on its node, most from what has the least weight.
#[test]
fn a_full_node_is_shared_by_weight() {
    let mut app = shop();
    app.services[STORE].cpu_limit = Some(0.5);
    let cluster = together(&app, 8);
    let neighbour = fault(FaultKind::NoisyNeighbour { node: "node-front".into() }, 0.0, 99.0, 0.9);
    let times = |faults: &[Fault]| {
        let requests = run(&mut simulation(&app, cluster.clone(), steady(8), faults), 4);
        [0, 1, 2, 3].map(|site| {
            let calls = requests.iter().flat_map(|request| &request.calls).filter(|call| call.site == site);
            mean(calls.map(|call| (call.ended - call.started) as f64))
        })
    };
    let (quiet, loud) = (times(&[]), times(&[neighbour]));
    assert!(loud[1] > 1.3 * quiet[1] && loud[3] > 1.3 * quiet[3], "{quiet:?} {loud:?}");
    assert!(loud[3] / quiet[3] > 1.3 * loud[2] / quiet[2], "{quiet:?} {loud:?}");
}

#[test]
fn cache_and_memory_bandwidth_cost_cpu_for_the_same_work() {
    for kind in [
        FaultKind::CacheInterference { node: "node-logic".into() },
        FaultKind::MemoryBandwidth { node: "node-logic".into() },
    ] {
        let moved = moved(kind, 0.3);
        assert!(moved.cpu(LOGIC) > 1.5 && moved.server(1) > 1.4, "{} {}", moved.cpu(LOGIC), moved.server(1));
        assert!(near(moved.cpu(STORE), 1.0) && moved.throttled(LOGIC) < 0.05);
        assert!(near(moved.rates(LOGIC, |r| r.net_bytes.1).1, moved.rates(LOGIC, |r| r.net_bytes.1).0));
    }
}

#[test]
fn memory_near_its_limit_reads_the_disk() {
    let moved = moved(FaultKind::MemoryPressure { service: logic() }, 0.6);
    let reading = moved.faulty.0[LOGIC];
    assert!(reading.memory.0 > 0.9 * reading.memory.1 && reading.restarts == 0);
    assert!(
        moved.rates(LOGIC, |r| r.major_faults).1 > 100.0 && moved.rates(LOGIC, |r| r.major_faults).0 == 0.0
    );
    assert!(
        moved.rates(LOGIC, |r| r.disk_bytes.0).1 > 1e6 && moved.rates(LOGIC, |r| r.memory_waiting_s).1 > 0.05
    );
    assert!(moved.p99() > 1.5, "{}", moved.p99());
}

#[test]
fn a_leak_ends_with_a_restart() {
    let moved = moved(FaultKind::MemoryLeak { service: logic() }, 1.0);
    let reading = moved.faulty.0[LOGIC];
    assert_eq!((reading.restarts, moved.healthy.0[LOGIC].restarts), (1, 0));
    assert!(reading.cpu_s < moved.healthy.0[LOGIC].cpu_s, "counters start anew");
    assert!(moved.faulty.1.iter().any(|request| request.failed), "it refuses while it starts");
    assert!(moved.healthy.1.iter().all(|request| !request.failed));
}

#[test]
fn a_busy_disk_makes_the_store_idle() {
    let moved = moved(FaultKind::DiskContention { service: "store".into() }, 0.6);
    assert!(moved.rates(STORE, |r| r.disk_busy_s).1 > 0.8 && moved.rates(STORE, |r| r.disk_busy_s).0 < 0.1);
    assert!(
        moved.rates(STORE, |r| r.io_waiting_s).1 > 0.5 && moved.node_rates(STORE, |node| node.disk.0).1 > 0.8
    );
    assert!(near(moved.cpu(STORE), 1.0) && moved.server(3) > 4.0, "{} {}", moved.cpu(STORE), moved.server(3));
}

#[test]
fn a_network_fault_is_between_the_spans() {
    let app = shop();
    for (kind, intensity) in [
        (FaultKind::NetworkDelay { service: "store".into() }, 0.5),
        (FaultKind::NetworkLoss { service: "store".into() }, 0.8),
        (FaultKind::NetworkBandwidth { service: "store".into() }, 1.0),
    ] {
        let moved = moved(kind.clone(), intensity);
        let way = moved.time(3, |call| (call.arrived - call.sent) + (call.returned - call.ended));
        assert!(way > 10.0, "{kind:?} {way}");
        assert!(near(moved.server(3), 1.0) && moved.cpu(STORE) < 1.1, "{kind:?} {}", moved.server(3));
        let mut now = simulation(&app, apart(&app), steady(8), &[fault(kind.clone(), 0.0, 99.0, intensity)]);
        let healthy = now.probe(LOGIC);
        run(&mut now, 3);
        let probe = now.probe(STORE);
        assert!(probe.0 > 2.0 * healthy.0 || probe.1 > 0.1, "{kind:?} {probe:?} {healthy:?}");
        let lossy = matches!(kind, FaultKind::NetworkLoss { .. });
        let nodes = 0..4;
        let again: f64 = nodes.map(|node| moved.node_rates(node, |node| node.retransmitted).1).sum();
        assert_eq!(again > 0.0, lossy);
        assert_eq!(moved.rates(STORE, |r| r.net_dropped).1 > 0.0, lossy);
    }
}

#[test]
fn a_full_link_holds_up_nobody_beside_it() {
    let app = shop();
    let mut cluster = apart(&app);
    cluster.placement[CACHE] = cluster.placement[STORE].clone();
    let store = || FaultKind::NetworkBandwidth { service: "store".into() };
    let way_to_the_cache = |faults: &[Fault]| {
        let mut simulation = simulation(&app, cluster.clone(), steady(8), faults);
        let seen = run(&mut simulation, FAULTY);
        let calls = seen.iter().flat_map(|request| &request.calls).filter(|call| call.site == 2);
        mean(calls.map(|call| ((call.arrived - call.sent) + (call.returned - call.ended)) as f64))
    };
    let (healthy, beside) = (way_to_the_cache(&[]), way_to_the_cache(&[fault(store(), 0.0, 99.0, 1.0)]));
    assert!(near(beside, healthy), "{beside} {healthy}");
}

#[test]
fn an_exhausted_pool_leaves_its_service_idle() {
    let moved = moved(FaultKind::PoolExhaustion { service: "store".into() }, 0.75);
    let gap = moved.faulty.1.iter().flat_map(|request| &request.calls).filter(|call| call.site == 3);
    assert!(mean(gap.map(|call| (call.sent - call.asked) as f64)) > 5e6);
    assert!(moved.server(3) < 1.1 && moved.cpu(STORE) < 1.1 && moved.server(1) > 1.5);
    for service in [FRONT, LOGIC, CACHE, STORE] {
        assert!(moved.cpu(service) < 1.1 && moved.throttled(service) < 0.05);
    }
}

#[test]
fn a_cache_that_forgets_loads_the_store() {
    let moved = moved(FaultKind::CacheMisses { service: "cache".into() }, 0.8);
    assert!(moved.cpu(STORE) > 3.0, "{}", moved.cpu(STORE));
    assert!(near(moved.cpu(CACHE), 1.0) && near(moved.server(2), 1.0));
    assert!(moved.faulty.0[CACHE].memory.0 < 0.8 * moved.healthy.0[CACHE].memory.0);
}

#[test]
fn pauses_show_in_the_tail_and_not_in_the_mean_usage() {
    let moved = moved(FaultKind::GarbageCollection { service: logic() }, 0.6);
    assert!(moved.p99() > 5.0, "{}", moved.p99());
    assert!(
        moved.cpu(LOGIC) < 1.4 && near(quantile_ms(&moved.faulty.1, 0.3), quantile_ms(&moved.healthy.1, 0.3))
    );
}

#[test]
fn a_surge_raises_everything_but_the_cost_of_a_request() {
    let moved = moved(FaultKind::LoadSurge, 0.3);
    for service in [FRONT, LOGIC, CACHE, STORE] {
        assert!((1.6..2.4).contains(&moved.cpu(service)), "{}", moved.cpu(service));
    }
    let count = moved.faulty.1.len() as f64 / FAULTY as f64 / 300.0;
    assert!((count - 1.9).abs() < 0.15, "{count}");
}

#[test]
fn a_latent_fault_moves_no_metric() {
    let moved = moved(FaultKind::Latent { service: logic() }, 0.5);
    assert!(moved.server(1) > 3.0 && near(moved.server(3), 1.0));
    for service in [FRONT, LOGIC, CACHE, STORE] {
        assert!(near(moved.cpu(service), 1.0) && moved.throttled(service) < 0.05);
        assert_eq!(moved.rates(service, |r| r.major_faults).1, 0.0);
    }
}

#[test]
fn a_new_version_costs_more_for_good() {
    let moved = moved(FaultKind::VersionChange { service: logic() }, 0.7);
    assert!(moved.cpu(LOGIC) > 1.5 && moved.server(1) > 1.5, "{} {}", moved.cpu(LOGIC), moved.server(1));
    let app = shop();
    let mut after = simulation(
        &app,
        apart(&app),
        steady(8),
        &[fault(FaultKind::VersionChange { service: logic() }, 0.0, 1.0, 0.7)],
    );
    run(&mut after, 2);
    let before = after.replicas()[LOGIC].cpu_s;
    run(&mut after, 2);
    assert!(near(after.replicas()[LOGIC].cpu_s - before, before), "it has not ended");
}

#[test]
fn remedies_work() {
    let app = shop();
    let cut = fault(FaultKind::QuotaCut { service: logic() }, 0.0, 1e6, 0.7);
    let swap = fault(FaultKind::MemoryPressure { service: logic() }, 0.0, 1e6, 0.6);
    let crowd = fault(FaultKind::CacheInterference { node: "node-logic".into() }, 0.0, 1e6, 0.5);
    let hungry = fault(FaultKind::MemoryBandwidth { node: "node-logic".into() }, 0.0, 1e6, 0.5);
    for (fault, remedy) in [
        (cut.clone(), Change::Replicas(LOGIC, 4)),
        (cut, Change::CpuLimit(LOGIC, Some(2.0))),
        (swap, Change::MemoryLimit(LOGIC, 2 << 30)),
        (crowd, Change::CacheWays(LOGIC, Some(4))),
        (hungry, Change::MemoryBandwidthOfOthers(LOGIC, 0.1)),
    ] {
        let mut simulation = simulation(&app, apart(&app), steady(8), std::slice::from_ref(&fault));
        let ill = quantile_ms(&run(&mut simulation, 5), 0.9);
        simulation.change(remedy.clone()).unwrap();
        run(&mut simulation, 8);
        let well = quantile_ms(&run(&mut simulation, 4), 0.9);
        assert!(well * 1.3 < ill, "{remedy:?} {ill} {well}");
    }
}

#[test]
fn a_fault_at_an_unknown_place_is_refused() {
    let app = shop();
    let faults = vec![fault(FaultKind::Latent { service: "nobody".into() }, 0.0, 1.0, 0.5)];
    let error = Simulation::new(Arc::new(app.clone()), apart(&app), steady(1), faults).unwrap_err();
    assert_eq!(error.to_string(), "fault 1 is at service `nobody`, which the application does not have");
    let mut simulation = simulation(&app, apart(&app), steady(1), &[]);
    assert!(simulation.inject(fault(FaultKind::LoadSurge, 0.0, 1.0, 1.5)).is_err());
    simulation.inject(fault(FaultKind::Latent { service: logic() }, 0.0, 9.0, 1.0)).unwrap();
    assert!(quantile_ms(&run(&mut simulation, 2), 0.5) > 10.0, "it begins at once");
}
