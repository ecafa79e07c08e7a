//! A train of faults: one breakdown after the other, each of a kind that somebody could remedy.

use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::lab::app::Application;
use crate::lab::cluster::Cluster;
use crate::lab::fault::{Fault, FaultKind};
use crate::lab::scenario::examples;
use crate::lab::sim::{SECOND, Settings, SimError};
use crate::lab::truth::{Case, Normal};

/// Healthy minutes before the first one.
const LEAD_MIN: u64 = 4;
/// From the beginning of one to that of the next, and how long each lasts, in minutes.
const EVERY_MIN: u64 = 8;
const LASTS_MIN: u64 = 6;
/// How many.
const FAULTS: usize = 6;
/// How far the objective is missed, as a factor, if nobody acts; and the steps in which that is sought.
const MISSED: f64 = 2.5;
const STEPS: usize = 4;
/// Part of a fault in which its tail is taken, in seconds from its beginning.
const SOUGHT_S: (f64, f64) = (60.0, 120.0);
/// Simulated before a fault when its intensity is sought, in seconds.
const BEFORE_S: f64 = 60.0;

/// Minutes that are simulated.
pub const MINUTES: u64 = LEAD_MIN + FAULTS as u64 * EVERY_MIN;

/// The faults of train `number`, with times in seconds from its beginning: kinds in an order of its own,
/// each where it is likely to hurt, and as bad as it takes to miss the objective clearly.
///
/// # Errors
/// The application's parts do not fit together.
pub fn train(
    app: &Arc<Application>,
    cluster: &Cluster,
    settings: &Settings,
    number: u64,
) -> Result<Vec<Fault>, SimError> {
    let mut kinds = examples(app, cluster);
    kinds.retain(|fault| has_remedy(&fault.kind));
    kinds.shuffle(&mut StdRng::seed_from_u64(settings.seed ^ number << 32));
    let mut faults = Vec::new();
    for fault in kinds {
        let from_s = 60.0 * (LEAD_MIN + EVERY_MIN * faults.len() as u64) as f64;
        let until_s = from_s + 60.0 * LASTS_MIN as f64;
        let fault = Fault { id: faults.len() as u64 + 1, from_s, until_s, ..fault };
        faults.extend(sized(app, cluster, settings, fault)?);
        if faults.len() == FAULTS {
            break;
        }
    }
    Ok(faults)
}

/// Whether the cluster's operators can do anything about it: nothing brings lost or late packets back.
fn has_remedy(kind: &FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::CpuHog { .. }
            | FaultKind::QuotaCut { .. }
            | FaultKind::NoisyNeighbour { .. }
            | FaultKind::CacheInterference { .. }
            | FaultKind::MemoryBandwidth { .. }
            | FaultKind::MemoryPressure { .. }
            | FaultKind::DiskContention { .. }
            | FaultKind::LoadSurge
    )
}

/// The fault at the intensity at which the objective is missed as wanted; `None` if it harms nobody.
fn sized(
    app: &Arc<Application>,
    cluster: &Cluster,
    settings: &Settings,
    fault: Fault,
) -> Result<Option<Fault>, SimError> {
    // The same time of day, without what came before.
    let start = settings.start + ((fault.from_s - BEFORE_S) * SECOND as f64) as u64;
    let tail = |intensity: f64| {
        let here = Fault { from_s: BEFORE_S, until_s: 1e4, intensity, ..fault.clone() };
        let window = (BEFORE_S + SOUGHT_S.0, BEFORE_S + SOUGHT_S.1);
        let case = Case {
            app: app.clone(),
            cluster: cluster.clone(),
            settings: Settings { start, ..settings.clone() },
            faults: vec![here],
            changes: Vec::new(),
            window: ((window.0 * SECOND as f64) as u64, (window.1 * SECOND as f64) as u64),
        };
        case.tail(&Normal::new()).map(|tail| tail.seen_ms)
    };
    let wanted = MISSED * app.objective.limit_ms;
    if tail(1.0)? < wanted {
        return Ok(None);
    }
    let (mut low, mut high) = (0.05, 1.0);
    for _ in 0..STEPS {
        let middle = 0.5 * (low + high);
        if tail(middle)? >= wanted {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(Some(Fault { intensity: high, ..fault }))
}
