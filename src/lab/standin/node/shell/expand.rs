//! From words to arguments: variables, substitutions, splitting, file names.

use super::pattern::{self, matches, plain, quote, special};
use super::word::{Part, Word};
use super::{Flow, Io, Shell, arithmetic};

/// Arguments as they grow: the last one is open when it has begun.
#[derive(Default)]
struct Fields {
    done: Vec<String>,
    open: Option<String>,
}

impl Fields {
    fn add(&mut self, text: &str) {
        self.open.get_or_insert_default().push_str(text);
    }

    fn end(&mut self) {
        self.done.extend(self.open.take());
    }

    /// Text of an unquoted variable: blanks in it separate arguments.
    fn split(&mut self, text: &str, separators: &str) {
        let between = |c: char| separators.contains(c);
        let mut rest = text;
        while !rest.is_empty() {
            let at = rest.find(between).unwrap_or(rest.len());
            if at > 0 {
                self.add(&rest[..at]);
            }
            if at < rest.len() {
                self.end();
            }
            rest = rest[at..].trim_start_matches(between);
        }
    }
}

impl Shell<'_> {
    /// The arguments that `words` become.
    pub(super) fn arguments_of(&mut self, words: &[Word], io: &mut Io) -> Vec<String> {
        let mut arguments = Vec::new();
        for word in words {
            let mut fields = Fields::default();
            for part in word {
                self.expand(part, true, &mut fields, io);
            }
            fields.end();
            for field in fields.done {
                match special(&field).then(|| self.file_names(&field)).filter(|names| !names.is_empty()) {
                    Some(names) => arguments.extend(names),
                    None => arguments.push(plain(&field)),
                }
            }
        }
        arguments
    }

    /// The text of one word, not split.
    pub(super) fn text_of(&mut self, word: &Word, io: &mut Io) -> String {
        plain(&self.pattern_of(word, io))
    }

    /// The same, as a pattern.
    pub(super) fn pattern_of(&mut self, word: &Word, io: &mut Io) -> String {
        let mut fields = Fields::default();
        for part in word {
            self.expand(part, false, &mut fields, io);
        }
        fields.end();
        fields.done.join(" ")
    }

    fn expand(&mut self, part: &Part, split: bool, fields: &mut Fields, io: &mut Io) {
        match part {
            Part::Text { text, quoted: true } => fields.add(&quote(text)),
            Part::Text { text, quoted: false } => fields.add(text),
            Part::Arithmetic(word) => {
                let text = self.text_of(word, io);
                let found = arithmetic::value(&text, &|name| self.variable(name).unwrap_or_default());
                match found {
                    Some(value) => fields.add(&value.to_string()),
                    None => self.abort(format!("arithmetic expression: {text:?}"), io),
                }
            }
            Part::Command { list, quoted } => {
                let outer = self.enter();
                let mut inner = Io { input: io.input.clone(), ..Io::default() };
                self.run(list, &mut inner);
                self.leave(outer);
                io.err += &inner.err;
                self.place(inner.out.trim_end_matches('\n'), *quoted, split, fields);
            }
            Part::Variable { name, change: None, quoted: true } if name == "@" => {
                for (i, argument) in self.arguments.clone().iter().enumerate() {
                    if i > 0 {
                        fields.end();
                    }
                    fields.add(&quote(argument));
                }
            }
            Part::Variable { name, change, quoted } => {
                let text = self.changed(name, change.as_ref(), io);
                self.place(&text, *quoted, split, fields);
            }
        }
    }

    fn place(&self, text: &str, quoted: bool, split: bool, fields: &mut Fields) {
        if quoted || !split {
            fields.add(&quote(text));
        } else {
            let separators = self.variable("IFS").unwrap_or_default();
            fields.split(text, &separators);
        }
    }

    /// A variable's value, if it is set.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        match name {
            "?" => Some(self.status.to_string()),
            "#" => Some(self.arguments.len().to_string()),
            "$" => Some("1999".to_owned()),
            "!" => None,
            "-" => Some(String::new()),
            "@" | "*" => Some(self.arguments.join(" ")),
            "0" => Some(self.name.clone()),
            _ => match name.parse::<usize>() {
                Ok(n) => self.arguments.get(n.wrapping_sub(1)).cloned(),
                Err(_) => self.variables.get(name).cloned(),
            },
        }
    }

    fn changed(&mut self, name: &str, change: Option<&(String, Word)>, io: &mut Io) -> String {
        let value = self.variable(name);
        let Some((operator, word)) = change else {
            if value.is_none() && self.nounset && !["@", "*", "!"].contains(&name) {
                self.abort(format!("{name}: unbound variable"), io);
            }
            return value.unwrap_or_default();
        };
        let missing = value.is_none() || (operator.starts_with(':') && value.as_deref() == Some(""));
        match operator.trim_start_matches(':') {
            "length" => value.unwrap_or_default().chars().count().to_string(),
            "-" if missing => self.text_of(word, io),
            "=" if missing => {
                let text = self.text_of(word, io);
                self.variables.insert(name.to_owned(), text.clone());
                text
            }
            "?" if missing => {
                let text = self.text_of(word, io);
                self.abort(
                    format!("{name}: {}", if text.is_empty() { "parameter not set" } else { &text }),
                    io,
                );
                String::new()
            }
            "+" if missing => String::new(),
            "+" => self.text_of(word, io),
            operator @ ("%" | "%%" | "#" | "##") => {
                let pattern = self.pattern_of(word, io);
                cut(&value.unwrap_or_default(), operator, &pattern)
            }
            _ => value.unwrap_or_default(),
        }
    }

    /// A failure that ends the shell.
    fn abort(&mut self, message: String, io: &mut Io) {
        self.status = io.fail(format!("{}: {message}", self.name), 2);
        self.flow = Flow::Exit;
    }

    fn file_names(&self, field: &str) -> Vec<String> {
        let absolute = field.starts_with('/');
        let mut found = vec![String::new()];
        for part in field.split('/').filter(|part| !part.is_empty()) {
            found = found
                .into_iter()
                .flat_map(|folder| {
                    if !special(part) {
                        return vec![format!("{folder}/{}", plain(part))];
                    }
                    let names =
                        self.machine.list(if folder.is_empty() { "/" } else { &folder }).unwrap_or_default();
                    let hidden = part.starts_with('.');
                    let mut names: Vec<String> = names
                        .into_iter()
                        .filter(|name| (hidden || !name.starts_with('.')) && matches(part, name))
                        .map(|name| format!("{folder}/{name}"))
                        .collect();
                    names.sort();
                    names
                })
                .collect();
        }
        found.retain(|path| self.machine.exists(path));
        if absolute { found } else { Vec::new() }
    }
}

/// Cuts what matches off the front (`#`) or the end (`%`), the shortest or (twice) the longest.
fn cut(value: &str, operator: &str, pattern: &str) -> String {
    let mut ends: Vec<usize> = value.char_indices().map(|(at, _)| at).chain([value.len()]).collect();
    if operator == "##" || operator == "%" {
        ends.reverse();
    }
    let found = ends.into_iter().find(|at| match operator.starts_with('#') {
        true => pattern::matches(pattern, &value[..*at]),
        false => pattern::matches(pattern, &value[*at..]),
    });
    match found {
        Some(at) if operator.starts_with('#') => value[at..].to_owned(),
        Some(at) => value[..at].to_owned(),
        None => value.to_owned(),
    }
}
