//! The model for a moment: which data it may have seen, the cache, and training.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::shelf::Shelf;
use crate::causal::{CallGraph, Cbn};
use crate::diagnosis::verdict::minus;
use crate::diagnosis::{DiagnosisSettings, FeatureKinds, Reference};
use crate::domain::{Clean, ModelSummary, Progress, Timestamp};
use crate::gvae::checkpoint::{self, CheckpointError, FORMAT, Manifest};
use crate::gvae::{Again, Gvae, GvaeError, TrainSettings, fingerprint, retrain, train};
use crate::windows::{Frame, Key};

/// While data is scarce, the cut-off advances in steps of this many seconds.
const SCARCE_STEP: i64 = 600;

/// After a change of the application's shape, so many seconds of it are learned from at first.
const FIRST_LESSON: i64 = 1500;

/// Fewest values of a column to learn from it; it also takes one window in twenty.
const MIN_VALUES: usize = 20;

/// How much longer the known history may be than the one a model was trained on.
const GROWTH: f64 = 1.25;

/// What is kept in the cache beside the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// What is normal.
    pub reference: Reference,
    /// Features as the catalogue had them.
    pub kinds: FeatureKinds,
}

/// A model ready for questions.
#[derive(Debug)]
pub struct Learned {
    /// The model.
    pub model: Gvae,
    /// What is normal.
    pub reference: Reference,
    /// The catalogue's features.
    pub kinds: FeatureKinds,
    /// For verdicts and the header.
    pub summary: ModelSummary,
    /// End of the first window it learned from.
    pub from: Timestamp,
    /// How long training took, without learning what is normal; zero if it comes from the cache.
    pub training: Duration,
    /// What was odd about getting it, such as a damaged cache file.
    pub warnings: Vec<Clean>,
}

impl Learned {
    /// Whether it is the model for `cut_off`, and of about as much history as `frame` has. (A
    /// first fetch that was interrupted leaves a model of the newest hours only.)
    pub fn serves(&self, cut_off: Timestamp, frame: &Frame) -> bool {
        let seconds = |from: Timestamp| cut_off.duration_since(from).as_secs_f64();
        let known = first_end(frame).map_or(0.0, seconds);
        self.summary.trained_at == cut_off && known <= GROWTH * seconds(self.from)
    }
}

/// The last moment whose data the model for a question at `at` may have seen: a whole multiple
/// of the retraining interval, so that one model serves many questions and the answer at `at`
/// depends on nothing but the data before it.
pub fn cut_off(at: Timestamp, settings: &TrainSettings) -> Timestamp {
    floor(at, i64::from(settings.retrain_hours.max(1)) * 3600)
}

/// The cut-off where the regular one leaves too little data: just before the diagnosed time.
pub fn scarce_cut_off(at: Timestamp, diagnosis: &DiagnosisSettings) -> Timestamp {
    floor(minus(at, diagnosis.window), SCARCE_STEP)
}

/// The cut-off after the application's shape changed: 25 minutes of it are learned from, then 50
/// and so on, until the next regular one. `None` while there is too little to learn from.
pub fn after_change(changed: Timestamp, newest: Timestamp) -> Option<Timestamp> {
    let steps = (newest.as_second() - changed.as_second()) / FIRST_LESSON;
    let seen = FIRST_LESSON << u64::try_from(steps).ok()?.checked_ilog2()?;
    Timestamp::from_second(changed.as_second() + seen).ok()
}

fn floor(at: Timestamp, step: i64) -> Timestamp {
    let second = at.as_second().div_euclid(step) * step;
    Timestamp::from_second(second).unwrap_or(at)
}

/// What to learn from.
#[derive(Debug)]
pub struct Lesson {
    /// Windows up to the cut-off.
    pub frame: Frame,
    /// Which of them met every objective.
    pub healthy: Vec<bool>,
    /// Call graph of the same time.
    pub graph: Arc<CallGraph>,
    /// The catalogue's features.
    pub kinds: FeatureKinds,
    /// Settings of the model.
    pub settings: TrainSettings,
    /// Windows in a diagnosis window.
    pub span: usize,
    /// What the windows are made of, and which are called healthy.
    pub origin: Key,
    /// The model from before the application changed, if it did.
    pub base: Option<Base>,
}

/// What a model is made from after a change of the application.
#[derive(Clone, Debug)]
pub struct Base {
    /// The model from before.
    pub learned: Arc<Learned>,
    /// When the application changed.
    pub changed: Timestamp,
    /// What is trained again.
    pub again: Again,
}

/// The model of `lesson` from the `shelf`, or trained and put there. `fresh` trains
/// anyway, and so does a model of which much less of the history was known.
pub fn learn(
    lesson: &Lesson,
    shelf: &Shelf,
    cut_off: Timestamp,
    fresh: bool,
    progress: &dyn Progress,
) -> Result<Learned, GvaeError> {
    let since = match &lesson.base {
        Some(base) => lesson.frame.ends.partition_point(|end| *end < base.changed),
        None => 0,
    };
    let known = lesson.frame.columns.iter().filter(|(_, values)| is_known(values, since));
    let known = known.map(|(column, _)| column);
    let cbn = Cbn::build(&lesson.graph, known, &lesson.frame.placement);
    let print = fingerprint(&cbn, &lesson.settings, &(&lesson.kinds, lesson.span, &lesson.origin));
    let name = format!("{}-{}", &print[..16], cut_off.as_second());
    let mut warnings = cbn.broken_cycles.clone();
    if !fresh {
        match checkpoint::load::<Kept>(shelf.dir(), &name, &print) {
            Ok((model, manifest)) => {
                let summary = summary(&print, cut_off, manifest.windows);
                let Kept { reference, kinds } = manifest.extra;
                let from = manifest.trained_from;
                let training = Duration::ZERO;
                let learned = Learned { model, reference, kinds, summary, from, training, warnings };
                if learned.serves(cut_off, &lesson.frame) {
                    shelf.touch(&name);
                    return Ok(learned);
                }
                warnings = learned.warnings;
            }
            Err(CheckpointError::Missing) => {}
            Err(error) => warnings.push(Clean::new(&error.to_string())),
        }
    }
    let clock = Instant::now();
    let (model, windows) = match &lesson.base {
        Some(Base { learned, again, .. }) => {
            let (frame, settings) = (&lesson.frame, &lesson.settings);
            let (model, affected, _) = retrain(&learned.model, cbn, frame, since, again, settings, progress)?;
            warnings.push(Clean::new(&format!(
                "{}: {:.0} % of the model were trained again on the {} windows since",
                learned.changes(frame),
                100.0 * affected.share(),
                frame.len() - since,
            )));
            (model, frame.len())
        }
        None => {
            let (model, report) = train(cbn, &lesson.frame, &lesson.settings, progress)?;
            (model, report.windows + report.held_back)
        }
    };
    let training = clock.elapsed();
    let healthy = lesson.frame.filtered(&lesson.healthy);
    let enough = healthy.len() >= lesson.settings.min_windows;
    if !enough {
        warnings.push(Clean::new(
            "the objectives were violated nearly all of the time: what is called normal is merely usual",
        ));
    }
    let normal = if enough { &healthy } else { &lesson.frame };
    let reference = Reference::learn(&model, &lesson.kinds, normal, lesson.span)?;
    let from = first_end(&lesson.frame).unwrap_or(cut_off);
    let manifest = Manifest {
        format: FORMAT,
        fingerprint: print.clone(),
        sha256: String::new(),
        settings: lesson.settings.clone(),
        cbn: model.cbn.clone(),
        normaliser: model.normaliser.clone(),
        trained_from: from,
        trained_until: lesson.frame.ends.last().copied().unwrap_or(cut_off),
        windows,
        extra: Kept { reference: reference.clone(), kinds: lesson.kinds.clone() },
    };
    // A model that cannot be kept is still a model.
    if let Err(error) = checkpoint::save(shelf.dir(), &name, &model, manifest) {
        warnings.push(Clean::new(&error.to_string()));
    }
    shelf.tidy();
    let summary = summary(&print, cut_off, windows);
    Ok(Learned { model, reference, kinds: lesson.kinds.clone(), summary, from, training, warnings })
}

fn first_end(frame: &Frame) -> Option<Timestamp> {
    frame.ends.first().copied()
}

/// Whether a column has enough values to learn from since it came to be, and any from row `since` on.
fn is_known(values: &[f32], since: usize) -> bool {
    if values[since..].iter().all(|v| !v.is_finite()) {
        return false;
    }
    let known = values.iter().filter(|v| v.is_finite()).count();
    let first = values.iter().position(|v| v.is_finite()).unwrap_or(0);
    known >= MIN_VALUES && known * 20 >= values.len() - first
}

fn summary(fingerprint: &str, cut_off: Timestamp, windows: usize) -> ModelSummary {
    ModelSummary { fingerprint: Clean::new(&fingerprint[..16]), trained_at: cut_off, windows, in_range: true }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn after_a_change_the_cut_off_moves_on_in_doubled_steps() {
        let second = |s| Timestamp::from_second(s).unwrap();
        let after =
            |passed: i64| after_change(second(1000), second(1000 + passed)).map(|at| at.as_second() - 1000);
        assert_eq!([after(-5), after(1499)], [None, None]);
        assert_eq!(
            [after(1500), after(2999), after(3000), after(9000)].map(Option::unwrap),
            [1500, 1500, 3000, 6000]
        );
    }

    #[test]
    fn a_column_that_is_new_counts_from_its_first_value() {
        let mut values = vec![f32::NAN; 1400];
        values.extend([1.0; MIN_VALUES]);
        assert!(is_known(&values, 0) && is_known(&values, 1410));
        assert!(!is_known(&values[..1410], 0));
        values.extend([f32::NAN; 10]);
        assert!(!is_known(&values, 1420), "it went");
        let sparse: Vec<f32> = (0..1400).map(|i| if i % 50 == 0 { 1.0 } else { f32::NAN }).collect();
        assert!(!is_known(&sparse, 0));
    }
}
