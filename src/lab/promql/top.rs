//! The few highest or lowest of many values.
//!
//! Which of several equal values (or NaNs) is among them is decided by how they move through a binary heap.
//! The heap is the one of Go's library, as Prometheus uses it, so that the same series are chosen.

/// A value and whose it is.
pub(super) type Entry = (usize, f64);

/// Whether the first is worse than the second.
pub(super) type Worse = fn(f64, f64) -> bool;

/// The best `limit` entries, best first; NaN is worse than every number.
pub(super) fn best(entries: impl Iterator<Item = Entry>, limit: usize, worse: Worse) -> Vec<Entry> {
    let mut heap = Heap { entries: Vec::new(), worse };
    if limit == 0 {
        return heap.entries;
    }
    for (owner, value) in entries {
        // The worst lies at the root. A NaN there gives way to anything, also to another NaN.
        let gives_way = |(_, root): &Entry| worse(*root, value) || root.is_nan();
        if heap.entries.len() < limit {
            heap.push((owner, value));
        } else if heap.entries.first().is_some_and(gives_way) {
            heap.pop();
            heap.push((owner, value));
        }
    }
    let mut chosen = heap.entries;
    chosen.sort_by(|(_, a), (_, b)| {
        a.is_nan().cmp(&b.is_nan()).then_with(|| worse(*a, *b).cmp(&worse(*b, *a)))
    });
    chosen
}

struct Heap {
    entries: Vec<Entry>,
    worse: Worse,
}

impl Heap {
    fn is_below(&self, a: usize, b: usize) -> bool {
        let (a, b) = (self.entries[a].1, self.entries[b].1);
        a.is_nan() || (self.worse)(a, b)
    }

    fn push(&mut self, entry: Entry) {
        let mut at = self.entries.len();
        self.entries.push(entry);
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.is_below(at, parent) {
                break;
            }
            self.entries.swap(at, parent);
            at = parent;
        }
    }

    /// Removes the root.
    fn pop(&mut self) {
        let Some(last) = self.entries.len().checked_sub(1) else { return };
        self.entries.swap(0, last);
        self.entries.truncate(last);
        let mut at = 0;
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            if left >= last {
                break;
            }
            let child = if right < last && self.is_below(right, left) { right } else { left };
            if !self.is_below(child, at) {
                break;
            }
            self.entries.swap(at, child);
            at = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_are_the_best(values in proptest::collection::vec(-100_i32..100, 0..60), limit in 0_usize..20) {
            let entries = values.iter().map(|v| f64::from(*v)).enumerate();
            let chosen = best(entries, limit, |a, b| a < b);
            let mut expected = values.clone();
            expected.sort_unstable_by(|a, b| b.cmp(a));
            expected.truncate(limit);
            let found: Vec<i32> = chosen.iter().map(|(_, v)| *v as i32).collect();
            prop_assert_eq!(found, expected);
            prop_assert!(chosen.iter().all(|(i, v)| f64::from(values[*i]) == *v));
        }
    }

    #[test]
    fn nan_is_the_worst_both_ways() {
        let values = [f64::NAN, 1.0, f64::NAN, f64::INFINITY, -1.0];
        let owners = |limit, worse: Worse| -> Vec<usize> {
            best(values.into_iter().enumerate(), limit, worse).into_iter().map(|(i, _)| i).collect()
        };
        assert_eq!(owners(3, |a, b| a < b), [3, 1, 4]);
        assert_eq!(owners(2, |a, b| a > b), [4, 1]);
        assert_eq!(owners(9, |a, b| a > b)[..3], [4, 1, 3]);
    }
}
