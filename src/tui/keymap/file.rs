//! Keymap files: an optional `inherits`, and a `[keys]` table of actions.

use std::collections::HashMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Keys;
use crate::config::problem::{Findings, did_you_mean};
use crate::tui::action::Action;

/// What one file says, with where it says it.
pub(super) struct Patch {
    /// The keymap it builds on, if it names one.
    pub(super) parent: Option<(String, Range<usize>)>,
    /// The keys of the actions it names.
    pub(super) bindings: Vec<(Action, Vec<Keys>)>,
    /// Where it names `quit`.
    pub(super) quit: Option<Range<usize>>,
}

/// Reads a file to its end, noting every mistake.
pub(super) fn read(text: &str, problems: &mut Findings) -> Patch {
    let mut patch = Patch { parent: None, bindings: Vec::new(), quit: None };
    let (root, errors) = DeTable::parse_recoverable(text);
    for e in errors {
        problems.error(e.span().unwrap_or(0..0), e.message(), None);
    }
    for (section, value) in root.get_ref() {
        match (section.get_ref().as_ref(), value.get_ref()) {
            ("keys", DeValue::Table(table)) => keys(table, &mut patch, problems),
            ("inherits", DeValue::String(name)) => patch.parent = Some((name.to_string(), value.span())),
            ("inherits", _) => problems.error(value.span(), "expected the name of a keymap in quotes", None),
            (name, _) => {
                let hint = did_you_mean(name, ["keys", "inherits"]);
                let message = format!("only `inherits` and the table [keys] belong here, not `{name}`");
                problems.error(section.span(), message, hint);
            }
        }
    }
    patch
}

fn keys(table: &DeTable<'_>, patch: &mut Patch, problems: &mut Findings) {
    let mut taken = Taken::default();
    // The table is sorted by name, but of two givers of a key the later one is at fault.
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let Some(action) = Action::from_name(key.get_ref()) else {
            let hint = did_you_mean(key.get_ref(), Action::ALL.iter().map(|a| a.name()));
            problems.error(key.span(), format!("unknown action `{}`", key.get_ref()), hint);
            continue;
        };
        if action == Action::Quit {
            patch.quit = Some(key.span());
        }
        let mut own = Vec::new();
        let items: Vec<_> = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        };
        for item in items {
            if let Some(keys) = read_keys(item, problems) {
                taken.give(action, &keys, item.span(), problems);
                own.push(keys);
            }
        }
        patch.bindings.push((action, own));
    }
}

fn read_keys(item: &Spanned<DeValue<'_>>, problems: &mut Findings) -> Option<Keys> {
    match item.get_ref().as_str().map(str::parse::<Keys>) {
        Some(Ok(keys)) => return Some(keys),
        Some(Err(message)) => problems.error(item.span(), message, None),
        None => problems.error(item.span(), "expected a key such as \"q\", or a list of keys", None),
    }
    None
}

/// Which keys a file has given away so far.
#[derive(Default)]
struct Taken(HashMap<Keys, Action>);

impl Taken {
    fn give(&mut self, action: Action, keys: &Keys, span: Range<usize>, problems: &mut Findings) {
        if let Some((other, giver)) = self.0.iter().find(|(other, _)| other.collides(keys)) {
            let message = match other.chords().len().cmp(&keys.chords().len()) {
                std::cmp::Ordering::Equal => format!("key `{keys}` is given to `{}` already", giver.name()),
                std::cmp::Ordering::Less => {
                    format!(
                        "`{keys}` cannot be reached: its beginning `{other}` is `{}` already",
                        giver.name()
                    )
                }
                std::cmp::Ordering::Greater => {
                    format!("`{keys}` would never end: it begins `{other}` of `{}`", giver.name())
                }
            };
            problems.error(span, message, None);
        }
        self.0.insert(keys.clone(), action);
    }
}
