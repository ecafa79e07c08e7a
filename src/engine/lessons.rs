//! The engine's model: which windows it learns from, and when it learns again.

use std::sync::Arc;

use super::core::{Engine, Picture, blocking};
use super::learn::{Base, Learned, Lesson, after_change, cut_off, learn, scarce_cut_off};
use super::{EngineError, shelf::Shelf};
use crate::causal::{CallGraph, Change};
use crate::diagnosis::FeatureKinds;
use crate::diagnosis::verdict::minus;
use crate::domain::{Column, NoProgress, Progress, Side, Slo, Stat, Timestamp};
use crate::gvae::{Again, GvaeError};
use crate::windows::{Frame, Key};

impl Engine {
    /// The model for questions at `at`: remembered, cached or trained. `fresh` trains anyway.
    pub async fn learn(
        self: &Arc<Self>,
        at: Timestamp,
        fresh: bool,
        progress: Arc<dyn Progress>,
    ) -> Result<Arc<Learned>, EngineError> {
        let mut held = self.learning.lock().await;
        let Syllabus { cut_off, frame, graph, changed } = self.syllabus(at).await?;
        if let Some(learned) = held.as_ref().filter(|held| held.serves(cut_off, &frame) && !fresh) {
            return Ok(learned.clone());
        }
        let base = match changed {
            Some(changed) => {
                let before = self.base(held.as_ref(), at, &progress).await?;
                before.map(|learned| Base { learned, changed, again: Again::default() })
            }
            None => None,
        };
        let lesson = self.lesson(frame, graph, base);
        let learned = self.take(lesson, cut_off, fresh, at, progress).await?;
        *held = Some(learned.clone());
        Ok(learned)
    }

    fn lesson(&self, frame: Frame, graph: Arc<CallGraph>, base: Option<Base>) -> Lesson {
        Lesson {
            healthy: self.healthy(&frame),
            frame,
            graph,
            kinds: FeatureKinds::of(&self.catalogue),
            settings: self.training.clone(),
            span: self.span(),
            origin: self.origin(),
            base,
        }
    }

    /// A model of the windows between `after` and `until`, learned in the way that is asked for and not in
    /// the one that the engine would choose: to compare them. Columns that `lacks` names are left out; `base`
    /// as in [`Lesson::base`].
    ///
    /// # Errors
    /// There is too little data, or training failed.
    pub async fn learn_between(
        self: &Arc<Self>,
        after: Timestamp,
        until: Timestamp,
        lacks: impl Fn(&Column) -> bool,
        base: Option<Base>,
    ) -> Result<Arc<Learned>, EngineError> {
        let (frame, graph) = self.until(until).await?;
        let mut frame = frame.between(after, until);
        frame.columns.retain(|column, _| !lacks(column));
        self.take(self.lesson(frame, graph, base), until, true, until, Arc::new(NoProgress)).await
    }

    async fn take(
        self: &Arc<Self>,
        lesson: Lesson,
        cut_off: Timestamp,
        fresh: bool,
        at: Timestamp,
        progress: Arc<dyn Progress>,
    ) -> Result<Arc<Learned>, EngineError> {
        let shelf: Shelf = self.shelf.clone();
        let learned = blocking(move || learn(&lesson, &shelf, cut_off, fresh, progress.as_ref()))
            .await?
            .map_err(|reason| EngineError::NoModel { at, reason })?;
        Ok(Arc::new(learned))
    }

    /// The model of the regular cut-off before `at`, from which one after a change is made; `None` if there
    /// was too little to learn from by then.
    async fn base(
        self: &Arc<Self>,
        held: Option<&Arc<Learned>>,
        at: Timestamp,
        progress: &Arc<dyn Progress>,
    ) -> Result<Option<Arc<Learned>>, EngineError> {
        let regular = cut_off(at, &self.training);
        let (frame, graph) = self.until(regular).await?;
        if frame.len() < self.training.min_windows {
            return Ok(None);
        }
        if let Some(learned) = held.filter(|held| held.serves(regular, &frame)) {
            return Ok(Some(learned.clone()));
        }
        let lesson = self.lesson(frame, graph, None);
        self.take(lesson, regular, false, at, progress.clone()).await.map(Some)
    }

    /// Whether `learned` is the model for a question at `at`, as far as its training data tells; `changed`
    /// is when the application's shape did.
    pub fn is_current(&self, learned: &Learned, at: Timestamp, changed: Option<Timestamp>) -> bool {
        let until = learned.summary.trained_at;
        let newest = scarce_cut_off(at, &self.diagnosis);
        let regular = || cut_off(at, &self.training);
        let first = changed.and_then(|changed| after_change(changed, newest)).unwrap_or_else(regular);
        [first, newest].contains(&until)
    }

    /// When the application's shape changed after the last regular cut-off, if it did.
    pub(super) fn changed_at(&self, frame: &Frame, at: Timestamp) -> Option<Timestamp> {
        let row = change_since(frame, cut_off(at, &self.training)).row?;
        frame.ends.get(row).copied()
    }

    /// Identifies what the windows are made of and which of them are called healthy: a model of
    /// another cluster, or of windows of another length, must not answer for this one.
    fn origin(&self) -> Key {
        let objectives: Vec<_> =
            self.slos.iter().map(|slo| (self.plan.entry_rpc(slo), slo.quantile, slo.objective_ms)).collect();
        Key::of(&(self.plan.key(), objectives))
    }

    /// Which windows met every objective, as far as is known.
    pub(super) fn healthy(&self, frame: &Frame) -> Vec<bool> {
        let of = |slo| Some((slo, self.slo_values(slo, frame)?));
        let columns: Vec<_> = self.slos.iter().filter_map(of).map(|(slo, v)| (slo.objective_ms, v)).collect();
        let violated = |row: usize| columns.iter().any(|(most, v)| f64::from(v[row]) > *most);
        (0..frame.len()).map(|row| !violated(row)).collect()
    }

    /// The windows' values of an SLO's own latency, milliseconds.
    pub(super) fn slo_values<'f>(&self, slo: &Slo, frame: &'f Frame) -> Option<&'f [f32]> {
        let stat = Stat::Quantile(slo.quantile);
        let column = Column::Latency { rpc: self.plan.entry_rpc(slo), side: Side::Client, stat };
        frame.columns.get(&column).map(Vec::as_slice)
    }

    /// What to learn for a question at `at`.
    async fn syllabus(self: &Arc<Self>, at: Timestamp) -> Result<Syllabus, EngineError> {
        let (regular, newest) = (cut_off(at, &self.training), scarce_cut_off(at, &self.diagnosis));
        let known = self.picture(newest.max(regular)).await?;
        let changed = self.changed_at(&known.frame, at);
        let after = changed.and_then(|changed| after_change(changed, newest));
        let mut have = 0;
        for until in [after.unwrap_or(regular), newest] {
            let (frame, graph) = self.until(until).await?;
            have = frame.len();
            if have >= self.training.min_windows {
                let changed = changed.filter(|_| after == Some(until));
                return Ok(Syllabus { cut_off: until, frame, graph, changed });
            }
        }
        if have == 0 {
            return Err(EngineError::NoData { at });
        }
        let reason = GvaeError::TooFewWindows { have, need: self.training.min_windows };
        Err(EngineError::NoModel { at, reason })
    }

    /// The windows up to `until`, as far back as is learned from, and their call graph.
    async fn until(self: &Arc<Self>, until: Timestamp) -> Result<(Frame, Arc<CallGraph>), EngineError> {
        let mut picture: Picture = self.picture(until).await?;
        picture.frame = picture.frame.between(minus(until, self.windows.history), until);
        // What Jaeger counts is asked for only if it is needed.
        let enough = picture.frame.len() >= self.training.min_windows;
        let graph = if enough { self.graph(&picture).await } else { picture.graph.clone() };
        Ok((picture.frame, graph))
    }
}

/// Which windows to learn from.
struct Syllabus {
    /// The regular cut-off, or a later one while there is little data, or after services or calls came or went.
    cut_off: Timestamp,
    /// The windows up to it.
    frame: Frame,
    /// Their call graph.
    graph: Arc<CallGraph>,
    /// When the application's shape changed after the regular cut-off, if that decided about this one.
    changed: Option<Timestamp>,
}

impl Learned {
    /// What changed about the application's shape since it was trained, as the windows of `frame` tell.
    pub(super) fn changes(&self, frame: &Frame) -> Change {
        change_since(frame, self.summary.trained_at)
    }
}

/// What changed about the application's shape in the windows of `frame` that end after `since`.
fn change_since(frame: &Frame, since: Timestamp) -> Change {
    Change::since(frame, frame.ends.partition_point(|end| *end <= since))
}
