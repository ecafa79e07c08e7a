//! The smallest set of services whose return to normal meets the SLO.

use candle_core::Result;

use super::counterfactual::{Intervention, World, summary};
use super::settings::DiagnosisSettings;
use super::suspects::Suspect;
use crate::domain::{Counterfactual, Quantile, Slo};
use crate::gvae::Gvae;

/// How many of the first suspects sets are made of.
const POOL: usize = 6;
/// A first suspect that takes away this share of the excess is to blame alone.
const NEARLY_ALL: f64 = 0.75;
/// Where no set suffices, a first suspect that takes away this share is still the main cause.
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

/// What is asked of the search.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The SLO's latency.
    pub target: Target,
    /// Its quantile as it was, milliseconds.
    pub observed_ms: f64,
    /// As it usually is.
    pub normal_ms: f64,
    /// As it may be at most.
    pub objective_ms: f64,
    /// Threshold, most culprits, what is unusual.
    pub settings: &'a DiagnosisSettings,
}

/// Who is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blame {
    /// Indices of the suspects, most suspect first.
    pub set: Vec<usize>,
    /// Whether their return to normal is predicted to meet the SLO.
    pub sufficient: bool,
}

/// The smallest set of unusual suspects whose return to normal meets the SLO: singles, the first
/// suspect if it is the main cause, pairs, then the best pair grown greedily. `None` if nothing
/// explains the violation.
///
/// Only services about which something is unusual can be blamed: the entry owns what is left of
/// the users' latency, so that its reset would always suffice. For the same reason a first
/// suspect that takes away nearly all of the excess is not joined by another just to meet the SLO.
pub fn blame(world: &World, suspects: &[Suspect], question: &Question) -> Result<Option<Blame>> {
    let settings = question.settings;
    let outcome_of = |set: &[usize]| -> Result<Option<Counterfactual>> {
        let mut together = Intervention::new();
        for i in set {
            together.extend(suspects[*i].reset.clone());
        }
        outcome(world, question.target, &together, question.objective_ms)
    };
    let met = |set: &[usize]| Ok::<_, candle_core::Error>(outcome_of(set)?.map_or(0.0, |c| c.p_slo_met));
    let enough = |p: f64| p >= settings.threshold;
    let unusual = suspects.iter().enumerate().filter(|(_, s)| s.peak >= settings.unusual);
    let pool: Vec<usize> = unusual.map(|(i, _)| i).take(POOL).collect();
    for &i in &pool {
        if settings.max_culprits >= 1 && enough(met(&[i])?) {
            return Ok(Some(Blame { set: vec![i], sufficient: true }));
        }
    }
    let Some(&first) = pool.first() else { return Ok(None) };
    let excess = (question.observed_ms - question.normal_ms).max(1e-9);
    let removed = outcome_of(&[first])?.map_or(0.0, |c| (question.observed_ms - c.quantile_ms) / excess);
    if removed >= NEARLY_ALL {
        return Ok(Some(Blame { set: vec![first], sufficient: false }));
    }
    let mut best: Option<(f64, Vec<usize>)> = None;
    for (n, &i) in pool.iter().enumerate() {
        for &j in pool[n + 1..].iter().filter(|_| settings.max_culprits >= 2) {
            let p = met(&[i, j])?;
            if enough(p) {
                return Ok(Some(Blame { set: vec![i, j], sufficient: true }));
            }
            if best.as_ref().is_none_or(|(most, _)| p > *most) {
                best = Some((p, vec![i, j]));
            }
        }
    }
    if let Some((_, mut set)) = best {
        while set.len() < settings.max_culprits {
            let mut grown: Option<(f64, usize)> = None;
            for &i in pool.iter().filter(|i| !set.contains(i)) {
                let mut larger = set.clone();
                larger.push(i);
                let p = met(&larger)?;
                if grown.is_none_or(|(most, _)| p > most) {
                    grown = Some((p, i));
                }
            }
            let Some((p, i)) = grown else { break };
            set.push(i);
            if enough(p) {
                set.sort_unstable();
                return Ok(Some(Blame { set, sufficient: true }));
            }
        }
    }
    Ok((removed >= MAIN_SHARE).then(|| Blame { set: vec![first], sufficient: false }))
}
