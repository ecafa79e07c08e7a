//! A TOML document with the place of every key and value.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Findings, Problem};
use super::shape::{self, Shape};
use crate::domain::Clean;

/// A parsed document.
pub struct Doc<'a> {
    root: Spanned<DeTable<'a>>,
}

/// A document that was read into a value, with its findings so far.
pub struct Read<'a, T> {
    /// Places of keys and values.
    pub doc: Doc<'a>,
    /// The value; `None` if the document has errors.
    pub value: Option<T>,
    /// What was found.
    pub findings: Findings,
}

/// Parses `text`, checks it against `shape` and reads it into a `T`.
pub fn read<'a, T: DeserializeOwned>(text: &'a str, shape: &Shape) -> Read<'a, T> {
    let mut findings = Findings::default();
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        findings.error(error.span().unwrap_or(0..0), error.message(), None);
    }
    // Also after a syntax error: it tells which parts are secrets. But what it finds in the
    // rest of a broken file may be a mere consequence.
    let mut of_shape = Findings::default();
    shape::check(shape, &root, &mut of_shape);
    let mut value = None;
    if errors.is_empty() {
        findings = of_shape;
        if !findings.fatal() {
            match T::deserialize(toml::de::Deserializer::from(root.clone())) {
                Ok(read) => value = Some(read),
                Err(error) => findings.error(error.span().unwrap_or(0..0), error.message(), None),
            }
        }
    } else {
        findings.hide_as(&of_shape);
    }
    Read { doc: Doc { root }, value, findings }
}

impl Doc<'_> {
    /// Where the value at `path` is; if it is not there, its closest ancestor. An array's
    /// elements are named by their index.
    pub fn value(&self, path: &[&str]) -> Range<usize> {
        self.find(path).1
    }

    /// Where the key at `path` is; if it is not there, the key of its closest ancestor.
    pub fn key(&self, path: &[&str]) -> Range<usize> {
        self.find(path).0
    }

    fn find(&self, path: &[&str]) -> (Range<usize>, Range<usize>) {
        let mut found = (0..0, 0..0);
        let Some((first, rest)) = path.split_first() else { return found };
        let Some((key, mut value)) = self.root.get_ref().get_key_value(*first) else { return found };
        found = (key.span(), value.span());
        for part in rest {
            let (key, next) = match value.get_ref() {
                DeValue::Table(table) => match table.get_key_value(*part) {
                    Some((key, next)) => (key.span(), next),
                    None => break,
                },
                DeValue::Array(array) => match part.parse().ok().and_then(|i: usize| array.get(i)) {
                    Some(next) => (next.span(), next),
                    None => break,
                },
                _ => break,
            };
            found = (key, next.span());
            value = next;
        }
        found
    }
}

/// A file's text and the problems found in it.
pub struct SourceFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

impl SourceFile {
    /// Reads a file.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self { path: path.to_owned(), text: std::fs::read_to_string(path)? })
    }

    /// `findings` as problems of this file.
    pub fn problems(&self, findings: Findings) -> Vec<Problem> {
        findings.locate(&Clean::new(&self.path.to_string_lossy()), &self.text)
    }
}
