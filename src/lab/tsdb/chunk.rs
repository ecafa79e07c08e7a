//! Samples in few bytes: the past of a series is kept encoded, about 2 to 9 bytes a sample instead of 16.
//!
//! Scrapes come at nearly regular times and most values are counters of whole numbers or stand still.
//! So a time is stored as the change of its distance from the one before (a variable-length integer),
//! and a value as whichever is shorter: the difference of two whole numbers, or the bytes in which two
//! floats differ. Everything is whole bytes: decoding costs a few nanoseconds a sample.

/// High nibble of a value's head when the value is the one before plus a whole number.
const DIFFERENCE: u8 = 0xf0;
/// Whole numbers up to here are exact, and so are their differences.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Samples of one series that do not change any more.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) first: i64,
    pub(super) last: i64,
    len: usize,
    bytes: Box<[u8]>,
}

impl Chunk {
    /// Encodes samples with ascending times. Nothing is lost: values come back bit by bit.
    pub(super) fn encode(times: &[i64], values: &[f64]) -> Self {
        let mut bytes = Vec::with_capacity(values.len() * 6);
        let (mut time, mut distance, mut before) = (0_i64, 0_i64, 0.0_f64);
        for (&t, &v) in times.iter().zip(values) {
            let d = t.wrapping_sub(time);
            put_varint(&mut bytes, zigzag(d.wrapping_sub(distance)));
            put_value(&mut bytes, before, v);
            (time, distance, before) = (t, d, v);
        }
        Self {
            first: times.first().copied().unwrap_or(i64::MAX),
            last: times.last().copied().unwrap_or(i64::MIN),
            len: times.len(),
            bytes: bytes.into_boxed_slice(),
        }
    }

    /// Calls `each` with all samples in their order.
    pub(super) fn decode(&self, mut each: impl FnMut(i64, f64)) {
        let mut bytes = self.bytes.iter().copied();
        let (mut time, mut distance, mut value) = (0_i64, 0_i64, 0.0_f64);
        for _ in 0..self.len {
            let Some(change) = take_varint(&mut bytes) else { return };
            distance = distance.wrapping_add(unzigzag(change));
            time = time.wrapping_add(distance);
            let Some(v) = take_value(&mut bytes, value) else { return };
            value = v;
            each(time, value);
        }
    }

    /// Memory it holds, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
    }
}

fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)).cast_unsigned()
}

fn unzigzag(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -(n & 1).cast_signed()
}

fn put_varint(bytes: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        bytes.push(n.to_le_bytes()[0] | 0x80);
        n >>= 7;
    }
    bytes.push(n.to_le_bytes()[0]);
}

fn take_varint(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.next()?;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    Some(n)
}

/// A head byte (how, and how many bytes follow) and the bytes.
fn put_value(bytes: &mut Vec<u8>, before: f64, value: f64) {
    let differing = before.to_bits() ^ value.to_bits();
    let trailing = differing.trailing_zeros() as u8 / 8;
    let middle = if differing == 0 { 0 } else { 8 - trailing - differing.leading_zeros() as u8 / 8 };
    if middle > 1 && is_exact(before) && is_exact(value) {
        // Both are whole and below 2^53, hence the cast is exact.
        let difference = zigzag(value as i64 - before as i64);
        let width = 8 - difference.leading_zeros() as u8 / 8;
        if width < middle {
            bytes.push(DIFFERENCE | width);
            bytes.extend_from_slice(&difference.to_le_bytes()[..usize::from(width)]);
            return;
        }
    }
    // The low nibble says how many bytes follow, the high one how many zero bytes lie below them.
    bytes.push((trailing.min(8) << 4) | middle);
    let shifted = if middle == 0 { 0 } else { differing >> (8 * trailing) };
    bytes.extend_from_slice(&shifted.to_le_bytes()[..usize::from(middle)]);
}

fn take_value(bytes: &mut impl Iterator<Item = u8>, before: f64) -> Option<f64> {
    let head = bytes.next()?;
    let mut raw = [0; 8];
    for byte in raw.iter_mut().take(usize::from(head & 0xf)) {
        *byte = bytes.next()?;
    }
    let raw = u64::from_le_bytes(raw);
    Some(match head & 0xf0 {
        DIFFERENCE => (before as i64).wrapping_add(unzigzag(raw)) as f64,
        below => f64::from_bits(before.to_bits() ^ raw.checked_shl(u32::from(below >> 1)).unwrap_or(0)),
    })
}

/// Whether it is a whole number of which a difference can be taken; minus zero is not, as it would
/// come back as zero.
fn is_exact(value: f64) -> bool {
    value.abs() < EXACT && value.fract() == 0.0 && !(value == 0.0 && value.is_sign_negative())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::tsdb::STALE;
    use proptest::prelude::*;

    fn check(samples: &[(i64, f64)]) -> Chunk {
        let (times, values): (Vec<_>, Vec<_>) = samples.iter().copied().unzip();
        let chunk = Chunk::encode(&times, &values);
        let mut back = Vec::new();
        chunk.decode(|t, v| back.push((t, v.to_bits())));
        let expected: Vec<_> = samples.iter().map(|(t, v)| (*t, v.to_bits())).collect();
        assert_eq!(back, expected);
        chunk
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            (-1_000_000_i64..1_000_000).prop_map(|n| n as f64),
            (0_u64..u64::MAX).prop_map(|n| n as f64),
            Just(0.0),
            Just(-0.0),
            Just(STALE),
            Just(f64::NAN),
            Just(f64::INFINITY),
            Just(EXACT),
            Just(-EXACT + 1.0),
            0.0..1e6,
        ]
    }

    proptest! {
        #[test]
        fn every_sample_comes_back_bit_by_bit(
            samples in proptest::collection::vec((any::<i64>(), value()), 0..50),
        ) {
            check(&samples);
        }
    }

    #[test]
    fn what_exporters_expose_is_small() {
        let at = |i: i64| 1_800_000_000_000 + 15_000 * i + (i * 7) % 11;
        let per_sample = |value: fn(i64) -> f64| {
            let samples: Vec<_> = (0..120).map(|i| (at(i), value(i))).collect();
            check(&samples).bytes.len() as f64 / 120.0
        };
        let still = per_sample(|_| 0.25);
        let counter = per_sample(|i| (1_000_000 + 90 * i + i % 7) as f64);
        let seconds = per_sample(|i| (i as f64 * 1.234_567).sqrt());
        assert!(still < 2.2 && counter < 3.2 && seconds < 9.2, "{still} {counter} {seconds}");
    }
}
