//! Numbers as people read them: latencies, ages, odds, quantities. All short, none longer than its column.

use std::time::Duration;

use crate::engine::Load;

/// Shown where there is no value.
pub const NONE: &str = "-";

/// A latency with a sensible unit: `0.42 ms`, `8.3 ms`, `642 ms`, `1.28 s`, `95 s`.
pub fn latency(ms: Option<f64>) -> String {
    match ms.filter(|v| v.is_finite()) {
        None => NONE.to_owned(),
        Some(v) if v.abs() < 0.9995 => format!("{v:.2} ms"),
        Some(v) if v.abs() < 9.95 => format!("{v:.1} ms"),
        Some(v) if v.abs() < 999.5 => format!("{v:.0} ms"),
        Some(v) if v.abs() < 9_995.0 => format!("{:.2} s", v / 1e3),
        Some(v) if v.abs() < 99_950.0 => format!("{:.1} s", v / 1e3),
        Some(v) if v.abs() < 1e8 => format!("{:.0} s", v / 1e3),
        Some(v) => format!("{:.0e} s", v / 1e3),
    }
}

/// Any quantity in three digits with an SI prefix: `0.93`, `12.4M`.
pub fn quantity(value: Option<f64>) -> String {
    let Some(v) = value.filter(|v| v.is_finite()) else { return NONE.to_owned() };
    let a = v.abs();
    // A number with a three-digit exponent is wider than the column and as good as nothing.
    if a < 1e-99 {
        return "0".to_owned();
    }
    if !(0.001..1e15).contains(&a) {
        return format!("{v:.1e}");
    }
    let (scale, unit) = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")]
        .into_iter()
        .find(|(s, _)| a >= 0.9995 * s)
        .unwrap_or((1.0, ""));
    let x = v / scale;
    let digits = match x.abs() {
        x if x < 0.0995 => 3,
        x if x < 9.995 => 2,
        x if x < 99.95 => 1,
        _ => 0,
    };
    format!("{x:.digits$}{unit}")
}

/// Calls a second: `0.3/s`, `42/s`, `1.2k/s`.
pub fn rate(per_second: Option<f64>) -> String {
    match per_second.filter(|v| v.is_finite()) {
        None => NONE.to_owned(),
        Some(v) if v.abs() < 9.95 => format!("{v:.1}/s"),
        Some(v) if v.abs() < 999.5 => format!("{v:.0}/s"),
        Some(v) => format!("{}/s", quantity(Some(v))),
    }
}

/// Two digits of a latency that is only about right: `190 ms`, `1.9 s`.
pub fn rough(ms: f64) -> String {
    let scale = if ms.abs() < 1e-3 { 1.0 } else { 10f64.powf(ms.abs().log10().floor() - 1.0) };
    let rounded = (ms / scale).round() * scale;
    match latency(Some(rounded)) {
        text if (1e3..1e4).contains(&rounded) => text.replacen("0 s", " s", 1),
        text => text,
    }
}

/// How much work arrives: `42/s`, `42/s each`.
pub fn load(load: Option<&Load>) -> String {
    let Some(load) = load else { return NONE.to_owned() };
    let each = if load.each { " each" } else { "" };
    format!("{}{each}", measured(Some(load.value), Some(load.unit.as_str())))
}

/// A value with its unit, where it is one that people read at a glance: `37.2 MB`, `46 %`.
pub fn measured(value: Option<f64>, unit: Option<&str>) -> String {
    let scaled = |unit: &str| {
        let text = quantity(value);
        match text.strip_suffix(['k', 'M', 'G', 'T']) {
            Some(number) => format!("{number} {}{unit}", &text[number.len()..]),
            None => format!("{text} {unit}"),
        }
    };
    match (value.filter(|v| v.is_finite()), unit) {
        (None, _) => NONE.to_owned(),
        (_, None) => quantity(value),
        (Some(v), Some("ms")) => latency(Some(v)),
        (Some(v), Some("s")) => latency(Some(1e3 * v)),
        (Some(v), Some("%")) => percent(Some(v / 100.0)),
        (Some(v), Some("ratio")) => percent(Some(v)),
        (Some(_), Some("bytes")) => scaled("B"),
        (Some(_), Some("bytes/s")) => scaled("B/s"),
        (Some(_), Some("1/s" | "requests/s" | "req/s" | "rps" | "qps" | "calls/s")) => rate(value),
        (Some(_), Some(_)) => quantity(value),
    }
}

/// A burn rate or a ratio: `0.4x`, `14x`.
pub fn factor(value: Option<f64>) -> String {
    match value.filter(|v| v.is_finite()) {
        None => NONE.to_owned(),
        Some(v) if v.abs() < 9.95 => format!("{v:.1}x"),
        Some(v) if v.abs() < 9_999.5 => format!("{v:.0}x"),
        Some(_) => ">9999x".to_owned(),
    }
}

/// A share in percent: `62 %`.
pub fn percent(share: Option<f64>) -> String {
    match share.filter(|v| v.is_finite()) {
        None => NONE.to_owned(),
        Some(v) if v < -9.995 => "<-999 %".to_owned(),
        // Rounding must not turn an overspent budget into an empty one, nor show a minus zero.
        Some(v) if (-0.005..0.0).contains(&v) => "<0 %".to_owned(),
        Some(v) => format!("{:.0} %", 100.0 * v + 0.0),
    }
}

/// A probability: `0.97`, `>0.99`, `<0.01`.
pub fn probability(p: f64) -> String {
    match p {
        p if p.is_nan() => NONE.to_owned(),
        p if p > 0.995 => ">0.99".to_owned(),
        p if p < 0.005 => "<0.01".to_owned(),
        p => format!("{p:.2}"),
    }
}

/// A surprise (−ln of a tail probability) as odds: `1 in 150`.
pub fn odds(surprise: Option<f64>) -> String {
    match surprise.filter(|s| s.is_finite()) {
        None => NONE.to_owned(),
        Some(s) if s < 0.7 => "usual".to_owned(),
        Some(s) if s > 13.8 => "<1 in 1M".to_owned(),
        Some(s) => format!("1 in {}", quantity_round(s.exp())),
    }
}

/// Two significant digits: `7`, `150`, `2.4k`.
fn quantity_round(v: f64) -> String {
    match v {
        v if v < 99.5 => format!("{v:.0}"),
        v if v < 995.0 => format!("{:.0}", (v / 10.0).round() * 10.0),
        v if v < 9_950.0 => format!("{:.1}k", v / 1e3),
        v if v < 999_500.0 => format!("{:.0}k", v / 1e3),
        v => format!("{:.1}M", v / 1e6),
    }
}

/// A whole number with thousands separators: `1,440`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Steps in which an age is told, in seconds: (ages below this, are told to this).
/// Coarse on purpose: a screen nobody touches changes a few times a minute, not every second.
const AGE_STEPS: [(u64, u64); 5] =
    [(60, 10), (3_600, 60), (172_800, 3_600), (86_400_000, 86_400), (u64::MAX, TENTH_OF_A_YEAR)];
/// In seconds.
const TENTH_OF_A_YEAR: u64 = 3_153_600;

fn age_step(seconds: u64) -> u64 {
    AGE_STEPS.iter().find(|(below, _)| seconds < *below).map_or(TENTH_OF_A_YEAR, |(_, step)| *step)
}

/// An age: `<10s`, `20s`, `4m`, `3h`, `2d`, and from a thousand days on `2.7y`.
pub fn age(age: Duration) -> String {
    let s = age.as_secs();
    match s {
        0..10 => "<10s".to_owned(),
        10..60 => format!("{}s", s - s % 10),
        60..3_600 => format!("{}m", s / 60),
        3_600..172_800 => format!("{}h", s / 3_600),
        172_800..86_400_000 => format!("{}d", s / 86_400),
        _ => format!("{}.{}y", s / TENTH_OF_A_YEAR / 10, s / TENTH_OF_A_YEAR % 10),
    }
}

/// How long until [`age`] reads differently.
pub fn age_changes_in(age: Duration) -> Duration {
    let step = age_step(age.as_secs());
    let next = (age.as_secs() / step + 1).saturating_mul(step);
    Duration::from_secs(next).saturating_sub(age)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn latencies_have_sensible_units() {
        let table = [
            (0.4182, "0.42 ms"),
            (8.31, "8.3 ms"),
            (9.97, "10 ms"),
            (642.2, "642 ms"),
            (999.7, "1.00 s"),
            (1_280.0, "1.28 s"),
            (95_000.0, "95.0 s"),
            (3.6e6, "3600 s"),
        ];
        for (ms, text) in table {
            assert_eq!(latency(Some(ms)), text);
        }
        assert_eq!(latency(None), "-");
        assert_eq!(latency(Some(f64::NAN)), "-");
        assert_eq!(latency(Some(f64::INFINITY)), "-");
    }

    #[test]
    fn other_numbers() {
        assert_eq!(quantity(Some(12_400_000.0)), "12.4M");
        assert_eq!(quantity(Some(0.931)), "0.93");
        assert_eq!(quantity(Some(999.9)), "1.00k");
        assert_eq!(percent(Some(-0.001)), "<0 %");
        assert_eq!(percent(Some(0.0)), "0 %");
        assert_eq!(percent(Some(-0.12)), "-12 %");
        assert_eq!(factor(Some(14.2)), "14x");
        assert_eq!(odds(Some(5.0)), "1 in 150");
        assert_eq!(odds(Some(0.1)), "usual");
        assert_eq!(count(1_440), "1,440");
        assert_eq!(count(999), "999");
        assert_eq!(probability(0.999), ">0.99");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_its_column(v in proptest::num::f64::ANY) {
            prop_assert!(latency(Some(v)).len() <= 9, "{}", latency(Some(v)));
            prop_assert!(quantity(Some(v)).len() <= 8, "{}", quantity(Some(v)));
            prop_assert!(factor(Some(v)).len() <= 7, "{}", factor(Some(v)));
            prop_assert!(odds(Some(v)).len() <= 9, "{}", odds(Some(v)));
        }

        #[test]
        fn an_age_reads_the_same_until_it_is_due(ms in prop_oneof![0u64..400_000_000, 0u64..400_000_000_000]) {
            let now = Duration::from_millis(ms);
            let due = age_changes_in(now);
            prop_assert!(due > Duration::ZERO);
            prop_assert_eq!(age(now), age(now + due - Duration::from_millis(1)));
            prop_assert_ne!(age(now), age(now + due));
        }
    }
}
