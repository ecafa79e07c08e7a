//! The model for a moment: which data it may have seen, the cache, and training.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Engine;
use crate::causal::{CallGraph, Cbn};
use crate::diagnosis::verdict::minus;
use crate::diagnosis::{DiagnosisSettings, FeatureKinds, Reference};
use crate::domain::{Clean, ModelSummary, Progress, Timestamp};
use crate::gvae::checkpoint::{self, CheckpointError, FORMAT, Manifest};
use crate::gvae::{Gvae, GvaeError, TrainSettings, fingerprint, train};
use crate::windows::Frame;

/// While data is scarce, the cut-off advances in steps of this many seconds.
const SCARCE_STEP: i64 = 600;

/// Fewest values of a column to learn from it; it also takes one window in twenty.
const MIN_VALUES: usize = 20;

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
    /// What was odd about getting it, such as a damaged cache file.
    pub warnings: Vec<Clean>,
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
}

/// The model of `lesson` from the cache in `dir`, or trained and put there. `fresh` ignores the cache.
pub fn learn(
    lesson: &Lesson,
    dir: &Path,
    cut_off: Timestamp,
    fresh: bool,
    progress: &dyn Progress,
) -> Result<Learned, GvaeError> {
    let known = lesson.frame.columns.iter().filter(|(_, values)| is_known(values)).map(|(column, _)| column);
    let cbn = Cbn::build(&lesson.graph, known, &lesson.frame.placement);
    let print = fingerprint(&cbn, &lesson.settings, &(&lesson.kinds, lesson.span));
    let name = format!("{}-{}", &print[..16], cut_off.as_second());
    let mut warnings = cbn.broken_cycles.clone();
    if !fresh {
        match checkpoint::load::<Kept>(dir, &name, &print) {
            Ok((model, manifest)) => {
                let summary = summary(&print, cut_off, manifest.windows);
                let Kept { reference, kinds } = manifest.extra;
                return Ok(Learned { model, reference, kinds, summary, warnings });
            }
            Err(CheckpointError::Missing) => {}
            Err(error) => warnings.push(Clean::new(&error.to_string())),
        }
    }
    let (model, report) = train(cbn, &lesson.frame, &lesson.settings, progress)?;
    let healthy = lesson.frame.filtered(&lesson.healthy);
    let enough = healthy.len() >= lesson.settings.min_windows;
    if !enough {
        warnings.push(Clean::new(
            "the objectives were violated nearly all of the time: what is called normal is merely usual",
        ));
    }
    let normal = if enough { &healthy } else { &lesson.frame };
    let reference = Reference::learn(&model, &lesson.kinds, normal, lesson.span)?;
    let windows = report.windows + report.held_back;
    let manifest = Manifest {
        format: FORMAT,
        fingerprint: print.clone(),
        sha256: String::new(),
        settings: lesson.settings.clone(),
        cbn: model.cbn.clone(),
        normaliser: model.normaliser.clone(),
        trained_from: lesson.frame.ends.first().copied().unwrap_or(cut_off),
        trained_until: lesson.frame.ends.last().copied().unwrap_or(cut_off),
        windows,
        extra: Kept { reference: reference.clone(), kinds: lesson.kinds.clone() },
    };
    // A model that cannot be kept is still a model.
    if let Err(error) = checkpoint::save(dir, &name, &model, manifest) {
        warnings.push(Clean::new(&error.to_string()));
    }
    let summary = summary(&print, cut_off, windows);
    Ok(Learned { model, reference, kinds: lesson.kinds.clone(), summary, warnings })
}

impl Engine {
    /// Whether `learned` is the model for a question at `at`, as far as its training data tells.
    pub fn is_current(&self, learned: &Learned, at: Timestamp) -> bool {
        let until = learned.summary.trained_at;
        [cut_off(at, &self.training), scarce_cut_off(at, &self.diagnosis)].contains(&until)
    }
}

/// Whether a column has enough values to learn from.
fn is_known(values: &[f32]) -> bool {
    let known = values.iter().filter(|v| v.is_finite()).count();
    known >= MIN_VALUES && known * 20 >= values.len()
}

fn summary(fingerprint: &str, cut_off: Timestamp, windows: usize) -> ModelSummary {
    ModelSummary { fingerprint: Clean::new(&fingerprint[..16]), trained_at: cut_off, windows, in_range: true }
}
