//! Which key does what: an embedded keymap, patched by the user's file of the same form.

mod chord;
mod file;
mod keys;

use std::collections::HashMap;

pub use chord::Chord;
pub use keys::Keys;

use super::action::Action;
use crate::config::Problems;
use crate::config::problem::{Findings, did_you_mean};

/// The embedded keymaps, the default first. The others patch it.
const BUILTIN: [(&str, &str); 3] = [
    ("default", include_str!("../../../keymaps/default.toml")),
    ("vim", include_str!("../../../keymaps/vim.toml")),
    ("emacs", include_str!("../../../keymaps/emacs.toml")),
];

/// Keys and actions, both ways. No keys begin with those of another action, so it is always clear whether
/// more are to come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keymap {
    actions: HashMap<Keys, Action>,
    keys: HashMap<Action, Vec<Keys>>,
}

/// What keys that were pressed one after the other are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// Those of an action.
    Action(Action),
    /// The beginning of those of an action.
    Begun,
    /// Nothing.
    Nothing,
}

impl Keymap {
    /// The default keymap.
    ///
    /// # Errors
    /// Never for a released program: a test reads the embedded files.
    pub fn builtin() -> Result<Self, Problems> {
        Self::with_user("", "")
    }

    /// Their names, the default first.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, _)| *name)
    }

    /// The embedded keymap called `name`; `None` if there is none.
    ///
    /// # Errors
    /// Never for a released program: a test reads the embedded files.
    pub fn named(name: &str) -> Option<Result<Self, Problems>> {
        let (_, text) = BUILTIN.iter().find(|(known, _)| *known == name)?;
        Some(Self::with_user(&format!("keymaps/{name}.toml"), text))
    }

    /// The embedded keymap that the keymap file `text`, which was read from `file`, inherits from (the default
    /// if it names none), patched by it.
    ///
    /// # Errors
    /// All mistakes of the file with line and column.
    pub fn with_user(file: &str, text: &str) -> Result<Self, Problems> {
        let mut problems = Findings::default();
        let patch = file::read(text, &mut problems);
        let mut map = Self::default();
        let (_, default) = BUILTIN[0];
        map.patch(file::read(default, &mut problems));
        if let Some((name, span)) = &patch.parent {
            match BUILTIN.iter().find(|(known, _)| known == name) {
                Some((_, parent)) => map.patch(file::read(parent, &mut problems)),
                None => {
                    let hint = did_you_mean(name, Self::names());
                    problems.error(span.clone(), format!("unknown keymap `{name}`"), hint);
                }
            }
        }
        let quit = patch.quit.clone();
        map.patch(patch);
        if !problems.fatal() && map.keys(Action::Quit).is_empty() {
            let help = "give it one, for example quit = [\"q\"]".to_owned();
            problems.error(quit.unwrap_or(0..0), "`quit` has no key left", Some(help));
        }
        problems.unless_fatal(map, file, text)
    }

    /// What the keys `pressed` one after the other are.
    pub fn pressed(&self, pressed: &[Chord]) -> Pressed {
        let fitting = || self.actions.iter().filter(|(keys, _)| keys.chords().starts_with(pressed));
        match fitting().find(|(keys, _)| keys.chords().len() == pressed.len()) {
            Some((_, action)) => Pressed::Action(*action),
            None if fitting().next().is_some() => Pressed::Begun,
            None => Pressed::Nothing,
        }
    }

    /// The action of a single key.
    pub fn action(&self, chord: Chord) -> Option<Action> {
        self.actions.get(&Keys::from(chord)).copied()
    }

    /// The keys of an action, in the order of the file.
    pub fn keys(&self, action: Action) -> &[Keys] {
        self.keys.get(&action).map_or(&[], Vec::as_slice)
    }

    /// The first keys of an action as they are shown; its name, if it has none.
    pub fn label(&self, action: Action, ascii: bool) -> String {
        self.keys(action).first().map_or_else(|| action.name().to_owned(), |keys| keys.label(ascii))
    }

    /// What the keys that begin with `begun` go on with, and what they do: in the order of the help.
    pub fn continuations(&self, begun: &[Chord]) -> Vec<(Vec<Chord>, Action)> {
        let all = Action::ALL.iter().flat_map(|a| self.keys(*a).iter().map(|keys| (keys.chords(), *a)));
        let rest = all.filter_map(|(keys, action)| Some((keys.strip_prefix(begun)?.to_vec(), action)));
        rest.filter(|(rest, _)| !rest.is_empty()).collect()
    }

    fn patch(&mut self, patch: file::Patch) {
        for (action, _) in &patch.bindings {
            for old in self.keys.remove(action).unwrap_or_default() {
                self.actions.remove(&old);
            }
        }
        for (action, all) in patch.bindings {
            for keys in &all {
                self.actions.retain(|other, _| !other.collides(keys));
                for others in self.keys.values_mut() {
                    others.retain(|other| !other.collides(keys));
                }
                self.actions.insert(keys.clone(), action);
            }
            self.keys.insert(action, all);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn chord(text: &str) -> Chord {
        text.parse().unwrap()
    }

    fn keys(text: &str) -> Keys {
        text.parse().unwrap()
    }

    #[test]
    fn every_action_has_a_key_in_every_embedded_keymap() {
        for name in Keymap::names() {
            let map = Keymap::named(name).unwrap().unwrap();
            for action in Action::ALL {
                assert!(!map.keys(*action).is_empty(), "{action:?} has no key in keymaps/{name}.toml");
                for keys in map.keys(*action) {
                    assert_eq!(map.pressed(keys.chords()), Pressed::Action(*action));
                }
            }
        }
    }

    #[test]
    fn keys_may_be_pressed_one_after_the_other() {
        let map =
            Keymap::with_user("k.toml", "[keys]\ntop = \"g g\"\nnext-slo = [\"g t\", \"n\"]\n").unwrap();
        let (g, t) = (chord("g"), chord("t"));
        assert_eq!(map.pressed(&[g]), Pressed::Begun);
        assert_eq!(map.pressed(&[g, g]), Pressed::Action(Action::Top));
        assert_eq!(map.pressed(&[g, t]), Pressed::Action(Action::NextSlo));
        assert_eq!(map.pressed(&[g, chord("x")]), Pressed::Nothing);
        assert_eq!(map.keys(Action::Top), [keys("g g")]);
        assert_eq!(map.continuations(&[g]), [(vec![g], Action::Top), (vec![t], Action::NextSlo)]);
        // A single key given later takes what began with it.
        let map = Keymap::with_user("k.toml", "inherits = \"vim\"\n[keys]\nsort = \"g\"\n").unwrap();
        assert_eq!(map.pressed(&[g]), Pressed::Action(Action::Sort));
        assert!(!map.keys(Action::Top).contains(&keys("g g")));
    }

    #[test]
    fn keys_that_could_not_be_told_apart_are_mistakes() {
        let text =
            "[keys]\ntop = \"g g\"\nbottom = \"g\"\nsort = \"g g x\"\nup = \"a b c d e\"\ndown = \"\"\n";
        let problems = Keymap::with_user("k.toml", text).unwrap_err();
        let lines: Vec<_> = problems.0.iter().map(|p| format!("{} {}", p.line, p.message)).collect();
        assert_eq!(lines[0], "3 `g` would never end: it begins `g g` of `top`");
        assert!(lines[1].starts_with("4 `g g x` cannot be reached: its beginning `g"), "{}", lines[1]);
        assert_eq!(lines[2], "5 `a b c d e` is more than 4 keys");
        assert_eq!(lines[3], "6 a key must not be empty; the space bar is called \"space\"");
    }

    #[test]
    fn a_keymap_inherits_from_one_that_exists() {
        let problems = Keymap::with_user("k.toml", "inherits = \"vmi\"\n").unwrap_err();
        assert_eq!(problems.brief().unwrap(), "k.toml:1:12: unknown keymap `vmi`, did you mean `vim`?");
    }

    #[test]
    fn a_user_file_replaces_the_keys_of_an_action_and_wins_over_defaults() {
        let map = Keymap::with_user("k.toml", "[keys]\nrefresh = [\"p\", \"R\"]\nsort = []\n").unwrap();
        assert_eq!(map.keys(Action::Refresh), [keys("p"), keys("R")]);
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
        assert_eq!(map.keys(Action::Pause), [keys("s")]);
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
             my/keys.toml:6:2: only `inherits` and the table [keys] belong here, not `kyes`\n\
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
