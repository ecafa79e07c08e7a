//! What happened, in one list: incidents, verdicts, changes of the application, models, own actions.

use super::remedy_words;
use super::state::{Screen, State, contains};
use super::words;
use crate::domain::{Clean, Timestamp, Verdict};
use crate::engine::{History, Incident};
use crate::remedy::{Operation, Outcome};
use crate::tui::format;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An objective was violated.
    Incident,
    /// A question was answered.
    Verdict,
    /// Services or calls came or went.
    Change,
    /// A model knows the application up to here.
    Model,
    /// Something was done about it.
    Action,
}

impl Kind {
    /// The word shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Verdict => "verdict",
            Self::Change => "change",
            Self::Model => "model",
            Self::Action => "action",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// When; of incidents, when it began.
    pub at: Timestamp,
    /// When it was over; `None` where it has no length, or goes on.
    pub until: Option<Timestamp>,
    /// Whether it goes on.
    pub going_on: bool,
    /// What kind.
    pub kind: Kind,
    /// What, in words.
    pub text: String,
}

/// Names a line across refreshes.
pub type HappeningName = (Timestamp, Kind, String);

impl Happening {
    fn moment(at: Timestamp, kind: Kind, text: String) -> Self {
        Self { at, until: None, going_on: false, kind, text }
    }

    /// Its name.
    pub fn name(&self) -> HappeningName {
        (self.at, self.kind, self.text.clone())
    }
}

/// Where the user stands in what happened.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// The selected line.
    pub selected: Option<HappeningName>,
    /// The verdicts of this session: of which moment, and what.
    verdicts: Vec<(Timestamp, String)>,
    /// For which version of the data the history was asked last.
    pub asked: Option<u64>,
}

/// Most verdicts remembered.
const MOST_VERDICTS: usize = 200;

impl Timeline {
    /// Remembers a verdict; the same one told again counts once.
    pub fn judged(&mut self, verdict: &Verdict) {
        let entry = (verdict.at, format!("{}: {}", verdict.slo.name, words::headline(verdict)));
        if !self.verdicts.contains(&entry) {
            self.verdicts.push(entry);
            if self.verdicts.len() > MOST_VERDICTS {
                self.verdicts.remove(0);
            }
        }
    }
}

impl State {
    /// Everything that happened and passes the filter, newest first.
    pub fn happenings(&self) -> Vec<Happening> {
        let needle = self.lists[Screen::Timeline as usize].needle();
        let mut all: Vec<Happening> = Vec::new();
        if let Some(history) = &self.live.history {
            all.extend(history.incidents.iter().map(incident));
            all.extend(lessons(history));
            let change =
                |(at, text): &(Timestamp, Clean)| Happening::moment(*at, Kind::Change, text.to_string());
            all.extend(history.changes.iter().map(change));
        }
        let verdicts = self.timeline.verdicts.iter();
        all.extend(verdicts.map(|(at, text)| Happening::moment(*at, Kind::Verdict, text.clone())));
        all.extend(self.ledger().operations().map(|o| action(o)));
        all.retain(|h| contains(&format!("{} {}", h.kind.word(), h.text), &needle));
        all.sort_by(|a, b| b.at.cmp(&a.at).then(a.kind.cmp(&b.kind)).then_with(|| a.text.cmp(&b.text)));
        all
    }
}

fn incident(i: &Incident) -> Happening {
    let worst = format::latency(Some(i.worst_ms));
    let objective = format::latency(Some(i.objective_ms));
    Happening {
        at: i.from,
        until: i.until,
        going_on: i.until.is_none(),
        kind: Kind::Incident,
        text: format!("{} violated, {worst} at worst, at most {objective} is allowed", i.slo),
    }
}

/// The models whose training data ends within what is shown.
fn lessons(history: &History) -> impl Iterator<Item = Happening> {
    let known = history.cut_offs.iter().filter(|at| history.from.is_some_and(|from| from <= **at));
    known.map(|at| Happening::moment(*at, Kind::Model, "a model knows the application up to here".to_owned()))
}

fn action(o: &Operation) -> Happening {
    let came_of_it = match &o.outcome {
        None => "running",
        Some(Outcome::Applied) => "APPLIED",
        Some(Outcome::NotApplied(_)) => "NOT APPLIED",
        Some(Outcome::Unknown(_)) => "UNKNOWN",
    };
    let target = remedy_words::short(&o.target.to_string());
    Happening::moment(o.started, Kind::Action, format!("{} {target}: {came_of_it}", o.kind.title()))
}
