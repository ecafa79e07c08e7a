//! Parameters from the URL and from a posted form; times and durations in all spellings.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{Method, header};
use jiff::Timestamp;

use super::json::Failure;

/// Milliseconds of the units, in the order in which a duration must name them.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Beyond any clock; sums of a few times and durations below cannot overflow.
const LIMIT: i64 = 1 << 60;

/// Name and value, those of a form before those of the URL.
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    fn read(form: &[u8], url: &str) -> Self {
        let pairs = |bytes| url::form_urlencoded::parse(bytes).into_owned();
        Self(pairs(form).chain(pairs(url.as_bytes())).collect())
    }

    /// A parameter's first value; a missing one is empty, as Prometheus has it.
    pub(super) fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    pub(super) fn all<'p>(&'p self, name: &str) -> impl Iterator<Item = &'p str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A time in milliseconds since the epoch.
    pub(super) fn time(&self, name: &str) -> Result<i64, Failure> {
        let text = self.get(name);
        time(text)
            .ok_or_else(|| Failure::parameter(name, format!("cannot parse {text:?} to a valid timestamp")))
    }

    pub(super) fn time_or(&self, name: &str, default: i64) -> Result<i64, Failure> {
        if self.get(name).is_empty() { Ok(default) } else { self.time(name) }
    }

    /// A duration in milliseconds.
    pub(super) fn duration(&self, name: &str) -> Result<i64, Failure> {
        let text = self.get(name);
        duration(text)
            .ok_or_else(|| Failure::parameter(name, format!("cannot parse {text:?} to a valid duration")))
    }

    pub(super) fn duration_or(&self, name: &str, default: i64) -> Result<i64, Failure> {
        if self.get(name).is_empty() { Ok(default) } else { self.duration(name) }
    }

    /// A largest number; none and 0 are no limit.
    pub(super) fn limit(&self, name: &str) -> Result<Option<usize>, Failure> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(None);
        }
        let limit: usize = text
            .parse()
            .map_err(|_| Failure::parameter(name, format!("{text:?} is not a number that is 0 or above")))?;
        Ok(Some(limit).filter(|limit| *limit > 0))
    }
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let url = request.uri().query().unwrap_or_default().to_owned();
        let content = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let is_form = content.is_some_and(|c| c.starts_with("application/x-www-form-urlencoded"));
        let form = if request.method() == Method::POST && is_form {
            let read = Bytes::from_request(request, state).await;
            read.map_err(|error| Failure::bad_data(error.to_string()))?
        } else {
            Bytes::new()
        };
        Ok(Self::read(&form, &url))
    }
}

/// A time as unix seconds with a fraction, rounded to the millisecond, or by RFC 3339.
fn time(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return whole_millis(seconds.trunc() * 1e3 + (seconds.fract() * 1e3).round());
    }
    let at: Timestamp = text.parse().ok()?;
    Some(at.as_millisecond())
}

/// A duration as seconds with a fraction, or like `1h30m`.
fn duration(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        // By way of nanoseconds, cut off twice: the real one makes 33.006 of 33.007.
        return whole_millis((seconds * 1e9).trunc() / 1e6);
    }
    let (mut rest, mut units, mut total) = (text, UNITS.iter(), 0_i64);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let letters = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, behind) = behind.split_at(letters);
        let (_, millis) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(*millis)?)?;
        rest = behind;
    }
    (!text.is_empty() && total < LIMIT).then_some(total)
}

/// Whole milliseconds, if it is a number that a clock can show.
fn whole_millis(millis: f64) -> Option<i64> {
    (millis.abs() < LIMIT as f64).then_some(millis as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_and_durations() {
        assert_eq!(time("1435781451.781"), Some(1_435_781_451_781));
        assert_eq!(time("1.0006"), Some(1_001));
        assert_eq!(time("-1.5"), Some(-1_500));
        assert_eq!(time("2026-11-22T03:00:00Z"), Some(1_795_316_400_000));
        assert_eq!(time("2026-11-22T04:00:00.25+01:00"), Some(1_795_316_400_250));
        for wrong in ["", "now", "NaN", "Inf", "1e300", "2026-11-22"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
        assert_eq!(duration("15"), Some(15_000));
        assert_eq!(duration("0.5"), Some(500));
        assert_eq!(duration("1h30m"), Some(5_400_000));
        assert_eq!(duration("1y2w3d4h5m6s7ms"), Some(33_019_506_007));
        for wrong in ["", "m5", "1m1h", "1m2m", "1.5m", "-5m", "5 m", "1e300", "99999999999999y", "5µs"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_form_comes_before_the_url() {
        let params = Params::read(b"query=up%7Ba%3D%22b%22%7D&match[]=a", "query=down&match%5B%5D=b&x=1+2");
        assert_eq!(params.get("query"), r#"up{a="b"}"#);
        assert_eq!(params.all("match[]").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((params.get("x"), params.get("y")), ("1 2", ""));
    }

    proptest! {
        #[test]
        fn a_time_is_read_as_it_is_written(ms in -10_000_000_000_000_i64..10_000_000_000_000) {
            let (sign, abs) = (if ms < 0 { "-" } else { "" }, ms.abs());
            prop_assert_eq!(time(&format!("{sign}{}.{:03}", abs / 1000, abs % 1000)), Some(ms));
            let at = Timestamp::from_millisecond(ms).map(|at| at.to_string());
            prop_assert_eq!(at.ok().and_then(|at| time(&at)), Some(ms));
        }

        #[test]
        fn a_duration_is_the_sum_of_its_parts(parts in proptest::collection::vec(0_i64..1_000, 7)) {
            let text: String = parts
                .iter()
                .zip(UNITS)
                .filter(|(n, _)| **n > 0)
                .map(|(n, (unit, _))| format!("{n}{unit}"))
                .collect();
            let sum: i64 = parts.iter().zip(UNITS).map(|(n, (_, millis))| n * millis).sum();
            prop_assert_eq!(duration(&text), (!text.is_empty()).then_some(sum));
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,12}|[0-9a-z.+-]{0,20}") {
            for ms in [time(&text), duration(&text)].into_iter().flatten() {
                prop_assert!(ms.checked_mul(4).is_some(), "{} gives {}", text, ms);
            }
        }
    }
}
