//! How much: the sizes of changes on machines. All leave the neighbour enough to live on.

/// Share of the cache's ways that a neighbour keeps.
const WAYS: f64 = 0.25;
/// Shares of the memory bandwidth that a neighbour keeps, percent: first the one, then the other.
const BANDWIDTH: [u32; 2] = [50, 30];
/// Room above what a service uses at its busiest.
const ROOM: f64 = 1.25;
/// Most of a link that is kept for one service.
const MOST_OF_LINK: f64 = 0.8;
/// Share of a link that is kept for ssh, the API server and the kubelet.
const MANAGEMENT: f64 = 0.05;
/// Share of its measured use that a neighbour keeps.
const USE: f64 = 0.5;
/// Least disk traffic a neighbour keeps, bytes per second.
pub const LEAST_DISK: u64 = 10_000_000;
/// Least processor time a neighbour keeps, percent of a core.
const LEAST_CPU: u64 = 10;

/// The ways that a neighbour keeps, of those in `mask`: a quarter, rounded up, but `least` at least;
/// next to each other, as low as can be without those in `shared` that devices use, or with as few of
/// those as can be. `None` if the mask has no such run or that would leave it everything.
pub fn ways(mask: u64, least: u32, shared: u64) -> Option<u64> {
    let all = mask.count_ones();
    let count = ((f64::from(all) * WAYS).ceil() as u32).max(least).max(1);
    if count >= all {
        return None;
    }
    let run = u64::MAX >> (64 - count);
    let places = (0..=64 - count).map(|low| run << low).filter(|run| run & mask == *run);
    places.min_by_key(|run| (run & shared).count_ones())
}

/// The share of memory bandwidth, percent, that a neighbour with `now` goes on to; `None` when there is no
/// further one. Never below `least` and a step, and as the kernel will round it: up to the next step.
pub fn bandwidth_percent(now: u32, least: u32, step: u32) -> Option<u32> {
    let floor = least.saturating_add(step);
    let step = step.max(1);
    let next = BANDWIDTH.iter().map(|share| (*share).max(floor).div_ceil(step) * step);
    next.into_iter().find(|share| *share < now && *share < 100)
}

/// The same where the unit is bytes per second or a part of them, from what the neighbour was measured to
/// use, in that unit: half of it.
pub fn bandwidth_absolute(measured: f64) -> Option<u64> {
    let half = (measured * USE).ceil();
    (half.is_finite() && half >= 1.0).then_some(half as u64)
}

/// How a link is shared out, bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Shares {
    /// All of it.
    pub link: u64,
    /// Kept for the service.
    pub victim: u64,
    /// For everybody else together.
    pub rest: u64,
    /// Kept for ssh, the API server and the kubelet.
    pub management: u64,
}

/// Shares out a link of `link` bits per second for a service that sends `busiest` at its 99th percentile:
/// a quarter more than that, but 80 % of the link at most. In whole megabits, as tc prints them. `None`
/// for links that are too slow to share out, and for services that send nothing.
pub fn shares(link: u64, busiest: f64) -> Option<Shares> {
    const MEGABIT: u64 = 1_000_000;
    let wanted = busiest * ROOM;
    if !wanted.is_finite() || wanted <= 0.0 || link < 20 * MEGABIT {
        return None;
    }
    let whole = |bits: f64| (bits / MEGABIT as f64) as u64 * MEGABIT;
    let most = whole(link as f64 * MOST_OF_LINK);
    let victim = (whole(wanted) + MEGABIT).min(most);
    let management = whole(link as f64 * MANAGEMENT).max(MEGABIT);
    Some(Shares { link, victim, management, rest: link - victim - management })
}

/// The quota of a neighbour that uses so many cores: half, in whole percents of one. `None` if that is
/// no less than what it may use now.
pub fn cpu_percent(cores: f64, quota_now: Option<u64>) -> Option<u64> {
    let half = ((cores * USE * 100.0).ceil() as u64).max(LEAST_CPU);
    let used = (cores * 100.0).ceil() as u64;
    (half < quota_now.unwrap_or(u64::MAX) && half < used).then_some(half)
}

/// The disk traffic of a neighbour that has a peak of so many bytes per second: half, at least 10 MB/s.
/// `None` if that would not be less.
pub fn disk(peak: f64) -> Option<u64> {
    let half = ((peak * USE) as u64).max(LEAST_DISK);
    (peak.is_finite() && (half as f64) < peak).then_some(half)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ways_are_low_and_next_to_each_other() {
        for (mask, least, shared, kept) in [
            (0xfff, 1, 0, Some(0x7)),
            (0x7ff, 1, 0x600, Some(0x7)),
            (0xfffff, 2, 0, Some(0x1f)),
            (0xfff, 4, 0, Some(0xf)),
            (0xfff, 1, 0x3, Some(0x1c)),
            (0xf, 1, 0xf, Some(0x1)),
            (0xf, 1, 0xe, Some(0x1)),
            (0xff0, 1, 0, Some(0x30)),
            (0xf, 4, 0, None),
            (0x1, 1, 0, None),
            (0, 1, 0, None),
            (0b1011_0111, 1, 0, Some(0b11)),
        ] {
            assert_eq!(ways(mask, least, shared), kept, "{mask:x} {least} {shared:x}");
        }
    }

    #[test]
    fn bandwidth_goes_down_in_two_steps() {
        assert_eq!(bandwidth_percent(100, 10, 10), Some(50));
        assert_eq!(bandwidth_percent(50, 10, 10), Some(30));
        assert_eq!(bandwidth_percent(30, 10, 10), None);
        assert_eq!(bandwidth_percent(100, 30, 15), Some(60));
        assert_eq!(bandwidth_percent(60, 30, 15), Some(45));
        assert_eq!(bandwidth_percent(45, 30, 15), None);
        assert_eq!(bandwidth_percent(100, 90, 10), None);
        assert_eq!((bandwidth_absolute(1001.0), bandwidth_absolute(0.0)), (Some(501), None));
    }

    #[test]
    fn half_of_what_is_used() {
        assert_eq!(cpu_percent(4.0, None), Some(200));
        assert_eq!(cpu_percent(4.0, Some(200)), None);
        assert_eq!(cpu_percent(0.15, None), Some(10));
        assert_eq!(cpu_percent(0.05, None), None);
        assert_eq!((disk(1e8), disk(1.5e7), disk(9e6)), (Some(50_000_000), Some(LEAST_DISK), None));
    }

    proptest! {
        #[test]
        fn ways_keep_the_kernels_rules(width in 1u32..64, low in 0u32..8, least in 1u32..5, shared: u64) {
            let mask = (u64::MAX >> (64 - width)) << low.min(64 - width);
            if let Some(kept) = ways(mask, least, shared) {
                let run = kept >> kept.trailing_zeros();
                prop_assert_eq!(run & run.wrapping_add(1), 0, "not next to each other: {:x}", kept);
                prop_assert_eq!(kept & mask, kept);
                prop_assert!(kept != mask && kept.count_ones() >= least);
                prop_assert!(f64::from(kept.count_ones()) >= 0.25 * f64::from(mask.count_ones()));
            }
        }

        #[test]
        fn bandwidth_keeps_the_kernels_rules(now in 0u32..200, least in 1u32..100, step in 1u32..50) {
            if let Some(share) = bandwidth_percent(now, least, step) {
                prop_assert!(share >= least + step && share.is_multiple_of(step) && share < now && share < 100);
            }
        }

        #[test]
        fn a_link_is_shared_out_whole(link in 0u64..400_000_000_000, busiest in -1e9f64..1e12) {
            if let Some(Shares { link, victim, rest, management }) = shares(link, busiest) {
                prop_assert_eq!(victim + rest + management, link);
                prop_assert!(victim as f64 <= link as f64 * 0.8);
                prop_assert!(rest as f64 >= link as f64 * 0.05 && management >= 1_000_000);
            }
        }
    }
}
