//! Windows from the recorded application behind real APIs: set `REPLAY_PROMETHEUS` and
//! `REPLAY_JAEGER` to their base URLs; without them these tests say that they were skipped.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sagetop::domain::{
    Clean, Column, Entity, LatencyUnit, NoProgress, Pool, Quantile, Rpc, Side, Slo, SloSource, Stat,
    Timestamp,
};
use sagetop::telemetry::{BackendSettings, Catalogue, Jaeger, JaegerSettings, Prometheus};
use sagetop::windows::{
    EdgeSeen, LatencySource, NameMap, Period, Plan, PlanInput, Source, Sources, Store, WindowSettings, fetch,
    load,
};

const CATALOGUE: &str = r#"
[[feature]]
name = "cpu"
resource = "cpu"
scope = "service"
query = "last_over_time(pod_cpu_usage_percent{namespace=\"hipster\"}[{{window}}])"
replica = "pod"
service = "service"
node = "node"
[[feature]]
name = "node_cpu"
resource = "cpu"
scope = "node"
query = "last_over_time(node_cpu_usage_percent[{{window}}])"
node = "node"
[[feature]]
name = "throttled"
resource = "cpu"
scope = "service"
query = "rate(container_cpu_cfs_throttled_periods_total[{{rate}}])"
service = "service"
[[latency]]
query = "last_over_time(rpc_client_latency_p50_seconds{namespace=\"hipster\"}[{{window}}])"
side = "client"
quantile = 0.5
caller = "client"
callee = "server"
[[latency]]
query = "last_over_time(rpc_server_latency_p50_seconds{namespace=\"hipster\"}[{{window}}])"
side = "server"
quantile = 0.5
caller = "client"
callee = "server"
"#;

struct Replay {
    prometheus: String,
    jaeger: String,
}

fn replay() -> Option<Replay> {
    let url = |name| std::env::var(name).ok().filter(|url| !url.is_empty());
    let found = url("REPLAY_PROMETHEUS").zip(url("REPLAY_JAEGER"));
    if found.is_none() {
        eprintln!("skipped: no replay");
    }
    found.map(|(prometheus, jaeger)| Replay { prometheus, jaeger })
}

impl Replay {
    fn plan(&self, settings: &WindowSettings) -> Plan {
        self.plan_of(settings, &toml::from_str(CATALOGUE).unwrap())
    }

    fn plan_of(&self, settings: &WindowSettings, catalogue: &Catalogue) -> Plan {
        let slo = Slo {
            name: "front".into(),
            service: "frontend".into(),
            operation: Some("hipstershop.Frontend/Recv.".into()),
            quantile: Quantile(950),
            objective_ms: 1139.0,
            window: Duration::from_secs(300),
            target: 0.99,
            period: Duration::from_secs(86_400),
            source: SloSource::Quantile {
                query: "last_over_time(e2e_latency_p95_seconds{namespace=\"hipster\",service=\"frontend\"}[{{window}}])"
                    .to_owned(),
                unit: LatencyUnit::Seconds,
            },
        };
        Plan::new(PlanInput {
            settings,
            catalogue,
            vars: &BTreeMap::new(),
            slos: &[slo],
            names: &NameMap::default(),
            prometheus: Some(&self.prometheus),
            jaeger: Some(&self.jaeger),
        })
    }

    fn clients(&self) -> (Prometheus, Jaeger) {
        let jaeger = JaegerSettings {
            backend: BackendSettings::at(&self.jaeger),
            api: Default::default(),
            limit: 1500,
        };
        (Prometheus::new(&BackendSettings::at(&self.prometheus)).unwrap(), Jaeger::new(&jaeger).unwrap())
    }
}

fn period(after: &str, until: &str) -> Period {
    Period { after: after.parse().unwrap(), until: until.parse().unwrap(), now: Timestamp::now() }
}

fn present(values: &[f32]) -> usize {
    values.iter().filter(|v| v.is_finite()).count()
}

#[tokio::test]
async fn the_recorded_history_becomes_a_frame() {
    let Some(replay) = replay() else { return };
    let settings = WindowSettings::default();
    let plan = replay.plan(&settings);
    let (metrics, traces) = replay.clients();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "replay").unwrap();
    let history = period("2022-08-21T08:11:00Z", "2022-08-22T00:00:00Z");
    let sources = Sources { metrics: Some(&metrics), traces: Some(&traces) };

    let started = Instant::now();
    let report = fetch(sources, &plan, &history, &store, &NoProgress).await.unwrap();
    let cold = started.elapsed();
    assert_eq!(report.failed, 0, "{report:?}");
    assert!(report.absent.contains(&Clean::new("throttled")), "{report:?}");
    let started = Instant::now();
    let again = fetch(sources, &plan, &history, &store, &NoProgress).await.unwrap();
    assert_eq!(again.fetched, 0, "{again:?}");
    let loaded = load(&store, &plan, &history).unwrap();
    eprintln!("cold fetch {cold:?}, warm fetch and load {:?}, {report:?}", started.elapsed());

    let frame = loaded.frame;
    assert_eq!(frame.len(), 949);
    let cpu: Vec<_> = frame
        .columns
        .iter()
        .filter(|(c, _)| matches!(c, Column::Metric { entity: Entity::Service(_), feature, .. } if feature.as_str() == "cpu"))
        .collect();
    assert_eq!(cpu.len(), 10, "one pod each, so no maxima");
    for (column, values) in cpu {
        assert_eq!(present(values), 949, "{column:?}");
        assert!(matches!(column, Column::Metric { pool: Pool::Mean, .. }));
    }
    let of_side = |wanted: Side| {
        frame.columns.iter().filter(move |(c, _)| {
            matches!(c, Column::Latency { rpc, side, .. } if *side == wanted && rpc.caller.service().is_some())
        })
    };
    assert_eq!((of_side(Side::Client).count(), of_side(Side::Network).count()), (14, 14));
    assert!(of_side(Side::Client).all(|(_, client)| (939..=949).contains(&present(client))));
    // As many as Prometheus itself finds with `client and ignoring(__name__) server`.
    let mut ways: Vec<_> = of_side(Side::Network).map(|(_, way)| present(way)).collect();
    ways.sort_unstable();
    assert_eq!(ways, [930, 932, 932, 935, 936, 937, 938, 949, 949, 949, 949, 949, 949, 949]);
    assert!(of_side(Side::Network).all(|(_, way)| way.iter().all(|w| w.is_nan() || *w >= 0.0)));
    let edges: Vec<_> = loaded.edges.iter().filter(|e| e.seen == EdgeSeen::Metrics).collect();
    assert_eq!(edges.len(), 14);
    assert_eq!(frame.placement.len(), 10);
    assert!(frame.placement.values().all(|nodes| nodes.len() == 1));

    let slo = Column::Latency {
        rpc: Rpc::entry(&"frontend".into(), Some(&"hipstershop.Frontend/Recv.".into())),
        side: Side::Client,
        stat: Stat::Quantile(Quantile(950)),
    };
    let above = frame.columns[&slo].iter().filter(|ms| **ms > 1139.0).count();
    assert_eq!(above, 39, "windows above the objective in the recorded history");
    assert!(frame.sources.iter().all(|s| *s == Source::Metrics));
}

#[tokio::test]
async fn recorded_traces_become_latencies() {
    let Some(replay) = replay() else { return };
    let settings = WindowSettings {
        latency_source: LatencySource::Traces,
        sample_traces: 1500,
        ..WindowSettings::default()
    };
    let plan = replay.plan(&settings);
    let (metrics, traces) = replay.clients();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "replay").unwrap();
    // One of the minutes with traces; they run from :19 to :19.
    let incident = period("2022-08-22T03:51:00Z", "2022-08-22T03:59:30Z");
    let sources = Sources { metrics: Some(&metrics), traces: Some(&traces) };
    let started = Instant::now();
    let report = fetch(sources, &plan, &incident, &store, &NoProgress).await.unwrap();
    let loaded = load(&store, &plan, &incident).unwrap();
    eprintln!("traces {:?}: {report:?}", started.elapsed());
    assert_eq!(report.failed, 0, "{report:?}");
    let frame = &loaded.frame;
    let served = Rpc::served_by(&"productcatalogservice".into());
    let count = &frame.columns[&Column::Latency { rpc: served, side: Side::Server, stat: Stat::Count }];
    assert!(present(count) >= 2, "{count:?}");
    let spans = loaded.edges.iter().filter(|e| e.seen == EdgeSeen::Spans).count();
    assert!(spans >= 12, "{:?}", loaded.edges);
    for (column, values) in &frame.columns {
        assert!(values.iter().all(|v| v.is_nan() || *v >= 0.0), "{column:?}");
    }
    for edge in &loaded.edges {
        let rpc = Rpc::edge(&edge.caller, &edge.callee);
        let get = |side, q| {
            frame.columns.get(&Column::Latency { rpc: rpc.clone(), side, stat: Stat::Quantile(Quantile(q)) })
        };
        eprintln!(
            "{} → {} {:?} {} client {:?} server {:?} network {:?} request {:?}",
            edge.caller,
            edge.callee,
            edge.seen,
            edge.calls,
            get(Side::Client, 500),
            get(Side::Server, 500),
            get(Side::Network, 500),
            get(Side::Request, 500),
        );
    }
}

#[tokio::test]
async fn a_catalogue_that_finds_nothing_is_cheap_and_silent() {
    let Some(replay) = replay() else { return };
    let plan = replay.plan_of(&WindowSettings::default(), &Catalogue::standard().unwrap());
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    let (metrics, _) = replay.clients();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "replay").unwrap();
    let history = period("2022-08-21T08:11:00Z", "2022-08-22T00:00:00Z");
    let sources: Sources<'_, _, Jaeger> = Sources { metrics: Some(&metrics), traces: None };
    let report = fetch(sources, &plan, &history, &store, &NoProgress).await.unwrap();
    eprintln!("{report:?}");
    assert_eq!((report.failed, report.warnings.len()), (0, 0), "{report:?}");
    assert_eq!(report.present.len(), 1, "the SLO alone: {:?}", report.present);
    assert_eq!(report.absent.len() + 1, plan.queries.len());
}
