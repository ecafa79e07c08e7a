//! Arrivals: open-loop Poisson processes of a rate that moves with the day, noise and bursts.
//!
//! The n-th arrival is the inverse of the cumulative rate at the n-th point of a unit Poisson
//! process keyed by n: re-runs agree, whatever happens to the requests.

use std::f64::consts::TAU;

use super::random::{Key, Purpose};
use super::settings::LoadProfile;
use super::{Nanos, SECOND};
use crate::lab::app::Application;

/// The rate is constant for a slot of this length.
const SLOT: Nanos = SECOND;
/// Correlation time of the shares of the flows, in slots.
const MIX_SLOTS: f64 = 600.0;
/// Marks ids of requests that exist only because of a surge.
const SURGE_ID: u64 = 1 << 63;

/// The rate over time, slot by slot.
#[derive(Clone, Debug)]
struct Rate {
    key: Key,
    start: Nanos,
    profile: LoadProfile,
    mean: f64,
    shares: Vec<f64>,
    slot: u64,
    noise: f64,
    burst: bool,
    mix: Vec<f64>,
    /// Requests per nanosecond in this slot.
    now: f64,
    /// Shares of the flows in this slot, cumulated.
    cumulated: Vec<f64>,
}

impl Rate {
    fn new(app: &Application, profile: &LoadProfile, key: Key, start: Nanos) -> Self {
        let mut rate = Self {
            key,
            start,
            profile: profile.clone(),
            mean: app.rate * profile.scale / SECOND as f64,
            shares: app.flows.iter().map(|flow| flow.share).collect(),
            slot: 0,
            noise: 0.0,
            burst: false,
            mix: vec![0.0; app.flows.len()],
            now: 0.0,
            cumulated: vec![0.0; app.flows.len()],
        };
        // The processes begin in their stationary state, not at their mean.
        let first = key.with(u64::MAX);
        rate.noise = first.normal(Purpose::Slot);
        for (i, mix) in rate.mix.iter_mut().enumerate() {
            *mix = first.with(i as u64).normal(Purpose::Mix);
        }
        rate.update();
        rate
    }

    fn next_slot(&mut self) {
        self.slot += 1;
        let key = self.key.with(self.slot);
        if self.profile.noise > 0.0 {
            let keep = (-1.0 / self.profile.noise_s.max(1e-3)).exp();
            self.noise = keep * self.noise + (1.0 - keep * keep).sqrt() * key.normal(Purpose::Slot);
        }
        if let Some(bursts) = self.profile.bursts {
            let mean = if self.burst { bursts.length_s } else { bursts.every_s };
            if key.uniform(Purpose::Burst) < 1.0 / mean.max(1.0) {
                self.burst = !self.burst;
            }
        }
        if self.profile.mix_shift > 0.0 {
            let keep = (-1.0 / MIX_SLOTS).exp();
            for (i, mix) in self.mix.iter_mut().enumerate() {
                *mix = keep * *mix + (1.0 - keep * keep).sqrt() * key.with(i as u64).normal(Purpose::Mix);
            }
        }
        self.update();
    }

    fn update(&mut self) {
        let profile = &self.profile;
        let hours = (self.start + self.slot * SLOT) as f64 / (3600.0 * SECOND as f64);
        let mut rate = self.mean * (1.0 + profile.daily * (TAU * (hours - profile.peak_hour) / 24.0).cos());
        rate *= (profile.noise * self.noise - profile.noise * profile.noise / 2.0).exp();
        if let Some(bursts) = profile.bursts.filter(|_| self.burst) {
            rate *= bursts.factor;
        }
        self.now = rate.max(0.0);
        let mut sum = 0.0;
        for (i, share) in self.shares.iter().enumerate() {
            sum += share * (profile.mix_shift * self.mix[i]).exp();
            self.cumulated[i] = sum;
        }
    }

    fn flow(&self, u: f64) -> usize {
        let sum = self.cumulated.last().copied().unwrap_or(0.0);
        let flow = self.cumulated.partition_point(|cumulated| *cumulated <= u * sum);
        flow.min(self.cumulated.len().saturating_sub(1))
    }
}

/// An arrival.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Arrival {
    pub at: Nanos,
    pub id: u64,
    pub flow: usize,
}

/// A source of requests: the usual load, or the extra of a surge.
#[derive(Clone, Debug)]
pub(super) struct Source {
    rate: Rate,
    /// Keys of the gaps between arrivals.
    gaps: Key,
    /// Keys of the choice of flow.
    ids: Key,
    first_id: u64,
    factor: f64,
    until: Nanos,
    /// When arrivals count; those outside happen to nobody.
    kept: Vec<(Nanos, Nanos)>,
    arrivals: u64,
    /// Offset in the slot, in nanoseconds.
    offset: f64,
    pub next: Option<Arrival>,
}

impl Source {
    /// The application's usual load.
    pub(super) fn usual(app: &Application, profile: &LoadProfile, key: Key, start: Nanos) -> Self {
        let rate = Rate::new(app, profile, key, start);
        Self::new(rate, key.with(Purpose::Arrival as u64), key, 0, 1.0, 0, Nanos::MAX)
    }

    /// `factor` times the usual load on top of it, from `from` to `until`.
    pub(super) fn surge(
        app: &Application,
        profile: &LoadProfile,
        key: Key,
        start: Nanos,
        fault: u64,
        (factor, from, until): (f64, Nanos, Nanos),
    ) -> Self {
        let rate = Rate::new(app, profile, key, start);
        let own = key.with(Purpose::Surge as u64).with(fault);
        let first_id = SURGE_ID | (own.0 >> 33) << 32;
        Self::new(rate, own, key, first_id, factor, from, until)
    }

    fn new(
        mut rate: Rate,
        gaps: Key,
        ids: Key,
        first_id: u64,
        factor: f64,
        from: Nanos,
        until: Nanos,
    ) -> Self {
        while (rate.slot + 1) * SLOT <= from {
            rate.next_slot();
        }
        let offset = (from - rate.slot * SLOT) as f64;
        let mut source = Self {
            rate,
            gaps,
            ids,
            first_id,
            factor,
            until,
            kept: vec![(from, until)],
            arrivals: 0,
            offset,
            next: None,
        };
        source.advance();
        source
    }

    /// Lets only the arrivals within these spans count. The others are as they were.
    pub(super) fn keep(&mut self, kept: Vec<(Nanos, Nanos)>) {
        self.kept = kept;
        self.skip();
    }

    /// Moves [`Self::next`] to the arrival after it.
    pub(super) fn advance(&mut self) {
        self.draw();
        self.skip();
    }

    fn skip(&mut self) {
        while let Some(next) = self.next {
            if self.kept.iter().any(|(from, until)| (*from..*until).contains(&next.at)) {
                return;
            }
            self.draw();
        }
    }

    fn draw(&mut self) {
        let mut needed = self.gaps.with(self.arrivals).exponential(Purpose::Arrival);
        let id = self.first_id + self.arrivals;
        self.arrivals += 1;
        loop {
            let rate = self.rate.now * self.factor;
            let left = (SLOT as f64 - self.offset) * rate;
            if needed < left {
                self.offset += needed / rate;
                break;
            }
            needed -= left;
            self.offset = 0.0;
            self.rate.next_slot();
            // A rate of zero for ever has no next arrival.
            if self.rate.slot * SLOT >= self.until || self.rate.mean * self.factor <= 0.0 {
                self.next = None;
                return;
            }
        }
        let at = self.rate.slot * SLOT + self.offset as Nanos;
        let flow = self.rate.flow(self.ids.with(id).uniform(Purpose::Flow));
        self.next = Some(Arrival { at, id, flow }).filter(|arrival| arrival.at < self.until);
    }
}
