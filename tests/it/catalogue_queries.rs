//! The standard catalogue against a real Prometheus that holds a sample of what the exporters expose:
//! every query must be accepted, give data, and carry the labels it promises.
//!
//! Needs `prometheus` and `promtool`; without them the test says so and does nothing, or, where
//! `SAGETOP_CI` is set, fails.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sagetop::domain::{BackendState, Clean, Scope, Timestamp};
use sagetop::telemetry::{BackendSettings, Catalogue, Prometheus, Series, render};

const WINDOW: Duration = Duration::from_secs(60);
const SCRAPE: Duration = Duration::from_secs(15);
const SAMPLES: i64 = 40;

/// Metric, labels, and how much it grows per scrape (0: a level).
const EXPOSED: &[(&str, &str, f64)] = &[
    ("container_cpu_usage_seconds_total", "CONTAINER", 3.0),
    ("container_cpu_cfs_throttled_periods_total", "CONTAINER", 15.0),
    ("container_cpu_cfs_periods_total", "CONTAINER", 150.0),
    ("container_cpu_schedstat_runqueue_seconds_total", "CONTAINER", 1.0),
    ("container_pressure_cpu_waiting_seconds_total", "CONTAINER", 1.0),
    ("container_pressure_memory_waiting_seconds_total", "CONTAINER", 1.0),
    ("container_pressure_io_waiting_seconds_total", "CONTAINER", 1.0),
    ("container_memory_working_set_bytes", "CONTAINER", 0.0),
    ("container_memory_failures_total", r#"CONTAINER,failure_type="pgmajfault",scope="container""#, 1.0),
    ("container_llc_occupancy_bytes", "CONTAINER", 0.0),
    ("container_memory_bandwidth_bytes", "CONTAINER", 1e6),
    ("container_fs_reads_bytes_total", "CONTAINER", 1e3),
    ("container_fs_writes_bytes_total", "CONTAINER", 1e3),
    ("container_fs_io_time_seconds_total", "CONTAINER", 1.0),
    ("container_network_receive_bytes_total", "POD", 1e3),
    ("container_network_transmit_bytes_total", "POD", 1e3),
    ("container_network_receive_packets_dropped_total", "POD", 1.0),
    ("container_network_transmit_packets_dropped_total", "POD", 1.0),
    (
        "kube_pod_container_resource_limits",
        r#"namespace="shop",pod="cart-1",container="cart",resource="cpu",unit="core""#,
        0.0,
    ),
    (
        "kube_pod_container_resource_limits",
        r#"namespace="shop",pod="cart-1",container="cart",resource="memory",unit="byte""#,
        0.0,
    ),
    ("node_uname_info", r#"NODE,nodename="worker-1""#, 0.0),
    ("node_cpu_seconds_total", r#"NODE,cpu="0",mode="idle""#, 9.0),
    ("node_cpu_seconds_total", r#"NODE,cpu="0",mode="steal""#, 1.0),
    ("node_pressure_cpu_waiting_seconds_total", "NODE", 1.0),
    ("node_pressure_memory_waiting_seconds_total", "NODE", 1.0),
    ("node_pressure_io_waiting_seconds_total", "NODE", 1.0),
    ("node_schedstat_waiting_seconds_total", r#"NODE,cpu="0""#, 1.0),
    ("node_memory_MemAvailable_bytes", "NODE", 0.0),
    ("node_memory_MemTotal_bytes", "NODE", 0.0),
    ("node_vmstat_pgmajfault", "NODE", 1.0),
    ("node_disk_io_time_seconds_total", r#"NODE,device="sda""#, 1.0),
    ("node_disk_io_time_weighted_seconds_total", r#"NODE,device="sda""#, 1.0),
    ("node_network_receive_bytes_total", r#"NODE,device="eth0""#, 1e3),
    ("node_network_transmit_bytes_total", r#"NODE,device="eth0""#, 1e3),
    ("node_network_receive_drop_total", r#"NODE,device="eth0""#, 1.0),
    ("node_network_transmit_drop_total", r#"NODE,device="eth0""#, 1.0),
    ("node_netstat_Tcp_RetransSegs", "NODE", 1.0),
    ("node_netstat_Tcp_OutSegs", "NODE", 100.0),
    ("probe_icmp_duration_seconds", r#"PROBE,phase="rtt""#, 0.0),
    ("probe_success", "PROBE", 0.0),
    ("netobserv_workload_rtt_seconds_sum", r#"SrcK8S_OwnerName="web",DstK8S_OwnerName="cart""#, 1.0),
    ("netobserv_workload_rtt_seconds_count", r#"SrcK8S_OwnerName="web",DstK8S_OwnerName="cart""#, 100.0),
    // One service mesh or span source each, so that every branch of an `or` must give its own series.
    ("traces_span_metrics_calls_total", r#"service_name="otel",span_kind="SPAN_KIND_SERVER""#, 150.0),
    ("traces_spanmetrics_calls_total", r#"service="tempo",span_kind="SPAN_KIND_SERVER""#, 150.0),
    ("traces_service_graph_request_total", r#"client="web",server="cart""#, 150.0),
    ("istio_requests_total", r#"reporter="source",ISTIO"#, 150.0),
    ("istio_requests_total", r#"reporter="destination",ISTIO"#, 150.0),
    ("request_total", r#"direction="outbound",deployment="lweb",dst_deployment="lcart""#, 150.0),
    ("request_total", r#"direction="inbound",deployment="lcart""#, 150.0),
    ("traces_service_graph_request_client_seconds_bucket", r#"client="web",server="cart",LE"#, 150.0),
    ("traces_service_graph_request_server_seconds_bucket", r#"client="web",server="cart",LE"#, 150.0),
    ("istio_request_duration_milliseconds_bucket", r#"reporter="source",ISTIO,LE"#, 150.0),
    ("istio_request_duration_milliseconds_bucket", r#"reporter="destination",ISTIO,LE"#, 150.0),
    (
        "response_latency_ms_bucket",
        r#"direction="outbound",deployment="lweb",dst_deployment="lcart",LE"#,
        150.0,
    ),
    ("response_latency_ms_bucket", r#"direction="inbound",deployment="lcart",LE"#, 150.0),
    (
        "traces_span_metrics_duration_milliseconds_bucket",
        r#"service_name="otel",span_kind="SPAN_KIND_SERVER",LE"#,
        150.0,
    ),
    (
        "traces_span_metrics_duration_milliseconds_bucket",
        r#"service_name="otel",span_kind="SPAN_KIND_CLIENT",LE"#,
        150.0,
    ),
    (
        "traces_span_metrics_duration_seconds_bucket",
        r#"service_name="otel_s",span_kind="SPAN_KIND_SERVER",LE"#,
        150.0,
    ),
    (
        "traces_span_metrics_duration_seconds_bucket",
        r#"service_name="otel_s",span_kind="SPAN_KIND_CLIENT",LE"#,
        150.0,
    ),
    ("traces_spanmetrics_latency_bucket", r#"service="tempo",span_kind="SPAN_KIND_SERVER",LE"#, 150.0),
    ("traces_spanmetrics_latency_bucket", r#"service="tempo",span_kind="SPAN_KIND_CLIENT",LE"#, 150.0),
];

/// What the exporters expose, as OpenMetrics text: a series has its lines together.
pub fn samples(end: i64) -> String {
    let mut text = String::new();
    for (metric, labels, growth) in EXPOSED {
        let labels = labels
            .replace("CONTAINER", r#"namespace="shop",pod="cart-1",node="worker-1",container="cart""#)
            .replace("POD", r#"namespace="shop",pod="cart-1",node="worker-1""#)
            .replace("NODE", r#"instance="10.0.0.1:9100",job="node""#)
            .replace("PROBE", r#"source="web",target="cart",namespace="shop""#)
            .replace("ISTIO", r#"source_workload="iweb",destination_workload="icart""#);
        // A quarter of the requests in each of three buckets below +Inf.
        let buckets: &[(&str, f64)] = match labels.contains("LE") {
            true => &[("0.1", 0.25), ("1", 0.5), ("10", 0.75), ("+Inf", 1.0)],
            false => &[("", 1.0)],
        };
        for (le, share) in buckets {
            let labels = labels.replace("LE", &format!("le=\"{le}\""));
            for i in 0..SAMPLES {
                let value = if *growth == 0.0 { 0.5 } else { growth * share * i as f64 };
                let at = end - (SAMPLES - i) * 15;
                writeln!(text, "{metric}{{{labels}}} {value} {at}").unwrap();
            }
        }
    }
    text + "# EOF\n"
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Builds a storage with `promtool` and serves it; `None` if the tools are not there.
fn serve(folder: &Path, end: i64) -> Option<(Server, String)> {
    let (input, data, config) = (folder.join("in.om"), folder.join("data"), folder.join("prometheus.yml"));
    std::fs::write(&input, samples(end)).unwrap();
    std::fs::write(&config, "").unwrap();
    let built = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&input, &data])
        .stdout(Stdio::null())
        .status()
        .ok()?;
    assert!(built.success(), "promtool refused the samples");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", data.display()))
        .arg("--storage.tsdb.retention.time=100y")
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--log.level=error")
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    Some((Server(server), format!("http://127.0.0.1:{port}")))
}

fn value<'s>(series: &'s Series, name: &Option<Clean>) -> Option<&'s str> {
    series.labels.get(name.as_ref()?).map(Clean::as_str)
}

#[tokio::test]
async fn every_query_gives_data_with_the_labels_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let end: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
    let Some((_server, url)) = serve(folder.path(), end.as_second()) else {
        assert!(std::env::var_os("SAGETOP_CI").is_none(), "`prometheus` and `promtool` are not installed");
        eprintln!("not run: `prometheus` and `promtool` are not installed");
        return;
    };
    let prometheus = Prometheus::new(&BackendSettings::at(&url)).unwrap();
    let mut health = prometheus.health().await;
    for _ in 0..100 {
        if health.state == BackendState::Up {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        health = prometheus.health().await;
    }
    assert_eq!(health.state, BackendState::Up, "{:?}", health.detail);

    let at = end - Duration::from_secs(15);
    let standard = Catalogue::standard().unwrap();
    let vars = BTreeMap::from([("selector".to_owned(), "namespace=\"shop\"".to_owned())]);
    for feature in &standard.feature {
        let name = &feature.name;
        let expr = render(&feature.query, &vars, WINDOW, SCRAPE).unwrap();
        let answer = prometheus.query(&expr, at).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(!answer.series.is_empty(), "{:?} {name} gives nothing: {expr}", feature.scope);
        for series in &answer.series {
            let labels = match feature.scope {
                Scope::Service => vec![feature.service.as_ref().or(feature.replica.as_ref()).cloned()],
                Scope::Channel => vec![feature.caller.clone(), feature.callee.clone()],
                Scope::Node => vec![feature.node.clone()],
            };
            for label in labels {
                assert!(value(series, &label).is_some(), "{name} lacks {label:?}: {series:?}");
            }
            assert!(series.points[0].1.is_finite(), "{name}: {series:?}");
        }
    }
    for latency in &standard.latency {
        let expr = render(&latency.query, &vars, WINDOW, SCRAPE).unwrap();
        let answer = prometheus.query(&expr, at).await.unwrap_or_else(|e| panic!("{e}: {expr}"));
        let mut parties: Vec<_> = answer
            .series
            .iter()
            .map(|series| {
                let x = series.points[0].1;
                match latency.quantile {
                    // 150 requests in 15 s, hence 600 in a window of 60 s.
                    None => assert!((x - 600.0).abs() < 1.0, "{series:?}"),
                    // Buckets count seconds or milliseconds: the middle lies at 1 of them.
                    Some(0.5) => assert!((x - 1.0).abs() < 1e-9 || (x - 0.001).abs() < 1e-9, "{series:?}"),
                    Some(_) => assert!(x > 0.0, "{series:?}"),
                }
                (value(series, &latency.caller), value(series, &latency.callee))
            })
            .collect();
        parties.sort_unstable();
        let (edge, server) = (latency.caller.is_some() && latency.callee.is_some(), latency.callee.is_some());
        let side = format!("{:?}", latency.side);
        let expected: Vec<(Option<&str>, Option<&str>)> =
            match (edge, server, side.as_str(), latency.quantile) {
                (true, _, "Server", _) => vec![(Some("iweb"), Some("icart")), (Some("web"), Some("cart"))],
                (true, ..) => {
                    vec![
                        (Some("iweb"), Some("icart")),
                        (Some("lweb"), Some("lcart")),
                        (Some("web"), Some("cart")),
                    ]
                }
                (_, true, _, None) => {
                    vec![(None, Some("lcart")), (None, Some("otel")), (None, Some("tempo"))]
                }
                (_, true, ..) => {
                    vec![
                        (None, Some("lcart")),
                        (None, Some("otel")),
                        (None, Some("otel_s")),
                        (None, Some("tempo")),
                    ]
                }
                _ => vec![(Some("otel"), None), (Some("otel_s"), None), (Some("tempo"), None)],
            };
        assert_eq!(parties, expected, "{expr}");
    }
}
