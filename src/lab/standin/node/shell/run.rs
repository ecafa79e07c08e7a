//! What commands do: control flow, redirections, and who is called.

use super::pattern;
use super::word::{Command, Redirect, Word};
use super::{DEEPEST, Flow, Io, MOST_OUTPUT, Shell};
use crate::lab::standin::node::files::Errno;
use crate::lab::standin::node::tools;

/// Where a descriptor leads.
#[derive(Clone, Debug, PartialEq)]
enum Target {
    Out,
    Err,
    File(String, bool),
}

impl Shell<'_> {
    /// Runs a command; its status is the shell's afterwards.
    pub(super) fn run(&mut self, command: &Command, io: &mut Io) {
        if self.flow != Flow::On {
            return;
        }
        match command {
            Command::Simple { sets, words, redirects } => self.simple(sets, words, redirects, io),
            Command::List(commands) => {
                for command in commands {
                    self.run(command, io);
                    // Only a command that is nobody's condition ends the shell.
                    let plain = !matches!(
                        command,
                        Command::And(..) | Command::Or(..) | Command::Pipe { negated: true, .. }
                    );
                    if self.errexit && self.status != 0 && plain && self.flow == Flow::On {
                        self.flow = Flow::Exit;
                    }
                }
            }
            Command::And(left, right) => {
                self.condition(left, io);
                if self.status == 0 {
                    self.run(right, io);
                    self.leave_on_error();
                }
            }
            Command::Or(left, right) => {
                self.condition(left, io);
                if self.status != 0 {
                    self.run(right, io);
                    self.leave_on_error();
                }
            }
            Command::Pipe { parts, negated } => self.pipe(parts, *negated, io),
            Command::If { arms, otherwise } => {
                for (condition, body) in arms {
                    self.condition(condition, io);
                    if self.flow != Flow::On {
                        return;
                    }
                    if self.status == 0 {
                        return self.run(body, io);
                    }
                }
                self.status = 0;
                if let Some(body) = otherwise {
                    self.run(body, io);
                }
            }
            Command::While { condition, body, until } => {
                let mut status = 0;
                loop {
                    self.condition(condition, io);
                    if self.flow != Flow::On || (self.status == 0) == *until {
                        break;
                    }
                    self.run(body, io);
                    status = self.status;
                    if self.leaves_loop() {
                        break;
                    }
                }
                if self.flow == Flow::On {
                    self.status = status;
                }
            }
            Command::For { name, words, body } => {
                let values = match words {
                    Some(words) => self.arguments_of(words, io),
                    None => self.arguments.clone(),
                };
                for value in values {
                    self.variables.insert(name.clone(), value);
                    self.run(body, io);
                    if self.leaves_loop() {
                        break;
                    }
                }
            }
            Command::Case { word, arms } => {
                let text = self.text_of(word, io);
                self.status = 0;
                for (patterns, body) in arms {
                    let met = patterns.iter().any(|word| {
                        let pattern = self.pattern_of(word, io);
                        pattern::matches(&pattern, &text)
                    });
                    if met {
                        return self.run(body, io);
                    }
                }
            }
            Command::Group { body, redirects, apart } => {
                let outer = apart.then(|| self.enter());
                self.redirected(redirects, io, |shell, io| shell.run(body, io));
                if let Some(outer) = outer {
                    self.leave(outer);
                }
            }
            Command::Function { name, body } => {
                self.functions.insert(name.clone(), (**body).clone());
                self.status = 0;
            }
        }
    }

    /// Runs a condition: its failure is an answer.
    fn condition(&mut self, command: &Command, io: &mut Io) {
        let errexit = std::mem::replace(&mut self.errexit, false);
        self.run(command, io);
        self.errexit = errexit;
    }

    fn leave_on_error(&mut self) {
        if self.errexit && self.status != 0 && self.flow == Flow::On {
            self.flow = Flow::Exit;
        }
    }

    fn leaves_loop(&mut self) -> bool {
        match self.flow {
            Flow::On => false,
            Flow::Continue => {
                self.flow = Flow::On;
                false
            }
            Flow::Break => {
                self.flow = Flow::On;
                true
            }
            Flow::Exit | Flow::Return => true,
        }
    }

    fn pipe(&mut self, parts: &[Command], negated: bool, io: &mut Io) {
        let mut input = io.input.clone();
        for (i, part) in parts.iter().enumerate() {
            let mut inner = Io { input, ..Io::default() };
            // Each part of a pipe is a shell of its own, a lone `! command` is not.
            let outer = (parts.len() > 1).then(|| self.enter());
            match negated {
                true => self.condition(part, &mut inner),
                false => self.run(part, &mut inner),
            }
            if let Some(outer) = outer {
                self.leave(outer);
            }
            io.err += &inner.err;
            if i == 0 {
                io.input.1 = inner.input.1.max(io.input.1);
            }
            if i + 1 == parts.len() {
                io.out += &inner.out;
                return self.status = if negated { i32::from(self.status == 0) } else { self.status };
            }
            input = (inner.out, 0);
        }
    }

    fn simple(&mut self, sets: &[(String, Word)], words: &[Word], redirects: &[Redirect], io: &mut Io) {
        self.commands += 1;
        if self.commands > self.limit || io.out.len() > MOST_OUTPUT {
            self.commands = self.limit + 1;
            self.flow = Flow::Exit;
            self.status = 137;
            return;
        }
        let before = self.status;
        self.status = 0;
        let arguments = self.with_status(before, |shell| shell.arguments_of(words, io));
        let mut values = Vec::new();
        for (name, word) in sets {
            values.push((name.clone(), self.text_of(word, io)));
        }
        if self.flow != Flow::On {
            return;
        }
        let kept: Vec<(String, Option<String>)> =
            values.iter().map(|(name, _)| (name.clone(), self.variables.get(name).cloned())).collect();
        self.variables.extend(values);
        if arguments.is_empty() {
            return self.redirected(redirects, io, |_, _| {});
        }
        self.redirected(redirects, io, |shell, io| shell.call(arguments, io));
        // Settings in front of a command are the command's alone.
        for (name, value) in kept {
            match value {
                Some(value) => drop(self.variables.insert(name, value)),
                None => drop(self.variables.remove(&name)),
            }
        }
    }

    /// `$?` in the words of a command is that of the one before; a substitution sets its own.
    fn with_status<T>(&mut self, status: i32, work: impl FnOnce(&mut Self) -> T) -> T {
        self.status = status;
        let substituted = self.commands;
        let result = work(self);
        if self.commands == substituted && self.flow == Flow::On {
            self.status = 0;
        }
        result
    }

    /// Calls a function, a builtin or a tool.
    pub(super) fn call(&mut self, arguments: Vec<String>, io: &mut Io) {
        if self.depth >= DEEPEST {
            self.status = io.fail(format!("{}: maximum nesting level exceeded", self.name), 2);
            self.flow = Flow::Exit;
            return;
        }
        self.depth += 1;
        self.called(&arguments, io);
        self.depth -= 1;
    }

    fn called(&mut self, arguments: &[String], io: &mut Io) {
        let Some((name, rest)) = arguments.split_first() else { return };
        if let Some(body) = self.functions.get(name).cloned() {
            let outer = std::mem::replace(&mut self.arguments, rest.to_vec());
            self.run(&body, io);
            self.arguments = outer;
            if self.flow == Flow::Return {
                self.flow = Flow::On;
            }
            return;
        }
        if self.builtin(name, rest, io) {
            return;
        }
        self.status = match tools::call(self, name, rest, io) {
            Some(status) => status,
            None => io.fail(format!("{}: line 1: {name}: command not found", self.name), 127),
        };
    }

    /// Runs something with its output led elsewhere.
    fn redirected(&mut self, redirects: &[Redirect], io: &mut Io, work: impl FnOnce(&mut Self, &mut Io)) {
        if redirects.is_empty() {
            return work(self, io);
        }
        let mut targets = [Target::Out, Target::Err];
        let mut input = None;
        for redirect in redirects {
            let failed = match redirect {
                Redirect::In(word) => {
                    let path = self.text_of(word, io);
                    match if path == "/dev/null" { Ok(String::new()) } else { self.machine.read(&path) } {
                        Ok(text) => {
                            input = Some(text);
                            None
                        }
                        // Folders can be opened, to lock them.
                        Err(_) if self.machine.is_folder(&path) => None,
                        Err(why) => Some((path, why.to_string())),
                    }
                }
                Redirect::Here(word) => {
                    input = Some(self.text_of(word, io));
                    None
                }
                Redirect::Out { from, to, append } => {
                    let path = self.text_of(to, io);
                    let opened = self.open(&path, *append);
                    if let Some(target) =
                        usize::try_from(*from).ok().and_then(|from| targets.get_mut(from.wrapping_sub(1)))
                    {
                        *target = Target::File(path.clone(), *append);
                    }
                    opened.err().map(|why| (path, why))
                }
                Redirect::Same { from, to } => {
                    let of = |n: &str| match n {
                        "1" => Some(targets[0].clone()),
                        "2" => Some(targets[1].clone()),
                        "-" => Some(Target::File("/dev/null".to_owned(), false)),
                        _ => None,
                    };
                    let target = of(to);
                    if let (Some(target), Some(slot)) =
                        (target, targets.get_mut((*from as usize).wrapping_sub(1)))
                    {
                        *slot = target;
                    }
                    None
                }
            };
            if let Some((path, why)) = failed {
                self.status = io.fail(format!("{}: line 1: {path}: {why}", self.name), 1);
                return;
            }
        }
        let outer = io.input.clone();
        let own = input.is_some();
        let mut inner = Io { input: input.map_or(outer, |text| (text, 0)), ..Io::default() };
        work(self, &mut inner);
        if !own {
            io.input = inner.input;
        }
        if let Err(why) = self.lead(inner.out, &targets[0], io) {
            self.status = 1;
            inner.err += &format!("{}: line 1: write error: {why}\n", self.name);
        }
        if self.lead(inner.err, &targets[1], io).is_err() {
            self.status = 1;
        }
    }

    /// Sends output where it is to go.
    fn lead(&mut self, text: String, target: &Target, io: &mut Io) -> Result<(), Errno> {
        match target {
            Target::Out => io.out += &text,
            Target::Err => io.err += &text,
            // The file was emptied when it was opened, and a write of nothing does not happen.
            Target::File(path, _) if !text.is_empty() => self.machine.write(path, &text, true)?,
            Target::File(..) => {}
        }
        Ok(())
    }

    /// Opens a file for writing.
    fn open(&mut self, path: &str, append: bool) -> Result<(), String> {
        if !self.may_write(path) {
            return Err("Permission denied".to_owned());
        }
        if self.machine.is_folder(path) {
            return Err("Is a directory".to_owned());
        }
        let kernels = path.starts_with("/sys/") || path.starts_with("/proc/");
        match self.machine.exists(path) {
            // The kernel's files have nothing that could be emptied, and none can be made.
            true if kernels || append => Ok(()),
            false if kernels => Err("No such file or directory".to_owned()),
            _ => self.machine.write(path, "", append).map_err(|why| why.to_string()),
        }
    }
}
