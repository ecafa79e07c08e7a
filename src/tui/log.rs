//! What the program had to say: failures, warnings, and how backends and model changed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::format;
use super::picture::Picture;
use super::state::{Screen, State, contains};
use crate::domain::{BackendState, Clean, Timestamp};
use crate::engine::{EngineEvent, ModelState};
use crate::remedy::Told;

/// Most lines kept; the oldest go first.
const MOST: usize = 1_000;

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something changed.
    Note,
    /// Something is not as it should be.
    Warning,
    /// Something did not work.
    Failure,
}

impl Level {
    /// The word shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// One thing the program said.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// Counts up.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// How grave.
    pub level: Level,
    /// What.
    pub text: String,
}

/// What the program said so far, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Log {
    lines: VecDeque<LogLine>,
    number: u64,
    /// The warnings of the newest snapshot and verdicts: each is told when it is new.
    standing: BTreeMap<String, BTreeSet<Clean>>,
}

impl Log {
    /// Takes in what the engine tells; `picture` is what was known before.
    pub fn hear(&mut self, event: &EngineEvent, picture: &Picture, now: Timestamp) {
        match event {
            EngineEvent::Failed { what, why, .. } => {
                self.push(now, Level::Failure, format!("{what} failed: {why}"));
            }
            EngineEvent::Health(health) => {
                let before = picture.health.get(&(health.kind, health.url.clone())).map(|h| h.state);
                let new = before != Some(health.state) && health.state != BackendState::Connecting;
                if new {
                    let level = match health.state {
                        BackendState::Down => Level::Failure,
                        BackendState::Degraded => Level::Warning,
                        BackendState::Up | BackendState::Connecting => Level::Note,
                    };
                    let word = match health.state {
                        BackendState::Down => "does not answer",
                        BackendState::Degraded => "answers with errors",
                        BackendState::Up | BackendState::Connecting => "answers",
                    };
                    let detail = health.detail.as_ref().map_or_else(String::new, |d| format!(": {d}"));
                    self.push(now, level, format!("{:?} at {} {word}{detail}", health.kind, health.url));
                }
            }
            EngineEvent::Model(model) if picture.model.as_ref() != Some(model) => match model {
                ModelState::Absent(why) => self.push(now, Level::Warning, format!("no model: {why}")),
                ModelState::Stale(_, why) => {
                    self.push(now, Level::Warning, format!("the model is stale: {why}"));
                }
                ModelState::Ready(m) => {
                    let until = m.trained_at.strftime("%F %H:%M");
                    self.push(
                        now,
                        Level::Note,
                        format!("model of {} windows up to {until} UTC", format::count(m.windows as u64)),
                    );
                }
                ModelState::Training { done: 0 | 1, total, .. } => {
                    self.push(now, Level::Note, format!("training a model, at most {total} epochs"));
                }
                ModelState::Training { .. } => {}
            },
            EngineEvent::Snapshot(snapshot) => self.warnings("data", &snapshot.warnings, now),
            EngineEvent::Verdict { slo, verdict, .. } => {
                self.warnings(&format!("verdict on {slo}"), &verdict.warnings, now);
            }
            EngineEvent::Remedy(Told::Refused { what, why }) => {
                self.push(now, Level::Warning, format!("{what} was refused: {why}"));
            }
            _ => {}
        }
    }

    /// Tells what of `warnings` was not said before about the same.
    fn warnings(&mut self, about: &str, warnings: &[Clean], now: Timestamp) {
        let told: BTreeSet<Clean> = warnings.iter().cloned().collect();
        let before = self.standing.insert(about.to_owned(), told.clone()).unwrap_or_default();
        for warning in told.difference(&before) {
            self.push(now, Level::Warning, format!("{about}: {warning}"));
        }
    }

    fn push(&mut self, at: Timestamp, level: Level, text: String) {
        self.number += 1;
        self.lines.push_back(LogLine { number: self.number, at, level, text });
        if self.lines.len() > MOST {
            self.lines.pop_front();
        }
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &LogLine> {
        self.lines.iter()
    }
}

impl State {
    /// What the program said and passes the filter, newest first.
    pub fn log_rows(&self) -> Vec<&LogLine> {
        let needle = self.lists[Screen::Log as usize].needle();
        let passes = |line: &&LogLine| contains(&format!("{} {}", line.level.word(), line.text), &needle);
        self.log.lines().rev().filter(passes).collect()
    }
}
