//! Burn rates and the rules that tell when they are too high (SRE Workbook, chapter 5:
//! "multiwindow, multi-burn-rate alerts").

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Stretches for which burn rates are shown, shortest first; the rules use them all.
const SHOWN: [Duration; 5] = [
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    HOUR,
    Duration::from_secs(6 * 3600),
    Duration::from_secs(72 * 3600),
];

/// Too fast if the burn rates over `long` and over `short` both exceed `factor`: the long one
/// says that it matters, the short one that it still goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// The long stretch.
    pub long: Duration,
    /// The short stretch.
    pub short: Duration,
    /// Multiple of the rate that spends the budget exactly over the period.
    pub factor: f64,
}

/// The rules for a budget that is counted over `period`: 2 % of it spent within an hour, 5 %
/// within six, 10 % within three days (for 30 days: factors 14.4, 6 and 1). A factor is never
/// below 1, as a slower burn leaves some of the budget.
pub fn rules(period: Duration) -> Vec<Rule> {
    [(HOUR, 5 * MINUTE, 0.02), (6 * HOUR, 30 * MINUTE, 0.05), (72 * HOUR, 6 * HOUR, 0.1)]
        .into_iter()
        .filter(|(long, ..)| *long <= period)
        .map(|(long, short, spent)| {
            let factor = (spent * period.as_secs_f64() / long.as_secs_f64()).max(1.0);
            Rule { long, short, factor }
        })
        .collect()
}

/// Burn rate for a share of bad windows. Without any budget the first bad window is too many.
pub fn rate(bad_share: f64, budget: f64) -> f64 {
    if bad_share == 0.0 { 0.0 } else { bad_share / budget.max(0.0) }
}

/// Burn rates for all stretches shown.
pub fn burn_rates(budget: f64, bad_share: impl Fn(Duration) -> Option<f64>) -> Vec<(Duration, Option<f64>)> {
    SHOWN.iter().map(|window| (*window, bad_share(*window).map(|bad| rate(bad, budget)))).collect()
}
