//! Parameters as a Go server reads them, with the messages it gives: clients show them to people.

use std::borrow::Cow;

use axum::http::StatusCode;
use url::form_urlencoded;

/// The parameters of a request, in order; a name may come more than once.
#[derive(Debug)]
pub(super) struct Params<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Params<'q> {
    pub(super) fn parse(query: Option<&'q str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).collect())
    }

    /// The first value of the first of `names` that has one that is not empty: an empty parameter is
    /// none.
    pub(super) fn get(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.all(name).next().filter(|value| !value.is_empty()))
    }

    /// All values of a name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| &**value)
    }
}

/// Why a request is refused. Each API has its own envelope for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, message: message.into() }
    }
}

/// `strconv.ParseInt` of base 10, within the range of `N`.
pub(super) fn int<N: TryFrom<i64>>(text: &str) -> Result<N, String> {
    let complain = |what: &str| format!("strconv.ParseInt: parsing {text:?}: {what}");
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(complain("invalid syntax"));
    }
    let value = text.parse::<i64>().ok().and_then(|value| N::try_from(value).ok());
    value.ok_or_else(|| complain("value out of range"))
}

/// `strconv.ParseBool`.
pub(super) fn bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}

/// A trace id: hex, up to 128 bits, as Jaeger reads it (each half with `strconv.ParseUint`).
pub(super) fn trace_id(text: &str) -> Result<u128, String> {
    if text.len() > 32 {
        return Err(format!("TraceID cannot be longer than 32 hex characters: {text}"));
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("strconv.ParseUint: parsing {text:?}: invalid syntax"));
    }
    u128::from_str_radix(text, 16).map_err(|error| error.to_string())
}

/// `time.ParseDuration`, in nanoseconds: `1.5h`, `300ms`, `-2us`, `1m30s`.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0i128;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (name, after) = after.split_at(unit_end);
        let unit = match name {
            "ns" => 1,
            // The micro sign and the Greek letter.
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            _ => return Err(format!("time: unknown unit {name:?} in duration {text:?}")),
        };
        // Longer numbers than these are out of range, or finer than a nanosecond.
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let fraction = fraction.get(..fraction.len().min(18)).unwrap_or_default();
        let part: i128 = if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| invalid())? };
        let scale = 10i128.pow(u32::try_from(fraction.len()).unwrap_or(0));
        total = whole
            .checked_mul(unit)
            .and_then(|ns| ns.checked_add(part * unit / scale))
            .and_then(|ns| ns.checked_add(total))
            .ok_or_else(invalid)?;
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

/// A duration in nanoseconds as Go's `%v` writes it: `1.5ms`, `1m2.5s`.
pub(super) fn format_duration(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ns = ns.unsigned_abs();
    // The float is exact: it has at most twelve digits.
    match ns {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{ns}ns"),
        1_000..1_000_000 => format!("{sign}{}\u{b5}s", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", ns as f64 / 1e6),
        _ => {
            let (minutes, rest) = (ns / 60_000_000_000, ns % 60_000_000_000);
            let seconds = rest as f64 / 1e9;
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn durations() {
        for (text, ns) in [
            ("0", 0),
            ("1.5h", 5_400_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1500000us", 1_500_000_000),
            ("5\u{b5}s", 5_000),
            ("5\u{3bc}s", 5_000),
            (".5ms", 500_000),
            ("1.ms", 1_000_000),
            ("-2us", -2_000),
            ("+3ns", 3),
            ("0.0000000000000000001s", 0),
        ] {
            assert_eq!(duration(text), Ok(ns), "{text}");
        }
        for (text, message) in [
            ("", "time: invalid duration \"\""),
            ("-", "time: invalid duration \"-\""),
            ("5", "time: missing unit in duration \"5\""),
            ("5x", "time: unknown unit \"x\" in duration \"5x\""),
            (".s", "time: invalid duration \".s\""),
            ("ms", "time: invalid duration \"ms\""),
            ("3000000h", "time: invalid duration \"3000000h\""),
        ] {
            assert_eq!(duration(text), Err(message.to_owned()));
        }
    }

    #[test]
    fn durations_in_words() {
        for (ns, text) in [
            (0, "0s"),
            (-999, "-999ns"),
            (806_281, "806.281\u{b5}s"),
            (-1_230_939, "-1.230939ms"),
            (2_500_000_000, "2.5s"),
            (60_000_000_000, "1m0s"),
            (3_723_000_000_001, "1h2m3.000000001s"),
        ] {
            assert_eq!(format_duration(ns), text);
            assert_eq!(duration(text), Ok(ns));
        }
        assert_eq!(format_duration(i64::MIN), "-2562047h47m16.854775808s");
    }

    #[test]
    fn numbers_truths_and_ids() {
        assert_eq!(int::<i64>("-7"), Ok(-7));
        let message = "strconv.ParseInt: parsing \"1e3\": invalid syntax";
        assert_eq!(int::<i64>("1e3"), Err(message.to_owned()));
        let message = "strconv.ParseInt: parsing \"3000000000\": value out of range";
        assert_eq!(int::<i32>("3000000000"), Err(message.to_owned()));
        assert_eq!((bool("T"), bool("0")), (Ok(true), Ok(false)));
        assert!(bool("yes").is_err());
        assert_eq!(trace_id("00F067aa0ba902b7"), Ok(0x00f0_67aa_0ba9_02b7));
        assert!(trace_id("+1").is_err() && trace_id("").is_err());
        assert!(trace_id(&"a".repeat(33)).unwrap_err().contains("32 hex"));
    }

    #[test]
    fn empty_parameters_are_none() {
        let params = Params::parse(Some("a=&b=1&b=2&c=x%20y"));
        assert_eq!(params.get(&["a", "b"]), Some("1"));
        assert_eq!(params.all("b").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(params.get(&["c"]), Some("x y"));
        assert_eq!(params.get(&["d"]), None);
    }
}
