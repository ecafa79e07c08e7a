//! How objectives stand: the observed quantile, burn rates and the error budget.
//!
//! The unit of account is a window of the window table: a window is *bad* when its quantile lies
//! above the objective, and `target` is the share of windows that must not be bad. Windows
//! without a value count neither way; where too many are missing, the answer is "unknown".

mod burn;
mod samples;

pub use burn::{Rule, rules};
pub use samples::Sample;

use std::time::Duration;

use crate::domain::{Clean, Slo, SloState, SloStatus, Timestamp};
use burn::burn_rates;
use samples::Samples;

/// How many window values [`SloStatus::recent_ms`] holds.
pub const RECENT: usize = 60;

/// Fewer calls than this do not change a state: at night one slow call would be an alarm, and the next quick
/// one its end.
const FEWEST_CALLS: f64 = 10.0;
/// How far the observed value looks back for that many calls.
const LONGEST_LOOK: Duration = Duration::from_secs(3600);

/// How `slo` stood at `at`, given windows of `length`. Samples may come in any order; those
/// that end after `at` are ignored, so that the past looks as it did then.
///
/// * The **observed** value over the SLO's window is the median of the windows' quantiles,
///   weighted by their numbers of calls where all of them are known. A quantile of pooled calls
///   cannot be computed from quantiles of parts; the median is a value that really occurred, one
///   spike or one window with three calls does not move it, and it lies above the objective
///   exactly when more than half of the calls were in bad windows.
/// * Where **few calls** come, the observed value looks back twice as far, and again, up to an hour, until it rests
///   on ten calls; and nothing is called burning for fewer than ten calls in the short stretch of a rule.
/// * **Unknown**: no value is fresher than three windows or the SLO's own window, whichever is
///   longer. Never good without data.
/// * **Breached**: the observed value lies above the objective.
/// * **Burning**: not breached, but for one of [`rules`] both burn rates exceed the factor.
/// * **Held**: a state gets better only once every window of the last [`hold`] ended with a better one, so that
///   a value that hovers at the objective does not make it flap. It gets worse, or unknown, at once.
///
/// Everything is counted back from the newest value while that is fresh: a scrape that is a
/// minute late must not empty a window of five.
pub fn evaluate(slo: &Slo, samples: &[Sample], length: Duration, at: Timestamp) -> SloStatus {
    let samples = Samples::new(samples, length, at);
    let mut status = judge(slo, &samples, length, at);
    if !matches!(status.state, SloState::Unknown | SloState::Breached) {
        let since = at.checked_sub(hold(slo, length)).unwrap_or(Timestamp::MIN);
        // What was unknown then is known now: it holds nothing back.
        let earlier = samples.ends().rev().take_while(|end| *end > since);
        let worst =
            earlier.map(|end| state(slo, &samples, length, end)).filter(|s| *s != SloState::Unknown).max();
        status.state = status.state.max(worst.unwrap_or(status.state));
    }
    status
}

/// The same without looking at how it stood before: better at once as well as worse.
pub fn evaluate_alone(slo: &Slo, samples: &[Sample], length: Duration, at: Timestamp) -> SloStatus {
    judge(slo, &Samples::new(samples, length, at), length, at)
}

/// For how long a state must have been better before it is called so: half of the SLO's window, at least two
/// windows of `length`.
pub fn hold(slo: &Slo, length: Duration) -> Duration {
    (slo.window / 2).max(2 * length)
}

/// What is known of a moment, and until when everything is counted back.
struct Observed {
    age: Option<Duration>,
    until: Timestamp,
    ms: Option<f64>,
}

fn observe(slo: &Slo, samples: &Samples, length: Duration, at: Timestamp) -> Observed {
    let newest = samples.newest_by(at);
    let age = newest.map(|newest| at.duration_since(newest).unsigned_abs());
    let limit = (3 * length).max(slo.window);
    let fresh = newest.filter(|_| age.is_some_and(|age| age <= limit));
    let ms = fresh.and_then(|newest| {
        let over = samples.stretch(newest, slo.window, FEWEST_CALLS, LONGEST_LOOK.max(slo.window));
        samples.median(newest, over)
    });
    Observed { age, until: fresh.unwrap_or(at), ms }
}

fn rates(slo: &Slo, samples: &Samples, until: Timestamp) -> Vec<(Duration, Option<f64>)> {
    burn_rates(1.0 - slo.target, |over| samples.bad_share(until, over, slo.objective_ms))
}

fn state(slo: &Slo, samples: &Samples, length: Duration, at: Timestamp) -> SloState {
    let seen = observe(slo, samples, length, at);
    stands(slo, samples, &seen, &rates(slo, samples, seen.until))
}

fn stands(slo: &Slo, samples: &Samples, seen: &Observed, rates: &[(Duration, Option<f64>)]) -> SloState {
    let rate = |window: Duration| rates.iter().find(|(w, _)| *w == window).and_then(|(_, rate)| *rate);
    let burning = rules(slo.period).iter().any(|rule| {
        let above = |window| rate(window).is_some_and(|rate| rate > rule.factor);
        let few = samples.calls(seen.until, rule.short).is_some_and(|calls| calls < FEWEST_CALLS);
        above(rule.long) && above(rule.short) && !few
    });
    match seen.ms {
        None => SloState::Unknown,
        Some(observed) if observed > slo.objective_ms => SloState::Breached,
        Some(_) if burning => SloState::Burning,
        Some(_) => SloState::Ok,
    }
}

fn judge(slo: &Slo, samples: &Samples, length: Duration, at: Timestamp) -> SloStatus {
    let seen = observe(slo, samples, length, at);
    let rates = rates(slo, samples, seen.until);
    SloStatus {
        name: slo.name.clone(),
        state: stands(slo, samples, &seen, &rates),
        observed_ms: seen.ms,
        objective_ms: slo.objective_ms,
        burn: rates
            .iter()
            .map(|(window, rate)| crate::domain::Burn {
                window: Clean::new(&crate::domain::duration::format(*window)),
                rate: *rate,
            })
            .collect(),
        budget_left: samples
            .bad_share(seen.until, slo.period, slo.objective_ms)
            .map(|bad| 1.0 - burn::rate(bad, 1.0 - slo.target)),
        newest_sample_age_s: seen.age.map(|age| age.as_secs_f64()),
        recent_ms: samples.recent(seen.until, RECENT),
        at,
    }
}

#[cfg(test)]
mod tests;
