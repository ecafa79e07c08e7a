//! Commands that are the shell itself.

use super::{Flow, Io, Shell, tests_of};

impl Shell<'_> {
    /// Runs a builtin; false when `name` is none.
    pub(super) fn builtin(&mut self, name: &str, arguments: &[String], io: &mut Io) -> bool {
        let first = arguments.first().map(String::as_str);
        let number = || first.and_then(|text| text.parse::<i32>().ok());
        self.status = match name {
            ":" | "true" | "trap" | "umask" | "wait" | "sleep" | "sync" | "cd" | "readonly" => 0,
            "false" => 1,
            "exit" => {
                self.flow = Flow::Exit;
                number().unwrap_or(self.status) & 0xff
            }
            "return" => {
                self.flow = Flow::Return;
                number().unwrap_or(self.status)
            }
            "break" => {
                self.flow = Flow::Break;
                0
            }
            "continue" => {
                self.flow = Flow::Continue;
                0
            }
            "export" | "local" => {
                for argument in arguments {
                    if let Some((name, value)) = argument.split_once('=') {
                        self.variables.insert(name.to_owned(), value.to_owned());
                    }
                }
                0
            }
            "unset" => {
                for name in arguments {
                    self.variables.remove(name);
                }
                0
            }
            "shift" => {
                let count = usize::try_from(number().unwrap_or(1)).unwrap_or(0).min(self.arguments.len());
                self.arguments.drain(..count);
                0
            }
            "set" => self.switches(arguments),
            "read" => self.read_line(arguments, io),
            "echo" => {
                let (end, words) =
                    if first == Some("-n") { ("", &arguments[1..]) } else { ("\n", arguments) };
                io.out += &(words.join(" ") + end);
                0
            }
            "printf" => printf(arguments, io),
            "test" => tests_of(self, arguments),
            "[" => match arguments.split_last() {
                Some((last, rest)) if last == "]" => tests_of(self, rest),
                _ => io.fail(format!("{}: [: missing ']'", self.name), 2),
            },
            "command" | "type" => self.which(arguments, io),
            "eval" => {
                let script = arguments.join(" ");
                self.script(&script, io)
            }
            // Only its redirections count, and files are locked for nobody else here.
            "exec" if arguments.is_empty() => 0,
            "exec" => {
                self.call(arguments.to_vec(), io);
                if self.flow == Flow::On {
                    self.flow = Flow::Exit;
                }
                self.status
            }
            _ => return false,
        };
        true
    }

    fn switches(&mut self, arguments: &[String]) -> i32 {
        for (i, argument) in arguments.iter().enumerate() {
            let (on, letters) = match (argument.strip_prefix('-'), argument.strip_prefix('+')) {
                (Some("-"), _) => {
                    self.arguments = arguments[i + 1..].to_vec();
                    return 0;
                }
                (Some(letters), _) => (true, letters),
                (_, Some(letters)) => (false, letters),
                _ => {
                    // `-o pipefail` and its like leave a word behind that is no argument.
                    if i == 0 {
                        self.arguments = arguments.to_vec();
                    }
                    return 0;
                }
            };
            for letter in letters.chars() {
                match letter {
                    'e' => self.errexit = on,
                    'u' => self.nounset = on,
                    _ => {}
                }
            }
        }
        0
    }

    fn read_line(&mut self, arguments: &[String], io: &mut Io) -> i32 {
        let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
        let line = io.line();
        let status = i32::from(line.is_none());
        let mut rest = line.unwrap_or_default();
        let separators = self.variables.get("IFS").cloned().unwrap_or_default();
        for (i, name) in names.iter().enumerate() {
            let text = rest.trim_matches(|c| separators.contains(c)).to_owned();
            let end = if i + 1 == names.len() { None } else { text.find(|c| separators.contains(c)) };
            let (value, left) = end.map_or((text.as_str(), ""), |end| text.split_at(end));
            self.variables.insert((*name).clone(), value.to_owned());
            rest = left.to_owned();
        }
        status
    }

    /// `command -v name` says where it is; `command name …` runs it.
    fn which(&mut self, arguments: &[String], io: &mut Io) -> i32 {
        match arguments {
            [flag, name] if flag == "-v" || flag == "-V" => {
                let known = crate::lab::standin::node::tools::NAMES.contains(&name.as_str());
                if !known && !self.functions.contains_key(name) {
                    return 1;
                }
                io.say(if known { format!("/usr/bin/{name}") } else { name.clone() });
                0
            }
            arguments => {
                self.call(arguments.to_vec(), io);
                self.status
            }
        }
    }
}

fn printf(arguments: &[String], io: &mut Io) -> i32 {
    let Some((format, mut values)) = arguments.split_first() else { return 2 };
    loop {
        let before = values.len();
        let mut letters = format.chars();
        while let Some(c) = letters.next() {
            match c {
                '\\' => io.out.push(match letters.next() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('0') => '\0',
                    Some(other) => other,
                    None => '\\',
                }),
                '%' => {
                    let directive = letters.find(|c| c.is_ascii_alphabetic() || *c == '%');
                    if directive == Some('%') {
                        io.out.push('%');
                        continue;
                    }
                    let (value, rest) =
                        values.split_first().map_or(("", values), |(value, rest)| (value.as_str(), rest));
                    values = rest;
                    match directive {
                        Some('x') => {
                            io.out += &value.parse::<i64>().map_or("0".to_owned(), |n| format!("{n:x}"))
                        }
                        Some('d') if value.is_empty() => io.out.push('0'),
                        _ => io.out += value,
                    }
                }
                c => io.out.push(c),
            }
        }
        // The format is used again for what is left.
        if values.is_empty() || values.len() == before {
            return 0;
        }
    }
}
