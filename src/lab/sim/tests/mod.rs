//! The kernel against theory, against itself, and against what faults are said to do.

mod calls;
mod cores;
mod faults;
mod theory;
mod twins;

use std::sync::Arc;

use super::*;
use crate::lab::app::*;
use crate::lab::cluster::{Cluster, Node};
use crate::lab::fault::{Fault, FaultKind};

/// A healthy service with a core and no limits.
pub(super) fn service(name: &str, kind: Kind) -> Service {
    Service {
        name: name.into(),
        traced_as: Some(name.into()),
        kind,
        replicas: 1,
        workers: None,
        threads: 1,
        cpu_limit: None,
        memory_limit: 1 << 30,
        connections: Connections { limit: None, wait_ms: 1_000.0 },
        hit_ratio: 0.9,
        sensitivity: Sensitivity { cache: 1.0, memory_bandwidth: 1.0 },
    }
}

/// A call that costs so much CPU and nothing else.
pub(super) fn call(service: ServiceId, mean_us: f64, cv: f64) -> Call {
    Call {
        service,
        transport: Transport::Thrift,
        client_span: None,
        server_spans: Vec::new(),
        quirk: SpanQuirk::None,
        chance: Chance::Always,
        repeat: Repeat::Once,
        cpu: Demand { mean_us, cv },
        disk: None,
        bytes: Bytes { request: 300, response: 1_000 },
        awaited: true,
        optional: false,
        timeout_ms: None,
        retries: 0,
        stages: Vec::new(),
    }
}

pub(super) fn application(services: Vec<Service>, root: Call, rate: f64) -> Application {
    Application {
        name: "test".into(),
        title: String::new(),
        services,
        flows: vec![Flow { name: "only".into(), share: 1.0, http: "GET /".into(), root }],
        rate,
        trace_sampling: 1.0,
        objective: Objective { quantile: 0.99, limit_ms: 50.0 },
    }
}

/// Every service on a node of its own with 16 cores.
pub(super) fn apart(app: &Application) -> Cluster {
    let node = |name: &str| Node {
        name: format!("node-{name}").into(),
        cores: 16,
        memory: 64 << 30,
        nic: 1.25e9,
        disk: 5e8,
        llc: (32 << 20, 16),
    };
    Cluster {
        namespace: "test".into(),
        nodes: app.services.iter().map(|service| node(&service.name)).collect(),
        placement: app.services.iter().enumerate().map(|(i, own)| vec![i; own.replicas as usize]).collect(),
    }
}

/// Every service on one node.
pub(super) fn together(app: &Application, cores: u32) -> Cluster {
    let mut cluster = apart(app);
    cluster.nodes.truncate(1);
    cluster.nodes[0].cores = cores;
    cluster.placement.iter_mut().flatten().for_each(|node| *node = 0);
    cluster
}

pub(super) fn steady(seed: u64) -> Settings {
    Settings { seed, load: LoadProfile::steady(), ..Settings::default() }
}

/// A finished request, kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub id: u64,
    pub sent: Nanos,
    pub returned: Nanos,
    pub failed: bool,
    pub calls: Vec<CallRecord>,
}

impl Kept {
    pub(super) fn latency(&self) -> f64 {
        (self.returned - self.sent) as f64
    }
}

/// Keeps everything.
#[derive(Debug, Default)]
pub(super) struct Keep(pub Vec<Kept>);

impl Observer for Keep {
    fn request(&mut self, request: &Request<'_>) {
        self.0.push(Kept {
            id: request.id,
            sent: request.sent,
            returned: request.returned,
            failed: request.failed,
            calls: request.calls.to_vec(),
        });
    }
}

pub(super) fn simulation(
    app: &Application,
    cluster: Cluster,
    settings: Settings,
    faults: &[Fault],
) -> Simulation {
    Simulation::new(Arc::new(app.clone()), cluster, settings, faults.to_vec()).unwrap()
}

/// Runs for some seconds; the requests in order of their ids.
pub(super) fn run(simulation: &mut Simulation, seconds: u64) -> Vec<Kept> {
    let mut keep = Keep::default();
    simulation.run_until(simulation.now() + seconds * SECOND, &mut keep);
    keep.0.sort_by_key(|request| request.id);
    keep.0
}

pub(super) fn fault(kind: FaultKind, from_s: f64, until_s: f64, intensity: f64) -> Fault {
    Fault { id: 1, kind, from_s, until_s, intensity }
}

pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}

/// Latency at a quantile, in milliseconds.
pub(super) fn quantile_ms(requests: &[Kept], quantile: f64) -> f64 {
    let mut latencies: Vec<f64> = requests.iter().map(Kept::latency).collect();
    latencies.sort_by(f64::total_cmp);
    latencies[((latencies.len() - 1) as f64 * quantile) as usize] / MILLISECOND as f64
}
