//! `Clean`: the only form in which text from outside may be drawn, logged or printed.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Longest text kept, in grapheme clusters; what is cut is marked with `…`.
pub const MAX_GRAPHEMES: usize = 256;
/// Most combining characters kept on one base character.
const MAX_SCALARS_PER_GRAPHEME: usize = 8;

/// Text from outside (span names, labels, child output, error bodies) made safe
/// for a terminal: control, bidirectional, zero-width, line-separator and tag
/// characters become visible escapes, stacks of combining marks are cut, and the
/// length is capped. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, description = "")]
pub struct Clean(Arc<str>);

impl Clean {
    /// Cleans `raw`, keeping at most [`MAX_GRAPHEMES`] grapheme clusters.
    pub fn new(raw: &str) -> Self {
        Self::capped(raw, MAX_GRAPHEMES)
    }

    /// Cleans `raw`, keeping at most `max` grapheme clusters.
    pub fn capped(raw: &str, max: usize) -> Self {
        if raw.len() <= max && raw.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            return Self(raw.into());
        }
        // A grapheme may be arbitrarily many bytes: bound the scan before segmenting.
        let mut end = raw.len().min(max.saturating_add(1) * 64);
        while !raw.is_char_boundary(end) {
            end -= 1;
        }
        let mut out = String::with_capacity(end.min(4 * max));
        // `fits` is where to cut back to, so that the mark itself stays within the cap.
        let (mut kept, mut fits, mut cut) = (0, 0, end < raw.len());
        for grapheme in raw[..end].graphemes(true) {
            let start = out.len();
            for c in grapheme.chars().take(MAX_SCALARS_PER_GRAPHEME) {
                push_visible(c, &mut out);
            }
            kept += out[start..].graphemes(true).count();
            if kept < max {
                fits = out.len();
            } else if kept > max {
                cut = true;
                break;
            }
        }
        if cut {
            out.truncate(fits);
            out.push('…');
        }
        Self(out.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Width in terminal cells.
    pub fn width(&self) -> usize {
        self.0.width()
    }
}

/// Pushes `c`, or a printable stand-in when a terminal would act on it or hide it.
fn push_visible(c: char, out: &mut String) {
    use std::fmt::Write as _;
    let written = match c {
        '\t' => out.write_str("\\t"),
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\u{1b}' => out.write_str("\\e"),
        c if is_hidden(c) => write!(out, "\\u{{{:x}}}", u32::from(c)),
        c => out.write_char(c),
    };
    debug_assert!(written.is_ok(), "writing to a String does not fail");
}

/// Characters that a terminal interprets or that leave no visible trace.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0e}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}' | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
}

impl fmt::Display for Clean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Clean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl AsRef<str> for Clean {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Clean {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Clean {
    fn from(raw: &str) -> Self {
        Self::new(raw)
    }
}

impl From<String> for Clean {
    fn from(raw: String) -> Self {
        Self::new(&raw)
    }
}

impl<'de> Deserialize<'de> for Clean {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Clean;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: serde::de::Error>(self, raw: &str) -> Result<Clean, E> {
                Ok(Clean::new(raw))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_visible() {
        assert_eq!(Clean::new("\x1b[31mred\tx").as_str(), "\\e[31mred\\tx");
        assert_eq!(Clean::new("a\u{202e}b").as_str(), "a\\u{202e}b");
        assert_eq!(Clean::new("a\u{200b}b").as_str(), "a\\u{200b}b");
    }

    #[test]
    fn long_text_and_mark_stacks_are_cut() {
        assert_eq!(Clean::new(&"x".repeat(10_000)).width(), MAX_GRAPHEMES);
        let zalgo = format!("a{}", "\u{0301}".repeat(5_000));
        assert!(Clean::new(&zalgo).as_str().chars().count() <= MAX_SCALARS_PER_GRAPHEME + 1);
    }

    proptest! {
        #[test]
        fn nothing_hidden_comes_through(raw in "(?s).*") {
            let clean = Clean::new(&raw);
            prop_assert!(!clean.as_str().chars().any(is_hidden));
        }

        #[test]
        fn cleaning_twice_changes_nothing(raw in "(?s).{0,600}") {
            let once = Clean::new(&raw);
            prop_assert_eq!(Clean::new(once.as_str()), once);
        }
    }
}
