//! Quotes, variables and substitutions within words.

use super::{DEEPEST, Parsed, Parser, SyntaxError, parse};
use crate::lab::standin::node::shell::word::{Command, Part, Redirect, Word};

impl Parser {
    /// One part of a word, appended to it; within double quotes blanks are text.
    pub(super) fn part(&mut self, word: &mut Word, quoted: bool) -> Parsed<()> {
        let Some(c) = self.peek() else { return Ok(()) };
        self.at += 1;
        match c {
            '\'' if !quoted => {
                let text = self.until('\'')?;
                word.push(Part::Text { text, quoted: true });
            }
            '"' if !quoted => {
                word.push(Part::Text { text: String::new(), quoted: true });
                while self.peek() != Some('"') {
                    if self.peek().is_none() {
                        return Err(SyntaxError("unterminated quoted string".to_owned()));
                    }
                    self.part(word, true)?;
                }
                self.at += 1;
            }
            '\\' => {
                let next = self.peek().unwrap_or('\\');
                self.at += 1;
                let kept = quoted && !"$`\"\\\n".contains(next);
                let text = if kept { format!("\\{next}") } else { next.to_string() };
                if next != '\n' {
                    word.push(Part::Text { text, quoted: true });
                }
            }
            '`' => {
                let script = self.until('`')?;
                word.push(Part::Command { list: Box::new(parse(&script)?), quoted });
            }
            '$' => self.dollar(word, quoted)?,
            c => match word.last_mut() {
                Some(Part::Text { text, quoted: same }) if *same == quoted => text.push(c),
                _ => word.push(Part::Text { text: c.to_string(), quoted }),
            },
        }
        Ok(())
    }

    fn until(&mut self, end: char) -> Parsed<String> {
        let text: String = self.text[self.at..].iter().take_while(|c| **c != end).collect();
        self.at += text.chars().count();
        if self.peek() != Some(end) {
            return Err(SyntaxError(format!("unterminated {end}")));
        }
        self.at += 1;
        Ok(text)
    }

    fn dollar(&mut self, word: &mut Word, quoted: bool) -> Parsed<()> {
        if self.take("((") {
            let inner = self.balanced(2)?;
            word.push(Part::Arithmetic(inner_word(&inner, self.depth)?));
            return Ok(());
        }
        if self.take("(") {
            let mut inner =
                Parser { text: self.text[self.at..].to_vec(), at: 0, depth: self.depth, heres: Vec::new() };
            let list = inner.list(&[")"])?;
            inner.expect(")")?;
            self.at += inner.at;
            word.push(Part::Command { list: Box::new(list), quoted });
            return Ok(());
        }
        if self.take("{") {
            return self.braced(word, quoted);
        }
        let name = match self.peek() {
            Some(c) if "@*#?$!-0123456789".contains(c) => {
                self.at += 1;
                c.to_string()
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.name(),
            _ => {
                word.push(Part::Text { text: "$".to_owned(), quoted });
                return Ok(());
            }
        };
        word.push(Part::Variable { name, change: None, quoted });
        Ok(())
    }

    fn name(&mut self) -> String {
        let rest = &self.text[self.at..];
        let name: String = rest.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').collect();
        self.at += name.chars().count();
        name
    }

    fn braced(&mut self, word: &mut Word, quoted: bool) -> Parsed<()> {
        if self.take("#")
            && let Some(c) = self.peek()
            && c != '}'
        {
            let name = self.name();
            if !self.take("}") {
                return Err(SyntaxError("bad substitution".to_owned()));
            }
            word.push(Part::Variable { name, change: Some(("length".to_owned(), Word::new())), quoted });
            return Ok(());
        }
        let mut name = self.name();
        if name.is_empty() {
            name = self.peek().map(String::from).unwrap_or_default();
            self.at += 1;
        }
        let operators = [":-", ":=", ":?", ":+", "-", "=", "?", "+", "%%", "%", "##", "#"];
        let operator = operators.into_iter().find(|operator| self.take(operator));
        // A pattern stays one between double quotes, unless it is quoted itself.
        let pattern = operator.is_some_and(|operator| operator.starts_with(['%', '#']));
        let mut value = Word::new();
        while self.peek().is_some_and(|c| c != '}') {
            self.part(&mut value, quoted && !pattern)?;
        }
        if !self.take("}") || (operator.is_none() && !value.is_empty()) {
            return Err(SyntaxError("bad substitution".to_owned()));
        }
        let change = operator.map(|operator| (operator.to_owned(), value));
        word.push(Part::Variable { name, change, quoted });
        Ok(())
    }

    /// The text up to so many closing parentheses.
    fn balanced(&mut self, close: usize) -> Parsed<String> {
        let mut open = close;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
            if open == 0 {
                text.truncate(text.len() - (close - 1));
                return Ok(text);
            }
            text.push(c);
        }
        Err(SyntaxError("unterminated $((".to_owned()))
    }
}

/// Text as within double quotes: here-documents and arithmetic.
pub(super) fn inner_word(text: &str, depth: u32) -> Parsed<Word> {
    if depth >= DEEPEST {
        return Err(SyntaxError("nested too deeply".to_owned()));
    }
    let mut parser = Parser { text: text.chars().collect(), at: 0, depth: depth + 1, heres: Vec::new() };
    let mut word = Word::new();
    while parser.peek().is_some() {
        parser.part(&mut word, true)?;
    }
    Ok(word)
}

/// `name=value` at the beginning of a command.
pub(super) fn assignment(word: &Word) -> Option<(String, Word)> {
    let Some(Part::Text { text, quoted: false }) = word.first() else { return None };
    let (name, value) = text.split_once('=')?;
    let mut letters = name.chars();
    if !letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        return None;
    }
    let mut rest = vec![Part::Text { text: value.to_owned(), quoted: true }];
    rest.extend(word.iter().skip(1).cloned());
    Some((name.to_owned(), rest))
}

/// The text of a part that needs no expansion.
pub(super) fn literal(part: &Part) -> String {
    match part {
        Part::Text { text, .. } => text.clone(),
        Part::Variable { name, .. } => format!("${name}"),
        _ => String::new(),
    }
}

/// Puts a here-document's text where it was announced.
pub(super) fn fill_here(command: &mut Command, delimiter: &str, text: &Word) -> bool {
    let announced = vec![Part::Text { text: format!("\0{delimiter}"), quoted: true }];
    let fill = |redirects: &mut Vec<Redirect>| {
        redirects.iter_mut().any(|redirect| match redirect {
            Redirect::Here(word) if *word == announced => {
                *word = text.clone();
                true
            }
            _ => false,
        })
    };
    match command {
        Command::Simple { redirects, .. } => fill(redirects),
        Command::Group { redirects, body, .. } => fill(redirects) || fill_here(body, delimiter, text),
        Command::Pipe { parts, .. } | Command::List(parts) => {
            parts.iter_mut().any(|part| fill_here(part, delimiter, text))
        }
        Command::And(left, right) | Command::Or(left, right) => {
            fill_here(left, delimiter, text) || fill_here(right, delimiter, text)
        }
        _ => false,
    }
}
