//! The palette: everything that can be done or gone to, found by a few of its letters.

use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use tui_input::Input;

use super::action::Action;
use super::available::{why_not, why_not_switch};
use super::state::State;
use crate::domain::{Clean, ServiceName};

/// What a line of the palette stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// An action, as if its key were pressed.
    Action(Action),
    /// Another cluster or environment.
    Context(Clean),
    /// An SLO, in its dependency tree.
    Slo(Clean),
    /// A service, in the dependency tree.
    Service(ServiceName),
    /// A colour theme.
    Theme(String),
}

/// A line of the palette.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it stands for.
    pub what: What,
    /// What is searched and shown.
    pub title: Clean,
    /// What it does, in a sentence.
    pub help: String,
    /// Its first key, if it has one.
    pub key: Option<String>,
    /// Why it does nothing now, if it does not.
    pub why_not: Option<String>,
    /// Which grapheme clusters of the title were searched for.
    pub hits: Vec<u32>,
}

/// The open palette.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    /// What is searched.
    pub input: Input,
    /// The lines that fit it, best first.
    pub entries: Vec<Entry>,
    /// The selected line.
    pub at: usize,
    /// First line shown.
    pub offset: usize,
}

impl Palette {
    /// The selected line.
    pub fn selected(&self) -> Option<&Entry> {
        self.entries.get(self.at)
    }

    /// Takes in what there is by now; the cursor stays with what it stands for.
    pub fn refresh(&mut self, state: &State) {
        let chosen = self.selected().map(|e| e.what.clone());
        self.entries = search(everything(state), self.input.value());
        let still = self.entries.iter().position(|e| Some(&e.what) == chosen.as_ref());
        self.at = still.unwrap_or(self.at).min(self.entries.len().saturating_sub(1));
    }
}

/// All that can be chosen now: actions in the order of the help, then what has a name.
fn everything(state: &State) -> Vec<Entry> {
    let entry = |what, title: &str, help: String| Entry {
        what,
        title: Clean::new(title),
        help,
        key: None,
        why_not: None,
        hits: Vec::new(),
    };
    let mut all = Vec::new();
    for action in Action::ALL.iter().filter(|a| **a != Action::Palette) {
        all.push(Entry {
            key: state.keymap.keys(*action).first().map(|k| k.label(state.ascii)),
            why_not: why_not(state, *action),
            ..entry(What::Action(*action), action.name(), action.help().to_owned())
        });
    }
    for name in &state.contexts {
        let help = format!("Look at {name} instead.");
        let title = format!("context {name}");
        all.push(Entry {
            why_not: why_not_switch(state, name),
            ..entry(What::Context(name.clone()), &title, help)
        });
    }
    let snapshot = state.picture().snapshot.as_deref();
    for slo in snapshot.iter().flat_map(|s| &s.slos) {
        let help = format!("{}: its dependency tree.", slo.state.word());
        all.push(entry(What::Slo(slo.name.clone()), &format!("SLO {}", slo.name), help));
    }
    for service in snapshot.iter().flat_map(|s| s.graph.services()) {
        let help = "Where it stands in the dependency tree.".to_owned();
        all.push(entry(What::Service(service.clone()), &format!("service {service}"), help));
    }
    for name in state.themes.names() {
        let help = "Use this theme until the end of the session.".to_owned();
        all.push(entry(What::Theme(name.to_owned()), &format!("theme {name}"), help));
    }
    all
}

/// The entries that contain the words of `query`: their letters in that order in the title, or a word as it
/// stands in the help. Best first; those that do nothing now after those that fit as well.
fn search(all: Vec<Entry>, query: &str) -> Vec<Entry> {
    let words: Vec<&str> = query.split_whitespace().collect();
    let atom = |word, kind| Atom::new(word, CaseMatching::Smart, Normalization::Smart, kind, false);
    let titles: Vec<_> = words.iter().map(|word| atom(word, AtomKind::Fuzzy)).collect();
    let helps: Vec<_> = words.iter().map(|word| atom(word, AtomKind::Substring)).collect();
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut characters = Vec::new();
    let mut found: Vec<(u32, Entry)> = Vec::new();
    for mut entry in all {
        let title = entry.title.to_string();
        let mut hits = Vec::new();
        let text = Utf32Str::new(&title, &mut characters);
        // What fits the title fits better than what only fits the help.
        let score = total(titles.iter().map(|atom| atom.indices(text, &mut matcher, &mut hits)));
        let score = match score {
            Some(score) => Some(2 * score),
            None => {
                hits.clear();
                let text = Utf32Str::new(&entry.help, &mut characters);
                total(helps.iter().map(|atom| atom.score(text, &mut matcher)))
            }
        };
        if let Some(score) = score {
            hits.sort_unstable();
            hits.dedup();
            entry.hits = hits;
            found.push((score, entry));
        }
    }
    // The sort is stable: among equals the order of the help counts.
    if words.is_empty() {
        found.sort_by_key(|(_, entry)| entry.why_not.is_some());
    } else {
        found.sort_by_key(|(score, entry)| (std::cmp::Reverse(*score), entry.why_not.is_some()));
    }
    found.into_iter().map(|(_, entry)| entry).collect()
}

/// The sum; `None` if one of them is.
fn total(scores: impl Iterator<Item = Option<u16>>) -> Option<u32> {
    scores.map(|score| score.map(u32::from)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(title: &str, help: &str) -> Entry {
        Entry {
            what: What::Theme(title.to_owned()),
            title: Clean::new(title),
            help: help.to_owned(),
            key: None,
            why_not: None,
            hits: Vec::new(),
        }
    }

    fn titles(found: &[Entry]) -> Vec<&str> {
        found.iter().map(|e| e.title.as_str()).collect()
    }

    #[test]
    fn letters_in_order_are_found_and_told() {
        let all = || vec![entry("service cartservice", ""), entry("show-verdict", ""), entry("redraw", "")];
        let found = search(all(), "shver");
        assert_eq!(titles(&found), ["show-verdict"]);
        assert_eq!(found[0].hits, [0, 1, 5, 6, 7]);
        assert_eq!(titles(&search(all(), "cart serv")), ["service cartservice"]);
        assert!(search(all(), "zzz").is_empty());
        assert_eq!(search(all(), "").len(), 3);
        // Nothing in what is typed is an operator.
        assert!(search(all(), "!cart").is_empty());
    }

    #[test]
    fn the_title_counts_more_than_the_help_and_help_must_be_said_as_it_is() {
        let all = || vec![entry("undo", "takes a scale back"), entry("scale out", "more replicas")];
        assert_eq!(titles(&search(all(), "scale")), ["scale out", "undo"]);
        assert!(search(all(), "tksc").is_empty());
    }

    #[test]
    fn marked_letters_are_whole_clusters() {
        let found = search(vec![entry("e\u{301}xit 結帳", "")], "帳");
        assert_eq!(found[0].hits, [6]);
    }

    #[test]
    fn what_does_nothing_now_stands_below() {
        let mut off = entry("undo", "");
        off.why_not = Some("nothing was done".to_owned());
        let found = search(vec![off, entry("up", "")], "");
        assert_eq!(titles(&found), ["up", "undo"]);
    }
}
