//! What is asked, how often, and what is kept when a fetch fails or ends early.

use super::*;

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
