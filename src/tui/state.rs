//! All the screens know: what the engine told, and where the user stands in it.

use std::collections::{BTreeMap, BTreeSet};

use tui_input::Input;

use super::graph::Drawing;
use super::guide::Scene;
use super::inspect::Inspected;
use super::keymap::{Chord, Keymap};
use super::ledger::Ledger;
use super::log::Log;
use super::palette::Palette;
use super::pick::Pick;
use super::picture::{Answer, Picture, Suggestions};
use super::play::Playing;
use super::review::{Arming, Review, Subject};
use super::rhythm::Rhythm;
use super::symbols::Symbols;
use super::theme::Themes;
use super::timeline::Timeline;
use super::tree::{Place, TreeRows};
use crate::domain::{Clean, Ranked, ServiceName, SloStatus, Timestamp};
use crate::engine::Reading;
use crate::remedy::{CommandRecord, Digest, Standing};

/// The screens, from wide to deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Screen {
    /// The table of SLOs.
    Slos,
    /// The dependency tree of one SLO.
    Tree,
    /// The verdict on one SLO.
    Verdict,
    /// What could be done about it, and what was done.
    Actions,
    /// The commands that were run.
    Commands,
    /// What happened.
    Timeline,
    /// How backends, model and metrics are.
    Doctor,
    /// What the program had to say.
    Log,
    /// One service in full.
    Service,
    /// What changes would do.
    WhatIf,
}

impl Screen {
    /// Those with a number key, in that order, then those that are about one service.
    pub const ALL: [Self; 10] = [
        Self::Slos,
        Self::Tree,
        Self::Verdict,
        Self::Actions,
        Self::Commands,
        Self::Timeline,
        Self::Doctor,
        Self::Log,
        Self::Service,
        Self::WhatIf,
    ];

    /// The name shown at the top.
    pub fn title(self) -> &'static str {
        match self {
            Self::Slos => "SLOs",
            Self::Tree => "Tree",
            Self::Verdict => "Verdict",
            Self::Actions => "Actions",
            Self::Commands => "Commands",
            Self::Timeline => "Timeline",
            Self::Doctor => "Doctor",
            Self::Log => "Log",
            Self::Service => "Service",
            Self::WhatIf => "What if",
        }
    }
}

/// How the table of SLOs is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SloOrder {
    /// What needs attention first.
    WorstFirst,
    /// As configured.
    Configured,
}

/// A remark of the program at the bottom of the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What it says.
    pub text: String,
    /// Failures stay until a key is pressed; other remarks go after a while.
    pub failure: bool,
    /// Since when it stands there.
    pub since: Timestamp,
}

/// Keys that more must follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// What was pressed so far.
    pub keys: Vec<Chord>,
    /// When the last of them was.
    pub since: Timestamp,
}

/// A question to the engine that is not answered yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Since when.
    pub since: Timestamp,
    /// What failed meanwhile, if something did.
    pub failure: Option<String>,
}

/// Where the user stands in one screen's list.
#[derive(Clone, Debug, Default)]
pub struct ListState {
    /// Only lines that contain this are shown.
    pub filter: Input,
    /// First line shown.
    pub offset: usize,
    /// Where the cursor was; used when the selected name vanished.
    pub last_index: usize,
}

impl ListState {
    /// The filter in lower case; empty if there is none.
    pub fn needle(&self) -> String {
        self.filter.value().to_lowercase()
    }
}

/// Everything the screens know.
#[derive(Clone, Debug)]
pub struct State {
    /// The time of the last event.
    pub now: Timestamp,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// What the engine told.
    pub live: Picture,
    /// What is shown instead while paused, and since when.
    pub paused: Option<(Timestamp, Picture)>,
    /// The screen shown.
    pub screen: Screen,
    /// The screens to go back to.
    pub trail: Vec<Screen>,
    /// The selected SLO.
    pub slo: Option<Clean>,
    /// How SLOs are sorted.
    pub order: SloOrder,
    /// List positions by screen; use [`State::list`].
    pub lists: [ListState; Screen::ALL.len()],
    /// Whether the filter is being typed.
    pub typing: bool,
    /// The selected line of the tree.
    pub place: Option<Place>,
    /// Services whose callees are folded away.
    pub folded: BTreeSet<ServiceName>,
    /// Whether the tree shows the slowest call of each service first, not by name.
    pub slowest_first: bool,
    /// The lines of the tree.
    pub tree: TreeRows,
    /// Whether the calls are to be drawn as a graph where there is room.
    pub as_graph: bool,
    /// Where boxes and lines of that graph stand.
    pub drawing: Drawing,
    /// Column and row of the graph that stand in the upper left corner.
    pub scroll: (usize, usize),
    /// The selected service of the ranking.
    pub suspect: Option<ServiceName>,
    /// What the program had to say.
    pub log: Log,
    /// The selected line of it by its number; `None` follows the newest.
    pub log_line: Option<u64>,
    /// Whether the catalogue's queries are being asked, and since when.
    pub probing: Option<Timestamp>,
    /// Where the user stands in what happened.
    pub timeline: Timeline,
    /// The moment that was asked for and is not shown yet.
    pub heading: Option<Timestamp>,
    /// The past that is being played, if it is.
    pub playing: Option<Playing>,
    /// The service that is looked at in full, and what is tried on it.
    pub inspected: Inspected,
    /// The selected line of the actions.
    pub pick: Option<Pick>,
    /// Whether the user moved the cursor there since the screen was entered.
    pub picked_by_hand: bool,
    /// The selected command by its number; `None` follows the newest.
    pub command: Option<u64>,
    /// SLOs whose proposals are awaited, and since when.
    pub proposing: BTreeMap<Clean, Timestamp>,
    /// The SLO for which something tried is to become a proposal.
    pub tried: Option<Clean>,
    /// A plan that is awaited, and since when.
    pub awaited: Option<(Subject, Timestamp)>,
    /// The dialog before a change, while it is open.
    pub review: Option<Review>,
    /// The question for the context's name, while it is open; it lies over the review.
    pub arming: Option<Arming>,
    /// A plan that was approved, and when, until its operation is told.
    pub approved: Option<(Digest, Timestamp)>,
    /// The pace of the keys.
    pub rhythm: Rhythm,
    /// The palette, while it is open.
    pub palette: Option<Palette>,
    /// The contexts that can be looked at.
    pub contexts: Vec<Clean>,
    /// The one that is looked at; `None` if that is not known.
    pub context: Option<Clean>,
    /// Keys that more must follow, for a while.
    pub pending: Option<Pending>,
    /// First line of the help, while it is open.
    pub help: Option<usize>,
    /// The remark at the bottom.
    pub notice: Option<Notice>,
    /// How far the demo's story is; `None` outside of the demo.
    pub scene: Option<Scene>,
    /// SLOs whose verdict is awaited.
    pub asked: BTreeMap<Clean, Asked>,
    /// Keys.
    pub keymap: Keymap,
    /// Themes.
    pub themes: Themes,
    /// Whether only ASCII may be drawn.
    pub ascii: bool,
}

impl State {
    /// An empty state; `slo` is selected once it is known.
    pub fn new(now: Timestamp, keymap: Keymap, themes: Themes, ascii: bool, slo: Option<Clean>) -> Self {
        Self {
            now,
            size: (0, 0),
            live: Picture::default(),
            paused: None,
            screen: Screen::Slos,
            trail: Vec::new(),
            slo,
            order: SloOrder::WorstFirst,
            lists: Default::default(),
            typing: false,
            place: None,
            folded: BTreeSet::new(),
            slowest_first: false,
            tree: TreeRows::default(),
            as_graph: false,
            drawing: Drawing::default(),
            scroll: (0, 0),
            suspect: None,
            log: Log::default(),
            log_line: None,
            probing: None,
            timeline: Timeline::default(),
            heading: None,
            playing: None,
            inspected: Inspected::default(),
            pick: None,
            picked_by_hand: false,
            command: None,
            proposing: BTreeMap::new(),
            tried: None,
            awaited: None,
            review: None,
            arming: None,
            approved: None,
            rhythm: Rhythm::default(),
            palette: None,
            contexts: Vec::new(),
            context: None,
            pending: None,
            help: None,
            notice: None,
            scene: None,
            asked: BTreeMap::new(),
            keymap,
            themes,
            ascii,
        }
    }

    /// What is shown: the newest, or what was frozen.
    pub fn picture(&self) -> &Picture {
        self.paused.as_ref().map_or(&self.live, |(_, p)| p)
    }

    /// The signs to draw with.
    pub fn symbols(&self) -> &'static Symbols {
        if self.ascii { &Symbols::ASCII } else { &Symbols::UNICODE }
    }

    /// List position of the current screen.
    pub fn list(&self) -> &ListState {
        &self.lists[self.screen as usize]
    }

    /// List position of the current screen.
    pub fn list_mut(&mut self) -> &mut ListState {
        &mut self.lists[self.screen as usize]
    }

    /// The SLOs that pass the filter, in the order shown.
    pub fn slo_rows(&self) -> Vec<&SloStatus> {
        let needle = self.lists[Screen::Slos as usize].needle();
        let Some(snapshot) = &self.picture().snapshot else { return Vec::new() };
        let mut rows: Vec<_> = snapshot.slos.iter().filter(|s| contains(s.name.as_str(), &needle)).collect();
        if self.order == SloOrder::WorstFirst {
            rows.sort_by(|a, b| {
                b.state
                    .cmp(&a.state)
                    .then_with(|| excess(b).total_cmp(&excess(a)))
                    .then_with(|| a.name.cmp(&b.name))
            });
        }
        rows
    }

    /// The status of the selected SLO.
    pub fn selected_slo(&self) -> Option<&SloStatus> {
        self.picture().slo(self.slo.as_ref()?)
    }

    /// The entry service of the selected SLO.
    pub fn selected_entry(&self) -> Option<&ServiceName> {
        self.picture().entry(self.slo.as_ref()?).map(|entry| &entry.service)
    }

    /// What the parent of a line of the tree waits for its service.
    pub fn waits(&self, place: &Place) -> Option<Reading> {
        self.picture().waits(self.slo.as_ref()?, place.parent.as_ref(), &place.service)
    }

    /// Whether newer data than a verdict rests on has come since.
    pub fn is_outdated(&self, answer: &Answer) -> bool {
        self.picture().snapshot.as_ref().is_some_and(|s| s.version > answer.version)
    }

    /// The verdict on the selected SLO.
    pub fn selected_answer(&self) -> Option<&Answer> {
        self.picture().verdicts.get(self.slo.as_ref()?)
    }

    /// The services of the selected verdict's ranking that pass the filter, with their place (from 1).
    pub fn ranking_rows(&self) -> Vec<(usize, &Ranked)> {
        let needle = self.lists[Screen::Verdict as usize].needle();
        let Some(answer) = self.selected_answer() else { return Vec::new() };
        let ranking = answer.verdict.ranking.iter().enumerate();
        ranking.map(|(i, r)| (i + 1, r)).filter(|(_, r)| contains(r.service.as_str(), &needle)).collect()
    }

    /// What was changed and run: always the newest, paused or not.
    pub fn ledger(&self) -> &Ledger {
        &self.live.ledger
    }

    /// What has to be typed to make changes possible: the context's name. `None` where nothing can be
    /// changed.
    pub fn to_arm(&self) -> Option<&Clean> {
        match &self.ledger().standing {
            Some(Standing::Ready(name)) => Some(name),
            Some(Standing::Off(_)) => None,
            // The engine refuses if it cannot be armed.
            None => self.live.snapshot.as_ref().map(|s| &s.context),
        }
    }

    /// What could be done about the selected SLO.
    pub fn suggestions(&self) -> Option<&Suggestions> {
        self.picture().suggestions.get(self.slo.as_ref()?)
    }

    /// The commands that pass the filter, oldest first.
    pub fn command_rows(&self) -> Vec<&CommandRecord> {
        let needle = self.lists[Screen::Commands as usize].needle();
        self.ledger().commands().filter(|c| contains(c.line.as_str(), &needle)).collect()
    }

    /// Says something at the bottom of the screen.
    pub fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), failure: false, since: self.now });
    }
}

/// Whether `name` contains `needle`, which is in lower case.
pub(super) fn contains(name: &str, needle: &str) -> bool {
    needle.is_empty() || name.to_lowercase().contains(needle)
}

/// How far an SLO is over its objective; unknown counts as not at all.
fn excess(slo: &SloStatus) -> f64 {
    slo.observed_ms.map_or(0.0, |v| v / slo.objective_ms)
}
