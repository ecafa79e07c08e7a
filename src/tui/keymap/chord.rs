//! A key with its modifiers: parsed from keymap files, compared with what the terminal sends.

use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::config::problem::did_you_mean;

/// Named keys, besides single characters and f1 ... f12.
const NAMED: [(&str, KeyCode); 16] = [
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("space", KeyCode::Char(' ')),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
];

/// One key press. Terminals disagree on how they report Shift, so it is normalised:
/// a shifted letter is the capital letter, and shift-tab is one key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Chord {
    /// Normalises a key and its modifiers.
    pub fn new(code: KeyCode, modifiers: KeyModifiers) -> Self {
        let mut modifiers = modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let mut code = code;
        match code {
            KeyCode::Char(c) => {
                if modifiers.contains(KeyModifiers::CONTROL) {
                    // A terminal cannot tell ctrl-C from ctrl-c.
                    code = KeyCode::Char(c.to_ascii_lowercase());
                } else if modifiers.contains(KeyModifiers::SHIFT) {
                    code = KeyCode::Char(c.to_ascii_uppercase());
                }
                modifiers -= KeyModifiers::SHIFT;
            }
            KeyCode::Tab if modifiers.contains(KeyModifiers::SHIFT) => {
                code = KeyCode::BackTab;
                modifiers -= KeyModifiers::SHIFT;
            }
            KeyCode::BackTab => modifiers -= KeyModifiers::SHIFT,
            _ => {}
        }
        Self { code, modifiers }
    }

    /// The character it types into a text field, if it does.
    pub fn typed(self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if self.modifiers.is_empty() => Some(c),
            _ => None,
        }
    }

    /// The key without its modifiers.
    pub fn code(self) -> KeyCode {
        self.code
    }

    /// As shown on screen: arrows as arrows unless only ASCII may be used.
    pub fn label(self, ascii: bool) -> String {
        let arrow = match self.code {
            KeyCode::Up => "↑",
            KeyCode::Down => "↓",
            KeyCode::Left => "←",
            KeyCode::Right => "→",
            _ => return self.to_string(),
        };
        if ascii || !self.modifiers.is_empty() { self.to_string() } else { arrow.to_owned() }
    }
}

impl From<KeyEvent> for Chord {
    fn from(key: KeyEvent) -> Self {
        Self::new(key.code, key.modifiers)
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, name) in
            [(KeyModifiers::CONTROL, "ctrl-"), (KeyModifiers::ALT, "alt-"), (KeyModifiers::SHIFT, "shift-")]
        {
            if self.modifiers.contains(bit) {
                f.write_str(name)?;
            }
        }
        match self.code {
            KeyCode::BackTab => f.write_str("shift-tab"),
            KeyCode::F(n) => write!(f, "f{n}"),
            code => match (NAMED.iter().find(|(_, c)| *c == code), code) {
                (Some((name, _)), _) => f.write_str(name),
                (None, KeyCode::Char(c)) => write!(f, "{c}"),
                (None, other) => write!(f, "{other}"),
            },
        }
    }
}

impl FromStr for Chord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        // The key itself may be "-": a prefix counts only if something follows it.
        while let Some((prefix, tail)) = rest.split_once('-').filter(|(p, t)| !p.is_empty() && !t.is_empty())
        {
            modifiers |= match prefix {
                "ctrl" => KeyModifiers::CONTROL,
                "alt" => KeyModifiers::ALT,
                "shift" => KeyModifiers::SHIFT,
                _ => {
                    let hint = hint(prefix, ["ctrl", "alt", "shift"]);
                    return Err(format!("unknown modifier `{prefix}` in key `{text}`{hint}"));
                }
            };
            rest = tail;
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (None, _) => return Err("a key must not be empty".to_owned()),
            (Some(c), None) if !c.is_control() => KeyCode::Char(c),
            _ => named(rest).ok_or_else(|| {
                let hint = hint(rest, NAMED.iter().map(|(n, _)| *n));
                format!("unknown key `{text}`{hint}")
            })?,
        };
        Ok(Self::new(code, modifiers))
    }
}

fn hint<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    did_you_mean(word, known).map_or_else(String::new, |hint| format!(", {hint}"))
}

fn named(name: &str) -> Option<KeyCode> {
    if let Some((_, code)) = NAMED.iter().find(|(n, _)| *n == name) {
        return Some(*code);
    }
    let n: u8 = name.strip_prefix('f')?.parse().ok()?;
    (1..=12).contains(&n).then_some(KeyCode::F(n))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_read_and_print_alike() {
        for text in [
            "q",
            "G",
            "?",
            "-",
            "ctrl-c",
            "ctrl--",
            "alt-x",
            "ctrl-alt-f5",
            "shift-tab",
            "shift-up",
            "enter",
            "space",
            "f12",
            "é",
        ] {
            assert_eq!(text.parse::<Chord>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn shift_is_told_in_one_way() {
        let typed = |code, modifiers| Chord::new(code, modifiers);
        assert_eq!("G".parse::<Chord>().unwrap(), typed(KeyCode::Char('G'), KeyModifiers::SHIFT));
        assert_eq!("shift-g".parse::<Chord>().unwrap(), typed(KeyCode::Char('G'), KeyModifiers::SHIFT));
        assert_eq!("?".parse::<Chord>().unwrap(), typed(KeyCode::Char('?'), KeyModifiers::SHIFT));
        assert_eq!("shift-tab".parse::<Chord>().unwrap(), typed(KeyCode::BackTab, KeyModifiers::SHIFT));
        assert_eq!("ctrl-C".parse::<Chord>().unwrap(), typed(KeyCode::Char('c'), KeyModifiers::CONTROL));
    }

    #[test]
    fn mistakes_name_the_nearest() {
        assert_eq!("entre".parse::<Chord>().unwrap_err(), "unknown key `entre`, did you mean `enter`?");
        assert_eq!(
            "ctl-c".parse::<Chord>().unwrap_err(),
            "unknown modifier `ctl` in key `ctl-c`, did you mean `ctrl`?"
        );
        assert_eq!("f13".parse::<Chord>().unwrap_err(), "unknown key `f13`");
        assert!("".parse::<Chord>().is_err());
    }
}
