//! The smallest set of services whose return to normal meets the SLO.

use candle_core::Result;

use super::counterfactual::{Intervention, World, summary};
use super::settings::DiagnosisSettings;
use super::suspects::Suspect;
use crate::domain::{Counterfactual, Quantile, Slo};
use crate::gvae::Gvae;

/// How many of the first suspects sets are made of.
const POOL: usize = 6;
/// Share of the excess that the main cause must take away.
const MAIN_SHARE: f64 = 0.5;

/// The latency node and quantile index that an SLO speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Latency node.
    pub node: usize,
    /// Index of the quantile.
    pub quantile: usize,
}

impl Target {
    /// The users' latency at the SLO's entry; the same operation if it is told apart.
    pub fn of(model: &Gvae, slo: &Slo) -> Option<Self> {
        use crate::domain::{Party, Side};
        let nodes = model.cbn.latencies.iter().enumerate().filter(|(_, n)| {
            n.rpc.caller == Party::User
                && n.rpc.callee.service() == Some(&slo.service)
                && (n.rpc.operation.is_none() || slo.operation.is_none() || n.rpc.operation == slo.operation)
        });
        let client_first = nodes.min_by_key(|(_, n)| n.side != Side::Client)?;
        let distance = |q: &Quantile| i32::from(q.0).abs_diff(i32::from(slo.quantile.0));
        let (quantile, _) =
            client_first.1.quantiles.iter().enumerate().min_by_key(|(_, (q, _))| distance(q))?;
        Some(Self { node: client_first.0, quantile })
    }
}

/// The SLO's quantile under an intervention.
pub fn outcome(
    world: &World,
    target: Target,
    intervention: &Intervention,
    objective_ms: f64,
) -> Result<Option<Counterfactual>> {
    let prediction = world.predict(intervention)?;
    Ok(summary(world.quantile_ms(&prediction, target.node, target.quantile)?, objective_ms))
}

/// Indices of the smallest sufficient set of suspects, most suspect first: singles, then pairs,
/// then the best pair grown greedily up to `most`. `None` if nothing suffices. Only services about
/// which something is unusual can be blamed: the entry owns what is left of the users' latency,
/// so that its reset would always suffice.
pub fn smallest_set(
    world: &World,
    target: Target,
    suspects: &[Suspect],
    objective_ms: f64,
    settings: &DiagnosisSettings,
) -> Result<Option<Vec<usize>>> {
    let (threshold, most) = (settings.threshold, settings.max_culprits);
    let met = |set: &[usize]| -> Result<f64> {
        let mut together = Intervention::new();
        for i in set {
            together.extend(suspects[*i].reset.clone());
        }
        Ok(outcome(world, target, &together, objective_ms)?.map_or(0.0, |c| c.p_slo_met))
    };
    let pool: Vec<usize> = unusual(suspects, settings.unusual).take(POOL).collect();
    for &i in &pool {
        if most >= 1 && met(&[i])? >= threshold {
            return Ok(Some(vec![i]));
        }
    }
    let mut best: (f64, Vec<usize>) = (0.0, Vec::new());
    for (n, &i) in pool.iter().enumerate() {
        for &j in &pool[n + 1..] {
            if most < 2 {
                continue;
            }
            let p = met(&[i, j])?;
            if p >= threshold {
                return Ok(Some(vec![i, j]));
            }
            if p > best.0 || best.1.is_empty() {
                best = (p, vec![i, j]);
            }
        }
    }
    while !best.1.is_empty() && best.1.len() < most {
        let mut grown: Option<(f64, Vec<usize>)> = None;
        for &i in pool.iter().filter(|i| !best.1.contains(i)) {
            let mut set = best.1.clone();
            set.push(i);
            let p = met(&set)?;
            if grown.as_ref().is_none_or(|(most, _)| p > *most) {
                grown = Some((p, set));
            }
        }
        let Some(grown) = grown else { break };
        if grown.0 >= threshold {
            let mut set = grown.1;
            set.sort_unstable();
            return Ok(Some(set));
        }
        best = grown;
    }
    Ok(None)
}

/// Indices of the suspects about which something is unusual.
fn unusual(suspects: &[Suspect], unusual: f64) -> impl Iterator<Item = usize> + '_ {
    suspects.iter().enumerate().filter(move |(_, s)| s.peak >= unusual).map(|(i, _)| i)
}

/// The first unusual suspect, if its reset alone takes away most of what is above the objective's
/// normal: it is to blame even where something else keeps the objective violated.
pub fn main_cause(
    world: &World,
    target: Target,
    suspects: &[Suspect],
    observed_ms: f64,
    normal_ms: f64,
    objective_ms: f64,
    settings: &DiagnosisSettings,
) -> Result<Option<usize>> {
    let Some(first) = unusual(suspects, settings.unusual).next() else { return Ok(None) };
    let Some(then) = outcome(world, target, &suspects[first].reset, objective_ms)? else { return Ok(None) };
    let removed = (observed_ms - then.quantile_ms) / (observed_ms - normal_ms).max(1e-9);
    Ok((removed >= MAIN_SHARE).then_some(first))
}
