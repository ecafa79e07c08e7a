//! Speed of the lab's simulation kernel, in events per second on one core.
//!
//! `cargo bench --bench lab`

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sagetop::lab::app::{
    Application, Bytes, Call, Chance, Connections, Demand, Disk, Flow, Kind, Objective, Repeat, Sensitivity,
    Service, SpanQuirk, Transport,
};
use sagetop::lab::cluster::{Cluster, Node};
use sagetop::lab::fault::{Fault, FaultKind};
use sagetop::lab::sim::{Observer, Request, SECOND, Settings, Simulation};

/// Simulated seconds per iteration.
const SECONDS: u64 = 20;
/// Application services behind the front end, each with a cache and a store.
const SERVICES: usize = 9;

struct Count(u64);

impl Observer for Count {
    fn request(&mut self, request: &Request<'_>) {
        self.0 += request.calls.len() as u64;
    }
}

fn service(name: String, kind: Kind) -> Service {
    Service {
        name: name.into(),
        traced_as: None,
        kind,
        replicas: 1,
        workers: Some(256),
        threads: 8,
        cpu_limit: Some(2.0),
        memory_limit: 512 << 20,
        connections: Connections { limit: Some(512), wait_ms: 10_000.0 },
        hit_ratio: 0.8,
        sensitivity: Sensitivity { cache: 1.0, memory_bandwidth: 1.0 },
    }
}

fn call(service: usize, mean_us: f64, stages: Vec<Vec<Call>>) -> Call {
    Call {
        service,
        transport: Transport::Thrift,
        client_span: None,
        server_spans: Vec::new(),
        quirk: SpanQuirk::None,
        chance: Chance::Always,
        repeat: Repeat::Once,
        cpu: Demand { mean_us, cv: 0.7 },
        disk: None,
        bytes: Bytes { request: 300, response: 1_200 },
        awaited: true,
        optional: false,
        timeout_ms: None,
        retries: 0,
        stages,
    }
}

/// A front end that calls three services in parallel, each of which calls two more, all with a cache
/// in front of a store.
fn application() -> (Arc<Application>, Cluster) {
    let mut services = vec![service("front".into(), Kind::Frontend)];
    for i in 0..SERVICES {
        services.push(service(format!("logic-{i}"), Kind::Stateless));
        services.push(service(format!("cache-{i}"), Kind::Cache));
        services.push(service(format!("store-{i}"), Kind::Database));
    }
    let logic = |i: usize, more: Vec<Call>| {
        let (own, cache, store) = (1 + 3 * i, 2 + 3 * i, 3 + 3 * i);
        let mut miss = call(store, 200.0, Vec::new());
        miss.chance = Chance::MissOf { cache, keys: 1, draw: format!("miss-{i}").into() };
        miss.disk = Some(Disk { probability: 0.01, mean_us: 1_000.0, bytes: 16_384 });
        call(own, 150.0, vec![vec![call(cache, 10.0, Vec::new())], vec![miss], more])
    };
    let group = |i: usize| logic(i, vec![logic(3 + 2 * i, Vec::new()), logic(4 + 2 * i, Vec::new())]);
    let root = call(0, 60.0, vec![(0..3).map(group).collect()]);
    let placement = (0..services.len()).map(|i| vec![i % 4]).collect();
    let node = |i: usize| Node {
        name: format!("node-{i}").into(),
        cores: 16,
        memory: 64 << 30,
        nic: 1.25e9,
        disk: 5e8,
        llc: (32 << 20, 16),
    };
    let app = Application {
        name: "bench".into(),
        title: String::new(),
        services,
        flows: vec![Flow { name: "only".into(), share: 1.0, http: "GET /".into(), root }],
        rate: 300.0,
        trace_sampling: 1.0,
        objective: Objective { quantile: 0.99, limit_ms: 50.0 },
    };
    (Arc::new(app), Cluster { namespace: "bench".into(), nodes: (0..4).map(node).collect(), placement })
}

fn simulate(app: &Arc<Application>, cluster: &Cluster, faults: &[Fault]) -> (u64, u64) {
    let settings = Settings { seed: 1, ..Settings::default() };
    let mut simulation = Simulation::new(app.clone(), cluster.clone(), settings, faults.to_vec()).unwrap();
    let mut count = Count(0);
    simulation.run_until(SECONDS * SECOND, &mut count);
    (simulation.events(), count.0)
}

fn kernel(criterion: &mut Criterion) {
    let (app, cluster) = application();
    let fault = |kind| Fault { id: 1, kind, from_s: 0.0, until_s: 1e9, intensity: 0.5 };
    let cases = [
        ("healthy", Vec::new()),
        ("quota cut", vec![fault(FaultKind::QuotaCut { service: "logic-1".into() })]),
        ("noisy neighbour", vec![fault(FaultKind::NoisyNeighbour { node: "node-1".into() })]),
    ];
    let mut group = criterion.benchmark_group("kernel");
    group.sample_size(10);
    for (name, faults) in cases {
        let (events, _) = simulate(&app, &cluster, &faults);
        group.throughput(Throughput::Elements(events));
        group.bench_function(name, |bencher| bencher.iter(|| simulate(&app, &cluster, &faults)));
    }
    group.finish();
}

criterion_group!(benches, kernel);
criterion_main!(benches);
