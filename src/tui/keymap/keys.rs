//! Keys that are pressed one after the other for one action; mostly it is a single one.

use std::fmt;
use std::str::FromStr;

use super::Chord;

/// Most keys for one action.
const LONGEST: usize = 4;

/// At least one key, in the order they are pressed: `q`, `g g`, `ctrl-x ctrl-c`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Keys(Vec<Chord>);

impl Keys {
    /// The keys one by one.
    pub fn chords(&self) -> &[Chord] {
        &self.0
    }

    /// The character it types into a text field, if it is a single key that does.
    pub fn typed(&self) -> Option<char> {
        match self.0.as_slice() {
            [one] => one.typed(),
            _ => None,
        }
    }

    /// As shown on screen.
    pub fn label(&self, ascii: bool) -> String {
        let labels: Vec<_> = self.0.iter().map(|chord| chord.label(ascii)).collect();
        labels.join(" ")
    }

    /// Whether pressing `other` presses these on the way, or the other way round.
    pub(super) fn collides(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0) || other.0.starts_with(&self.0)
    }
}

impl From<Chord> for Keys {
    fn from(chord: Chord) -> Self {
        Self(vec![chord])
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, chord) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{chord}")?;
        }
        Ok(())
    }
}

impl FromStr for Keys {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let chords: Vec<Chord> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        match chords.len() {
            0 => Err("a key must not be empty; the space bar is called \"space\"".to_owned()),
            1..=LONGEST => Ok(Self(chords)),
            _ => Err(format!("`{text}` is more than {LONGEST} keys")),
        }
    }
}
