//! How much: by what-if where a model can tell, else by rule.

use super::draft::Want;
use crate::domain::Counterfactual;
use crate::domain::Lever;

/// With this probability an amount is enough.
pub const ENOUGH: f64 = 0.8;
/// Most replicas that are added at once.
const MOST_ADDED: u32 = 5;

/// An amount, what it is predicted to do, and why it is this much.
#[derive(Clone, Debug, PartialEq)]
pub struct Amount<T> {
    /// How much there will be.
    pub to: T,
    /// The tail then.
    pub forecast: Option<Counterfactual>,
    /// Why.
    pub why: String,
}

/// Most replicas to go to from `now`: neither more than twice as many nor more than five more, and not
/// beyond `ceiling`. `None` if there is no room for one more.
pub fn most_replicas(now: u32, ceiling: u32) -> Option<u32> {
    let most = now.saturating_mul(2).min(now.saturating_add(MOST_ADDED)).max(now + 1).min(ceiling);
    (most > now).then_some(most)
}

/// How many replicas, from `now` to at most `most`.
pub fn replicas(want: &Want<'_>, now: u32, most: u32) -> Amount<u32> {
    if let Some(Lever::Replicas { from, to }) = want.asked {
        // What was tried starts from what is measured, which may lag behind what is there.
        let tried = now.saturating_add(to.saturating_sub(from));
        let to = tried.clamp(now + 1, most);
        let forecast = want.tail(Lever::Replicas { from: now, to });
        return Amount { to, forecast, why: asked_for(to == tried, &format!("{tried} replicas")) };
    }
    let tried = (now + 1..=most).filter_map(|to| Some((to, want.tail(Lever::Replicas { from: now, to })?)));
    if let Some(amount) = smallest(tried, |to| format!("{to} replicas")) {
        return amount;
    }
    // What one replica does at its normal metric, so many do together at the present one.
    let ratio = want.ratio().unwrap_or(want.excess).clamp(1.0, 100.0);
    let by_rule = (f64::from(now) * ratio).ceil() as u32;
    let why = match want.ratio().zip(want.cause) {
        Some((ratio, cause)) => format!("{} is {ratio:.1} times normal", cause.metric),
        None => format!("the tail is {:.1} times the objective", want.excess),
    };
    Amount { to: by_rule.clamp(now + 1, most), forecast: None, why }
}

/// Why an amount is what somebody tried, or as much of it as there may be.
pub fn asked_for(whole: bool, tried: &str) -> String {
    let cut = if whole { "" } else { "; as much of it as may be added at once" };
    format!("{tried}: what you tried in what-if{cut}")
}

/// The smallest of `tried` (ascending) that is enough, else the one that comes nearest.
pub fn smallest<T: Copy>(
    tried: impl Iterator<Item = (T, Counterfactual)>,
    name: impl Fn(T) -> String,
) -> Option<Amount<T>> {
    let mut best: Option<(T, Counterfactual)> = None;
    for (to, tail) in tried {
        if tail.p_slo_met >= ENOUGH {
            let why = format!("{} are the fewest that are predicted to meet the objective", name(to));
            return Some(Amount { to, forecast: Some(tail), why });
        }
        if best.is_none_or(|(_, seen)| tail.p_slo_met > seen.p_slo_met) {
            best = Some((to, tail));
        }
    }
    let (to, tail) = best?;
    let why = format!("{} help most, but are not predicted to be enough", name(to));
    Some(Amount { to, forecast: Some(tail), why })
}
