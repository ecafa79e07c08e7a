//! Trace and span ids: hex of 64 or 128 bits, and base64, which some v3 gateways send.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::telemetry::types::{SpanId, TraceId};

/// Padding is not always kept.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Parses a trace id; `None` if it is empty, zero or not an id.
pub(super) fn trace_id(text: &str) -> Option<TraceId> {
    number(text, 16).map(TraceId)
}

/// Parses a span id; `None` if it is empty, zero or not an id.
pub(super) fn span_id(text: &str) -> Option<SpanId> {
    let id = number(text, 8)?;
    u64::try_from(id).ok().map(SpanId)
}

/// `bytes` is the full length of the id. Short hex (Jaeger once dropped leading zeros) is padded.
fn number(text: &str, bytes: usize) -> Option<u128> {
    let id = match hex(text.as_bytes(), bytes) {
        Some(id) => id,
        None => {
            // Bounded before decoding: an id has 12 or 24 characters in base64.
            let raw = (text.len() <= 24).then(|| BASE64.decode(text).ok()).flatten()?;
            if raw.len() != bytes && raw.len() != 8 {
                return None;
            }
            raw.iter().fold(0, |id, byte| id << 8 | u128::from(*byte))
        }
    };
    (id != 0).then_some(id)
}

/// Two digits a byte, at most. By hand and in halves: parsing an `u128` is several times slower, and a
/// span has three ids or more.
fn hex(text: &[u8], bytes: usize) -> Option<u128> {
    if text.len() > 2 * bytes {
        return None;
    }
    let half = |digits: &[u8]| {
        digits.iter().try_fold(0u64, |n, digit| Some(n << 4 | u64::from((*digit as char).to_digit(16)?)))
    };
    let (high, low) = text.split_at(text.len().saturating_sub(16));
    Some(u128::from(half(high)?) << 64 | u128::from(half(low)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn widths_padding_and_alphabets() {
        let wide = TraceId(0x5b8e_fff7_9803_8103_d269_b633_813f_c60c);
        assert_eq!(trace_id("5b8efff798038103d269b633813fc60c"), Some(wide));
        assert_eq!(trace_id("5B8EFFF798038103D269B633813FC60C"), Some(wide));
        assert_eq!(trace_id("W47/95gDgQPSabYzgT/GDA=="), Some(wide));
        assert_eq!(trace_id("W47/95gDgQPSabYzgT/GDA"), Some(wide));
        assert_eq!(trace_id("00f067aa0ba902b7"), Some(TraceId(0x00f0_67aa_0ba9_02b7)));
        assert_eq!(trace_id("f067aa0ba902b7"), trace_id("000000000000000000f067aa0ba902b7"));
        assert_eq!(span_id("eee19b7ec3c1b174"), Some(SpanId(0xeee1_9b7e_c3c1_b174)));
        assert_eq!(span_id("7uGbfsPBsXQ="), Some(SpanId(0xeee1_9b7e_c3c1_b174)));
    }

    #[test]
    fn no_id_is_none() {
        for text in ["", "0000000000000000", "xyz", "5b8efff798038103d269b633813fc60c00", "=", "-1", "+1"] {
            assert_eq!(trace_id(text), None, "{text}");
            assert_eq!(span_id(text), None, "{text}");
        }
        assert_eq!(span_id("5b8efff798038103d269b633813fc60c"), None);
    }

    proptest! {
        #[test]
        fn hex_round_trips_and_nothing_panics(id in 1u128.., text in ".{0,40}") {
            prop_assert_eq!(trace_id(&format!("{id:032x}")), Some(TraceId(id)));
            let _ = (trace_id(&text), span_id(&text));
        }
    }
}
