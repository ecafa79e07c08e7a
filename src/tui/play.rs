//! Playing the past forward: how fast, and what it stops at.

use std::collections::BTreeMap;
use std::time::Duration;

use super::picture::since;
use crate::domain::{Clean, SloState, Timestamp};
use crate::engine::Snapshot;

/// Seconds of the past in a second, slowest first.
pub const SPEEDS: [u32; 6] = [1, 2, 5, 10, 30, 60];
/// The one it begins with.
const FIRST: usize = 4;

/// The past is being played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playing {
    /// Which of [`SPEEDS`].
    speed: usize,
    /// Since when the window that is shown is shown.
    pub since: Timestamp,
    /// How the SLOs stood in it.
    states: BTreeMap<Clean, SloState>,
}

impl Playing {
    /// Begins with what is shown at `now`.
    pub fn new(now: Timestamp, shown: &Snapshot) -> Self {
        Self { speed: FIRST, since: now, states: states(shown) }
    }

    /// Seconds of the past in a second.
    pub fn speed(&self) -> u32 {
        SPEEDS.get(self.speed).copied().unwrap_or(1)
    }

    /// One step faster or slower; `false` if it goes no slower than it does.
    pub fn change(&mut self, faster: bool) -> bool {
        match (faster, self.speed) {
            (true, i) => self.speed = (i + 1).min(SPEEDS.len() - 1),
            (false, 0) => return false,
            (false, i) => self.speed = i - 1,
        }
        true
    }

    /// How long until the next window of `length` is to be shown.
    pub fn due_in(&self, length: Duration, now: Timestamp) -> Duration {
        (length / self.speed()).saturating_sub(since(self.since, now))
    }

    /// The next window is there; the first SLO that stands otherwise in it, and how it stands.
    pub fn arrived(&mut self, now: Timestamp, shown: &Snapshot) -> Option<(Clean, SloState)> {
        let before = std::mem::replace(&mut self.states, states(shown));
        self.since = now;
        self.states
            .iter()
            .find(|(name, state)| before.get(*name).is_some_and(|was| was != *state))
            .map(|(name, state)| (name.clone(), *state))
    }
}

fn states(shown: &Snapshot) -> BTreeMap<Clean, SloState> {
    shown.slos.iter().map(|slo| (slo.name.clone(), slo.state)).collect()
}
