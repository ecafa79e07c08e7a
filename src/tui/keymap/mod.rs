//! Which key does what: the embedded default file, patched by the user's file of the same form.

mod chord;

use std::collections::HashMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

pub use chord::Chord;

use super::action::Action;
use crate::config::Problems;
use crate::config::problem::{Findings, did_you_mean};

/// The default keymap file.
pub const DEFAULT: &str = include_str!("../../../keymaps/default.toml");

/// Keys and actions, both ways.
#[derive(Clone, Debug, PartialEq)]
pub struct Keymap {
    actions: HashMap<Chord, Action>,
    keys: HashMap<Action, Vec<Chord>>,
}

/// What one file says, with where it says it.
struct Patch {
    bindings: Vec<(Action, Vec<Chord>)>,
    quit: Option<Range<usize>>,
}

impl Keymap {
    /// The embedded keymap.
    ///
    /// # Errors
    /// Never for a released program: a test reads the embedded file.
    pub fn builtin() -> Result<Self, Problems> {
        let mut map = Self { actions: HashMap::new(), keys: HashMap::new() };
        map.patch("keymaps/default.toml", DEFAULT)?;
        Ok(map)
    }

    /// The embedded keymap patched by `text`, which was read from `file`.
    ///
    /// # Errors
    /// All mistakes of the file with line and column.
    pub fn with_user(file: &str, text: &str) -> Result<Self, Problems> {
        let mut map = Self::builtin()?;
        map.patch(file, text)?;
        Ok(map)
    }

    /// The action of a key.
    pub fn action(&self, chord: Chord) -> Option<Action> {
        self.actions.get(&chord).copied()
    }

    /// The keys of an action, in the order of the file.
    pub fn keys(&self, action: Action) -> &[Chord] {
        self.keys.get(&action).map_or(&[], Vec::as_slice)
    }

    fn patch(&mut self, file: &str, text: &str) -> Result<(), Problems> {
        let mut problems = Findings::default();
        let patch = read(text, &mut problems);
        for (action, _) in &patch.bindings {
            for old in self.keys.remove(action).unwrap_or_default() {
                self.actions.remove(&old);
            }
        }
        for (action, chords) in patch.bindings {
            for chord in &chords {
                if let Some(loser) = self.actions.insert(*chord, action) {
                    self.keys.entry(loser).or_default().retain(|c| c != chord);
                }
            }
            self.keys.insert(action, chords);
        }
        if !problems.fatal() && self.keys(Action::Quit).is_empty() {
            let at = patch.quit.unwrap_or(0..0);
            let help = "give it one, for example quit = [\"q\"]".to_owned();
            problems.error(at, "`quit` has no key left", Some(help));
        }
        problems.unless_fatal((), file, text)
    }
}

/// Reads a file to its end, noting every mistake.
fn read(text: &str, problems: &mut Findings) -> Patch {
    let mut patch = Patch { bindings: Vec::new(), quit: None };
    let (root, errors) = DeTable::parse_recoverable(text);
    for e in errors {
        problems.error(e.span().unwrap_or(0..0), e.message(), None);
    }
    let mut taken: HashMap<Chord, Action> = HashMap::new();
    for (section, value) in root.get_ref() {
        let name = section.get_ref().as_ref();
        match value.get_ref() {
            DeValue::Table(table) if name == "keys" => {
                // The table is sorted by name, but of two givers of a key the later one is at fault.
                let mut entries: Vec<_> = table.iter().collect();
                entries.sort_by_key(|(key, _)| key.span().start);
                for (key, keys) in entries {
                    let Some(action) = Action::from_name(key.get_ref()) else {
                        let hint = did_you_mean(key.get_ref(), Action::ALL.iter().map(|a| a.name()));
                        problems.error(key.span(), format!("unknown action `{}`", key.get_ref()), hint);
                        continue;
                    };
                    if action == Action::Quit {
                        patch.quit = Some(key.span());
                    }
                    let chords = chords(keys, problems, |chord, span, problems| {
                        if let Some(other) = taken.insert(chord, action) {
                            let twice = format!("key `{chord}` is given to `{}` already", other.name());
                            problems.error(span, twice, None);
                        }
                    });
                    patch.bindings.push((action, chords));
                }
            }
            _ => {
                let hint = did_you_mean(name, ["keys"]);
                let message = format!("only the table [keys] belongs here, not `{name}`");
                problems.error(section.span(), message, hint);
            }
        }
    }
    patch
}

/// One key, or a list of keys.
fn chords(
    value: &toml::Spanned<DeValue<'_>>,
    problems: &mut Findings,
    mut each: impl FnMut(Chord, Range<usize>, &mut Findings),
) -> Vec<Chord> {
    let items: Vec<_> = match value.get_ref() {
        DeValue::Array(items) => items.iter().collect(),
        _ => vec![value],
    };
    let mut out = Vec::new();
    for item in items {
        match item.get_ref().as_str().map(str::parse::<Chord>) {
            Some(Ok(chord)) => {
                each(chord, item.span(), problems);
                out.push(chord);
            }
            Some(Err(message)) => problems.error(item.span(), message, None),
            None => problems.error(item.span(), "expected a key such as \"q\", or a list of keys", None),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn chord(text: &str) -> Chord {
        text.parse().unwrap()
    }

    #[test]
    fn every_action_has_a_key_by_default() {
        let map = Keymap::builtin().unwrap();
        for action in Action::ALL {
            assert!(!map.keys(*action).is_empty(), "{action:?} has no key in keymaps/default.toml");
            for key in map.keys(*action) {
                assert_eq!(map.action(*key), Some(*action));
            }
        }
    }

    #[test]
    fn a_user_file_replaces_the_keys_of_an_action_and_wins_over_defaults() {
        let map = Keymap::with_user("k.toml", "[keys]\nrefresh = [\"p\", \"R\"]\nsort = []\n").unwrap();
        assert_eq!(map.keys(Action::Refresh), [chord("p"), chord("R")]);
        assert_eq!(map.action(chord("r")), None);
        assert_eq!(map.action(chord("p")), Some(Action::Refresh));
        assert!(map.keys(Action::Pause).is_empty());
        assert!(map.keys(Action::Sort).is_empty());
        assert_eq!(map.action(chord("j")), Some(Action::Down));
    }

    #[test]
    fn two_actions_can_trade_their_keys() {
        let map = Keymap::with_user("k.toml", "[keys]\nsort = \"p\"\npause = \"s\"\n").unwrap();
        assert_eq!(map.action(chord("p")), Some(Action::Sort));
        assert_eq!(map.action(chord("s")), Some(Action::Pause));
        assert_eq!(map.keys(Action::Pause), [chord("s")]);
    }

    #[test]
    fn mistakes_are_all_reported_with_their_place() {
        let text = "[keys]\nrefrsh = [\"r\"]\nup = [\"x\", \"entre\"]\ndown = [\"x\"]\nsort = 3\n[kyes]\n";
        let problems = Keymap::with_user("my/keys.toml", text).unwrap_err();
        assert_eq!(
            problems.to_string(),
            "my/keys.toml:2:1: unknown action `refrsh`\n\
             \x20 2 | refrsh = [\"r\"]\n    | ^^^^^^\n  = did you mean `refresh`?\n\
             my/keys.toml:3:12: unknown key `entre`, did you mean `enter`?\n\
             \x20 3 | up = [\"x\", \"entre\"]\n    |            ^^^^^^^\n\
             my/keys.toml:4:9: key `x` is given to `up` already\n\
             \x20 4 | down = [\"x\"]\n    |         ^^^\n\
             my/keys.toml:5:8: expected a key such as \"q\", or a list of keys\n\
             \x20 5 | sort = 3\n    |        ^\n\
             my/keys.toml:6:2: only the table [keys] belongs here, not `kyes`\n\
             \x20 6 | [kyes]\n    |  ^^^^\n  = did you mean `keys`?"
        );
    }

    #[test]
    fn quit_must_keep_a_key() {
        let emptied = Keymap::with_user("k.toml", "[keys]\nquit = []\n").unwrap_err();
        assert!(emptied.to_string().starts_with("k.toml:2:1: `quit` has no key left"), "{emptied}");
        let taken = Keymap::with_user("k.toml", "[keys]\nup = [\"q\", \"ctrl-c\"]\n").unwrap_err();
        assert!(taken.to_string().contains("`quit` has no key left"), "{taken}");
    }

    #[test]
    fn a_syntax_error_has_a_place() {
        let problems = Keymap::with_user("k.toml", "[keys]\nup = [\"x\"\n").unwrap_err();
        assert!(problems.to_string().starts_with("k.toml:"), "{problems}");
        assert!(problems.0[0].line >= 2);
    }
}
