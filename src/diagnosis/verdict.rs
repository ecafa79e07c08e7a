//! From evidence, suspects and counterfactuals to the verdict.

use std::collections::{BTreeMap, VecDeque};

use super::counterfactual::World;
use super::evidence::{self, Evidence, Finding};
use super::reference::{FeatureKinds, Reference};
use super::search::{Blame, Question, Target, blame, outcome};
use super::settings::{DiagnosisSettings, Part};
use super::suspects::{Setting, Suspect, reset_resource, strongest as strongest_of, suspects};
use crate::causal::{Cbn, Change};
use crate::domain::verdict::VERDICT_SCHEMA;
use crate::domain::{
    Basis, Clean, Column, Culprit, Entity, ModelSummary, Progress, Ranked, RankedResource, Resource,
    ResourceCause, ServiceName, Slo, SloReading, SloState, SloStatus, Stage, Tells, TimeRange, Timestamp,
    Verdict, VerdictKind,
};
use crate::gvae::Gvae;
use crate::windows::Frame;

/// Suspects described in full.
const DESCRIBED: usize = 5;
/// With a larger share of the model's columns missing, the answer is "unsure".
const MAX_MISSING: f64 = 0.25;
/// With a larger share of services unusual at once, the model does not know this situation.
const MAX_UNUSUAL: f64 = 0.5;

/// With so many times the requests of the busiest ordinary windows, the load is beyond what was ever seen.
const FLOOD: f64 = 1.1;

/// The question and everything that is known.
pub struct Case<'a> {
    /// The SLO asked about.
    pub slo: &'a Slo,
    /// How it stands.
    pub status: &'a SloStatus,
    /// The moment of the question.
    pub at: Timestamp,
    /// Windows up to `at`, some way back.
    pub frame: &'a Frame,
    /// The model …
    pub model: &'a Gvae,
    /// … with what is normal …
    pub reference: &'a Reference,
    /// … the catalogue's features …
    pub kinds: &'a FeatureKinds,
    /// … and its summary; `in_range` is filled in here.
    pub summary: ModelSummary,
    /// What changed about the application's shape since it was trained.
    pub changes: Change,
    /// Settings.
    pub settings: &'a DiagnosisSettings,
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum DiagnosisError {
    /// The diagnosed time has no data at all.
    #[error("no window with data in the {minutes} minutes before {at}: nothing to diagnose")]
    NoData {
        /// Length of the diagnosis window.
        minutes: u64,
        /// The moment.
        at: Timestamp,
    },
    /// The tensor library failed.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// Answers the question.
pub fn diagnose(case: &Case, progress: &dyn Progress) -> Result<Verdict, DiagnosisError> {
    let settings = case.settings;
    let start = minus(case.at, settings.window);
    let asked = case.frame.between(start, case.at).len();
    if asked == 0 {
        return Err(DiagnosisError::NoData { minutes: settings.window.as_secs() / 60, at: case.at });
    }
    progress.report(Stage::Query, 0, 3, "evidence");
    let evidence = evidence::collect(case.model, case.reference, case.kinds, case.frame, settings)?;
    progress.report(Stage::Query, 1, 3, "counterfactuals");
    let world = World::abduct(case.model, case.reference, case.kinds, case.frame, settings)?;
    let setting = Setting { cbn: &case.model.cbn, placement: &case.frame.placement, settings };
    let suspects = suspects(setting, &evidence, &world)?;
    progress.report(Stage::Query, 2, 3, "smallest set");

    let violated = case.status.observed_ms.is_some_and(|ms| ms > case.slo.objective_ms);
    let doubts = Doubts::of(case, &suspects);
    let target = Target::of(case.model, case.slo);
    let found = Findings { world, target, evidence, suspects, violated, doubts };
    let (kind, blamed, remark) = judge(case, &found)?;
    let warnings = found.doubts.iter().cloned().chain(remark).collect();
    let Findings { world, suspects, doubts, .. } = found;
    let scores = scores(&suspects, &blamed);
    let describe = |i: usize| describe(case, &world, target, &suspects[i]);
    let culprits = blamed.iter().map(|i| describe(*i)).collect::<Result<_, _>>()?;
    let described = (0..suspects.len().min(DESCRIBED)).map(describe).collect::<Result<_, _>>()?;
    progress.report(Stage::Query, 3, 3, "");
    Ok(Verdict {
        schema: VERDICT_SCHEMA,
        slo: SloReading {
            name: case.slo.name.clone(),
            quantile: case.slo.quantile,
            objective_ms: case.slo.objective_ms,
            observed_ms: case.status.observed_ms,
            state: case.status.state,
        },
        at: case.at,
        window: TimeRange { start, end: case.at },
        kind,
        basis: if violated { Basis::EndToEnd } else { Basis::OwnContribution },
        culprits,
        ranking: ranking(&suspects, &scores),
        resource_ranking: resource_ranking(&suspects, &scores),
        suspects: described,
        model: Some(ModelSummary { in_range: doubts.iter().next().is_none(), ..case.summary.clone() }),
        timings_ms: BTreeMap::new(),
        warnings,
    })
}

/// `at` − `by`; saturates at the earliest time there is.
pub fn minus(at: Timestamp, by: std::time::Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// Reasons not to trust the model about these windows.
#[derive(Debug, Default)]
struct Doubts {
    /// Too much of what it reads is missing: no answer is worth anything.
    blind: Option<Clean>,
    /// The application is not the one that was learned: what was never seen cannot be ruled out.
    changed: Option<Clean>,
    /// So much is slow of its own at once that only an answer that explains it is worth anything.
    strange: Option<Clean>,
}

impl Doubts {
    fn of(case: &Case, suspects: &[Suspect]) -> Self {
        let columns = case.model.cbn.columns();
        let recent = case.frame.rows(case.frame.len().saturating_sub(case.reference.span)..case.frame.len());
        let unknown = |c: &&&Column| recent.columns.get(**c).is_none_or(|v| v.iter().all(|x| !x.is_finite()));
        let missing = columns.iter().filter(unknown).count();
        let odd = suspects.iter().filter(|s| s.symptom >= 2.0 * case.settings.unusual).count();
        let (columns, services) = (columns.len(), suspects.len());
        let changed = (!case.changes.is_none())
            .then(|| Clean::new(&format!("since the model was trained: {}", case.changes)));
        Self {
            changed,
            blind: (missing as f64 > MAX_MISSING * columns as f64).then(|| {
                Clean::new(&format!(
                    "{missing} of {columns} inputs of the model are missing in the diagnosed window"
                ))
            }),
            strange: (services > 2 && odd as f64 > MAX_UNUSUAL * services as f64).then(|| {
                Clean::new(&format!(
                    "{odd} of {services} services are unusual at once: the application may have changed since training"
                ))
            }),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Clean> {
        self.blind.iter().chain(&self.changed).chain(&self.strange)
    }
}

/// What was found out, before it is judged.
struct Findings<'a> {
    world: World<'a>,
    target: Option<Target>,
    evidence: Evidence,
    suspects: Vec<Suspect>,
    violated: bool,
    doubts: Doubts,
}

/// Kind of verdict, the indices of those to blame, and a remark.
type Judgement = (VerdictKind, Vec<usize>, Option<Clean>);

fn judge(case: &Case, found: &Findings) -> Result<Judgement, DiagnosisError> {
    let Findings { world, evidence, suspects, .. } = found;
    let settings = case.settings;
    let Some(observed) = case.status.observed_ms.filter(|_| case.status.state != SloState::Unknown) else {
        return Ok((VerdictKind::Unsure, Vec::new(), None));
    };
    if !found.violated {
        let remark = "the objective is met over the diagnosed window: services are ranked by how unusual their own contribution is";
        return Ok((VerdictKind::Healthy, Vec::new(), Some(Clean::new(remark))));
    }
    let Some(target) = found.target else {
        let remark = "the SLO's own latency is not among the windows: no counterfactual for it";
        return Ok((VerdictKind::Unsure, Vec::new(), Some(Clean::new(remark))));
    };
    let load = evidence.metrics.values().flatten().filter(|f| f.resource == Resource::Load);
    let load = load.map(|f| f.surprise).fold(0.0, f64::max);
    let measured = strongest(&evidence.metrics).max(strongest(&evidence.channels));
    // Queues under a load never seen before are slow in a way that no metric shows: that alone is
    // no reason to blame the service they form at.
    let borne = strongest(&evidence.latencies) < load.max(2.0 * settings.unusual);
    let may_be_load = settings.has(Part::Load);
    if may_be_load && load >= settings.unusual && measured < 2.0 * settings.unusual && borne {
        return Ok((VerdictKind::Load, Vec::new(), None));
    }
    if found.doubts.blind.is_some() || found.doubts.changed.is_some() {
        return Ok((VerdictKind::Unsure, Vec::new(), None));
    }
    let usual = case.reference.latencies[target.node][target.quantile];
    let question = Question {
        target,
        observed_ms: observed,
        normal_ms: f64::from(usual),
        objective_ms: case.slo.objective_ms,
        settings,
    };
    let blame = blame(world, suspects, &question)?;
    // More requests than ever, and nobody who does more or worse than so many requests explain.
    let flooded = evidence.overload.get(&case.slo.service).is_some_and(|over| *over >= FLOOD);
    let own_reason = |i: &usize| {
        let (service, unusual) = (&suspects[*i].service, settings.unusual);
        let beyond = |f: &Finding| match (f.resource, f.tells) {
            // Whoever has too much to do runs short of CPU, and uses what so much work takes.
            (Resource::Cpu, Some(Tells::Shortage)) | (Resource::Cache, _) | (_, None) => false,
            (Resource::Network, tells) => tells == Some(Tells::Shortage),
            _ => true,
        };
        let strongest = |channel: &BTreeMap<_, _>| strongest_of(channel.get(service), beyond);
        strongest(&evidence.metrics).max(strongest(&evidence.channels)) >= 2.0 * unusual
    };
    let elsewhere = |blame: &Blame| blame.sufficient && blame.set.iter().all(own_reason);
    if may_be_load && flooded && !blame.as_ref().is_some_and(elsewhere) {
        return Ok((VerdictKind::Load, Vec::new(), None));
    }
    let Some(blame) = blame.filter(|blame| blame.sufficient || found.doubts.strange.is_none()) else {
        let strange = found.doubts.strange.is_some();
        let kind = if strange { VerdictKind::Unsure } else { VerdictKind::Unresolved };
        return Ok((kind, Vec::new(), None));
    };
    let remark = (!blame.sufficient).then(|| {
        let names: Vec<_> = blame.set.iter().map(|i| suspects[*i].service.as_str()).collect();
        Clean::new(&format!(
            "{} does not explain it all: even back to normal, the objective is not predicted to be met",
            names.join(", ")
        ))
    });
    let of = |i: &usize| suspects[*i].resources.first().map(|b| b.resource);
    let latent = blame.set.iter().all(|i| of(i).is_none_or(|r| r == Resource::Latent));
    Ok((if latent { VerdictKind::Latent } else { VerdictKind::Culprits }, blame.set, remark))
}

/// The largest surprise of a channel that somebody can be blamed for.
fn strongest(channel: &BTreeMap<ServiceName, Vec<Finding>>) -> f64 {
    let blamable = channel.values().flatten().filter(|f| f.resource != Resource::Load);
    blamable.map(|f| f.surprise).fold(0.0, f64::max)
}

/// The suspects' scores, with those to blame above all others: what is merely odd is often odder.
fn scores(suspects: &[Suspect], blamed: &[usize]) -> Vec<f64> {
    let highest = suspects.iter().map(|s| s.score).fold(0.0, f64::max);
    let lift = |i: usize| if blamed.contains(&i) { highest } else { 0.0 };
    suspects.iter().enumerate().map(|(i, s)| s.score + lift(i)).collect()
}

fn ranking(suspects: &[Suspect], scores: &[f64]) -> Vec<Ranked> {
    let ranked = suspects.iter().zip(scores);
    let mut all =
        Vec::from_iter(ranked.map(|(s, score)| Ranked { service: s.service.clone(), score: *score }));
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all
}

fn resource_ranking(suspects: &[Suspect], scores: &[f64]) -> Vec<RankedResource> {
    let of = |(s, score): (&Suspect, &f64)| {
        let (service, score) = (s.service.clone(), *score);
        let blames = s.resources.iter().filter(|b| b.resource != Resource::Load);
        let ranked = blames.map(move |b| RankedResource {
            service: service.clone(),
            resource: b.resource,
            score: score * b.share,
        });
        ranked.collect::<Vec<_>>()
    };
    let mut all: Vec<RankedResource> = suspects.iter().zip(scores).flat_map(of).collect();
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all
}

fn describe(
    case: &Case,
    world: &World,
    target: Option<Target>,
    suspect: &Suspect,
) -> Result<Culprit, DiagnosisError> {
    let objective = case.slo.objective_ms;
    let counterfactual = match target {
        Some(target) => outcome(world, target, &suspect.reset, objective)?,
        None => None,
    };
    let mut resources = Vec::new();
    for blame in &suspect.resources {
        let met = match target {
            Some(target) => {
                let reset = reset_resource(&case.model.cbn, suspect, blame);
                outcome(world, target, &reset, objective)?.map(|c| c.p_slo_met)
            }
            None => None,
        };
        resources.push(ResourceCause {
            resource: blame.resource,
            metric: blame.finding.what.clone(),
            // The catalogue knows; the model does not.
            unit: None,
            observed: blame.finding.observed,
            normal: blame.finding.normal,
            p_slo_met: met,
            surprise: blame.finding.surprise,
        });
    }
    Ok(Culprit {
        service: suspect.service.clone(),
        node: suspect.node.clone(),
        counterfactual,
        resources,
        path: path(&case.model.cbn, &suspect.service, &case.slo.service),
    })
}

/// Shortest chain of callers from `from` up to `entry`, both included; empty if there is none.
fn path(cbn: &Cbn, from: &ServiceName, entry: &ServiceName) -> Vec<ServiceName> {
    let mut callers: BTreeMap<&ServiceName, Vec<&ServiceName>> = BTreeMap::new();
    for node in &cbn.entities {
        if let Entity::Channel { caller, callee } = &node.entity {
            callers.entry(callee).or_default().push(caller);
        }
    }
    let mut came: BTreeMap<&ServiceName, Option<&ServiceName>> = BTreeMap::from([(from, None)]);
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        if at == entry {
            let mut chain = vec![at.clone()];
            let mut step = came.get(at).copied().flatten();
            while let Some(s) = step {
                chain.push(s.clone());
                step = came.get(s).copied().flatten();
            }
            chain.reverse();
            return chain;
        }
        for next in callers.get(at).into_iter().flatten() {
            if !came.contains_key(*next) {
                came.insert(next, Some(at));
                queue.push_back(next);
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "confusion_tests.rs"]
mod confusion;
