//! Noise of measuring: a function of its keys alone, so that it is the same in every re-run.

/// A number in [0, 1) for these keys.
pub fn unit(keys: &[u64]) -> f64 {
    (bits(keys) >> 11) as f64 / (1_u64 << 53) as f64
}

/// 64 bits for these keys.
pub fn bits(keys: &[u64]) -> u64 {
    keys.iter().fold(0, |all, key| mix(all ^ key))
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
