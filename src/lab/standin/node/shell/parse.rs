//! The grammar of POSIX sh, as far as scripts for machines need it.

use super::word::{Command, Part};

/// Why a script cannot be read: what was found where it should not be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("syntax error: {0}")]
pub struct SyntaxError(String);

type Parsed<T> = Result<T, SyntaxError>;

/// Nesting beyond which a script is refused, so that it cannot exhaust the stack.
const DEEPEST: u32 = 60;
const RESERVED: [&str; 13] =
    ["then", "else", "elif", "fi", "do", "done", "esac", "}", "in", ";;", ")", "{", "!"];

/// Reads a whole script.
pub fn parse(script: &str) -> Parsed<Command> {
    let mut parser = Parser { text: script.chars().collect(), at: 0, depth: 0, heres: Vec::new() };
    let list = parser.list(&[])?;
    match parser.peek() {
        None if !parser.heres.is_empty() => Err(SyntaxError("here-document without its text".to_owned())),
        None => Ok(list),
        Some(found) => Err(SyntaxError(format!("{found:?} unexpected"))),
    }
}

struct Parser {
    text: Vec<char>,
    at: usize,
    depth: u32,
    /// Here-documents whose text begins on the next line: delimiter, and whether it was quoted.
    heres: Vec<(String, bool)>,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn ahead(&self, what: &str) -> bool {
        what.chars().enumerate().all(|(i, c)| self.text.get(self.at + i) == Some(&c))
    }

    fn take(&mut self, what: &str) -> bool {
        let found = self.ahead(what);
        if found {
            self.at += what.chars().count();
        }
        found
    }

    fn blanks(&mut self) {
        loop {
            if self.take("\\\n") || self.take(" ") || self.take("\t") {
                continue;
            }
            if self.peek() == Some('#') {
                while self.peek().is_some_and(|c| c != '\n') {
                    self.at += 1;
                }
            }
            return;
        }
    }

    fn newlines(&mut self) {
        loop {
            self.blanks();
            if !self.take("\n") && !self.take("\r") {
                return;
            }
        }
    }

    /// The plain word ahead, if it is one: reserved words are found this way.
    fn keyword(&mut self) -> Option<String> {
        self.blanks();
        let rest = &self.text[self.at.min(self.text.len())..];
        if rest.first().is_some_and(|c| "{}!)".contains(*c)) {
            return rest.first().map(char::to_string);
        }
        if rest.starts_with(&[';', ';']) {
            return Some(";;".to_owned());
        }
        let word: String = rest.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').collect();
        let next = rest.get(word.chars().count());
        let ends = next.is_none_or(|c| " \t\n\r;&|()<>".contains(*c));
        (ends && !word.is_empty()).then_some(word)
    }

    fn expect(&mut self, word: &str) -> Parsed<()> {
        self.newlines();
        if self.keyword().as_deref() == Some(word) {
            self.take(word);
            return Ok(());
        }
        Err(SyntaxError(format!("{word:?} expected")))
    }

    fn list(&mut self, ends: &[&str]) -> Parsed<Command> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(SyntaxError("nested too deeply".to_owned()));
        }
        let mut commands = Vec::new();
        loop {
            self.newlines();
            let keyword = self.keyword();
            if self.peek().is_none() || keyword.is_some_and(|word| ends.contains(&word.as_str())) {
                break;
            }
            commands.push(self.and_or()?);
            self.blanks();
            match self.peek() {
                Some(';') if !self.ahead(";;") => self.at += 1,
                Some('&') => self.at += 1,
                Some('\n' | '\r') => self.at += 1,
                _ => break,
            }
            self.here_texts(&mut commands)?;
        }
        self.depth -= 1;
        Ok(Command::List(commands))
    }

    /// After a line's end the here-documents follow that were announced on it.
    fn here_texts(&mut self, commands: &mut [Command]) -> Parsed<()> {
        if self.heres.is_empty() || self.text.get(self.at.wrapping_sub(1)) != Some(&'\n') {
            return Ok(());
        }
        for (delimiter, quoted) in std::mem::take(&mut self.heres) {
            let mut body = String::new();
            loop {
                let line: String = self.text[self.at..].iter().take_while(|c| **c != '\n').collect();
                if self.at >= self.text.len() {
                    return Err(SyntaxError(format!("here-document without its end {delimiter:?}")));
                }
                self.at = (self.at + line.chars().count() + 1).min(self.text.len());
                if line == delimiter {
                    break;
                }
                body += &line;
                body.push('\n');
            }
            let word = if quoted {
                vec![Part::Text { text: body, quoted: true }]
            } else {
                inner_word(&body, self.depth)?
            };
            if !commands.iter_mut().rev().any(|command| fill_here(command, &delimiter, &word)) {
                return Err(SyntaxError("here-document in a place the lab's shell does not read".to_owned()));
            }
        }
        Ok(())
    }

    fn and_or(&mut self) -> Parsed<Command> {
        let mut left = self.pipe()?;
        loop {
            self.blanks();
            let and = self.take("&&");
            if !and && !self.take("||") {
                return Ok(left);
            }
            self.newlines();
            let right = Box::new(self.pipe()?);
            left = if and { Command::And(Box::new(left), right) } else { Command::Or(Box::new(left), right) };
        }
    }

    fn pipe(&mut self) -> Parsed<Command> {
        let mut negated = false;
        while self.keyword().as_deref() == Some("!") {
            self.take("!");
            negated = !negated;
        }
        let mut parts = vec![self.command()?];
        loop {
            self.blanks();
            if self.ahead("||") || !self.take("|") {
                break;
            }
            self.newlines();
            parts.push(self.command()?);
        }
        match parts.pop() {
            Some(only) if parts.is_empty() && !negated => Ok(only),
            last => Ok(Command::Pipe { parts: parts.into_iter().chain(last).collect(), negated }),
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        self.blanks();
        let compound = if self.take("(") {
            let body = Box::new(self.list(&[")"])?);
            self.expect(")")?;
            Some(Command::Group { body, redirects: Vec::new(), apart: true })
        } else {
            match self.keyword().as_deref() {
                Some("{") => {
                    self.take("{");
                    let body = Box::new(self.list(&["}"])?);
                    self.expect("}")?;
                    Some(Command::Group { body, redirects: Vec::new(), apart: false })
                }
                Some("if") => Some(self.conditional()?),
                Some(word @ ("while" | "until")) => {
                    let until = word == "until";
                    self.take(if until { "until" } else { "while" });
                    let condition = Box::new(self.list(&["do"])?);
                    let body = self.body()?;
                    Some(Command::While { condition, body, until })
                }
                Some("for") => Some(self.each()?),
                Some("case") => Some(self.case()?),
                Some(word) if RESERVED.contains(&word) => {
                    return Err(SyntaxError(format!("{word:?} unexpected")));
                }
                _ => None,
            }
        };
        let Some(compound) = compound else { return self.simple() };
        let mut redirects = Vec::new();
        while let Some(redirect) = self.redirect()? {
            redirects.push(redirect);
        }
        if redirects.is_empty() {
            return Ok(compound);
        }
        Ok(Command::Group { body: Box::new(compound), redirects, apart: false })
    }

    fn conditional(&mut self) -> Parsed<Command> {
        let mut arms = Vec::new();
        let mut otherwise = None;
        let mut word = "if";
        loop {
            self.take(word);
            if word == "else" {
                otherwise = Some(Box::new(self.list(&["fi"])?));
                break;
            }
            let condition = self.list(&["then"])?;
            self.expect("then")?;
            arms.push((condition, self.list(&["elif", "else", "fi"])?));
            self.newlines();
            word = match self.keyword().as_deref() {
                Some("elif") => "elif",
                Some("else") => "else",
                _ => break,
            };
        }
        self.expect("fi")?;
        Ok(Command::If { arms, otherwise })
    }

    fn body(&mut self) -> Parsed<Box<Command>> {
        self.expect("do")?;
        let body = Box::new(self.list(&["done"])?);
        self.expect("done")?;
        Ok(body)
    }

    fn each(&mut self) -> Parsed<Command> {
        self.take("for");
        let name = self.keyword().ok_or_else(|| SyntaxError("name expected after \"for\"".to_owned()))?;
        self.take(&name);
        self.newlines();
        let mut words = None;
        if self.keyword().as_deref() == Some("in") {
            self.take("in");
            let mut list = Vec::new();
            while let Some(word) = self.word()? {
                list.push(word);
            }
            words = Some(list);
        }
        self.blanks();
        self.take(";");
        let body = self.body()?;
        Ok(Command::For { name, words, body })
    }

    fn case(&mut self) -> Parsed<Command> {
        self.take("case");
        let word = self.word()?.ok_or_else(|| SyntaxError("word expected after \"case\"".to_owned()))?;
        self.expect("in")?;
        let mut arms = Vec::new();
        loop {
            self.newlines();
            if self.keyword().as_deref() == Some("esac") {
                break;
            }
            self.take("(");
            let mut patterns = Vec::new();
            while let Some(pattern) = self.word()? {
                patterns.push(pattern);
                self.blanks();
                if !self.take("|") {
                    break;
                }
            }
            self.expect(")")?;
            let body = self.list(&[";;", "esac"])?;
            self.newlines();
            self.take(";;");
            if patterns.is_empty() {
                return Err(SyntaxError("pattern expected in \"case\"".to_owned()));
            }
            arms.push((patterns, body));
        }
        self.expect("esac")?;
        Ok(Command::Case { word, arms })
    }

    fn simple(&mut self) -> Parsed<Command> {
        let (mut sets, mut words, mut redirects) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            let Some(word) = self.word()? else { break };
            match assignment(&word).filter(|_| words.is_empty()) {
                Some(set) => sets.push(set),
                None => words.push(word),
            }
            self.blanks();
            if let ([name], true) = (words.as_slice(), self.take("()")) {
                let [Part::Text { text, .. }] = name.as_slice() else {
                    return Err(SyntaxError("bad function name".to_owned()));
                };
                let name = text.clone();
                self.newlines();
                return Ok(Command::Function { name, body: Box::new(self.command()?) });
            }
        }
        if sets.is_empty() && words.is_empty() && redirects.is_empty() {
            let found = self.peek().map_or("end of file".to_owned(), |c| format!("{c:?}"));
            return Err(SyntaxError(format!("{found} unexpected")));
        }
        Ok(Command::Simple { sets, words, redirects })
    }
}

mod parts;
mod redirects;
use parts::{assignment, fill_here, inner_word, literal};
