//! The storage: order, selection, forgetting, memory.

use super::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().copied())
}

fn matcher(op: MatchOp, name: &str, value: &str) -> Matcher {
    Matcher::new(op, name, value)
}

fn names(found: &[&Series]) -> Vec<String> {
    found.iter().map(|series| series.labels.to_string()).collect()
}

#[test]
fn labels_are_sorted_and_empty_ones_are_none() {
    let mut l = labels(&[("b", "1"), ("__name__", "up"), ("a", "2"), ("c", ""), ("b", "3")]);
    assert_eq!(l.to_string(), r#"up{a="2", b="3"}"#);
    assert_eq!((l.get("b"), l.get("c")), ("3", ""));
    l.set("b", "");
    l.remove("nothing");
    assert_eq!(l, labels(&[("a", "2"), ("__name__", "up")]));
    assert_eq!(l.without_name(), labels(&[("a", "2")]));
}

#[test]
fn old_samples_and_second_samples_are_dropped() {
    let mut db = Tsdb::default();
    let id = db.series(labels(&[("__name__", "up")]));
    for (time, value) in [(10, 1.0), (20, 2.0), (20, 3.0), (15, 4.0), (30, STALE)] {
        db.append(id, time, value);
    }
    assert_eq!(db.series(labels(&[("__name__", "up")])), id);
    assert_eq!(db.all()[0].times(), [10, 20, 30]);
    let values = db.all()[0].values();
    assert_eq!(values[..2], [1.0, 2.0]);
    assert!(is_stale(values[2]) && !is_stale(f64::NAN));
}

#[test]
fn matchers_select_in_the_order_of_labels() {
    let mut db = Tsdb::default();
    for (name, job) in [("up", "b"), ("up", "a"), ("up", ""), ("down", "a")] {
        let id = db.series(labels(&[("__name__", name), ("job", job)]));
        db.append(id, 1_000, 1.0);
    }
    let up = matcher(MatchOp::Equal, "__name__", "up");
    let found = |more: &[Matcher]| {
        let matchers: Vec<Matcher> = more.iter().chain([&up]).cloned().collect();
        names(&db.matching(&matchers, 0, 2_000))
    };
    assert_eq!(found(&[]), [r#"up{}"#, r#"up{job="a"}"#, r#"up{job="b"}"#]);
    assert_eq!(found(&[matcher(MatchOp::Equal, "job", "")]), ["up{}"]);
    assert_eq!(found(&[matcher(MatchOp::NotEqual, "job", "a")]), ["up{}", r#"up{job="b"}"#]);
    assert_eq!(found(&[matcher(MatchOp::Equal, "job", "z")]), Vec::<String>::new());
    assert_eq!(db.matching(&[], 2_000, 3_000).len(), 0);
    assert_eq!(db.matching(&[], 0, 3_000).len(), 4);
}

#[test]
fn a_selection_outlives_what_happens_to_the_storage() {
    let mut db = Tsdb::default();
    let id = db.series(labels(&[("__name__", "n")]));
    for i in 0..1_000 {
        db.append(id, i * 15_000, i as f64);
    }
    let selected = db.select(&[], 150_000, 300_000);
    db.append(id, 99_000_000, 1.0);
    db.forget(98_000_000);
    let samples = selected[0].samples();
    assert_eq!(samples.times, (10..=20).map(|i| i * 15_000).collect::<Vec<_>>());
    assert_eq!(samples.values, (10..=20).map(f64::from).collect::<Vec<_>>());
    assert_eq!(db.all()[0].last(), Some((99_000_000, 1.0)));
    // What shares a chunk with the newest sample is still there, the rest is gone.
    assert!(db.all()[0].times().len() < 120);
}

#[test]
fn a_day_of_scrapes_is_small() {
    let mut db = Tsdb::default();
    for s in 0..10_i64 {
        let id = db.series(labels(&[("__name__", "requests_total"), ("pod", &s.to_string())]));
        let mut total = 0;
        for i in 0..5_760 {
            total += 40 + (i * 31 * (s + 1)) % 97;
            db.append(id, 1_800_000_000_000 + i * 15_000 + (i * s) % 9, total as f64);
        }
    }
    let per_sample = db.size() as f64 / 57_600.0;
    assert!(per_sample < 5.0, "{per_sample} bytes a sample");
}
