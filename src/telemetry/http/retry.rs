//! When and how long to wait before trying again.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use rand::Rng as _;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Tries of one request, the first included.
pub(super) const MAX_ATTEMPTS: u32 = 3;
/// Longest `Retry-After` that is waited for; beyond it the person decides.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(10);
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// Statuses that may pass by themselves. All requests are reads, so trying again is safe.
pub(super) fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// What `Retry-After` asks for, as seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = http_date(text)?.as_millisecond() - now.as_millisecond();
    Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
}

/// The wait before the attempt after `attempt`, with jitter so that clients which failed together do
/// not come back together. `None`: the server asks for more patience than is reasonable.
pub(super) fn pause(attempt: u32, asked: Option<Duration>) -> Option<Duration> {
    if asked.is_some_and(|asked| asked > MAX_RETRY_AFTER) {
        return None;
    }
    let backoff = FIRST_BACKOFF * 2u32.saturating_pow(attempt.saturating_sub(1).min(8));
    let jittered = backoff.mul_f64(rand::rng().random_range(0.5..1.5));
    Some(asked.map_or(jittered, |asked| asked + jittered / 4))
}

/// Parses an HTTP date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn asking(value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        headers
    }

    #[test]
    fn retry_after_in_both_forms() {
        let now: Timestamp = "1994-11-06T08:49:30Z".parse().unwrap();
        assert_eq!(retry_after(&asking("7"), now), Some(Duration::from_secs(7)));
        let date = asking("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(retry_after(&date, now), Some(Duration::from_secs(7)));
        let late: Timestamp = "1994-11-06T09:00:00Z".parse().unwrap();
        assert_eq!(retry_after(&date, late), Some(Duration::ZERO));
        assert_eq!(retry_after(&asking("soon"), now), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn pauses_grow_are_jittered_and_capped() {
        for _ in 0..100 {
            let first = pause(1, None).unwrap();
            let second = pause(2, None).unwrap();
            assert!((100..300).contains(&first.as_millis()));
            assert!((200..600).contains(&second.as_millis()));
            assert!(pause(1, Some(Duration::from_secs(2))).unwrap() >= Duration::from_secs(2));
        }
        assert_eq!(pause(1, Some(Duration::from_secs(3600))), None);
        assert_eq!(pause(1, Some(Duration::from_secs(u64::MAX))), None);
    }
}
