//! Which data counts: the moment of the question, the latency sources, absent and late data.

use super::*;

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
