//! The exporters' pages: cAdvisor and node_exporter on each node, kube-state-metrics, the blackbox
//! exporter, and the collector with the request metrics.

use std::sync::Arc;

use super::metric::{self as m, Metric, Type};
use super::red::{Histogram, Red};
use crate::lab::app::{Application, Kind, Name};
use crate::lab::cluster::{Cluster, pod_name, template_hash};
use crate::lab::sim::{NodeReading, ReplicaReading};

/// A TCP segment on Ethernet, in bytes.
const SEGMENT: f64 = 1_448.0;
/// Replicas' network interface inside their pod.
const POD_INTERFACE: &str = "eth0";

/// Something that Prometheus scrapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// cAdvisor on the node with this index.
    Cadvisor(usize),
    /// node_exporter on the node with this index.
    Node(usize),
    /// kube-state-metrics.
    KubeState,
    /// The blackbox exporter.
    Blackbox,
    /// The collector.
    Collector,
}

impl Target {
    /// Those of a cluster.
    pub fn all(cluster: &Cluster) -> Vec<Self> {
        let nodes = 0..cluster.nodes.len();
        let each = nodes.flat_map(|node| [Self::Cadvisor(node), Self::Node(node)]);
        each.chain([Self::KubeState, Self::Blackbox, Self::Collector]).collect()
    }

    /// The `job` label, which is also its name in the address of its page.
    pub fn job(self) -> &'static str {
        match self {
            Self::Cadvisor(_) => "cadvisor",
            Self::Node(_) => "node-exporter",
            Self::KubeState => "kube-state-metrics",
            Self::Blackbox => "blackbox",
            Self::Collector => "collector",
        }
    }

    /// The `instance` label.
    pub fn instance(self, cluster: &Cluster) -> String {
        let node = |node: usize, port: u16| {
            cluster
                .nodes
                .get(node)
                .map_or_else(|| format!("?:{port}"), |node| format!("{}:{port}", node.name))
        };
        match self {
            Self::Cadvisor(at) => node(at, 10250),
            Self::Node(at) => node(at, 9100),
            Self::KubeState => "kube-state-metrics:8080".to_owned(),
            Self::Blackbox => "blackbox-exporter:9115".to_owned(),
            Self::Collector => "otel-collector:8889".to_owned(),
        }
    }
}

/// A probe from one service's node to another service.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Where it starts.
    pub source: Name,
    /// Where it goes.
    pub target: Name,
    /// Round trip in seconds; `None` when it was lost.
    pub rtt_s: Option<f64>,
}

/// All there is to read at a moment.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// Running replicas.
    pub replicas: Vec<ReplicaReading>,
    /// Nodes, in the cluster's order.
    pub nodes: Vec<NodeReading>,
    /// Probes along the call edges.
    pub probes: Vec<Probe>,
}

/// Takes the samples of a page, one after the other. Labels are made only when they are wanted.
pub trait Sink {
    /// A sample: `suffix` is empty, `_bucket`, `_sum` or `_count`.
    fn sample(
        &mut self,
        metric: &'static Metric,
        suffix: &'static str,
        labels: &dyn Fn() -> LabelList,
        value: f64,
    );
}

/// Labels of a sample, without its name.
pub type LabelList = Vec<(&'static str, Name)>;

/// Makes pages.
#[derive(Clone, Debug)]
pub struct Exporters {
    app: Arc<Application>,
    cluster: Cluster,
    /// Start of the simulation in seconds since the epoch.
    epoch_s: f64,
}

impl Exporters {
    /// For an application on a cluster whose simulation starts at this time.
    pub fn new(app: Arc<Application>, cluster: Cluster, epoch_ns: i64) -> Self {
        Self { app, cluster, epoch_s: epoch_ns as f64 / 1e9 }
    }

    /// The cluster they stand on.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Writes the page of a target.
    pub fn page(&self, target: Target, readings: &Readings, red: &Red, sink: &mut dyn Sink) {
        match target {
            Target::Cadvisor(node) => self.cadvisor(node, readings, sink),
            Target::Node(node) => self.node(node, readings, sink),
            Target::KubeState => self.kube_state(readings, sink),
            Target::Blackbox => self.blackbox(readings, sink),
            Target::Collector => self.collector(red, sink),
        }
    }

    fn cadvisor(&self, node: usize, readings: &Readings, sink: &mut dyn Sink) {
        let Some(node_name) = self.cluster.nodes.get(node).map(|node| node.name.clone()) else { return };
        for reading in readings.replicas.iter().filter(|reading| reading.node == node) {
            let Some(service) = self.app.services.get(reading.service) else { continue };
            let pod: Name = pod_name(service, reading.replica).into();
            let of_pod = || {
                vec![
                    ("namespace", self.cluster.namespace.clone()),
                    ("node", node_name.clone()),
                    ("pod", pod.clone()),
                ]
            };
            let container = || [of_pod(), vec![("container", service.name.clone())]].concat();
            let network = || [of_pod(), vec![("interface", POD_INTERFACE.into())]].concat();
            let failures = || {
                let kind = [("failure_type", Name::from("pgmajfault")), ("scope", Name::from("container"))];
                [container(), kind.to_vec()].concat()
            };
            let disk = || [container(), vec![("device", Name::from("/dev/sda"))]].concat();
            let r = reading;
            sink.sample(&m::CPU_USAGE, "", &container, r.cpu_s);
            if r.cpu_limit > 0.0 {
                sink.sample(&m::CPU_PERIODS, "", &container, r.cfs.0 as f64);
                sink.sample(&m::CPU_THROTTLED_PERIODS, "", &container, r.cfs.1 as f64);
                sink.sample(&m::CPU_THROTTLED, "", &container, r.cfs.2);
            }
            sink.sample(&m::CPU_WAITING, "", &container, r.cpu_waiting_s);
            sink.sample(&m::WORKING_SET, "", &container, r.memory.0);
            sink.sample(&m::MEMORY_FAILURES, "", &failures, r.major_faults.floor());
            sink.sample(&m::MEMORY_WAITING, "", &container, r.memory_waiting_s);
            sink.sample(&m::IO_WAITING, "", &container, r.io_waiting_s);
            sink.sample(&m::FS_READS, "", &disk, r.disk_bytes.0.floor());
            sink.sample(&m::FS_WRITES, "", &disk, r.disk_bytes.1.floor());
            sink.sample(&m::FS_IO_TIME, "", &disk, r.disk_busy_s);
            sink.sample(&m::NET_RECEIVED, "", &network, r.net_bytes.0.floor());
            sink.sample(&m::NET_SENT, "", &network, r.net_bytes.1.floor());
            // Loss strikes on the way out as on the way in.
            sink.sample(&m::NET_RECEIVE_DROPS, "", &network, (r.net_dropped / 2.0).floor());
            sink.sample(&m::NET_SEND_DROPS, "", &network, (r.net_dropped / 2.0).floor());
            sink.sample(&m::THREADS, "", &container, r.threads.round());
            sink.sample(&m::STARTED, "", &container, self.epoch_s + r.started as f64 / 1e9);
            sink.sample(&m::LLC, "", &container, r.llc.0.floor());
            sink.sample(&m::MEMORY_BANDWIDTH, "", &container, r.llc.1.floor());
        }
    }

    fn node(&self, node: usize, readings: &Readings, sink: &mut dyn Sink) {
        let (Some(machine), Some(r)) = (self.cluster.nodes.get(node), readings.nodes.get(node)) else {
            return;
        };
        let none = Vec::new;
        sink.sample(&m::NODE_INFO, "", &|| vec![("nodename", machine.name.clone())], 1.0);
        for (mode, seconds) in [
            ("idle", r.cpu_s.2),
            ("iowait", r.cpu_s.3),
            ("steal", 0.0),
            ("system", r.cpu_s.1),
            ("user", r.cpu_s.0),
        ] {
            // One line a core, over which the work is spread evenly.
            for core in 0..machine.cores {
                let labels = || vec![("cpu", Name::from(core.to_string())), ("mode", mode.into())];
                sink.sample(&m::NODE_CPU, "", &labels, seconds / f64::from(machine.cores));
            }
        }
        sink.sample(&m::NODE_LOAD1, "", &none, r.load1);
        sink.sample(&m::NODE_CPU_WAITING, "", &none, r.waiting_s.0);
        sink.sample(&m::NODE_MEMORY_WAITING, "", &none, r.waiting_s.1);
        sink.sample(&m::NODE_IO_WAITING, "", &none, r.waiting_s.2);
        sink.sample(&m::NODE_MEMORY_AVAILABLE, "", &none, r.memory.0);
        sink.sample(&m::NODE_MEMORY_TOTAL, "", &none, r.memory.1);
        let faults = readings.replicas.iter().filter(|replica| replica.node == node);
        sink.sample(
            &m::NODE_MAJOR_FAULTS,
            "",
            &none,
            faults.map(|replica| replica.major_faults).sum::<f64>().floor(),
        );
        let disk = || vec![("device", Name::from("sda"))];
        sink.sample(&m::NODE_DISK_IO_TIME, "", &disk, r.disk.0);
        sink.sample(&m::NODE_DISK_IO_WEIGHTED, "", &disk, r.disk.0 + r.waiting_s.2);
        sink.sample(&m::NODE_DISK_READ, "", &disk, r.disk.1.floor());
        sink.sample(&m::NODE_DISK_WRITTEN, "", &disk, r.disk.2.floor());
        let interface = || vec![("device", Name::from("ens5"))];
        sink.sample(&m::NODE_NET_RECEIVED, "", &interface, r.net_bytes.0.floor());
        sink.sample(&m::NODE_NET_SENT, "", &interface, r.net_bytes.1.floor());
        sink.sample(&m::NODE_RETRANSMITS, "", &none, r.retransmitted.floor());
        sink.sample(&m::NODE_SEGMENTS, "", &none, (r.net_bytes.1 / SEGMENT + r.retransmitted).floor());
    }

    fn kube_state(&self, readings: &Readings, sink: &mut dyn Sink) {
        let namespace = || vec![("namespace", self.cluster.namespace.clone())];
        for reading in &readings.replicas {
            let Some(service) = self.app.services.get(reading.service) else { continue };
            let Some(node) = self.cluster.nodes.get(reading.node) else { continue };
            let pod: Name = pod_name(service, reading.replica).into();
            let of_pod = || [namespace(), vec![("pod", pod.clone())]].concat();
            let container = || {
                [of_pod(), vec![("container", service.name.clone()), ("node", node.name.clone())]].concat()
            };
            let limit = |resource: &'static str, unit: &'static str| {
                [container(), vec![("resource", resource.into()), ("unit", unit.into())]].concat()
            };
            if reading.cpu_limit > 0.0 {
                sink.sample(&m::LIMITS, "", &|| limit("cpu", "core"), reading.cpu_limit);
            }
            sink.sample(&m::LIMITS, "", &|| limit("memory", "byte"), reading.memory.1);
            sink.sample(
                &m::RESTARTS,
                "",
                &|| [of_pod(), vec![("container", service.name.clone())]].concat(),
                f64::from(reading.restarts),
            );
            sink.sample(&m::POD_INFO, "", &|| [of_pod(), vec![("node", node.name.clone())]].concat(), 1.0);
            let owner = || {
                let (kind, name) = if service.kind == Kind::Database {
                    ("StatefulSet", service.name.clone())
                } else {
                    ("ReplicaSet", format!("{}-{}", service.name, template_hash(&service.name)).into())
                };
                [
                    of_pod(),
                    vec![
                        ("owner_is_controller", "true".into()),
                        ("owner_kind", kind.into()),
                        ("owner_name", name),
                    ],
                ]
                .concat()
            };
            sink.sample(&m::POD_OWNER, "", &owner, 1.0);
        }
        for (id, service) in self.app.services.iter().enumerate() {
            let running = readings.replicas.iter().filter(|reading| reading.service == id).count() as f64;
            if service.kind == Kind::Database {
                let labels = || [namespace(), vec![("statefulset", service.name.clone())]].concat();
                sink.sample(&m::STATEFULSET_REPLICAS, "", &labels, running);
            } else {
                let labels = || [namespace(), vec![("deployment", service.name.clone())]].concat();
                sink.sample(&m::DEPLOYMENT_REPLICAS, "", &labels, running);
                sink.sample(&m::DEPLOYMENT_AVAILABLE, "", &labels, running);
            }
        }
    }

    fn blackbox(&self, readings: &Readings, sink: &mut dyn Sink) {
        for probe in &readings.probes {
            // The operator's probe objects add their namespace.
            let ends = || {
                let ends = [("source", probe.source.clone()), ("target", probe.target.clone())];
                [vec![("namespace", self.cluster.namespace.clone())], ends.to_vec()].concat()
            };
            sink.sample(&m::PROBE_SUCCESS, "", &ends, f64::from(u8::from(probe.rtt_s.is_some())));
            for phase in ["resolve", "setup", "rtt"] {
                let value = if phase == "rtt" { probe.rtt_s.unwrap_or(0.0) } else { 0.0 };
                sink.sample(
                    &m::PROBE_ICMP,
                    "",
                    &|| [ends(), vec![("phase", Name::from(phase))]].concat(),
                    value,
                );
            }
        }
    }

    fn collector(&self, red: &Red, sink: &mut dyn Sink) {
        let namespace = || vec![("namespace", self.cluster.namespace.clone())];
        for span in &red.spans {
            let labels = || {
                let name = [("service_name", span.service.clone()), ("span_name", span.operation.clone())];
                [namespace(), name.to_vec(), vec![("span_kind", Name::from("SPAN_KIND_SERVER"))]].concat()
            };
            let status = |code: &'static str| [labels(), vec![("status_code", Name::from(code))]].concat();
            sink.sample(
                &m::CALLS,
                "",
                &|| status("STATUS_CODE_UNSET"),
                (span.duration.count() - span.failed) as f64,
            );
            sink.sample(&m::CALLS, "", &|| status("STATUS_CODE_ERROR"), span.failed as f64);
            histogram(&m::DURATION, &labels, &span.duration, sink);
        }
        for edge in &red.edges {
            let name = |id: usize| {
                self.app.services.get(id).map_or_else(|| Name::from("?"), |service| service.name.clone())
            };
            let labels =
                || [namespace(), vec![("client", name(edge.ends.0)), ("server", name(edge.ends.1))]].concat();
            sink.sample(&m::EDGE_CALLS, "", &labels, edge.client.count() as f64);
            sink.sample(&m::EDGE_FAILED, "", &labels, edge.failed as f64);
            histogram(&m::EDGE_CLIENT, &labels, &edge.client, sink);
            histogram(&m::EDGE_SERVER, &labels, &edge.server, sink);
        }
        for route in &red.routes {
            for (code, duration) in ["200", "500"].into_iter().zip(&route.duration) {
                let service = self
                    .app
                    .services
                    .get(route.service)
                    .map_or_else(|| Name::from("?"), |service| service.name.clone());
                let labels = || {
                    let route =
                        [("http_request_method", route.method.clone()), ("http_route", route.route.clone())];
                    let rest =
                        [("http_response_status_code", Name::from(code)), ("service", service.clone())];
                    [namespace(), route.to_vec(), rest.to_vec()].concat()
                };
                histogram(&m::HTTP_DURATION, &labels, duration, sink);
            }
        }
    }
}

fn histogram(
    metric: &'static Metric,
    labels: &dyn Fn() -> LabelList,
    histogram: &Histogram,
    sink: &mut dyn Sink,
) {
    debug_assert_eq!(metric.kind, Type::Histogram);
    for (bound, count) in histogram.cumulative() {
        let le = || {
            [labels(), vec![("le", if bound.is_finite() { bound.to_string().into() } else { "+Inf".into() })]]
                .concat()
        };
        sink.sample(metric, "_bucket", &le, count as f64);
    }
    sink.sample(metric, "_sum", labels, histogram.sum_s());
    sink.sample(metric, "_count", labels, histogram.count() as f64);
}
