//! Durations as people write them in files: `1139ms`, `5m`, `1h 30m`, `28d`.
//!
//! Use it as `#[serde(with = "crate::domain::duration")]` together with
//! `#[schemars(schema_with = "crate::domain::duration::schema")]`.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serializer};

/// Value of `format` in the schema of a duration.
pub const FORMAT: &str = "sagetop-duration";

/// Reads a duration; days have 24 hours, weeks 7 days. The error says what is wrong with `text`.
pub fn parse(text: &str) -> Result<Duration, String> {
    let span: Span =
        text.parse().map_err(|_| format!("`{text}` is not a duration such as `500ms`, `5m` or `28d`"))?;
    if span.is_negative() {
        return Err(format!("`{text}` is negative"));
    }
    let length = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| format!("`{text}` has no fixed length: months and years differ, write days"))?;
    Duration::try_from(length).map_err(|_| format!("`{text}` is out of range"))
}

/// Writes a duration so that [`parse`] reads it back, in the largest units that fit: `1d 12h`.
pub fn format(duration: Duration) -> String {
    const UNITS: [(&str, u128); 7] = [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    let mut rest = duration.as_nanos();
    let mut parts = Vec::new();
    for (unit, nanos) in UNITS {
        if rest >= nanos {
            parts.push(format!("{}{unit}", rest / nanos));
            rest %= nanos;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// For `#[serde(with)]`.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// For `#[serde(with)]`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// For `#[schemars(schema_with)]`.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": FORMAT, "examples": ["500ms", "5m", "28d"] })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("1139ms", 1_139),
            ("5m", 300_000),
            ("28d", 2_419_200_000),
            ("1w", 604_800_000),
            ("1h 30m", 5_400_000),
        ] {
            assert_eq!(parse(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
    }

    #[test]
    fn says_why_not() {
        assert!(parse("soon").unwrap_err().contains("not a duration"));
        assert!(parse("300").unwrap_err().contains("not a duration"));
        assert!(parse("-5m").unwrap_err().contains("negative"));
        assert!(parse("1mo").unwrap_err().contains("write days"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(secs in 0u64..100_000_000, nanos in 0u32..1_000_000_000) {
            let duration = Duration::new(secs, nanos);
            prop_assert_eq!(parse(&format(duration)).unwrap(), duration);
        }
    }
}
