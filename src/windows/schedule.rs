//! Which windows are asked for, which of them are still missing, and in which pieces they are fetched.

use std::time::Duration;

use super::cells::Ends;
use super::settings::WindowSettings;
use crate::domain::Timestamp;

/// Windows per piece of a PromQL query: four hours of one-minute windows.
const PIECE: i64 = 240;

/// The span of time a fetch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Windows that end after it are wanted.
    pub after: Timestamp,
    /// The moment of the question: nothing later is read.
    pub until: Timestamp,
    /// The wall clock: what is younger than `settle` may still change. Equal to `until` when live.
    pub now: Timestamp,
}

impl Period {
    /// Ends of the windows that are over at `until`.
    pub fn ends(&self, length: i64) -> Ends {
        let after = floor(self.after.as_second(), length);
        Ends { after, until: floor(self.until.as_second(), length).max(after) }
    }

    /// End of the newest window whose metrics will not change any more.
    pub fn settled(&self, settings: &WindowSettings) -> i64 {
        let calm = saturating_sub(self.now, settings.settle);
        floor(calm.min(self.until).as_second(), settings.length_s())
    }

    /// The same for spans: they are reported when they end, and those that ended after `until` are
    /// not read, so a window is complete only when `until`, too, is `settle` past its end.
    pub fn spans_settled(&self, settings: &WindowSettings) -> i64 {
        let calm = saturating_sub(self.now.min(self.until), settings.settle);
        floor(calm.as_second(), settings.length_s())
    }
}

fn saturating_sub(t: Timestamp, by: Duration) -> Timestamp {
    t.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

fn floor(second: i64, length: i64) -> i64 {
    second.div_euclid(length) * length
}

/// The parts of `wanted` that `covered` (in order, without overlaps) leaves out.
pub fn missing(wanted: Ends, covered: &[Ends]) -> Vec<Ends> {
    let mut gaps = Vec::new();
    let mut from = wanted.after;
    for have in covered {
        let have = have.intersect(Ends { after: from, until: wanted.until });
        if have.is_empty() {
            continue;
        }
        if have.after > from {
            gaps.push(Ends { after: from, until: have.after });
        }
        from = have.until;
    }
    if from < wanted.until {
        gaps.push(Ends { after: from, until: wanted.until });
    }
    gaps
}

/// Cuts ranges at multiples of the piece length, newest piece first: what is needed to judge the
/// present comes before what is needed to learn from the past.
pub fn pieces(ranges: &[Ends], length: i64) -> Vec<Ends> {
    let step = PIECE * length;
    let mut pieces = Vec::new();
    for range in ranges {
        let mut after = range.after;
        while after < range.until {
            let until = (floor(after, step) + step).min(range.until);
            pieces.push(Ends { after, until });
            after = until;
        }
    }
    pieces.sort_unstable_by_key(|p| std::cmp::Reverse(p.until));
    pieces
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn ends(after: i64, until: i64) -> Ends {
        Ends { after, until }
    }

    #[test]
    fn only_windows_that_are_over_are_asked_for() {
        let settings = WindowSettings::default();
        let until = at("2022-08-22T07:28:45Z");
        let period = Period { after: at("2022-08-22T07:20:10Z"), until, now: at("2026-01-01T00:00:00Z") };
        let ends = period.ends(60);
        assert_eq!(Timestamp::from_second(ends.until).unwrap(), at("2022-08-22T07:28:00Z"));
        assert_eq!(ends.windows(60), 8);
        // A recorded past is complete; a live window of 45 s ago is, too, one of 15 s ago is not.
        assert_eq!(period.settled(&settings), ends.until);
        let live = Period { now: until, ..period };
        assert_eq!(live.settled(&settings), ends.until);
        let live = Period { now: at("2022-08-22T07:28:15Z"), ..period };
        assert_eq!(live.settled(&settings), ends.until - 60);
        // For spans it does not matter how late the question is asked.
        let exact = Period { until: at("2022-08-22T07:28:00Z"), ..period };
        assert_eq!(exact.settled(&settings), ends.until);
        assert_eq!(exact.spans_settled(&settings), ends.until - 60);
    }

    #[test]
    fn gaps_are_what_is_not_covered() {
        let wanted = ends(100, 200);
        assert_eq!(missing(wanted, &[]), [wanted]);
        assert_eq!(
            missing(wanted, &[ends(0, 120), ends(150, 160), ends(190, 300)]),
            [ends(120, 150), ends(160, 190)]
        );
        assert!(missing(wanted, &[ends(0, 200)]).is_empty());
        assert_eq!(missing(wanted, &[ends(0, 50), ends(200, 300)]), [wanted]);
        assert!(missing(ends(5, 5), &[]).is_empty());
    }

    #[test]
    fn pieces_are_cut_on_a_fixed_grid_newest_first() {
        let step = PIECE * 60;
        let pieces = pieces(&[ends(step - 120, 2 * step + 60), ends(0, 60)], 60);
        assert_eq!(
            pieces,
            [ends(2 * step, 2 * step + 60), ends(step, 2 * step), ends(step - 120, step), ends(0, 60)]
        );
    }
}
