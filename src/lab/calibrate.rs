//! What a healthy application keeps to at its busiest hour, as the simulation has it: an objective that
//! only an incident violates.

use std::sync::Arc;

use super::app::{Application, Objective, ROOM};
use super::cluster::Cluster;
use super::sim::{LoadProfile, Nanos, Observer, Request, SECOND, Settings, SimError, Simulation};

/// Simulated before anything counts.
const WARM_UP: Nanos = 20 * SECOND;
/// How long each of the windows is, and how many there are: their middle one counts, so that a burst in
/// one of them does not decide.
const WINDOW: Nanos = 60 * SECOND;
const WINDOWS: usize = 3;
/// Limits are multiples of this, in milliseconds.
const STEP_MS: f64 = 5.0;
/// Keys the calibration, which is not to depend on the seed of what is calibrated for.
const SEED: u64 = 0x0b1e_c71f;

/// Latencies in nanoseconds; an error takes for ever.
#[derive(Default)]
struct Latencies(Vec<Nanos>);

impl Observer for Latencies {
    fn request(&mut self, request: &Request<'_>) {
        self.0.push(if request.failed { Nanos::MAX } else { request.returned - request.sent });
    }
}

/// The objective's quantile of the latency in milliseconds while nothing is wrong, in the busiest minutes
/// of the day. The same application and cluster give the same value.
///
/// # Errors
/// Application and cluster do not fit together.
pub fn healthy_peak_ms(app: &Arc<Application>, cluster: &Cluster) -> Result<f64, SimError> {
    let load = LoadProfile::default();
    let peak = (load.peak_hour * 3_600.0 * SECOND as f64) as Nanos;
    let start = peak.saturating_sub(WARM_UP + WINDOW * WINDOWS as Nanos / 2);
    let settings = Settings { seed: SEED, start, load, ..Settings::default() };
    let mut simulation = Simulation::new(app.clone(), cluster.clone(), settings, Vec::new())?;
    let mut seen = Latencies::default();
    simulation.run_until(WARM_UP, &mut seen);
    let mut tails = Vec::with_capacity(WINDOWS);
    for window in 1..=WINDOWS as Nanos {
        seen.0.clear();
        simulation.run_until(WARM_UP + window * WINDOW, &mut seen);
        seen.0.sort_unstable();
        let last = seen.0.len().saturating_sub(1) as f64;
        let at = (last * app.objective.quantile).ceil() as usize;
        tails.push(seen.0.get(at).copied().unwrap_or_default());
    }
    tails.sort_unstable();
    Ok(tails.get(WINDOWS / 2).map_or(0.0, |tail| *tail as f64 / 1e6))
}

/// An objective with the usual room above what a healthy application keeps to at its busiest.
///
/// # Errors
/// Application and cluster do not fit together.
pub fn objective(app: &Arc<Application>, cluster: &Cluster) -> Result<Objective, SimError> {
    let limit_ms = (ROOM * healthy_peak_ms(app, cluster)? / STEP_MS).ceil().max(1.0) * STEP_MS;
    Ok(Objective { limit_ms, ..app.objective })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::lab::app::{healthy_tail_ms, named};
    use crate::lab::truth::Case;

    #[test]
    fn a_healthy_peak_keeps_the_objective_and_an_estimate_at_the_mean_is_below_it() {
        let app = Arc::new(named("chain-3").unwrap());
        let cluster = Cluster::for_application(&app, 2);
        let calibrated = objective(&app, &cluster).unwrap();
        assert_eq!(calibrated, objective(&app, &cluster).unwrap());
        assert_eq!(calibrated.quantile, app.objective.quantile);
        let tail = healthy_peak_ms(&app, &cluster).unwrap();
        assert!((0.0..STEP_MS).contains(&(calibrated.limit_ms - ROOM * tail)), "{tail} ms: {calibrated:?}");
        assert!(tail > healthy_tail_ms(&app, app.objective.quantile), "it is busier: {tail}");
        for seed in 1..=3 {
            let app = Arc::new(Application { objective: calibrated, ..Application::clone(&app) });
            let settings = Settings { seed, start: 14 * 3_600 * SECOND, ..Settings::default() };
            let case = Case {
                app,
                cluster: cluster.clone(),
                settings,
                faults: Vec::new(),
                changes: Vec::new(),
                window: (20 * SECOND, 80 * SECOND),
            };
            assert!(case.tail(&Default::default()).unwrap().met, "seed {seed}");
        }
    }
}
