//! Random scenarios of which the truth is known: something breaks, the objective is violated, and the
//! cluster is full of things that are unusual and harm nobody.
//!
//! A scenario follows from its seed. The seed decides the kind of its first fault in turn, so that any
//! run of consecutive seeds has all kinds; everything else is drawn. Intensities are not drawn but
//! sought: how far the objective is to be missed is drawn, and the intensity that does it is found by
//! bisection, since a kind that hurts at 0.2 and one that hurts at 0.9 are to be equally hard to see.

mod places;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::app::Application;
use super::cluster::Cluster;
use super::fault::{Fault, FaultKind};
use super::sim::{Nanos, SECOND, Settings, SimError};
use super::truth::{Case, Label, Normal, Tail};
use places::{KINDS, Kind, Places};

/// Healthy time before anything breaks, in seconds; the first part of it fills queues and caches.
pub const LEAD_S: f64 = 60.0;
/// The objective's window, in seconds: it begins when the symptoms have spread.
pub const WINDOW_S: (f64, f64) = (85.0, 145.0);
/// Faults last beyond the window.
const UNTIL_S: f64 = 240.0;
/// Queues and caches fill in the first seconds in which there are requests.
const FILLING_S: f64 = 20.0;
/// How far the objective is missed, as a factor on its limit: from, to (evenly in its logarithm).
const MISSED: (f64, f64) = (1.15, 8.0);
/// Steps of the bisection of an intensity.
const STEPS: usize = 4;
/// Smallest intensity.
const LEAST: f64 = 0.05;
/// Places that are tried before the application counts as invulnerable.
const TRIES: usize = 60;
/// A worse tail is no incident but an outage, as a factor on the limit.
const OUTAGE: f64 = 40.0;
/// Distractors alone leave the tail below this share of the limit.
const HARMLESS: f64 = 0.9;
/// So many distractors show in counters that otherwise stand still.
const LOUD: u64 = 2;
/// Id of the first distractor; incidents count from 1.
pub const FIRST_DISTRACTOR: u64 = 100;
/// Day of the simulation in seconds.
const DAY_S: u64 = 86_400;

/// When things happen in a scenario, in seconds of simulated time.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Timing {
    /// Runs that look for the truth leave out the requests before this.
    pub quiet_s: f64,
    /// When things begin to break.
    pub lead_s: f64,
    /// The window that is to be explained.
    pub window_s: (f64, f64),
    /// The window by which intensities are sought; a part of the former costs less.
    pub sought_s: (f64, f64),
    /// When the faults end.
    pub until_s: f64,
}

impl Default for Timing {
    /// A minute of health, and a minute in which the objective is missed.
    fn default() -> Self {
        Self { quiet_s: 0.0, lead_s: LEAD_S, window_s: WINDOW_S, sought_s: WINDOW_S, until_s: UNTIL_S }
    }
}

fn nanos((from_s, until_s): (f64, f64)) -> (Nanos, Nanos) {
    let nanos = |s: f64| (s * SECOND as f64) as Nanos;
    (nanos(from_s), nanos(until_s))
}

/// Something that goes wrong, with its truth.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it was drawn from.
    pub seed: u64,
    /// One line for people who want to know the end.
    pub title: String,
    /// How it is simulated.
    pub settings: Settings,
    /// What breaks and what is merely unusual.
    pub faults: Vec<Fault>,
    /// Ids of the faults that alone would not violate the objective: distractors.
    pub distractors: BTreeSet<u64>,
    /// When requests count.
    pub window: (Nanos, Nanos),
    /// The truth.
    pub label: Label,
}

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Application and cluster do not fit together.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// Nothing that was tried harms it.
    #[error(
        "no fault of {TRIES} that were tried makes `{app}` miss {limit_ms} ms: is its objective too lax, \
         or missed even when nothing is wrong?"
    )]
    Invulnerable {
        /// The application.
        app: String,
        /// Its objective.
        limit_ms: f64,
    },
}

impl Scenario {
    /// The scenario as a case of the truth.
    pub fn case(&self, app: &Arc<Application>, cluster: &Cluster) -> Case {
        Case {
            app: app.clone(),
            cluster: cluster.clone(),
            settings: self.settings.clone(),
            faults: self.faults.clone(),
            changes: Vec::new(),
            window: self.window,
        }
    }

    /// The faults that belong to the smallest set without which the objective would have been met.
    pub fn culprits(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| self.label.faults.contains(&fault.id))
    }
}

/// Words for a kind of fault, such as `cpu-hog`.
pub fn word(kind: &FaultKind) -> String {
    let value = serde_json::to_value(kind).unwrap_or_default();
    value.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

/// One fault of each kind that can strike this application, at full intensity, at a place where it is
/// likely to hurt.
pub fn examples(app: &Application, cluster: &Cluster) -> Vec<Fault> {
    let kinds = Places::of(app, cluster).examples().into_iter();
    (1..)
        .zip(kinds)
        .map(|(id, kind)| Fault { id, kind, from_s: LEAD_S, until_s: UNTIL_S, intensity: 1.0 })
        .collect()
}

/// Things that are unusual now and then and harm nobody much, as the history of every cluster has them:
/// `count` of them spread over `length_s` seconds, a few minutes each.
pub fn disturbances(
    app: &Application,
    cluster: &Cluster,
    seed: u64,
    count: u64,
    length_s: f64,
) -> Vec<Fault> {
    let (places, mut random) = (Places::of(app, cluster), StdRng::seed_from_u64(seed));
    let slot = length_s / count.max(1) as f64;
    let drawn = (0..count).filter_map(|number| {
        let fault = places.distractor(FIRST_DISTRACTOR + number, false, &Timing::default(), &mut random)?;
        let from_s = slot * (number as f64 + random.random_range(0.1..0.6));
        let until_s = from_s + random.random_range(120.0..480.0);
        Some(Fault { from_s, until_s, ..fault })
    });
    drawn.collect()
}

/// The scenario of this seed.
///
/// # Errors
/// The parts do not fit together, or nothing harms the application.
pub fn draw(
    app: &Arc<Application>,
    cluster: &Cluster,
    timing: Timing,
    seed: u64,
) -> Result<Scenario, ScenarioError> {
    let (places, random) = (Places::of(app, cluster), StdRng::seed_from_u64(seed));
    let mut drawer = Drawer { places, random, app, cluster, timing, seed };
    for attempt in 0..TRIES {
        // A kind that harms nobody here gives way to any other.
        let kind = if attempt < TRIES / 4 { Some(KINDS[(seed % KINDS.len() as u64) as usize]) } else { None };
        if let Some(scenario) = drawer.attempt(kind)? {
            return Ok(scenario);
        }
    }
    Err(ScenarioError::Invulnerable { app: app.name.to_string(), limit_ms: app.objective.limit_ms })
}

struct Drawer<'a> {
    places: Places<'a>,
    random: StdRng,
    app: &'a Arc<Application>,
    cluster: &'a Cluster,
    timing: Timing,
    seed: u64,
}

impl Drawer<'_> {
    fn attempt(&mut self, kind: Option<Kind>) -> Result<Option<Scenario>, SimError> {
        let count = match self.random.random::<f64>() {
            u if u < 0.7 => 1,
            u if u < 0.9 => 2,
            _ => 3,
        };
        let together = count > 1 && self.random.random_bool(0.4);
        let (mut faults, mut used) = (Vec::new(), BTreeSet::new());
        for number in 0..count {
            let wanted = kind.filter(|_| number == 0);
            let Some(kind) = self.places.draw(wanted, &mut self.random) else { return Ok(None) };
            // Two faults of one place and kind would be one that is worse.
            if used.insert(format!("{kind:?}")) {
                faults.push(self.fault(number as u64 + 1, kind, 1.0));
            }
        }
        let settings = self.settings();
        let distractors = self.distractors(&settings, &faults)?;
        let sought = if together {
            self.seek(&settings, &distractors, faults)?
        } else {
            let mut each = Vec::new();
            for fault in faults {
                let Some(found) = self.seek(&settings, &distractors, vec![fault])? else { return Ok(None) };
                each.extend(found);
            }
            Some(each)
        };
        let Some(faults) = sought else { return Ok(None) };
        let mut scenario = self.scenario(settings, faults, distractors)?;
        let limit = self.app.objective.limit_ms;
        // What users suffer from and the entry's own metrics do not show is nobody's incident.
        let seen = scenario.label.factual.seen_ms;
        let told = !scenario.label.causes.is_empty() && seen > limit && seen < OUTAGE * limit;
        scenario.title = scenario.headline();
        Ok(told.then_some(scenario))
    }

    fn settings(&mut self) -> Settings {
        let mut settings = Settings { seed: self.random.random(), ..Settings::default() };
        settings.start = self.random.random_range(0..DAY_S) * SECOND;
        settings.load.scale = self.random.random_range(0.85..1.1);
        settings.quiet_until = nanos((self.timing.quiet_s, 0.0)).0;
        settings
    }

    /// A fault of the incident.
    fn fault(&mut self, id: u64, kind: FaultKind, intensity: f64) -> Fault {
        let from_s = self.timing.lead_s + self.random.random_range(0.0..10.0);
        Fault { id, kind, from_s, until_s: self.timing.until_s, intensity }
    }

    /// Things that are unusual at the same time, at intensities that harm nobody.
    fn distractors(&mut self, settings: &Settings, incident: &[Fault]) -> Result<Vec<Fault>, SimError> {
        // One at the culprit itself would point at it.
        let elsewhere = self.places.without(incident);
        let mut faults = Vec::new();
        for number in 0..self.random.random_range(3..6) {
            let loud = number < LOUD;
            faults.extend(elsewhere.distractor(
                FIRST_DISTRACTOR + number,
                loud,
                &self.timing,
                &mut self.random,
            ));
        }
        let limit = HARMLESS * self.app.objective.limit_ms;
        let harmless = |faults: &[Fault]| {
            let tail = self.tail(settings, faults)?;
            Ok(tail.seen_ms.max(tail.quantile_ms) < limit)
        };
        if harmless(&faults)? {
            return Ok(faults);
        }
        let mut kept = Vec::new();
        for fault in faults {
            kept.push(fault);
            if !harmless(&kept)? {
                kept.pop();
            }
        }
        Ok(kept)
    }

    /// The faults at the intensity at which the objective is missed by what is drawn, or by anything.
    fn seek(
        &mut self,
        settings: &Settings,
        distractors: &[Fault],
        faults: Vec<Fault>,
    ) -> Result<Option<Vec<Fault>>, SimError> {
        let limit = self.app.objective.limit_ms;
        let factor = (MISSED.0.ln() + self.random.random::<f64>() * (MISSED.1 / MISSED.0).ln()).exp();
        let at = |x: f64| {
            let mut faults = faults.clone();
            for fault in &mut faults {
                fault.intensity = x;
            }
            faults
        };
        let tail = |x: f64| self.tail(settings, &[at(x), distractors.to_vec()].concat());
        let worst = tail(1.0)?.seen_ms;
        if worst <= MISSED.0 * limit {
            return Ok(None);
        }
        let wanted = (factor * limit).min(worst);
        let (mut low, mut high) = (LEAST, 1.0);
        for _ in 0..STEPS {
            let middle = 0.5 * (low + high);
            if tail(middle)?.seen_ms >= wanted {
                high = middle;
            } else {
                low = middle;
            }
        }
        Ok(Some(at(high)))
    }

    fn tail(&self, settings: &Settings, faults: &[Fault]) -> Result<Tail, SimError> {
        self.case(settings.clone(), faults.to_vec(), self.timing.sought_s).tail(&Normal::new())
    }

    fn case(&self, settings: Settings, faults: Vec<Fault>, window_s: (f64, f64)) -> Case {
        Case {
            app: self.app.clone(),
            cluster: self.cluster.clone(),
            settings,
            faults,
            changes: Vec::new(),
            window: nanos(window_s),
        }
    }

    fn scenario(
        &self,
        settings: Settings,
        faults: Vec<Fault>,
        distractors: Vec<Fault>,
    ) -> Result<Scenario, SimError> {
        let harmless = distractors.iter().map(|fault| fault.id).collect();
        let case = self.case(settings, [faults, distractors].concat(), self.timing.window_s);
        let label = case.causes()?;
        Ok(Scenario {
            seed: self.seed,
            title: String::new(),
            settings: case.settings,
            faults: case.faults,
            distractors: harmless,
            window: case.window,
            label,
        })
    }
}

impl Scenario {
    fn headline(&self) -> String {
        let tell = |fault: &Fault| {
            let place = fault.kind.service().or(fault.kind.node()).map(|at| format!(" at {at}"));
            format!("{}{} ({:.2})", word(&fault.kind), place.unwrap_or_default(), fault.intensity)
        };
        let (others, broken): (Vec<_>, Vec<_>) =
            self.faults.iter().partition(|fault| self.distractors.contains(&fault.id));
        let list = |faults: &[&Fault]| Vec::from_iter(faults.iter().map(|fault| tell(fault))).join(", ");
        let beside = if others.is_empty() { String::new() } else { format!("; beside it {}", list(&others)) };
        format!("{}{beside}", list(&broken))
    }
}
