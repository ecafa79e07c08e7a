//! Redirections, and where words end.

use super::{Parsed, Parser, SyntaxError, literal};
use crate::lab::standin::node::shell::word::{Part, Redirect, Word};

impl Parser {
    pub(super) fn redirect(&mut self) -> Parsed<Option<Redirect>> {
        self.blanks();
        let start = self.at;
        let mut from = None;
        if self.peek().is_some_and(|c| c.is_ascii_digit())
            && self.text.get(self.at + 1).is_some_and(|c| "<>".contains(*c))
        {
            from = self.peek().and_then(|c| c.to_digit(10));
            self.at += 1;
        }
        let missing = || SyntaxError("redirection without a file".to_owned());
        if self.take("<<") {
            let strip = self.take("-");
            self.blanks();
            let word = self.word()?.ok_or_else(missing)?;
            let quoted = word.iter().any(|part| matches!(part, Part::Text { quoted: true, .. }));
            let delimiter = word.iter().map(literal).collect::<String>();
            if strip {
                return Err(SyntaxError("<<- is not read by the lab's shell".to_owned()));
            }
            self.heres.push((delimiter.clone(), quoted));
            return Ok(Some(Redirect::Here(vec![Part::Text {
                text: format!("\0{delimiter}"),
                quoted: true,
            }])));
        }
        if self.take(">&") {
            let to = self.word()?.ok_or_else(missing)?.iter().map(literal).collect();
            return Ok(Some(Redirect::Same { from: from.unwrap_or(1), to }));
        }
        if self.take("<&") {
            self.word()?;
            return self.redirect();
        }
        let append = self.take(">>");
        if append || self.take(">|") || self.take(">") {
            self.blanks();
            let to = self.word()?.ok_or_else(missing)?;
            return Ok(Some(Redirect::Out { from: from.unwrap_or(1), to, append }));
        }
        if self.take("<") {
            self.blanks();
            return Ok(Some(Redirect::In(self.word()?.ok_or_else(missing)?)));
        }
        self.at = start;
        Ok(None)
    }

    /// The next word, `None` at an operator.
    pub(super) fn word(&mut self) -> Parsed<Option<Word>> {
        self.blanks();
        let mut word = Word::new();
        while let Some(c) = self.peek() {
            if " \t\n\r;&|()<>".contains(c) {
                break;
            }
            self.part(&mut word, false)?;
        }
        Ok((!word.is_empty()).then_some(word))
    }
}
