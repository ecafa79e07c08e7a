//! Spans and pages of requests and readings made by hand.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::exporters::{Exporters, Probe, Readings, Target};
use super::scrape::Exposition;
use super::{EdgeMetrics, Measurement, Red, Scraper, SpanWriter};
use crate::lab::app::{Application, SpanQuirk, named, sites};
use crate::lab::cluster::Cluster;
use crate::lab::sim::{CallRecord, NodeReading, Outcome, ReplicaReading, Request};
use crate::lab::traces::{Span, SpanKind};
use crate::lab::tsdb::{Tsdb, is_stale};

const MS: u64 = 1_000_000;

fn app(name: &str) -> (Arc<Application>, Cluster) {
    let app = Arc::new(named(name).unwrap());
    let cluster = Cluster::for_application(&app, 2);
    (app, cluster)
}

fn exact() -> Measurement {
    Measurement {
        epoch_ns: 1_700_000_000_000_000_000,
        jitter: 0.0,
        lost_scrapes: 0.0,
        trace_sampling: 1.0,
        lost_spans: 0.0,
        late_spans: 0.0,
        clock_skew_ms: 0.0,
        ..Measurement::default()
    }
}

/// Every call of a flow, each 10 ms within its caller's: depth decides the times.
fn calls(app: &Application, flow: usize) -> Vec<CallRecord> {
    let table = sites(&app.flows[flow]);
    let call = |(site, at): (usize, &crate::lab::app::Site<'_>)| {
        let depth = u64::from(at.depth);
        CallRecord {
            site: u32::try_from(site).unwrap(),
            parent: at.parent.unwrap_or(0),
            repetition: 0,
            attempt: 0,
            replica: 0,
            asked: (10 + 10 * depth) * MS,
            sent: (11 + 10 * depth) * MS,
            arrived: (12 + 10 * depth) * MS,
            started: (13 + 10 * depth) * MS,
            ended: (997 - 10 * depth) * MS,
            returned: (999 - 10 * depth) * MS,
            outcome: Outcome::Ok,
        }
    };
    table.iter().enumerate().map(call).collect()
}

fn request(id: u64, flow: usize, calls: &[CallRecord]) -> Request<'_> {
    Request { id, flow, sent: 0, returned: 1_000 * MS, failed: false, calls }
}

fn spans(name: &str, flow: usize, settings: Measurement) -> (Arc<Application>, Vec<Span>) {
    let (app, cluster) = app(name);
    let mut writer = SpanWriter::new(app.clone(), &cluster, settings);
    writer.request(&request(7, flow, &calls(&app, flow)));
    (app, writer.take())
}

#[test]
fn a_trace_hangs_together() {
    for name in ["hotel-reservation", "social-network", "media", "online-boutique", "chain-5", "fanout-4"] {
        let (app, spans) = spans(name, 0, exact());
        let ids: BTreeSet<u64> = spans.iter().map(|span| span.id).collect();
        assert_eq!(ids.len(), spans.len(), "{name}: ids are unique");
        assert_eq!(spans.iter().map(|span| span.trace).collect::<BTreeSet<_>>().len(), 1);
        let roots: Vec<_> = spans.iter().filter(|span| span.parent.is_none()).collect();
        assert_eq!(roots.len(), 1, "{name}");
        assert_eq!(Some(&roots[0].service), app.services[app.entry().unwrap()].traced_as.as_ref());
        for span in &spans {
            assert!(span.parent.is_none_or(|parent| ids.contains(&parent)), "{name}: {span:?}");
            assert!(span.start_us >= 1_700_000_000_000_000 && span.duration_us >= 0);
            // Received once it has ended and been flushed.
            assert!(span.received_ms * 1_000 >= span.start_us + span.duration_us - 1_000);
            assert!(span.received_ms <= 1_700_000_002_000);
        }
        let traced: BTreeSet<_> =
            app.services.iter().filter_map(|service| service.traced_as.clone()).collect();
        assert!(spans.iter().all(|span| traced.contains(&span.service)), "only instrumented services report");
    }
}

#[test]
fn client_spans_stand_between_caller_and_callee() {
    let (_, spans) = spans("hotel-reservation", 0, exact());
    let by_id: BTreeMap<u64, &Span> = spans.iter().map(|span| (span.id, span)).collect();
    let server =
        spans.iter().find(|span| &*span.service == "search" && span.kind == Some(SpanKind::Server)).unwrap();
    let client = by_id[&server.parent.unwrap()];
    assert_eq!(
        (&*client.service, client.kind, &client.operation),
        ("frontend", Some(SpanKind::Client), &server.operation)
    );
    assert_eq!(by_id[&client.parent.unwrap()].kind, Some(SpanKind::Server));
    // Asked at 20 ms, back at 989 ms; worked on from 23 to 987 ms.
    assert_eq!((client.start_us, client.duration_us), (1_700_000_000_020_000, 969_000));
    assert_eq!((server.start_us, server.duration_us), (1_700_000_000_023_000, 964_000));
}

#[test]
fn quirks_are_kept() {
    let (app, spans) = spans("social-network", 0, exact());
    assert!(spans.iter().all(|span| span.kind.is_none()), "the C++ handlers say no kind");
    let (flow, early) = app
        .flows
        .iter()
        .enumerate()
        .find_map(|(at, flow)| {
            let table = sites(flow);
            let site = table.iter().find(|site| site.call.quirk == SpanQuirk::EndsEarly)?;
            Some((at, site.call.client_span.clone().unwrap()))
        })
        .unwrap();
    let (_, found) = self::spans("social-network", flow, exact());
    assert_eq!(found.iter().find(|span| span.operation == early).unwrap().duration_us, 3);
}

#[test]
fn sampling_losing_and_skewing_do_what_they_say() {
    let (app, cluster) = app("hotel-reservation");
    let settings =
        Measurement { trace_sampling: 0.1, clock_skew_ms: 5.0, lost_spans: 0.05, late_spans: 0.2, ..exact() };
    let mut writer = SpanWriter::new(app.clone(), &cluster, settings);
    let calls = calls(&app, 0);
    for id in 0..5_000 {
        writer.request(&request(id, 0, &calls));
    }
    let spans = writer.take();
    let traces: BTreeSet<u128> = spans.iter().map(|span| span.trace).collect();
    assert!((400..600).contains(&traces.len()), "{}", traces.len());
    let (_, whole) = self::spans("hotel-reservation", 0, exact());
    let kept = spans.len() as f64 / (traces.len() * whole.len()) as f64;
    assert!((0.93..0.97).contains(&kept), "{kept}");
    let late =
        spans.iter().filter(|span| span.received_ms > 1_700_000_002_000).count() as f64 / spans.len() as f64;
    assert!((0.1..0.25).contains(&late), "{late}");
    // A callee on another node may seem to start before its caller.
    let starts: BTreeSet<i64> = spans
        .iter()
        .filter(|span| &*span.service == "search" && span.kind == Some(SpanKind::Server))
        .map(|span| span.start_us)
        .collect();
    assert!(starts.iter().all(|start| (start - 1_700_000_000_020_000).abs() <= 3_000 + 5_000), "{starts:?}");
    assert!(!starts.contains(&1_700_000_000_023_000), "clocks are off");
}

fn readings(app: &Application, cluster: &Cluster, cpu_s: f64) -> Readings {
    let replica = |(service, replica): (usize, u32)| ReplicaReading {
        service,
        replica,
        node: cluster.placement[service][replica as usize],
        cpu_s,
        cpu_limit: 0.5,
        cfs: (100, 7, 0.3),
        memory: (1e8, 2e8),
        ..ReplicaReading::default()
    };
    let all = (0..app.services.len())
        .flat_map(|service| (0..cluster.placement[service].len() as u32).map(move |at| (service, at)));
    Readings {
        replicas: all.map(replica).collect(),
        nodes: vec![
            NodeReading { cpu_s: (4.0, 2.0, 10.0, 0.0), ..NodeReading::default() };
            cluster.nodes.len()
        ],
        probes: vec![Probe { source: "frontend".into(), target: "search".into(), rtt_s: Some(0.0004) }],
    }
}

#[test]
fn scrapes_are_what_prometheus_would_hold() {
    let (app, cluster) = app("hotel-reservation");
    let settings = exact();
    let mut red = Red::new(&app, &settings);
    red.request(&request(1, 0, &calls(&app, 0)));
    let mut tsdb = Tsdb::default();
    let mut scraper =
        Scraper::new(Exporters::new(app.clone(), cluster.clone(), settings.epoch_ns), settings, &mut tsdb);
    let targets = Target::all(&cluster).len();
    let mut now = readings(&app, &cluster, 1.0);
    for round in 0..5 * targets {
        if round == 2 * targets {
            now.replicas.retain(|replica| &*app.services[replica.service].name != "geo");
        }
        let next = scraper.next();
        assert!(next.read_at <= next.due && next.due - next.read_at <= 10_000 * MS);
        scraper.scrape(next, &now, &red, &mut tsdb);
    }
    let named = |name: &str, with: &[(&str, &str)]| {
        let fits = |labels: &[(crate::lab::tsdb::Text, crate::lab::tsdb::Text)]| {
            with.iter()
                .chain(&[("__name__", name)])
                .all(|(key, value)| labels.iter().any(|(k, v)| &**k == *key && &**v == *value))
        };
        tsdb.all().iter().filter(|series| fits(&series.labels.0)).collect::<Vec<_>>()
    };
    assert_eq!(named("up", &[]).len(), targets);
    let search = named("container_cpu_usage_seconds_total", &[("container", "search")]);
    assert_eq!(search.len(), cluster.placement[app.service("search").unwrap()].len());
    assert!(search[0].values().len() >= 3 && search[0].values().iter().all(|value| *value == 1.0));
    assert!(search[0].labels.0.iter().any(|(name, pod)| &**name == "pod" && pod.starts_with("search-")));
    let geo = named("container_cpu_usage_seconds_total", &[("container", "geo")]);
    let values: Vec<f64> = geo[0].values();
    assert!(
        values.len() >= 3 && values.last().is_some_and(|last| is_stale(*last)),
        "a pod that has gone is marked stale: {values:?}"
    );
    let edge = named("traces_service_graph_request_total", &[("client", "frontend"), ("server", "search")]);
    assert!(edge[0].values().iter().all(|value| *value == 1.0));
    // 964 ms at the server.
    let bucket = |le: &str| {
        named(
            "traces_service_graph_request_server_seconds_bucket",
            &[("client", "frontend"), ("server", "search"), ("le", le)],
        )[0]
        .values()[0]
    };
    assert_eq!((bucket("0.72"), bucket("1.02"), bucket("+Inf")), (0.0, 1.0, 1.0));
    let cores = named("node_cpu_seconds_total", &[("mode", "idle")]);
    let total: f64 = cores.iter().filter_map(|series| series.values().last().copied()).sum();
    assert!((total - 20.0).abs() < 1e-9, "both nodes' idle seconds, spread over their cores: {total}");
}

#[test]
fn traced_edges_only_where_there_are_client_spans() {
    let (app, _) = app("social-network");
    let all = Red::new(&app, &exact()).edges.len();
    let traced = Red::new(&app, &Measurement { edges: EdgeMetrics::Traced, ..exact() }).edges.len();
    assert!(traced < all, "{traced} of {all}");
}

#[test]
fn the_text_page_is_well_formed() {
    let (app, cluster) = app("hotel-reservation");
    let settings = exact();
    let red = Red::new(&app, &settings);
    let exporters = Exporters::new(app.clone(), cluster.clone(), settings.epoch_ns);
    let readings = readings(&app, &cluster, 2.5);
    let mut names = BTreeSet::new();
    for target in Target::all(&cluster) {
        let mut page = Exposition::default();
        exporters.page(target, &readings, &red, &mut page);
        let text = page.finish();
        assert!(text.ends_with('\n'));
        let mut metric = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                metric = rest.split(' ').next().unwrap().to_owned();
                names.insert(metric.clone());
            } else if !line.starts_with('#') {
                assert!(line.starts_with(&metric), "{line} stands under {metric}");
                assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
            }
        }
    }
    assert!(names.len() > 40, "{}", names.len());
}
