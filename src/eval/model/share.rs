//! Shares of incidents, with how far they can be trusted.

use super::score::Score;

/// Quantile of the normal distribution for an interval of 95 %.
const Z: f64 = 1.96;

/// A share with its 95 % interval by Wilson (1927).
pub fn wilson(right: usize, of: usize) -> (f64, f64, f64) {
    if of == 0 {
        return (f64::NAN, 0.0, 1.0);
    }
    let (n, p) = (of as f64, right as f64 / of as f64);
    let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    (p, (middle - half).max(0.0), (middle + half).min(1.0))
}

/// A share of incidents, such as `76 %`; a dash of none.
pub fn percent(right: usize, of: usize) -> String {
    if of == 0 { "–".to_owned() } else { format!("{:.0} %", 100.0 * right as f64 / of as f64) }
}

/// The same with its 95 % interval, such as `76 % [66–84]`.
pub fn interval(right: usize, of: usize) -> String {
    if of == 0 {
        return "–".to_owned();
    }
    let (share, low, high) = wilson(right, of);
    format!("{:.0} % [{:.0}–{:.0}]", 100.0 * share, 100.0 * low, 100.0 * high)
}

/// How many of the incidents are so.
pub fn count(scores: &[Score], is: impl Fn(&Score) -> bool) -> usize {
    scores.iter().filter(|score| is(score)).count()
}

/// Mean of a figure of the ranking over the incidents that have one, in which a service is to blame.
pub fn ranked(scores: &[Score], of: fn((f64, f64)) -> f64) -> String {
    let known = Vec::from_iter(scores.iter().filter_map(|score| score.ranked.map(of)));
    if known.is_empty() {
        "–".to_owned()
    } else {
        format!("{:.2}", known.iter().sum::<f64>() / known.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_intervals_are_those_of_the_books() {
        // Newcombe (1998), table I: 15 of 148 and 0 of 20.
        let (share, low, high) = wilson(15, 148);
        assert!((share - 0.1014).abs() < 1e-4 && (low - 0.0624).abs() < 2e-4 && (high - 0.1605).abs() < 2e-4);
        let (_, low, high) = wilson(0, 20);
        assert!(low == 0.0 && (high - 0.1611).abs() < 2e-4);
        assert_eq!((wilson(0, 0).1, wilson(0, 0).2), (0.0, 1.0));
    }
}
