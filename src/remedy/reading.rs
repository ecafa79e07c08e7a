//! What the engine hands in: how objectives are measured, and who sends how much.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::{Clean, ServiceName, Timestamp};

/// One objective as it was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct SloReading {
    /// Its name.
    pub slo: Clean,
    /// The objective, milliseconds.
    pub objective_ms: f64,
    /// Its quantile over its window, milliseconds.
    pub observed_ms: Option<f64>,
    /// End of each window and its quantile, oldest first.
    pub windows: Vec<(Timestamp, Option<f64>)>,
}

/// Everything that was measured up to a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    /// End of the newest window with data.
    pub until: Option<Timestamp>,
    /// Length of a window.
    pub length: Duration,
    /// The objectives.
    pub slos: Vec<SloReading>,
    /// What each replica of a service sends on average, bytes per second, where it is measured.
    pub sends: BTreeMap<ServiceName, f64>,
}

impl Readings {
    /// The objective of this name.
    pub fn of(&self, slo: &str) -> Option<&SloReading> {
        self.slos.iter().find(|reading| reading.slo.as_str() == slo)
    }
}
