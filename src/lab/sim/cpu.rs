//! A replica's CPU: processor sharing under a CFS quota.
//!
//! Work is kept in virtual time, the nanoseconds of CPU that each job has got since the station was
//! last idle: a job ends when virtual time reaches its arrival's plus its demand, so that an arrival
//! or a change of speed costs O(log n) and not O(n).

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::Nanos;
use super::cfs::{Quota, ceil};
use super::node::Wish;
use super::queue::CallRef;

/// Slack, in nanoseconds of work, for what rounding leaves of a job.
const ROUNDING: f64 = 1e-3;

/// Work for a call.
#[derive(Clone, Copy, Debug)]
struct Job {
    /// Virtual time at which it ends.
    ends: f64,
    order: u32,
    call: CallRef,
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Job {}

impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Job {
    /// The greatest is the first to end.
    fn cmp(&self, other: &Self) -> Ordering {
        other.ends.total_cmp(&self.ends).then(other.order.cmp(&self.order))
    }
}

/// The state of a container's CPU.
#[derive(Debug)]
pub(super) struct Cpu {
    jobs: BinaryHeap<Job>,
    virtual_now: f64,
    /// When the state was last brought up to date.
    at: Nanos,
    /// Threads that can run at once.
    threads: u32,
    /// Work done per core and nanosecond: below 1 under cache and memory contention.
    speed: f64,
    /// Runnable threads of something else in the container.
    hog: f64,
    /// Cores the node grants to the container.
    grant: f64,
    /// The application is stopped (garbage collection).
    frozen: bool,
    quota: Option<Quota>,
    phase: Nanos,
    totals: CpuTotals,
}

/// What has accumulated since the container started; times in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct CpuTotals {
    pub used: f64,
    pub waiting: f64,
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled: f64,
}

impl Cpu {
    pub(super) fn new(threads: u32, quota: Option<f64>, phase: Nanos, now: Nanos) -> Self {
        Self {
            jobs: BinaryHeap::new(),
            virtual_now: 0.0,
            at: now,
            threads: threads.max(1),
            speed: 1.0,
            hog: 0.0,
            grant: 0.0,
            frozen: false,
            quota: quota.map(|cores| Quota::new(cores, phase, now)),
            phase,
            totals: CpuTotals::default(),
        }
    }

    /// CPU limit in cores.
    pub(super) fn limit(&self) -> Option<f64> {
        self.quota.map(|quota| quota.cores())
    }

    /// Threads of the container that are runnable, also those without a core; `threads` caps them
    /// when `pooled`.
    pub(super) fn runnable(&self, pooled: bool) -> f64 {
        if self.throttled() {
            return 0.0;
        }
        let jobs = self.jobs.len() as f64;
        self.hog + if pooled { jobs.min(f64::from(self.threads)) } else { jobs }
    }

    fn throttled(&self) -> bool {
        self.quota.is_some_and(|quota| quota.throttled())
    }

    /// Tasks of the application that want a core.
    fn tasks(&self) -> u32 {
        if self.frozen || self.throttled() { 0 } else { (self.jobs.len() as u32).min(self.threads) }
    }

    /// What the container wishes of its node.
    pub(super) fn wish(&self) -> Wish {
        let weight = super::weight(self.limit());
        if self.throttled() {
            return Wish { weight, ..Wish::default() };
        }
        // The collector's own thread, kept within the quota.
        let collector = if self.frozen { self.limit().unwrap_or(1.0).min(1.0) } else { 0.0 };
        Wish { tasks: self.tasks(), others: self.hog + collector, weight }
    }

    pub(super) fn grant(&self) -> f64 {
        self.grant
    }

    /// Virtual nanoseconds per nanosecond.
    fn rate(&self) -> f64 {
        let tasks = f64::from(self.tasks());
        if tasks == 0.0 {
            return 0.0;
        }
        let share = if self.hog > 0.0 { tasks / (tasks + self.hog) } else { 1.0 };
        self.speed * self.grant * share / self.jobs.len() as f64
    }

    /// Whether something runnable waits for a core.
    fn waits(&self) -> bool {
        !self.jobs.is_empty()
            && !self.frozen
            && (self.throttled() || self.grant < f64::from(self.tasks()) + self.hog)
    }

    /// Totals as of `now`, without touching the state: reading must not change what happens.
    pub(super) fn totals(&self, now: Nanos) -> CpuTotals {
        let mut totals = self.totals;
        let elapsed = (now - self.at) as f64;
        totals.used += self.grant * elapsed;
        totals.waiting += if self.waits() { elapsed } else { 0.0 };
        if let Some(mut quota) = self.quota {
            totals.throttled += if quota.throttled() { elapsed } else { 0.0 };
            totals.periods += quota.advance(self.at, now, self.grant);
        }
        totals
    }

    /// Brings the state up to `now`.
    pub(super) fn advance(&mut self, now: Nanos) {
        if now == self.at {
            return;
        }
        let elapsed = (now - self.at) as f64;
        let rate = self.rate();
        if self.waits() {
            self.totals.waiting += elapsed;
        }
        if self.grant > 0.0 {
            self.totals.used += self.grant * elapsed;
        }
        if let Some(quota) = &mut self.quota {
            if quota.throttled() {
                self.totals.throttled += elapsed;
            }
            self.totals.periods += quota.advance(self.at, now, self.grant);
        }
        if rate > 0.0 {
            self.virtual_now += rate * elapsed;
        }
        self.at = now;
    }

    /// Stops the container when its quota is used up. The state must be up to date.
    pub(super) fn enforce_quota(&mut self) {
        let wants = !self.jobs.is_empty() || self.hog > 0.0;
        if self.quota.as_mut().is_some_and(|quota| quota.enforce(wants)) {
            self.totals.throttled_periods += 1;
        }
    }

    /// Adds work. The state must be up to date.
    pub(super) fn add(&mut self, demand: f64, order: u32, call: CallRef) {
        self.jobs.push(Job { ends: self.virtual_now + demand, order, call });
    }

    /// Takes a job that has ended. The state must be up to date.
    pub(super) fn take_ended(&mut self) -> Option<CallRef> {
        if self.jobs.peek()?.ends > self.virtual_now + ROUNDING {
            return None;
        }
        let job = self.jobs.pop()?;
        if self.jobs.is_empty() {
            // Rounding does not outlive a busy period: re-runs meet again to the last bit.
            self.virtual_now = 0.0;
        }
        Some(job.call)
    }

    /// Cores granted from now on. The state must be up to date.
    pub(super) fn set_grant(&mut self, cores: f64) {
        self.grant = cores;
    }

    /// When something happens by itself: a job ends, the quota ends or is renewed.
    pub(super) fn next(&self) -> Nanos {
        let mut next = Nanos::MAX;
        let rate = self.rate();
        if let Some(job) = self.jobs.peek().filter(|_| rate > 0.0) {
            let left = (job.ends - self.virtual_now).max(0.0) / rate;
            next = self.at.saturating_add(ceil(left));
        }
        match &self.quota {
            Some(quota) if !self.jobs.is_empty() || self.hog > 0.0 => {
                next.min(quota.next(self.at, self.grant))
            }
            _ => next,
        }
    }

    /// Whether [`Self::configure`] would change anything.
    pub(super) fn needs(&self, speed: f64, hog: f64, limit: Option<f64>) -> bool {
        self.speed != speed || self.hog != hog || self.limit() != limit
    }

    /// Speed, foreign threads and limit. The state must be up to date.
    pub(super) fn configure(&mut self, speed: f64, hog: f64, limit: Option<f64>) {
        (self.speed, self.hog) = (speed, hog);
        match (&mut self.quota, limit) {
            (Some(quota), Some(cores)) if quota.cores() == cores => {}
            (Some(quota), Some(cores)) => quota.set(cores),
            (_, limit) => self.quota = limit.map(|cores| Quota::new(cores, self.phase, self.at)),
        }
    }

    /// Stops or continues the application. The state must be up to date.
    pub(super) fn freeze(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    /// Drops all jobs. The state must be up to date.
    pub(super) fn clear(&mut self) {
        self.jobs.clear();
        self.virtual_now = 0.0;
    }

    /// The container starts anew: counters at 0.
    pub(super) fn reset_totals(&mut self) {
        self.totals = CpuTotals::default();
    }
}
