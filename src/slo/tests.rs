//! Tests of [`evaluate`] against values computed by hand.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::domain::{Quantile, SloSource};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn slo() -> Slo {
    Slo {
        name: "s".into(),
        service: "web".into(),
        operation: None,
        quantile: Quantile(950),
        objective_ms: 100.0,
        window: 5 * MINUTE,
        target: 0.99,
        period: 30 * DAY,
        source: SloSource::Traces,
    }
}

fn at() -> Timestamp {
    "2026-01-31T00:00:00Z".parse().unwrap()
}

/// One sample a minute, the last one `ago` minutes before `at`; `value` gets the minutes before
/// the last one.
fn minutes(n: usize, ago: usize, value: impl Fn(usize) -> Option<f64>) -> Vec<Sample> {
    (0..n).rev().map(|i| (at() - MINUTE * (i + ago) as u32, value(i), Some(100.0))).collect()
}

fn rates(status: &SloStatus) -> Vec<Option<f64>> {
    status.burn.iter().map(|burn| burn.rate.map(|rate| (rate * 100.0).round() / 100.0)).collect()
}

#[test]
fn no_data_is_unknown() {
    let status = evaluate(&slo(), &[], MINUTE, at());
    assert_eq!(status.state, SloState::Unknown);
    assert_eq!((status.observed_ms, status.newest_sample_age_s, status.budget_left), (None, None, None));
    let gaps = minutes(60, 0, |_| None);
    assert_eq!(evaluate(&slo(), &gaps, MINUTE, at()).state, SloState::Unknown);
    let nans = minutes(60, 0, |_| Some(f64::NAN));
    assert_eq!(evaluate(&slo(), &nans, MINUTE, at()).state, SloState::Unknown);
}

#[test]
fn old_data_is_unknown() {
    // The limit is the SLO's window, 5 min, as it is longer than three windows.
    let state = |ago| evaluate(&slo(), &minutes(60, ago, |_| Some(50.0)), MINUTE, at()).state;
    assert_eq!(state(5), SloState::Ok);
    assert_eq!(state(6), SloState::Unknown);
    let short = Slo { window: MINUTE, ..slo() };
    let state = |ago| evaluate(&short, &minutes(60, ago, |_| Some(50.0)), MINUTE, at()).state;
    assert_eq!(state(3), SloState::Ok);
    assert_eq!(state(4), SloState::Unknown);
}

#[test]
fn later_data_is_not_seen() {
    let mut samples = minutes(60, 0, |_| Some(50.0));
    let before = evaluate(&slo(), &samples, MINUTE, at());
    samples.extend((1..60).map(|i| (at() + MINUTE * i, Some(5_000.0), Some(1e6))));
    assert_eq!(evaluate(&slo(), &samples, MINUTE, at()), before);
}

#[test]
fn observed_is_the_median_of_the_window() {
    let values = [10.0, 900.0, 30.0, 40.0, 20.0];
    let five = minutes(5, 0, |i| Some(values[i]));
    assert_eq!(evaluate(&slo(), &five, MINUTE, at()).observed_ms, Some(30.0));
    // What is older than the window does not count.
    let ten = minutes(10, 0, |i| Some(*values.get(i).unwrap_or(&7_000.0)));
    assert_eq!(evaluate(&slo(), &ten, MINUTE, at()).observed_ms, Some(30.0));
}

#[test]
fn the_median_is_weighted_by_calls() {
    // 600 calls at 20 ms against 3 × 100 at 500 ms.
    let sample = |i: u32, ms, calls| (at() - MINUTE * i, Some(ms), calls);
    let weighted = [
        sample(0, 500.0, Some(100.0)),
        sample(1, 500.0, Some(100.0)),
        sample(2, 500.0, Some(100.0)),
        sample(3, 20.0, Some(600.0)),
    ];
    assert_eq!(evaluate(&slo(), &weighted, MINUTE, at()).observed_ms, Some(20.0));
    // One unknown count: all windows weigh the same.
    let mut plain = weighted;
    plain[3].2 = None;
    assert_eq!(evaluate(&slo(), &plain, MINUTE, at()).observed_ms, Some(500.0));
    // Nobody called: all windows weigh the same.
    let idle = weighted.map(|(end, ms, _)| (end, ms, Some(0.0)));
    assert_eq!(evaluate(&slo(), &idle, MINUTE, at()).observed_ms, Some(500.0));
}

#[test]
fn the_objective_itself_is_met() {
    let status = evaluate(&slo(), &minutes(60, 0, |_| Some(100.0)), MINUTE, at());
    assert_eq!(status.state, SloState::Ok);
    assert_eq!(rates(&status)[..3], [Some(0.0), Some(0.0), Some(0.0)]);
}

#[test]
fn breached_when_most_of_the_window_is_bad() {
    let status = evaluate(&slo(), &minutes(60, 0, |i| Some(if i < 3 { 101.0 } else { 50.0 })), MINUTE, at());
    assert_eq!(status.state, SloState::Breached);
    assert_eq!(status.observed_ms, Some(101.0));
    // 3 of 5, of 30 and of 60 windows against a budget of 1 %; 6 h and 3 d are hardly covered.
    assert_eq!(rates(&status), [Some(60.0), Some(10.0), Some(5.0), None, None]);
}

#[test]
fn burning_fast() {
    // Every third minute of the last hour: the median is fine, the budget is not.
    // 20 of 60 → 33.3, and 2 of the last 5 (minutes 0 and 3) → 40; both above 14.4.
    let status =
        evaluate(&slo(), &minutes(60, 0, |i| Some(if i % 3 == 0 { 300.0 } else { 50.0 })), MINUTE, at());
    assert_eq!(status.state, SloState::Burning);
    assert_eq!(rates(&status), [Some(40.0), Some(33.33), Some(33.33), None, None]);
}

#[test]
fn what_is_over_does_not_burn() {
    // The same hour, but the last 30 minutes are fine: the short windows clear the fast rules.
    let value = |i| Some(if i >= 30 && i % 2 == 0 { 300.0 } else { 50.0 });
    let status = evaluate(&slo(), &minutes(60, 0, value), MINUTE, at());
    assert_eq!(rates(&status)[..3], [Some(0.0), Some(0.0), Some(25.0)]);
    assert_eq!(status.state, SloState::Ok);
}

#[test]
fn burning_slowly_over_days() {
    // 3 days, 2 % bad: burn 2 on 6 h and 3 d, more than 1. One minute in 50, the last 20 min ago.
    let value = |i| Some(if i % 50 == 20 { 300.0 } else { 50.0 });
    let status = evaluate(&slo(), &minutes(3 * 1440, 0, value), MINUTE, at());
    // 30 min: 1 of 30; 1 h: 1 of 60; 6 h: minutes 20, 70, …, 320 are 7 of 360; 3 d: 86 of 4320.
    assert_eq!(rates(&status), [Some(0.0), Some(3.33), Some(1.67), Some(1.94), Some(1.99)]);
    assert_eq!(status.state, SloState::Burning);
}

#[test]
fn gaps_count_neither_way() {
    // Every other minute of the last hour is missing; of the 30 others 6 are bad.
    let value = |i: usize| i.is_multiple_of(2).then_some(if i.is_multiple_of(10) { 300.0 } else { 50.0 });
    let samples = minutes(60, 0, value);
    let status = evaluate(&slo(), &samples, MINUTE, at());
    assert_eq!(rates(&status)[2], Some(20.0));
    // With two of three missing, too little is known.
    let sparse = minutes(60, 0, |i| (i % 3 == 0).then_some(300.0));
    assert_eq!(rates(&evaluate(&slo(), &sparse, MINUTE, at()))[2], None);
}

#[test]
fn budget_is_left_overspent_or_unknown() {
    let day = Slo { period: DAY, ..slo() };
    let left = |bad: usize, n: usize| {
        let samples = minutes(n, 0, |i| Some(if i >= n - bad { 300.0 } else { 50.0 }));
        evaluate(&day, &samples, MINUTE, at()).budget_left.map(|left| (left * 100.0).round() / 100.0)
    };
    // 1 % of 1440 minutes are 14.4.
    assert_eq!(left(0, 1440), Some(1.0));
    assert_eq!(left(7, 1440), Some(0.51));
    assert_eq!(left(36, 1440), Some(-1.5));
    assert_eq!(left(0, 720), Some(1.0));
    assert_eq!(left(0, 719), None);
}

#[test]
fn recent_values_keep_their_gaps() {
    let samples = minutes(3, 2, |i| (i != 1).then_some(i as f64));
    let recent = evaluate(&slo(), &samples, MINUTE, at()).recent_ms;
    assert_eq!(recent.len(), RECENT);
    assert_eq!(recent[RECENT - 4..], [None, Some(2.0), None, Some(0.0)]);
    // Once the data is old the gap up to now is shown.
    let old = minutes(1, 10, |_| Some(9.0));
    let recent = evaluate(&slo(), &old, MINUTE, at()).recent_ms;
    assert_eq!(recent[RECENT - 11], Some(9.0));
    assert!(recent[RECENT - 10..].iter().all(Option::is_none));
}

#[test]
fn long_windows_count_at_least_once() {
    // Windows of 10 min: the 5 min stretch is the newest one.
    let samples: Vec<Sample> = (0..12u32).map(|i| (at() - 10 * MINUTE * i, Some(300.0), None)).collect();
    let status = evaluate(&slo(), &samples, 10 * MINUTE, at());
    assert_eq!(status.state, SloState::Breached);
    assert_eq!(rates(&status)[..3], [Some(100.0), Some(100.0), Some(100.0)]);
}

#[test]
fn factors_follow_the_period() {
    let factors =
        |period| rules(period).iter().map(|rule| (rule.factor * 10.0).round() / 10.0).collect::<Vec<_>>();
    assert_eq!(factors(30 * DAY), [14.4, 6.0, 1.0]);
    assert_eq!(factors(7 * DAY), [3.4, 1.4, 1.0]);
    assert_eq!(factors(DAY), [1.0, 1.0]);
}

proptest! {
    /// Making windows worse never improves the state, whatever is missing.
    #[test]
    fn more_violations_never_improve_the_state(
        values in prop::collection::vec((prop::option::weighted(0.8, 1.0f64..200.0), prop::bool::ANY), 1..500),
        ago in 0usize..8,
        target in 0.5f64..0.999,
        counts in prop::bool::ANY,
    ) {
        let slo = Slo { target, ..slo() };
        let mut before = minutes(values.len(), ago, |i| values[i].0);
        if !counts {
            before.iter_mut().for_each(|sample| sample.2 = None);
        }
        let worsened = values.iter().rev().map(|(_, worse)| *worse);
        let after: Vec<Sample> = before
            .iter()
            .zip(worsened)
            .map(|(&(end, ms, calls), worse)| (end, ms.map(|ms| if worse { ms + 150.0 } else { ms }), calls))
            .collect();
        let (before, after) = (evaluate(&slo, &before, MINUTE, at()), evaluate(&slo, &after, MINUTE, at()));
        prop_assert!(after.state >= before.state, "{:?} → {:?}", before.state, after.state);
        prop_assert!(after.budget_left <= before.budget_left);
        for (a, b) in after.burn.iter().zip(&before.burn) {
            prop_assert!(a.rate >= b.rate);
        }
    }

    #[test]
    fn order_does_not_matter(values in prop::collection::vec(prop::option::of(1.0f64..200.0), 1..100), seed in 0usize..100) {
        let samples = minutes(values.len(), 0, |i| values[i]);
        let mut turned = samples.clone();
        turned.rotate_left(seed % samples.len());
        prop_assert_eq!(evaluate(&slo(), &samples, MINUTE, at()), evaluate(&slo(), &turned, MINUTE, at()));
    }
}

/// A service that is called every other minute, with three slow minutes in twenty.
#[test]
fn a_few_calls_do_not_make_the_state_flap() {
    let night = |calls: Option<f64>| -> Vec<Sample> {
        let slow = |i: u32| i % 20 < 3;
        (0..600u32).map(|i| (at() - MINUTE * i, Some(if slow(i) { 300.0 } else { 50.0 }), calls)).collect()
    };
    let states = |samples: &[Sample]| {
        let at_minute = |i: u32| evaluate(&slo(), samples, MINUTE, at() - MINUTE * i).state;
        (0..60).map(at_minute).collect::<Vec<_>>()
    };
    let changes = |states: &[SloState]| states.windows(2).filter(|pair| pair[0] != pair[1]).count();
    // With calls that count, three slow minutes of five are a violation, and it ends.
    assert!(changes(&states(&night(Some(100.0)))) >= 4);
    let quiet = states(&night(Some(0.5)));
    assert_eq!(changes(&quiet), 0, "{quiet:?}");
    // Where nobody counts calls, every window counts as before.
    assert_eq!(states(&night(None)), states(&night(Some(100.0))));
}

/// How `samples` stand at the end of each of the last `n` minutes, oldest first, held and not.
fn held_and_alone(samples: &[Sample], n: u32) -> Vec<(SloState, SloState)> {
    let at_minute = |i: u32| {
        let then = at() - MINUTE * i;
        (evaluate(&slo(), samples, MINUTE, then).state, evaluate_alone(&slo(), samples, MINUTE, then).state)
    };
    (0..n).rev().map(at_minute).collect()
}

#[test]
fn better_is_believed_after_half_of_the_window_and_worse_at_once() {
    // Slow until ten minutes ago: three good windows of five make the median good, two and a half more are waited.
    let samples = minutes(60, 0, |i| Some(if (10..20).contains(&i) { 300.0 } else { 50.0 }));
    let breached = |pick: fn(&(SloState, SloState)) -> SloState| {
        let states = held_and_alone(&samples, 30);
        let rows =
            states.iter().enumerate().filter(|(_, s)| pick(s) == SloState::Breached).map(|(i, _)| 29 - i);
        let rows: Vec<_> = rows.collect();
        (rows.first().copied(), rows.last().copied())
    };
    assert_eq!(breached(|s| s.1), (Some(17), Some(8)));
    assert_eq!(breached(|s| s.0), (Some(17), Some(6)));
    assert_eq!(hold(&slo(), MINUTE), Duration::from_secs(150));
    assert_eq!(hold(&slo(), 5 * MINUTE), 10 * MINUTE);
}

#[test]
fn no_data_is_unknown_at_once_even_after_a_violation() {
    let samples = minutes(60, 6, |_| Some(300.0));
    assert_eq!(evaluate(&slo(), &samples, MINUTE, at()).state, SloState::Unknown);
    // And what was unknown before does not hold back what is known now.
    let samples = minutes(1, 0, |_| Some(50.0));
    assert_eq!(evaluate(&slo(), &samples, MINUTE, at()).state, SloState::Ok);
}

proptest! {
    /// Values that hover at the objective: after a change for the worse never better before the hold is over, so
    /// that it changes to and fro at most once in that time; and never better than it stands by itself.
    #[test]
    fn a_value_that_hovers_does_not_make_the_state_flap(
        above in prop::collection::vec(prop::bool::ANY, 30..90),
    ) {
        let samples = minutes(above.len(), 0, |i| Some(if above[i] { 101.0 } else { 99.0 }));
        let states = held_and_alone(&samples, above.len() as u32);
        let hold = (hold(&slo(), MINUTE).as_secs_f64() / 60.0).ceil() as usize;
        let mut changed: Option<usize> = None;
        for i in 1..states.len() {
            let ((before, _), (held, alone)) = (states[i - 1], states[i]);
            prop_assert!(held >= alone, "at {i} it is worse than told: {alone:?} {held:?}");
            if held < before {
                prop_assert!(changed.is_none_or(|at| i - at >= hold), "better {} minutes after a change", i - changed.unwrap());
                let since = i.saturating_sub(hold - 1);
                prop_assert!(states[since..=i].iter().all(|(_, alone)| *alone <= held));
            }
            if held > before {
                changed = Some(i);
            }
        }
    }

    /// Bad once within every hold: it changes once, and stays.
    #[test]
    fn what_is_bad_again_and_again_is_bad_throughout(gap in 1usize..3, offset in 0usize..3) {
        // With a window of one minute, every bad one shows.
        let short = Slo { window: MINUTE, ..slo() };
        let samples = minutes(60, 0, |i| Some(if (i + offset) % gap == 0 { 101.0 } else { 99.0 }));
        let stands = |i: u32| evaluate(&short, &samples, MINUTE, at() - MINUTE * i).state;
        let states: Vec<_> = (0..50).map(stands).collect();
        prop_assert!(states.iter().all(|s| *s == SloState::Breached), "{states:?}");
    }
}
