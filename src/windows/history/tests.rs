//! Fetching and loading against backends in memory: what is asked, how often, and what comes of it.
#![allow(clippy::unwrap_used, clippy::panic)]

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

#[tokio::test]
async fn history_is_fetched_once() {
    let (bench, plan) = (bench(), plan());
    let source = metrics(1..=600);
    let report = run(&bench, &plan, &past(0, 600), &source, None).await.unwrap();
    assert_eq!(report.fetched, 4 * 3, "four queries in three pieces; disk has no data");
    let labels =
        |set: &std::collections::BTreeSet<Clean>| set.iter().map(|l| l.to_string()).collect::<Vec<_>>();
    assert_eq!(labels(&report.absent), ["disk"]);
    assert_eq!(labels(&report.present)[0], "SLO front");
    assert_eq!(source.windows("client"), (1..=600).collect::<Vec<_>>());
    assert!(source.windows("disk").is_empty(), "what a probe does not find is not pulled");

    let asked = source.requests();
    let again = run(&bench, &plan, &past(0, 600), &source, None).await.unwrap();
    assert_eq!((source.requests(), again.fetched), (asked, 0));

    // Two more minutes: just these, and nothing of what has no data.
    let source = metrics(1..=602);
    run(&bench, &plan, &past(2, 602), &source, None).await.unwrap();
    assert_eq!(source.windows("cpu"), [601, 602]);
    assert_eq!(source.requests(), 4);
    let frame = frame(&bench, &plan, &past(2, 602));
    assert_eq!(frame.len(), 600);
    assert_eq!(frame.columns[&cpu("cart", Pool::Mean)][599], 602.0);
}

#[tokio::test]
async fn gaps_stay_gaps_and_columns_are_derived() {
    let (bench, plan) = (bench(), plan());
    let source = metrics(1..=3)
        .with("cpu", &[("app", "cart"), ("pod", "cart-2"), ("node", "n2")], 2..=2, |_| 10.0)
        .with("cpu", &[("app", "web"), ("pod", "web-1"), ("node", "n1")], [5], |_| 7.0)
        .with("server", &[("from", "cart"), ("to", "db")], 1..=2, |_| 0.004)
        .with("client", &[("from", "cart"), ("to", "db")], 2..=3, |_| 0.003);
    run(&bench, &plan, &past(0, 10), &source, None).await.unwrap();
    let frame = frame(&bench, &plan, &past(0, 10));
    let minutes: Vec<_> = frame.ends.iter().map(|t| (t.as_second() - START) / MINUTE).collect();
    assert_eq!(minutes, [1, 2, 3, 5], "windows without anything are no rows");
    let bits = |column: &Column| frame.columns[column].iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let expect = |values: [f32; 4]| values.map(f32::to_bits).to_vec();
    let nan = f32::NAN;
    assert_eq!(bits(&cpu("cart", Pool::Mean)), expect([1.0, 6.0, 3.0, nan]));
    assert_eq!(bits(&cpu("cart", Pool::Max)), expect([1.0, 10.0, 3.0, nan]));
    assert!(!frame.columns.contains_key(&cpu("web", Pool::Max)), "never more than one replica");
    assert_eq!(bits(&latency(web_cart(), Side::Network, 500)), expect([20.0, 20.0, 20.0, nan]));
    let crossed = latency(Rpc::edge(&"cart".into(), &"db".into()), Side::Network, 500);
    assert_eq!(bits(&crossed), expect([nan, 0.0, nan, nan]), "server above client: nothing left");
    assert_eq!(bits(&entry()), expect([101.0, 102.0, 103.0, nan]));
    assert_eq!(frame.sources, [Source::Metrics, Source::Metrics, Source::Metrics, Source::None]);
    let nodes =
        |s: &str| frame.placement[&ServiceName::from(s)].iter().map(|n| n.to_string()).collect::<Vec<_>>();
    assert_eq!(
        (nodes("cart"), nodes("web")),
        (vec!["n1".to_owned(), "n2".to_owned()], vec!["n1".to_owned()])
    );
    let mut sorted: Vec<_> = frame.columns.keys().cloned().collect();
    sorted.sort();
    assert!(frame.columns.keys().eq(sorted.iter()));
}

#[tokio::test]
async fn a_dropped_fetch_goes_on_where_it_stopped() {
    let (bench, plan) = (bench(), plan());
    // Five probes, four answers, and then the backend hangs until the fetch is abandoned.
    let mut source = metrics(1..=960);
    source.hangs_after = Some(9);
    let period = past(0, 960);
    let gave_up =
        tokio::time::timeout(Duration::from_millis(300), run(&bench, &plan, &period, &source, None)).await;
    assert!(gave_up.is_err());
    let with_data = plan.queries.iter().filter(|q| q.expr != "disk");
    let covered: i64 =
        with_data.flat_map(|q| bench.store.covered(&q.key).unwrap()).map(|e| e.windows(60)).sum();
    assert_eq!(covered, 4 * 240, "what had come is kept");
    let first = frame(&bench, &plan, &period);
    assert!(first.ends[0].as_second() >= START + 720 * MINUTE, "the newest piece came first");

    let second = metrics(1..=960);
    run(&bench, &plan, &period, &second, None).await.unwrap();
    for query in &plan.queries {
        let once = second.windows(&query.expr);
        let unique: HashSet<_> = once.iter().collect();
        assert_eq!(unique.len(), once.len());
    }
    let asked: usize = plan.queries.iter().map(|q| second.windows(&q.expr).len()).sum();
    assert_eq!(asked, 4 * 960 - 4 * 240);
    assert_eq!(frame(&bench, &plan, &period).len(), 960);
}

/// Cancels after some reports.
struct Impatient(AtomicUsize);

impl Progress for Impatient {
    fn report(&self, _: crate::domain::Stage, done: u64, total: u64, _: &str) {
        assert!(done <= total);
        self.0.fetch_sub(usize::from(self.0.load(Ordering::Relaxed) > 0), Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

#[tokio::test]
async fn a_cancelled_fetch_says_so_and_keeps_what_it_has() {
    let (bench, plan) = (bench(), plan());
    let source = metrics(1..=960);
    let sources: Sources<'_, _, FakeTraces> = Sources { metrics: Some(&source), traces: None };
    let report = fetch(sources, &plan, &past(0, 960), &bench.store, &Impatient(6.into())).await.unwrap();
    assert!(report.cancelled && report.fetched > 0 && report.fetched < 16, "{report:?}");
    let report = run(&bench, &plan, &past(0, 960), &source, None).await.unwrap();
    assert!(!report.cancelled);
    assert_eq!(frame(&bench, &plan, &past(0, 960)).len(), 960);
}

#[tokio::test]
async fn a_failing_query_is_a_warning_and_tried_again() {
    let (bench, plan) = (bench(), plan());
    let source = metrics(1..=300);
    source.fail(&["cpu"]);
    let report = run(&bench, &plan, &past(0, 300), &source, None).await.unwrap();
    assert_eq!(report.failed, 2);
    let warning = report.warnings[0].as_str();
    assert!(warning.contains("cpu: 2 piece(s)") && warning.contains("503 overloaded"), "{warning}");
    assert!(!frame(&bench, &plan, &past(0, 300)).columns.contains_key(&cpu("cart", Pool::Mean)));

    source.fail(&[]);
    let before = source.windows("client").len();
    run(&bench, &plan, &past(0, 300), &source, None).await.unwrap();
    assert_eq!(source.windows("client").len(), before);
    assert_eq!(frame(&bench, &plan, &past(0, 300)).columns[&cpu("cart", Pool::Mean)].len(), 300);
}

#[tokio::test]
async fn when_everything_fails_it_is_an_error() {
    let (bench, plan) = (bench(), plan());
    let source = metrics(1..=300);
    source.fail(&["cpu", "disk", "client", "server", "e2e"]);
    let error = run(&bench, &plan, &past(0, 300), &source, None).await.unwrap_err().to_string();
    assert!(error.contains("all") && error.contains("503 overloaded"), "{error}");
    assert!(source.requests() <= 5 + 8 + QUERIES_AT_ONCE, "a dead backend is not asked for every piece");
    // With traces to fall back on it is a warning.
    let traces = FakeTraces::every_minute(1..=300);
    let report = run(&bench, &plan, &past(0, 300), &source, Some(&traces)).await.unwrap();
    assert!(report.failed > 0 && report.fetched == 120, "{report:?}");
}

#[tokio::test]
async fn nothing_after_the_question_is_read() {
    let (plan, period) = (plan(), past(0, 50));
    let later = |traces: i64| (metrics(1..=traces), FakeTraces::every_minute(1..=traces));
    let mut frames = Vec::new();
    for last in [50, 90] {
        let bench = bench();
        let (source, traces) = later(last);
        run(&bench, &plan, &period, &source, Some(&traces)).await.unwrap();
        let newest = source.asked.lock().unwrap().iter().map(|(_, _, to)| *to).max();
        assert_eq!(newest, Some(START + 50 * MINUTE));
        frames.push(frame(&bench, &plan, &period));
        // What a later question stored does not change the answer to this one either.
        let moved =
            source.with("cpu", &[("app", "cart"), ("pod", "cart-9"), ("node", "n9")], 51..=90, |_| 99.0);
        run(&bench, &plan, &past(0, 90), &moved, Some(&traces)).await.unwrap();
        frames.push(frame(&bench, &plan, &period));
    }
    assert_eq!(frames[0].len(), 50);
    let text: HashSet<_> = frames.iter().map(|f| format!("{f:?}")).collect();
    assert_eq!(text.len(), 1);
}

#[tokio::test]
async fn spans_that_ended_after_the_question_stay_unread() {
    let settings = WindowSettings { latency_source: LatencySource::Traces, ..WindowSettings::default() };
    let (bench, plan, source) = (bench(), plan_with(&settings, slo(SloSource::Traces)), metrics(1..=60));
    // Besides the trace of every minute one of 20 s that begins 10 s before the end of minute 50.
    let mut traces = FakeTraces::every_minute(1..=60);
    let start = ((START + 50 * MINUTE - 10) as u64) * 1000;
    traces
        .spans
        .push(vec![Span { trace: TraceId(999), ..span(1, 0, "web", SpanKind::Server, start, 20_000) }]);
    let count =
        Column::Latency { rpc: Rpc::entry(&"web".into(), None), side: Side::Client, stat: Stat::Count };
    let asked_at = async |minute: i64| {
        run(&bench, &plan, &past(0, minute), &source, Some(&traces)).await.unwrap();
        frame(&bench, &plan, &past(0, minute)).columns[&count][49]
    };
    assert_eq!(asked_at(50).await, 1.0, "it is still running");
    assert_eq!(asked_at(51).await, 2.0);
    assert_eq!(asked_at(50).await, 1.0, "also when the store knows better");
    assert_eq!(asked_at(60).await, 2.0);
}

#[tokio::test]
async fn young_windows_are_fetched_again() {
    let (bench, plan) = (bench(), plan());
    let live = |minute: i64, second: i64| {
        let now = Timestamp::from_second(START + minute * MINUTE + second).unwrap();
        Period { until: now, now, ..past(0, minute) }
    };
    let half = metrics(1..=9);
    run(&bench, &plan, &live(10, 5), &half, None).await.unwrap();
    assert_eq!(frame(&bench, &plan, &live(10, 5)).len(), 9);
    // 20 s later the backend has caught up; 40 s later the window has settled.
    let full = metrics(1..=10);
    run(&bench, &plan, &live(10, 20), &full, None).await.unwrap();
    assert_eq!((full.windows("cpu"), frame(&bench, &plan, &live(10, 20)).len()), (vec![10], 10));
    run(&bench, &plan, &live(10, 40), &full, None).await.unwrap();
    run(&bench, &plan, &live(10, 55), &full, None).await.unwrap();
    assert_eq!(full.windows("cpu"), [10, 10]);
}

#[tokio::test]
async fn spans_fill_the_windows_that_metrics_leave_open() {
    let bench = bench();
    let plan = plan();
    let (source, traces) = (metrics(1..=200), FakeTraces::every_minute(1..=300));
    run(&bench, &plan, &past(0, 300), &source, Some(&traces)).await.unwrap();
    assert_eq!(traces.windows(), (201..=300).collect::<Vec<_>>(), "metrics know the edges before");
    let loaded = load(&bench.store, &plan, &past(0, 300)).unwrap();
    let frame = &loaded.frame;
    assert_eq!(frame.len(), 300);
    assert_eq!((frame.sources[199], frame.sources[200]), (Source::Metrics, Source::Traces));
    let client = &frame.columns[&latency(web_cart(), Side::Client, 500)];
    assert_eq!((client[199], client[200]), (50.0, 50.0));
    assert!(frame.columns[&entry()][250].is_nan(), "an SLO read by PromQL is not mixed with spans");
    let edge = |caller: &str, callee: &str, seen, calls| ObservedEdge {
        caller: caller.into(),
        callee: callee.into(),
        seen,
        calls,
    };
    assert_eq!(
        loaded.edges,
        [
            edge("cart", "redis", EdgeSeen::Peer, 100),
            edge("web", "cart", EdgeSeen::Spans, 100),
            edge("web", "cart", EdgeSeen::Metrics, 0),
        ]
    );
    // Searched once, also where the newest window had to be repeated for its spans to settle.
    run(&bench, &plan, &past(0, 300), &source, Some(&traces)).await.unwrap();
    assert_eq!(traces.windows().len(), 101);
}

#[tokio::test]
async fn the_latency_source_decides_who_speaks() {
    let with = |latency_source, slo| {
        plan_with(&WindowSettings { latency_source, trace_windows: 20, ..WindowSettings::default() }, slo)
    };
    let (source, traces) = (metrics(1..=100), || FakeTraces::every_minute(1..=100));
    let period = past(0, 100);

    // Traces: all windows from spans, PromQL for features and the SLO alone.
    let (bench_, plan_, traces_) = (bench(), with(LatencySource::Traces, by_query()), traces());
    run(&bench_, &plan_, &period, &source, Some(&traces_)).await.unwrap();
    assert_eq!((traces_.windows().len(), source.windows("client").len()), (100, 0));
    let f = frame(&bench_, &plan_, &period);
    assert_eq!(f.sources[0], Source::Both, "the SLO is PromQL's");
    assert_eq!(f.columns[&latency(web_cart(), Side::Network, 990)][0], 20.0);
    assert_eq!(f.columns[&entry()][0], 101.0);

    // Metrics: no search at all, unless an SLO needs one, and then for the SLO alone.
    let (bench_, plan_, traces_) = (bench(), with(LatencySource::Metrics, by_query()), traces());
    run(&bench_, &plan_, &period, &source, Some(&traces_)).await.unwrap();
    assert!(traces_.windows().is_empty());
    let (bench_, plan_, traces_) = (bench(), with(LatencySource::Metrics, slo(SloSource::Traces)), traces());
    run(&bench_, &plan_, &period, &source, Some(&traces_)).await.unwrap();
    assert_eq!(traces_.windows(), (81..=100).collect::<Vec<_>>());
    let f = frame(&bench_, &plan_, &period);
    assert_eq!((f.columns[&entry()][99], f.columns[&entry()][0].is_nan()), (100.0, true));
    assert!(!f.columns.contains_key(&latency(web_cart(), Side::Client, 990)));

    // Auto with an SLO on spans: searched although metrics know the edges, and not mixed with them.
    let (bench_, plan_, traces_) = (bench(), with(LatencySource::Auto, slo(SloSource::Traces)), traces());
    run(&bench_, &plan_, &period, &source, Some(&traces_)).await.unwrap();
    assert_eq!(traces_.windows().len(), 20);
    let f = frame(&bench_, &plan_, &period);
    assert_eq!((f.sources[0], f.sources[99]), (Source::Metrics, Source::Both));
    assert!(!f.columns.contains_key(&latency(web_cart(), Side::Client, 990)));
}

#[tokio::test]
async fn a_dead_jaeger_does_not_stop_the_metrics() {
    let (bench, plan) = (bench(), plan());
    let traces = FakeTraces { fails: true, ..FakeTraces::default() };
    let report = run(&bench, &plan, &past(0, 300), &metrics(1..=100), Some(&traces)).await.unwrap();
    assert!(traces.windows().len() <= 8 + SEARCHES_AT_ONCE, "given up early");
    assert!(report.warnings.iter().any(|w| w.as_str().contains("traces") && w.as_str().contains("refused")));
    assert_eq!(frame(&bench, &plan, &past(0, 300)).len(), 100);
}

#[test]
fn fetching_can_be_spawned() {
    fn is_send<T: Send>(_: impl FnOnce() -> T) {}
    let bench = bench();
    let (plan, period) = (plan(), past(0, 1));
    is_send(|| {
        let sources: Sources<'_, Prometheus, Jaeger> = Sources { metrics: None, traces: None };
        fetch(sources, &plan, &period, &bench.store, &crate::domain::NoProgress)
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_fetches_into_one_file_agree() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, period) = (plan(), past(0, 960));
    let one = async || {
        let store = Store::open(dir.path(), "test").unwrap();
        let (source, traces) = (metrics(1..=900), FakeTraces::every_minute(1..=960));
        let sources = Sources { metrics: Some(&source), traces: Some(&traces) };
        let report = fetch(sources, &plan, &period, &store, &crate::domain::NoProgress).await.unwrap();
        assert_eq!((report.failed, report.warnings.len()), (0, 0), "{report:?}");
        load(&store, &plan, &period).unwrap()
    };
    let (a, b) = tokio::join!(one(), one());
    assert_eq!(a.frame.len(), 960);
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
}

#[tokio::test]
async fn data_that_starts_late_is_not_taken_for_absent() {
    let (bench, plan) = (bench(), plan());
    // A day of which only the newest ten minutes have data: the probe's last point meets them.
    let source = metrics(1431..=1440);
    let report = run(&bench, &plan, &past(0, 1440), &source, None).await.unwrap();
    assert!(report.present.contains("cpu"), "{report:?}");
    assert_eq!(frame(&bench, &plan, &past(0, 1440)).len(), 10);
    let probes =
        source.asked.lock().unwrap().iter().filter(|(expr, _, _)| expr.starts_with("count(")).count();
    assert_eq!(probes, plan.queries.len());
}

#[tokio::test]
async fn a_query_that_cannot_be_counted_is_pulled_all_the_same() {
    /// Refuses `count(…)`, as Prometheus does for scalars.
    struct NoCount(FakeMetrics);
    impl MetricSource for NoCount {
        async fn query_range(
            &self,
            expr: &str,
            start: Timestamp,
            end: Timestamp,
            step: Duration,
        ) -> Result<Matrix, SourceError> {
            if expr.starts_with("count(") {
                return Err(SourceError("expected type instant vector".into()));
            }
            self.0.query_range(expr, start, end, step).await
        }
    }
    let (bench, plan) = (bench(), plan());
    let source = NoCount(metrics(1..=300));
    let sources: Sources<'_, _, FakeTraces> = Sources { metrics: Some(&source), traces: None };
    let report =
        fetch(sources, &plan, &past(0, 300), &bench.store, &crate::domain::NoProgress).await.unwrap();
    assert_eq!((report.failed, report.warnings.len()), (0, 0), "{report:?}");
    assert_eq!(frame(&bench, &plan, &past(0, 300)).len(), 300);
}

#[tokio::test]
async fn two_queries_for_one_column_do_not_mix() {
    let catalogue =
        CATALOGUE.replace("query = 'disk'", "query = 'cpu2'").replace("name = 'disk'", "name = 'cpu'");
    let (bench, mut plan) = (bench(), plan());
    let catalogue: crate::telemetry::Catalogue = toml::from_str(&catalogue).unwrap();
    plan = Plan::new(PlanInput {
        settings: &plan.settings,
        catalogue: &catalogue,
        vars: &BTreeMap::new(),
        slos: &[by_query()],
        names: &plan.names,
        prometheus: Some("http://prometheus"),
        jaeger: None,
    });
    let source = metrics(1..=2).with("cpu2", &[("app", "cart")], 2..=3, |_| 77.0);
    run(&bench, &plan, &past(0, 3), &source, None).await.unwrap();
    let frame = frame(&bench, &plan, &past(0, 3));
    assert_eq!(
        frame.columns[&cpu("cart", Pool::Mean)],
        [1.0, 2.0, 77.0],
        "the earlier query counts where it can"
    );
}
