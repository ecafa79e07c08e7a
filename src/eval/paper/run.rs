//! Measures what is missing, says how long that takes, and makes the figures of what is there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::runtime::Handle;

use super::figure::{png, svg};
use super::settings::{Settings, Topic};
use super::{
    Figure, Ledger, PaperError, accuracy, actuation, calibration, difficulty, retraining, sensitivity,
};
use crate::eval::model::Tell;
use crate::eval::replay;

/// What is still to be measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Units of work.
    pub units: usize,
    /// How long they take together, in seconds, as far as one can know.
    pub seconds: f64,
}

/// One unit of work: what is asked, and roughly how long it takes when nothing like it was measured yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// Key of the answer.
    pub key: String,
    /// Seconds on one core.
    pub usual_s: f64,
}

/// All units of `topic`.
pub fn units(topic: Topic, settings: &Settings) -> Vec<Unit> {
    match topic {
        Topic::Accuracy => accuracy::units(settings),
        Topic::Actuation => actuation::units(settings),
        Topic::Calibration => calibration::units(settings),
        Topic::Difficulty => difficulty::units(settings),
        Topic::Retraining => retraining::units(settings),
        Topic::Sensitivity => sensitivity::units(settings),
    }
}

/// What the keys of all topics and applications begin with.
pub fn prefixes(settings: &Settings) -> Vec<String> {
    let of_topic = |topic: &Topic| {
        let word = topic.word();
        settings.apps.iter().map(move |app| format!("{word}/{}/", app.name))
    };
    settings.topics.iter().flat_map(of_topic).collect()
}

/// What is missing of all topics, and how long it takes: as long as units of the same kind took, on the
/// same application if there are any.
pub fn estimate(settings: &Settings, ledger: &Ledger) -> Estimate {
    let mut left = Estimate::default();
    for topic in &settings.topics {
        let missing = units(*topic, settings).into_iter().filter(|unit| !ledger.knows(&unit.key));
        for unit in missing {
            // `accuracy/chain-5/…`: the topic and the application.
            let of_app = unit.key.match_indices('/').nth(1).map_or(&*unit.key, |(at, _)| &unit.key[..=at]);
            let known = ledger.seconds(of_app).or_else(|| ledger.seconds(&format!("{}/", topic.word())));
            left.units += 1;
            left.seconds += known.unwrap_or(unit.usual_s) / settings.threads.max(1) as f64;
        }
    }
    left
}

/// What is to be measured, where it is kept, and with what.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// What to measure.
    pub settings: &'a Settings,
    /// Where results are kept.
    pub ledger: &'a Ledger,
    /// Runs the engine's tasks.
    pub runtime: &'a Handle,
    /// Hears of every unit that is done.
    pub tell: &'a dyn Tell,
}

/// Measures what is missing.
///
/// # Errors
/// The lab or the engine failed, or a file cannot be written.
pub fn measure(work: Work<'_>) -> Result<(), PaperError> {
    work.settings.topics.iter().try_for_each(|topic| match topic {
        Topic::Accuracy => accuracy::measure(work),
        Topic::Actuation => actuation::measure(work),
        Topic::Calibration => calibration::measure(work),
        Topic::Difficulty => difficulty::measure(work),
        Topic::Retraining => retraining::measure(work),
        Topic::Sensitivity => sensitivity::measure(work),
    })
}

/// The figures of what was measured.
pub fn figures(settings: &Settings, ledger: &Ledger) -> Vec<Figure> {
    let figure = |topic: &Topic| match topic {
        Topic::Accuracy => accuracy::figure(settings, ledger),
        Topic::Actuation => actuation::figure(settings, ledger),
        Topic::Calibration => calibration::figure(settings, ledger),
        Topic::Difficulty => difficulty::figure(settings, ledger),
        Topic::Retraining => retraining::figure(settings, ledger),
        Topic::Sensitivity => sensitivity::figure(settings, ledger),
    };
    settings.topics.iter().filter_map(figure).chain(replay::figures(ledger)).collect()
}

/// Sentences that follow from results, by the names that the prose has for them.
pub const WORDS: [&str; 2] = ["accuracy", "actuation"];

/// The sentences of what was measured.
pub fn words(settings: &Settings, ledger: &Ledger) -> BTreeMap<&'static str, String> {
    let all = WORDS.iter().filter_map(|name| {
        let words = match *name {
            "accuracy" => accuracy::words(settings, ledger),
            _ => actuation::words(settings, ledger),
        };
        Some((*name, words?))
    });
    all.collect()
}

/// Writes a figure's files into `folder`: `NAME.svg`, `.png`, `.csv` and `.md`.
///
/// # Errors
/// It cannot be drawn, or a file cannot be written.
pub fn write(figure: &Figure, folder: &Path) -> Result<(), PaperError> {
    let name = figure.name;
    let plot = |source| PaperError::Plot { name, source };
    let tables = Vec::from_iter(figure.tables.iter().map(ToString::to_string)).join("\n");
    let files = [
        ("svg", svg(&figure.drawing).map_err(plot)?.into_bytes()),
        ("png", png(&figure.drawing).map_err(plot)?),
        ("csv", figure.data.csv().to_string().into_bytes()),
        ("md", format!("# {}\n\n{tables}", figure.title).into_bytes()),
    ];
    for (extension, bytes) in files {
        let path = folder.join(format!("{name}.{extension}"));
        crate::eval::model::ground::write(&path, &bytes)?;
    }
    Ok(())
}

/// Does the missing ones of `keys` on several threads, and keeps each as soon as it is there.
pub(super) fn fill<T: serde::Serialize>(
    keys: &[String],
    threads: usize,
    ledger: &Ledger,
    tell: &dyn Tell,
    work: impl Fn(usize) -> Result<T, PaperError> + Sync,
) -> Result<(), PaperError> {
    let missing = Vec::from_iter((0..keys.len()).filter(|index| !ledger.knows(&keys[*index])));
    let (next, failed) = (AtomicUsize::new(0), std::sync::OnceLock::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, missing.len().max(1)) {
            scope.spawn(|| {
                while let Some(index) = missing.get(next.fetch_add(1, Ordering::Relaxed))
                    && failed.get().is_none()
                {
                    let clock = Instant::now();
                    let done = work(*index)
                        .and_then(|value| ledger.put(&keys[*index], clock.elapsed().as_secs_f64(), &value));
                    match done {
                        Ok(()) => tell.case(),
                        // The first failure ends it; what others are at is finished and kept.
                        Err(error) => drop(failed.set(error)),
                    }
                }
            });
        }
    });
    failed.into_inner().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Silent;

    impl Tell for Silent {
        fn say(&self, _: &str) {}
        fn cases(&self, _: usize) {}
        fn case(&self) {}
    }

    #[test]
    fn only_what_is_missing_is_done_and_a_failure_keeps_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let keys = Vec::from_iter((0..6).map(|i| format!("difficulty/a/{i}")));
        let asked = AtomicUsize::new(0);
        let work = |fails: bool| {
            let asked = &asked;
            move |index: usize| {
                asked.fetch_add(1, Ordering::Relaxed);
                if fails && index == 3 {
                    return Err(PaperError::Busy { path: "x".into() });
                }
                Ok(index)
            }
        };
        assert!(fill(&keys, 1, &ledger, &Silent, work(true)).is_err());
        assert_eq!((asked.load(Ordering::Relaxed), ledger.keys("difficulty/").len()), (4, 3));
        fill(&keys, 2, &ledger, &Silent, work(false)).unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 7, "three of six were there");
        assert_eq!(ledger.get::<usize>(&keys[5]), Some(5));
        fill(&keys, 2, &ledger, &Silent, work(true)).unwrap();
    }
}
