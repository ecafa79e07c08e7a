//! The evaluator on small data whose results can be seen; that it agrees with a real Prometheus is shown
//! by `tests/it/lab_promql`.

use proptest::prelude::*;

use super::parse::LONGEST;
use super::*;
use crate::lab::tsdb::STALE;

/// A counter `n` by 1 every 10 s for ten minutes, of which pod b ends after five, and a level.
fn storage() -> RwLock<Tsdb> {
    let mut tsdb = Tsdb::default();
    for (pod, until) in [("a", 60), ("b", 30)] {
        let id = tsdb.series(Labels::new([("__name__", "n"), ("pod", pod)]));
        (0..until).for_each(|i| tsdb.append(id, i * 10_000, i as f64));
        if pod == "b" {
            tsdb.append(id, until * 10_000, STALE);
        }
    }
    let id = tsdb.series(Labels::new([("__name__", "level"), ("pod", "a")]));
    tsdb.append(id, 100_000, 7.0);
    RwLock::new(tsdb)
}

#[track_caller]
fn at(seconds: i64, query: &str) -> Vec<(String, f64)> {
    match instant(&storage(), query, seconds * 1000, &Options::default()) {
        Ok(Answer::Vector(_, rows)) => rows.into_iter().map(|(l, v)| (l.to_string(), v)).collect(),
        other => panic!("{query}: {other:?}"),
    }
}

#[track_caller]
fn error(query: &str, options: &Options) -> Error {
    let outcome = range(&storage(), query, (0, 600_000), 10_000, options);
    outcome.map(|answer| panic!("{query}: {answer:?}")).unwrap_err()
}

fn one(labels: &str, value: f64) -> Vec<(String, f64)> {
    vec![(labels.to_owned(), value)]
}

#[test]
fn a_sample_is_the_present_value_for_five_minutes() {
    assert_eq!(at(99, "level"), []);
    assert_eq!(at(100, "level"), one(r#"level{pod="a"}"#, 7.0));
    assert_eq!(at(400, "level"), one(r#"level{pod="a"}"#, 7.0));
    assert_eq!(at(401, "level"), []);
}

#[test]
fn a_series_that_has_ended_is_gone_at_once() {
    assert_eq!(at(299, r#"n{pod="b"}"#), one(r#"n{pod="b"}"#, 29.0));
    assert_eq!(at(300, r#"n{pod="b"}"#), []);
    // The marker is no sample of a range.
    assert_eq!(at(300, r#"count_over_time(n{pod="b"}[1m])"#), one(r#"{pod="b"}"#, 6.0));
}

#[test]
fn a_rate_is_extrapolated_to_the_ends_of_its_range() {
    assert_eq!(at(305, r#"rate(n{pod="a"}[1m])"#), one(r#"{pod="a"}"#, 0.1));
    assert_eq!(at(300, r#"increase(n{pod="a"}[1m])"#), one(r#"{pod="a"}"#, 6.0));
    // Not below zero, where the counter began.
    assert_eq!(at(30, r#"increase(n{pod="a"}[5m])"#), one(r#"{pod="a"}"#, 3.0));
}

#[test]
fn rows_that_take_turns_become_one() {
    let both = r#"sum by (x) (label_replace(n{pod="b"} or level unless on (pod) n, "pod", "", "pod", ".*"))"#;
    let Ok(Answer::Matrix(rows)) = range(&storage(), both, (0, 400_000), 100_000, &Options::default()) else {
        panic!("no matrix")
    };
    assert_eq!(rows, [(Labels::default(), vec![(0, 0.0), (100_000, 10.0), (200_000, 20.0)])]);
}

#[test]
fn what_cannot_be_evaluated_is_said() {
    let options = Options::default();
    for query in ["info(n)", "mad_over_time(n[1m])", "limitk(1, n)", "n + fill(0) level", "sort_by_label(n)"]
    {
        let error = error(query, &options);
        assert!(matches!(error, Error::Unsupported(_)), "{query}: {error}");
    }
    assert!(matches!(error("{a=\"1\" or b=\"2\"}", &options), Error::Unsupported(_)));
    assert!(matches!(error("n{", &options), Error::Parse(_)));
    assert!(matches!(error("n[5m]", &options), Error::NoRange { .. }));
    assert!(matches!(error("n / on () n", &options), Error::ManyToMany { .. }));
    assert!(matches!(
        error("sum by (pod) (n) / on () group_left () sum(n) + on () n", &options),
        Error::ManyToMany { .. }
    ));
    assert!(matches!(error("n - on () sum(n)", &options), Error::ManyToOne));
    assert!(matches!(error(r#"label_replace(n, "pod", "x", "pod", ".*")"#, &options), Error::SameLabels(_)));
}

#[test]
fn endless_times_are_no_trouble() {
    for query in [
        "rate(n[4294967295y])",
        "deriv(n[4294967295y] offset -4294967295y)",
        "delta(n[1m] @ 99999999999)",
        "predict_linear(n[4294967295y] offset 4294967295y, 1)",
        "sum_over_time(n[4294967295y:4294967295y])",
        "n offset -4294967295y",
    ] {
        let outcome = range(&storage(), query, (-(1 << 60), 1 << 60), 1 << 58, &Options::default());
        assert!(outcome.is_ok(), "{query}: {outcome:?}");
    }
    assert_eq!(error("sum_over_time(n[4294967295y:1ms])", &Options::default()), Error::TooManySamples);
}

#[test]
fn limits_hold() {
    let few = Options { max_samples: 50, ..Options::default() };
    assert_eq!(error("n", &few), Error::TooManySamples);
    assert_eq!(error("vector(1) + vector(2)", &few), Error::TooManySamples);
    let late = Options { deadline: Some(Instant::now()), ..Options::default() };
    assert_eq!(error("n", &late), Error::Timeout);
    let options = Options::default();
    let deep = format!("{}n{}", "(".repeat(1_000), ")".repeat(1_000));
    assert!(matches!(error(&deep, &options), Error::TooDeep { .. }));
    assert!(matches!(error(&"-".repeat(LONGEST), &options), Error::Parse(_) | Error::TooDeep { .. }));
    assert!(matches!(error(&format!("{}n", "-".repeat(LONGEST - 1)), &options), Error::TooDeep { .. }));
    assert!(matches!(error(&"n+".repeat(LONGEST), &options), Error::TooLong { .. }));
}

proptest! {
    /// Neither the parser nor the evaluator panics, however odd the text.
    #[test]
    fn no_query_is_too_odd(
        parts in proptest::collection::vec(
            prop_oneof![
                "n|level|sum|rate|by|on|offset|@|bool|and|\\(|\\)|\\[5m\\]|\\[1m:\\]|\\[1e300\\]|\\{|\\}|,|-|\\+|/",
                "\\[[0-9a-z.:]{0,9}\\]|offset -?[0-9a-z.]{1,9}|@ -?[0-9.e]{1,9}|\\{pod=~\".{0,4}\"\\}|\\PC{1,3}",
            ],
            0..8,
        ),
    ) {
        let query = parts.join(" ");
        let _ = instant(&storage(), &query, 1_000, &Options::default());
        let _ = range(&storage(), &query, (0, 100_000), 7_000, &Options::default());
    }
}
