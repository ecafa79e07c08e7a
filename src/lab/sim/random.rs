//! Randomness without a stream: every draw is a hash of what it is for, so that a re-run with one
//! thing changed shares all the others (common random numbers).

/// Names a random quantity: a request, a call of it, a slot of the load, a pause of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(pub u64);

/// What a draw of a call is for.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum Purpose {
    Flow = 1,
    Chance,
    Repeat,
    Cpu,
    DiskNeeded,
    DiskTime,
    Replica,
    RequestStack,
    ResponseStack,
    RequestLoss,
    ResponseLoss,
    RequestDelay,
    ResponseDelay,
    Faults,
    Latent,
    Hold,
    Pause,
    Gap,
    Arrival,
    Surge,
    Slot,
    Burst,
    Mix,
    Phase,
}

/// 2^64 over the golden ratio: spreads small numbers over all bits.
pub(in crate::lab) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): every input bit reaches every
/// output bit.
pub(in crate::lab) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Key {
    pub(super) fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(GOLDEN)))
    }

    /// The key of part `part` of this.
    pub(super) fn with(self, part: u64) -> Self {
        Self(mix(self.0 ^ part.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    pub(super) fn bits(self, purpose: Purpose) -> u64 {
        self.with((purpose as u64) << 48).0
    }

    /// Uniform in the open interval (0, 1).
    pub(super) fn uniform(self, purpose: Purpose) -> f64 {
        ((self.bits(purpose) >> 11) as f64 + 0.5) * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Exponential with mean 1.
    pub(super) fn exponential(self, purpose: Purpose) -> f64 {
        -self.uniform(purpose).ln()
    }

    pub(super) fn normal(self, purpose: Purpose) -> f64 {
        normal_quantile(self.uniform(purpose))
    }

    pub(super) fn log_normal(self, purpose: Purpose, of: LogNormal) -> f64 {
        if of.sigma == 0.0 { of.mean } else { (of.mu + of.sigma * self.normal(purpose)).exp() }
    }
}

/// A log-normal distribution; a mean of 0 is always 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LogNormal {
    mean: f64,
    mu: f64,
    sigma: f64,
}

impl LogNormal {
    /// By mean and coefficient of variation.
    pub(super) fn new(mean: f64, cv: f64) -> Self {
        if mean <= 0.0 {
            return Self { mean: 0.0, mu: 0.0, sigma: 0.0 };
        }
        let variance = (1.0 + cv * cv).ln();
        Self { mean, mu: mean.ln() - variance / 2.0, sigma: variance.sqrt() }
    }
}

/// Quantile of the standard normal distribution to seven digits: algorithm AS 241 (PPND7) of
/// Wichura, Applied Statistics 37 (1988).
fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * (((59.109_374_720 * r + 159.291_132_02) * r + 50.434_271_938) * r + 3.387_132_717_9)
            / (((67.187_563_600 * r + 78.757_757_664) * r + 17.895_169_469) * r + 1.0);
    }
    let r = (-(if q < 0.0 { p } else { 1.0 - p }).ln()).sqrt();
    let z = if r <= 5.0 {
        let r = r - 1.6;
        (((0.170_238_211_03 * r + 1.306_728_481_6) * r + 2.756_815_390_0) * r + 1.423_437_277_7)
            / ((0.120_211_329_75 * r + 0.737_001_642_50) * r + 1.0)
    } else {
        let r = r - 5.0;
        (((0.017_337_203_997 * r + 0.428_682_943_37) * r + 3.081_226_386_0) * r + 6.657_905_115_0)
            / ((0.012_258_202_635 * r + 0.241_978_942_25) * r + 1.0)
    };
    if q < 0.0 { -z } else { z }
}

/// Jump consistent hash (Lamping and Veach, 2014): the bucket of `key` among `buckets`. Adding a
/// bucket moves only the share that goes to the new one, so that scaling a service leaves most
/// requests where they were.
pub(super) fn bucket(mut key: u64, buckets: usize) -> usize {
    let (mut at, mut next) = (0_u64, 0_u64);
    while next < buckets as u64 {
        at = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((at + 1) as f64 * (2_147_483_648.0 / ((key >> 33) + 1) as f64)) as u64;
    }
    at as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_quantile_matches_tables() {
        for (p, z) in [(0.5, 0.0), (0.975, 1.959_963_985), (0.001, -3.090_232_306), (1e-12, -7.034_483_825)] {
            assert!((normal_quantile(p) - z).abs() < 1e-6, "{p}: {}", normal_quantile(p));
        }
    }

    #[test]
    fn draws_have_the_moments_asked_for() {
        let of = LogNormal::new(100.0, 0.7);
        let (mut sum, mut squares, mut exponential) = (0.0, 0.0, 0.0);
        let n = 100_000;
        for i in 0..n {
            let key = Key::new(7).with(i);
            let x = key.log_normal(Purpose::Cpu, of);
            sum += x;
            squares += x * x;
            exponential += key.exponential(Purpose::DiskTime);
        }
        let mean = sum / n as f64;
        let cv = (squares / n as f64 - mean * mean).sqrt() / mean;
        assert!((mean - 100.0).abs() < 1.0 && (cv - 0.7).abs() < 0.02, "{mean} {cv}");
        assert!((exponential / n as f64 - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_new_bucket_takes_only_its_share() {
        let n = 10_000_u64;
        let moved: Vec<_> =
            (0..n).map(|i| Key::new(1).with(i).0).filter(|key| bucket(*key, 4) != bucket(*key, 5)).collect();
        assert!(moved.iter().all(|key| bucket(*key, 5) == 4));
        assert!((moved.len() as f64 / n as f64 - 0.2).abs() < 0.02, "{}", moved.len());
    }
}
