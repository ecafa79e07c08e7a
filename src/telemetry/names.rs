//! Interning of names: a response repeats a few hundred names in many thousand spans or series.

use std::collections::HashMap;

use crate::domain::Clean;

/// Most names remembered; beyond it the table starts afresh, so that a backend which puts ids
/// into names costs time, not memory.
const MAX_NAMES: usize = 65_536;

/// Turns raw text into [`Clean`], once for each distinct text.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: HashMap<Box<str>, Clean>,
}

impl Names {
    /// The cleaned form of `raw`; equal texts share their memory.
    pub(crate) fn get(&mut self, raw: &str) -> Clean {
        if let Some(clean) = self.known.get(raw) {
            return clean.clone();
        }
        if self.known.len() >= MAX_NAMES {
            self.known.clear();
        }
        let clean = Clean::new(raw);
        self.known.insert(raw.into(), clean.clone());
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_shared_and_cleaned() {
        let mut names = Names::default();
        let first = names.get("a\u{1b}b");
        let second = names.get("a\u{1b}b");
        assert_eq!(first.as_str(), "a\\eb");
        assert!(std::ptr::eq(first.as_str(), second.as_str()));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut names = Names::default();
        for i in 0..MAX_NAMES + 10 {
            names.get(&i.to_string());
        }
        assert!(names.known.len() <= MAX_NAMES);
    }
}
