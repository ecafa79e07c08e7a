//! Fetching and loading against backends in memory: the backends, and what the tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

mod keeping;
mod reading;

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::metrics::QUERIES_AT_ONCE;
use super::traces::SEARCHES_AT_ONCE;
use super::*;
use crate::domain::{
    Column, Entity, LatencyUnit, Pool, Quantile, Rpc, ServiceName, Side, Slo, SloSource, Stat,
};
use crate::telemetry::{Jaeger, Matrix, Prometheus, Series, Span, SpanKind, TraceId, TraceQuery, TraceStats};
use crate::windows::settings::LatencySource;
use crate::windows::trace::tests::span;
use crate::windows::{
    EdgeSeen, Frame, NameMap, ObservedEdge, PlanInput, Source, SourceError, WindowSettings, load,
};

/// A whole number of pieces, so that tests can count them.
const START: i64 = 240 * 60 * 100_000;
const MINUTE: i64 = 60;

/// A series: its expression, its labels, its values by moment.
type Known = (String, Vec<(String, String)>, BTreeMap<i64, f64>);

/// Answers from known series; remembers what it was asked.
#[derive(Default)]
struct FakeMetrics {
    series: Vec<Known>,
    asked: Mutex<Vec<(String, i64, i64)>>,
    fails: Mutex<HashSet<String>>,
    /// Hangs for ever from this request on.
    hangs_after: Option<usize>,
}

impl FakeMetrics {
    fn with(
        mut self,
        expr: &str,
        labels: &[(&str, &str)],
        minutes: impl IntoIterator<Item = i64>,
        value: impl Fn(i64) -> f64,
    ) -> Self {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let points = minutes.into_iter().map(|m| (START + m * MINUTE, value(m))).collect();
        self.series.push((expr.to_owned(), labels, points));
        self
    }

    fn fail(&self, exprs: &[&str]) {
        *self.fails.lock().unwrap() = exprs.iter().map(|e| (*e).to_owned()).collect();
    }

    /// Windows asked for by range requests (not probes), in minutes since `START`, per expression.
    fn windows(&self, expr: &str) -> Vec<i64> {
        let asked = self.asked.lock().unwrap();
        let of = asked.iter().filter(|(e, _, _)| e == expr);
        let mut minutes: Vec<i64> =
            of.flat_map(|(_, from, to)| ((from - START) / MINUTE)..=((to - START) / MINUTE)).collect();
        minutes.sort_unstable();
        minutes
    }

    fn requests(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl MetricSource for FakeMetrics {
    async fn query_range(
        &self,
        expr: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<Matrix, SourceError> {
        let (start, end) = (start.as_second(), end.as_second());
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((expr.to_owned(), start, end));
            asked.len()
        };
        if self.hangs_after.is_some_and(|after| number > after) {
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
        let counted = expr.strip_prefix("count(\n").and_then(|e| e.strip_suffix("\n)"));
        let plain = counted.unwrap_or(expr);
        if self.fails.lock().unwrap().contains(plain) {
            return Err(SourceError("503 overloaded".into()));
        }
        let step = step.as_secs() as i64;
        let on_grid = |t: &i64| (start..=end).contains(t) && (t - start) % step == 0;
        let series: Vec<Series> = self
            .series
            .iter()
            .filter(|(e, _, _)| e == plain)
            .map(|(_, labels, points)| Series {
                labels: labels.iter().map(|(k, v)| (Clean::new(k), Clean::new(v))).collect(),
                points: points.iter().filter(|(t, _)| on_grid(t)).map(|(t, v)| (t * 1000, *v)).collect(),
            })
            .filter(|s| !s.points.is_empty())
            .collect();
        Ok(Matrix { series, warnings: Vec::new() })
    }
}

/// Traces with the minute after `START` in which each begins.
#[derive(Default)]
struct FakeTraces {
    spans: Vec<Vec<Span>>,
    asked: Mutex<Vec<i64>>,
    fails: bool,
}

impl FakeTraces {
    /// One trace a minute: web (100 ms) calls cart (client 50, server 30), which calls redis (9).
    fn every_minute(minutes: impl IntoIterator<Item = i64>) -> Self {
        let spans = minutes
            .into_iter()
            .map(|minute| {
                let shift = ((START + (minute - 1) * MINUTE) * 1000 + 500) as u64;
                let trace = [
                    span(1, 0, "web", SpanKind::Server, 0, 100),
                    span(2, 1, "web", SpanKind::Client, 10, 50),
                    span(3, 2, "cart", SpanKind::Server, 15, 30),
                    Span { peer: Some("redis".into()), ..span(4, 3, "cart", SpanKind::Client, 16, 9) },
                ];
                let place = |s: Span| Span {
                    trace: TraceId(minute as u128),
                    start_ns: s.start_ns + shift * 1_000_000,
                    ..s
                };
                trace.into_iter().map(place).collect()
            })
            .collect();
        Self { spans, ..Self::default() }
    }

    fn windows(&self) -> Vec<i64> {
        let mut ends = self.asked.lock().unwrap().clone();
        ends.sort_unstable();
        ends
    }
}

impl TraceSource for FakeTraces {
    async fn traces(
        &self,
        query: &TraceQuery,
        sink: &mut (dyn FnMut(Span) + Send),
    ) -> Result<TraceStats, SourceError> {
        self.asked.lock().unwrap().push((query.end.as_second() - START) / MINUTE);
        if self.fails {
            return Err(SourceError("connection refused".into()));
        }
        let range = query.start.as_nanosecond()..query.end.as_nanosecond();
        for trace in &self.spans {
            if trace.iter().any(|s| s.service == query.service && range.contains(&i128::from(s.start_ns))) {
                trace.iter().cloned().for_each(&mut *sink);
            }
        }
        Ok(TraceStats::default())
    }
}

const CATALOGUE: &str = "
    [[feature]]
    name = 'cpu'
    resource = 'cpu'
    scope = 'service'
    query = 'cpu'
    replica = 'pod'
    service = 'app'
    node = 'node'
    [[feature]]
    name = 'disk'
    resource = 'disk'
    scope = 'service'
    query = 'disk'
    service = 'app'
    [[latency]]
    query = 'client'
    side = 'client'
    quantile = 0.5
    caller = 'from'
    callee = 'to'
    [[latency]]
    query = 'server'
    side = 'server'
    quantile = 0.5
    caller = 'from'
    callee = 'to'";

fn slo(source: SloSource) -> Slo {
    Slo {
        name: "front".into(),
        service: "web".into(),
        operation: None,
        quantile: Quantile(990),
        objective_ms: 500.0,
        window: Duration::from_secs(300),
        target: 0.99,
        period: Duration::from_secs(86_400),
        source,
    }
}

fn by_query() -> Slo {
    slo(SloSource::Quantile { query: "e2e".into(), unit: LatencyUnit::Seconds })
}

fn plan_with(settings: &WindowSettings, slo: Slo) -> Plan {
    Plan::new(PlanInput {
        settings,
        catalogue: &toml::from_str(CATALOGUE).unwrap(),
        vars: &BTreeMap::new(),
        slos: &[slo],
        names: &NameMap::default(),
        prometheus: Some("http://prometheus"),
        jaeger: Some("http://jaeger"),
    })
}

fn plan() -> Plan {
    plan_with(&WindowSettings::default(), by_query())
}

/// Minutes since `START`, asked long afterwards.
fn past(after: i64, until: i64) -> Period {
    let at = |minute| Timestamp::from_second(START + minute * MINUTE).unwrap();
    Period { after: at(after), until: at(until), now: at(until + 100_000) }
}

struct Bench {
    _dir: tempfile::TempDir,
    store: Store,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    Bench { store: Store::open(dir.path(), "test").unwrap(), _dir: dir }
}

async fn run(
    bench: &Bench,
    plan: &Plan,
    period: &Period,
    metrics: &FakeMetrics,
    traces: Option<&FakeTraces>,
) -> Result<FetchReport, Error> {
    let sources = Sources { metrics: Some(metrics), traces };
    fetch(sources, plan, period, &bench.store, &crate::domain::NoProgress).await
}

fn frame(bench: &Bench, plan: &Plan, period: &Period) -> Frame {
    load(&bench.store, plan, period).unwrap().frame
}

fn cpu(service: &str, pool: Pool) -> Column {
    Column::Metric { entity: Entity::Service(service.into()), feature: "cpu".into(), pool }
}

fn latency(rpc: Rpc, side: Side, q: u16) -> Column {
    Column::Latency { rpc, side, stat: Stat::Quantile(Quantile(q)) }
}

fn web_cart() -> Rpc {
    Rpc::edge(&"web".into(), &"cart".into())
}

fn entry() -> Column {
    latency(Rpc::entry(&"web".into(), None), Side::Client, 990)
}

/// cpu and both sides of web → cart for the minutes given.
fn metrics(minutes: std::ops::RangeInclusive<i64>) -> FakeMetrics {
    let edge = [("from", "web"), ("to", "cart")];
    FakeMetrics::default()
        .with("cpu", &[("app", "cart"), ("pod", "cart-1"), ("node", "n1")], minutes.clone(), |m| m as f64)
        .with("client", &edge, minutes.clone(), |_| 0.05)
        .with("server", &edge, minutes.clone(), |_| 0.03)
        .with("e2e", &[], minutes, |m| 0.1 + m as f64 / 1000.0)
}
