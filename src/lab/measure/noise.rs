//! Noise of measuring: a function of its keys alone, so that it is the same in every re-run.

use crate::lab::sim::{GOLDEN, mix};

/// A number in [0, 1) for these keys.
pub fn unit(keys: &[u64]) -> f64 {
    (bits(keys) >> 11) as f64 / (1_u64 << 53) as f64
}

/// 64 bits for these keys.
pub fn bits(keys: &[u64]) -> u64 {
    keys.iter().fold(0, |all, key| mix((all ^ key).wrapping_add(GOLDEN)))
}
