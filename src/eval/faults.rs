//! How badly each kind of fault hurts by its intensity.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::difficulty::each;
use crate::lab::app::Application;
use crate::lab::cluster::Cluster;
use crate::lab::fault::Fault;
use crate::lab::scenario::{WINDOW_S, examples, word};
use crate::lab::sim::{LoadProfile, SECOND, Settings, SimError};
use crate::lab::truth::{Case, Normal};

/// Intensities.
pub const INTENSITIES: [f64; 4] = [0.1, 0.25, 0.5, 1.0];

/// What one fault does to the tail.
#[derive(Clone, Debug, Serialize)]
pub struct Harm {
    /// Kind.
    pub kind: String,
    /// Service or node; `None` for the load.
    pub place: Option<String>,
    /// Tail over the healthy one, for each of [`INTENSITIES`]; `None` if the answers never came.
    pub ratios: Vec<Option<f64>>,
}

/// What faults do to an application.
#[derive(Clone, Debug, Serialize)]
pub struct Harms {
    /// Always `sagetop.faults/1`.
    pub schema: &'static str,
    /// The application.
    pub app: String,
    /// The objective over the healthy tail.
    pub objective: f64,
    /// By kind.
    pub harms: Vec<Harm>,
}

/// Strikes the application with each kind of fault at its busiest place, at constant load on four machines.
///
/// # Errors
/// The application's parts do not fit together.
pub fn measure(app: &Arc<Application>, seed: u64, threads: usize) -> Result<Harms, SimError> {
    let cluster = Cluster::for_application(app, 4);
    let tail = |faults: Vec<Fault>| {
        let settings = Settings { seed, load: LoadProfile::steady(), ..Settings::default() };
        let window = [WINDOW_S.0, WINDOW_S.1].map(|s| (s * SECOND as f64) as u64).into();
        let (app, cluster) = (app.clone(), cluster.clone());
        let case = Case { app, cluster, settings, faults, changes: Vec::new(), window };
        case.tail(&Normal::new()).map(|tail| tail.quantile_ms)
    };
    let healthy = tail(Vec::new())?;
    let faults = examples(app, &cluster);
    let harms = each(faults.len(), threads, |index| {
        let fault = &faults[index];
        let ratio = |intensity: f64| {
            let tail = tail(vec![Fault { intensity, ..fault.clone() }])?;
            Ok(tail.is_finite().then_some(tail / healthy))
        };
        let place = fault.kind.service().or(fault.kind.node()).map(str::to_owned);
        let ratios = INTENSITIES.iter().map(|intensity| ratio(*intensity)).collect::<Result<_, _>>()?;
        Ok(Harm { kind: word(&fault.kind), place, ratios })
    })?;
    let objective = app.objective.limit_ms / healthy;
    Ok(Harms { schema: "sagetop.faults/1", app: app.name.to_string(), objective, harms })
}

impl fmt::Display for Harms {
    /// A table in Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} (objective {:.1}) | at |", self.app, self.objective)?;
        INTENSITIES.iter().try_for_each(|intensity| write!(f, " {intensity} |"))?;
        writeln!(f, "\n|---|---|{}", "--:|".repeat(INTENSITIES.len()))?;
        for harm in &self.harms {
            write!(f, "| {} | {} |", harm.kind, harm.place.as_deref().unwrap_or("–"))?;
            for ratio in &harm.ratios {
                match ratio {
                    Some(ratio) if *ratio < 10.0 => write!(f, " {ratio:.1} |")?,
                    Some(ratio) => write!(f, " {ratio:.0} |")?,
                    None => write!(f, " ∞ |")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
