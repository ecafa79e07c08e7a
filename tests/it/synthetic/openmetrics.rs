//! What the exporters would have told Prometheus: cAdvisor, kube-state-metrics, node_exporter, Tempo's
//! service graph and span metrics, and web's own histogram.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::app::{EDGES, END, GAP, MISSED, REPLACED, REPLACEMENT, SERVICES, SHAPE, START, State};

/// Seconds between scrapes.
pub const SCRAPE: i64 = 30;

/// Upper bounds of the histograms, seconds: 1 ms to 2 s.
fn bounds() -> impl Iterator<Item = f64> {
    (0..24).map(|n| (0.001 * 1.4_f64.powi(n) * 1e6).round() / 1e6)
}

/// Everything up to `until`, as OpenMetrics text.
pub fn text(until: i64) -> String {
    let mut scrapes = Scrapes::default();
    let mut now = START;
    while now <= until.min(END) {
        scrapes.now = now;
        scrapes.silent = GAP.contains(&now);
        one(&mut scrapes, &State::at(now));
        now += SCRAPE;
    }
    let mut text = String::new();
    for (name, series) in &scrapes.series {
        for (at, value) in &series.samples {
            writeln!(text, "{name} {value} {at}").unwrap();
        }
    }
    text + "# EOF\n"
}

#[derive(Default)]
struct Series {
    total: f64,
    samples: Vec<(i64, f64)>,
}

#[derive(Default)]
struct Scrapes {
    series: BTreeMap<String, Series>,
    now: i64,
    /// Nothing is recorded, but counters go on.
    silent: bool,
}

impl Scrapes {
    fn level(&mut self, name: String, value: f64) {
        self.record(name, |_| value);
    }

    /// A counter of seconds, bytes, …
    fn grow(&mut self, name: String, by: f64) {
        self.record(name, |total| {
            *total += by;
            *total
        });
    }

    /// A counter of events: whole numbers, as exporters have.
    fn count(&mut self, name: String, by: f64) {
        self.record(name, |total| {
            *total += by;
            total.floor()
        });
    }

    fn record(&mut self, name: String, value: impl FnOnce(&mut f64) -> f64) {
        let missed = self.now == MISSED && name.contains("pod=\"db-0\"");
        let series = self.series.entry(name).or_default();
        let value = value(&mut series.total);
        if !self.silent && !missed {
            series.samples.push((self.now, value));
        }
    }

    /// `n` events with a median of `ms`.
    fn histogram(&mut self, name: &str, labels: &str, n: f64, ms: f64) {
        for bound in bounds() {
            let share = 1.0 / (1.0 + (ms / (1000.0 * bound)).powf(SHAPE));
            self.count(format!("{name}_bucket{{{labels},le=\"{bound}\"}}"), n * share);
        }
        self.count(format!("{name}_bucket{{{labels},le=\"+Inf\"}}"), n);
        self.count(format!("{name}_count{{{labels}}}"), n);
    }
}

fn one(to: &mut Scrapes, state: &State) {
    let seconds = SCRAPE as f64;
    let mut nodes = BTreeMap::<&str, f64>::new();
    for (service, doing) in SERVICES.iter().zip(state.services) {
        let each = 1.0 / service.pods.len() as f64;
        for (pod, node) in service.pods {
            let pod = if service.name == "catalogue" && to.now >= REPLACED { REPLACEMENT } else { pod };
            *nodes.entry(node).or_default() += doing.cores * each;
            let in_pod = format!("namespace=\"shop\",pod=\"{pod}\"");
            let on_node = format!("{in_pod},node=\"{node}\"");
            let container = format!("{on_node},container=\"{}\"", service.name);
            let grow = [
                (format!("container_cpu_usage_seconds_total{{{container}}}"), doing.cores * each),
                (format!("container_cpu_cfs_periods_total{{{container}}}"), 10.0),
                (
                    format!("container_cpu_cfs_throttled_periods_total{{{container}}}"),
                    20.0 * (doing.busy - 0.75).max(0.0),
                ),
                (format!("container_network_receive_bytes_total{{{on_node}}}"), 900.0 * doing.rate * each),
                (format!("container_network_transmit_bytes_total{{{on_node}}}"), 2100.0 * doing.rate * each),
            ];
            for (name, rate) in grow {
                to.grow(name, rate * seconds);
            }
            // The pod's pause container and the sum over the pod, which must not be counted twice.
            to.grow(format!("container_cpu_usage_seconds_total{{{on_node}}}"), doing.cores * each * seconds);
            let used = 120e6 + 4e4 * doing.rate + (to.now % 977) as f64 * 1e3;
            to.level(format!("container_memory_working_set_bytes{{{container}}}"), used);
            for (resource, unit, limit) in [("cpu", "core", service.limit), ("memory", "byte", 512e6)] {
                let labels = format!(
                    "{in_pod},container=\"{}\",resource=\"{resource}\",unit=\"{unit}\"",
                    service.name
                );
                to.level(format!("kube_pod_container_resource_limits{{{labels}}}"), limit);
            }
        }
        let labels = format!("service=\"{}\",span_kind=\"SPAN_KIND_SERVER\"", service.name);
        to.count(format!("traces_spanmetrics_calls_total{{{labels}}}"), doing.rate * seconds);
    }
    for (node, cores) in nodes {
        let instance = format!("instance=\"{node}:9100\"");
        to.level(format!("node_uname_info{{{instance},nodename=\"{node}\"}}"), 1.0);
        let busy = cores + 0.2;
        to.grow(
            format!("node_cpu_seconds_total{{{instance},cpu=\"0\",mode=\"idle\"}}"),
            (4.0 - busy) / 4.0 * seconds,
        );
        to.grow(
            format!("node_cpu_seconds_total{{{instance},cpu=\"0\",mode=\"user\"}}"),
            busy / 4.0 * seconds,
        );
    }
    for ((caller, callee, share), underway) in EDGES.iter().zip(state.underway_ms) {
        let n = share * state.of(caller).rate * seconds;
        let served = state.of(callee).server_ms;
        let labels = format!("client=\"{caller}\",server=\"{callee}\"");
        to.histogram("traces_service_graph_request_client_seconds", &labels, n, served + underway);
        to.histogram("traces_service_graph_request_server_seconds", &labels, n, served);
        to.count(format!("traces_service_graph_request_total{{{labels}}}"), n);
    }
    let web = state.of("web");
    let labels = "namespace=\"shop\",service=\"web\"";
    to.histogram("http_server_request_duration_seconds", labels, web.rate * seconds, web.server_ms);
}
