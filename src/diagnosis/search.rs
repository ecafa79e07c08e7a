//! The smallest set of services whose return to normal meets the SLO.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use candle_core::Result;

use super::counterfactual::{Intervention, World};
use super::settings::{DiagnosisSettings, Part};
use super::suspects::Suspect;
use crate::domain::{Counterfactual, NodeName, Quantile, ServiceName, Slo};
use crate::gvae::Gvae;

/// How many services sets are made of, those that help most.
const POOL: usize = 8;
/// A suspect that takes away this share of the excess is to blame alone.
const NEARLY_ALL: f64 = 0.75;
/// A suspect that takes away this share of the excess …
const ALMOST: f64 = 0.85;
/// … and is predicted to leave at most so many times the objective is preferred to a larger set that meets
/// it: predictions are not more exact than that.
const NEAR: f64 = 1.16;
/// Where no set suffices, one that takes away this share is still the main cause.
const MAIN_SHARE: f64 = 0.5;
/// A second culprit has to be this many times as slow as what is unusual …
const SURE: f64 = 1.5;
/// … and to take away this share of what the first one leaves.
const SECOND_SHARE: f64 = 0.35;

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
    world.outcome(intervention, (target.node, target.quantile), objective_ms)
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

impl Question<'_> {
    /// Share of what is above the usual latency that is gone under `outcome`.
    fn removed(&self, outcome: &Counterfactual) -> f64 {
        (self.observed_ms - outcome.quantile_ms) / (self.observed_ms - self.normal_ms).max(1e-9)
    }

    /// Whether `outcome` is predicted to meet the objective.
    fn enough(&self, outcome: &Counterfactual) -> bool {
        outcome.p_slo_met >= self.settings.threshold
    }

    /// Whether it does as far as anybody can tell, and next to nothing is left for another cause.
    fn nearly(&self, outcome: &Counterfactual) -> bool {
        self.settings.has(Part::Near)
            && outcome.quantile_ms <= NEAR * self.objective_ms
            && self.removed(outcome) >= ALMOST
    }
}

/// Who is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blame {
    /// Indices of the suspects, most suspect first.
    pub set: Vec<usize>,
    /// Whether their return to normal is predicted to meet the SLO.
    pub sufficient: bool,
}

/// One answer to "who": a service, or the services of a machine on which something is wrong.
#[derive(Clone, Debug)]
struct Unit {
    members: Vec<usize>,
    /// How slow its slowest member is of its own.
    symptom: f64,
    /// The outcome had it been normal.
    outcome: Counterfactual,
}

/// Tries out sets of suspects.
struct Search<'a> {
    world: &'a World<'a>,
    suspects: &'a [Suspect],
    question: &'a Question<'a>,
}

impl Search<'_> {
    fn outcome(&self, members: &[usize]) -> Result<Option<Counterfactual>> {
        let mut together = Intervention::new();
        for i in members {
            together.extend(self.suspects[*i].reset.clone());
        }
        outcome(self.world, self.question.target, &together, self.question.objective_ms)
    }

    fn unit(&self, members: Vec<usize>) -> Result<Option<Unit>> {
        let symptom = members.iter().map(|i| self.suspects[*i].symptom).fold(0.0, f64::max);
        Ok(self.outcome(&members)?.map(|outcome| Unit { members, symptom, outcome }))
    }

    /// Several units as one, whose symptom is the weakest of theirs.
    fn together(&self, units: &[&Unit]) -> Result<Option<Unit>> {
        let members = units.iter().flat_map(|unit| unit.members.iter().copied());
        let members: BTreeSet<usize> = members.collect();
        let symptom = units.iter().map(|unit| unit.symptom).fold(f64::INFINITY, f64::min);
        Ok(self.unit(members.into_iter().collect())?.map(|unit| Unit { symptom, ..unit }))
    }

    /// Services that are slow of their own, the one that helps most first. Those who are slow because
    /// somebody takes from them what they share are no reasons.
    fn singles(&self) -> Result<Vec<Unit>> {
        let slow = self.suspects.iter().enumerate();
        let Question { settings, .. } = self.question;
        let slow = slow.filter(|(_, s)| s.symptom >= settings.unusual || !settings.has(Part::Own));
        let victims: BTreeSet<&ServiceName> =
            self.suspects.iter().flat_map(|suspect| &suspect.victims).collect();
        let mut units = Vec::new();
        for (i, _) in slow.filter(|(_, s)| !victims.contains(&s.service)) {
            units.extend(self.unit(vec![i])?);
        }
        units.sort_by(helps);
        units.truncate(POOL);
        Ok(units)
    }

    /// Machines on which something is wrong, each with all of its services that are slow of their own.
    fn machines(&self) -> Result<Vec<Unit>> {
        let mut by_node: BTreeMap<&NodeName, Vec<usize>> = BTreeMap::new();
        for (i, suspect) in self.suspects.iter().enumerate() {
            if let Some(node) =
                suspect.node.as_ref().filter(|_| suspect.symptom >= self.question.settings.unusual)
            {
                by_node.entry(node).or_default().push(i);
            }
        }
        let mut units = Vec::new();
        for members in by_node.into_values().filter(|members| members.len() > 1) {
            units.extend(self.unit(members)?);
        }
        units.sort_by(helps);
        Ok(units)
    }

    /// The most suspect service of those whose latency is just what their own odd metrics let expect, and
    /// whose return to normal suffices: where nobody is slower than can be explained, the explanation is
    /// the cause.
    fn measured(&self) -> Result<Option<Unit>> {
        if !self.question.settings.has(Part::Measured) {
            return Ok(None);
        }
        let least = SURE * self.question.settings.unusual;
        let odd =
            |(_, s): &(usize, &Suspect)| s.measured >= least && s.symptom < self.question.settings.unusual;
        for (i, _) in self.suspects.iter().enumerate().filter(odd).take(POOL) {
            if let Some(unit) = self.unit(vec![i])?.filter(|unit| self.question.enough(&unit.outcome)) {
                return Ok(Some(unit));
            }
        }
        Ok(None)
    }

    /// Of `beside`, the one that helps most together with `unit`: it has to be slow beyond doubt, and to
    /// take away a good part of what the first one leaves, not just the last bit to the objective.
    fn joined(&self, unit: &Unit, beside: &[Unit]) -> Result<Option<Unit>> {
        let left = unit.outcome.quantile_ms - self.question.normal_ms;
        let mut best: Option<Unit> = None;
        for other in beside {
            let known = other.members.iter().any(|i| unit.members.contains(i));
            if known || other.symptom < SURE * self.question.settings.unusual {
                continue;
            }
            let Some(pair) = self.together(&[unit, other])? else { continue };
            let helps_much = unit.outcome.quantile_ms - pair.outcome.quantile_ms >= SECOND_SHARE * left;
            if helps_much && best.as_ref().is_none_or(|best| helps(&pair, best).is_lt()) {
                best = Some(pair);
            }
        }
        Ok(best)
    }
}

/// What helps more comes first.
fn helps(a: &Unit, b: &Unit) -> Ordering {
    let (a, b) = (&a.outcome, &b.outcome);
    b.p_slo_met.total_cmp(&a.p_slo_met).then(a.quantile_ms.total_cmp(&b.quantile_ms))
}

/// The smallest set of slow suspects whose return to normal meets the SLO: one service, one machine, two
/// or more of them found greedily. `None` if nothing explains the violation.
///
/// Only services that are slow of their own can be blamed: the entry owns what is left of the users'
/// latency, so that its reset would always suffice. For the same reason a suspect that takes away nearly
/// all of the excess is not joined by another just to meet the SLO.
pub fn blame(world: &World, suspects: &[Suspect], question: &Question) -> Result<Option<Blame>> {
    let search = Search { world, suspects, question };
    let found = |unit: &Unit| {
        let mut set = unit.members.clone();
        set.sort_unstable();
        Some(Blame { set, sufficient: question.enough(&unit.outcome) })
    };
    if question.settings.max_culprits == 0 {
        return Ok(None);
    }
    let singles = search.singles()?;
    // Of those that suffice the most suspect one, not the one that helps a little more: what is near the
    // users takes part of everybody's latency away.
    let first = |does: &dyn Fn(&Counterfactual) -> bool| {
        let mut able = singles.iter().filter(|single| does(&single.outcome));
        match question.settings.has(Part::Suspicion) {
            true => able.min_by_key(|single| single.members[0]),
            false => able.next(),
        }
    };
    if let Some(single) = first(&|outcome| question.enough(outcome)) {
        return Ok(found(single));
    }
    let machines = search.machines()?;
    if let Some(machine) = machines.first().filter(|machine| question.enough(&machine.outcome)) {
        return Ok(found(machine));
    }
    if let Some(single) = first(&|outcome| question.nearly(outcome)) {
        return Ok(found(single));
    }
    let units: Vec<Unit> = machines.iter().chain(&singles).cloned().collect();
    let Some(best) = units.iter().min_by(|a, b| helps(a, b)) else {
        return Ok(search.measured()?.and_then(|unit| found(&unit)));
    };
    let mut best = best.clone();
    let alone = best.clone();
    for _ in 1..question.settings.max_culprits {
        let Some(larger) = search.joined(&best, &units)? else { break };
        best = larger;
        if question.enough(&best.outcome) {
            return Ok(found(&best));
        }
    }
    if let Some(unit) = search.measured()? {
        return Ok(found(&unit));
    }
    if question.removed(&alone.outcome) >= NEARLY_ALL
        && question.removed(&best.outcome) < question.removed(&alone.outcome) + 0.1
    {
        return Ok(found(&alone));
    }
    Ok(if question.removed(&best.outcome) >= MAIN_SHARE { found(&best) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_suffices_surely_or_as_far_as_anybody_can_tell() {
        let settings = DiagnosisSettings::default();
        let target = Target { node: 0, quantile: 0 };
        let question = Question {
            target,
            observed_ms: 500.0,
            normal_ms: 50.0,
            objective_ms: 100.0,
            settings: &settings,
        };
        let of = |quantile_ms, p_slo_met| {
            let outcome = Counterfactual { quantile_ms, low_ms: 0.0, high_ms: 999.0, p_slo_met };
            (question.enough(&outcome), question.nearly(&outcome))
        };
        assert_eq!(of(80.0, 0.8), (true, true));
        assert_eq!(of(110.0, 0.4), (false, true), "predictions are not more exact than that");
        assert_eq!(of(140.0, 0.2), (false, false), "something is left to be explained");
        let barely = Question { observed_ms: 130.0, ..question };
        let little = Counterfactual { quantile_ms: 110.0, low_ms: 90.0, high_ms: 140.0, p_slo_met: 0.4 };
        assert!(!barely.nearly(&little), "most of the excess is left");
    }
}
