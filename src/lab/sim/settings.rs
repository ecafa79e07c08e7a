//! How a simulation runs: seed, load, balancing, and what is made normal.

use std::collections::BTreeSet;

use super::Nanos;
use crate::domain::Resource;
use crate::lab::app::ServiceId;

/// Settings of a run. Two runs with equal settings, application, cluster, faults and changes are
/// equal to the nanosecond.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Keys every random draw.
    pub seed: u64,
    /// Time of day at which simulated time 0 lies.
    pub start: Nanos,
    /// Requests before this time are left out; those after it are the same as ever. A run of which only
    /// the end counts need not simulate what came long before.
    pub quiet_until: Nanos,
    /// How the request rate moves.
    pub load: LoadProfile,
    /// How a caller chooses among the replicas of a service.
    pub balancing: Balancing,
    /// "do(resource of service := normal)": every effect of every fault on these is switched off.
    /// `(entry service, Load)` takes away the extra requests of surges.
    pub normal: BTreeSet<(ServiceId, Resource)>,
    /// From when to when `normal` holds; `None` is always.
    pub normal_window: Option<(Nanos, Nanos)>,
    /// From a replica's creation to its readiness.
    pub startup: Nanos,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            start: 0,
            quiet_until: 0,
            load: LoadProfile::default(),
            balancing: Balancing::default(),
            normal: BTreeSet::new(),
            normal_window: None,
            startup: 5 * super::SECOND,
        }
    }
}

/// How a caller chooses among replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balancing {
    /// By a hash of the call: the same call goes to the same replica in every re-run.
    #[default]
    Hash,
    /// The replica with the fewest requests in it. Re-runs share less: one late request moves others.
    LeastRequests,
}

/// How the request rate moves around the application's mean.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadProfile {
    /// Factor on the application's rate.
    pub scale: f64,
    /// Amplitude of the daily cycle: the rate swings between 1 − daily and 1 + daily.
    pub daily: f64,
    /// Time of day of the peak, in hours.
    pub peak_hour: f64,
    /// Slow noise: standard deviation of the rate's logarithm, an AR(1) process.
    pub noise: f64,
    /// Correlation time of the slow noise, in seconds.
    pub noise_s: f64,
    /// Bursts, a two-state Markov-modulated Poisson process.
    pub bursts: Option<Bursts>,
    /// Standard deviation of the logarithm of each flow's share (correlation time 10 minutes).
    pub mix_shift: f64,
}

/// Bursts of load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    /// Factor on the rate during a burst.
    pub factor: f64,
    /// Mean time between bursts, in seconds.
    pub every_s: f64,
    /// Mean length, in seconds.
    pub length_s: f64,
}

impl Default for LoadProfile {
    fn default() -> Self {
        Self {
            scale: 1.0,
            daily: 0.35,
            peak_hour: 15.0,
            noise: 0.08,
            noise_s: 60.0,
            bursts: Some(Bursts { factor: 1.4, every_s: 600.0, length_s: 20.0 }),
            mix_shift: 0.1,
        }
    }
}

impl LoadProfile {
    /// A Poisson process of constant rate.
    pub fn steady() -> Self {
        Self {
            scale: 1.0,
            daily: 0.0,
            peak_hour: 0.0,
            noise: 0.0,
            noise_s: 60.0,
            bursts: None,
            mix_shift: 0.0,
        }
    }
}
