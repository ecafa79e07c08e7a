//! The shell that reads remote commands: POSIX sh without jobs, with the machine's files and tools.

mod arithmetic;
mod builtins;
mod expand;
mod parse;
mod pattern;
mod run;
mod test;
mod word;

use std::collections::BTreeMap;

use super::{Machine, SshRequest, SshResponse};
use crate::lab::standin::kube::SshManner;
use test::tests_of;
use word::Command;

/// Commands after which a script is killed: no script for a machine needs so many.
const MOST_COMMANDS: u32 = 20_000;
/// Functions and shells within each other, so that a script cannot exhaust the stack.
const DEEPEST: u32 = 40;
/// Output beyond which a script is killed.
const MOST_OUTPUT: usize = 8 << 20;

/// Input and output of a command.
#[derive(Clone, Debug, Default)]
pub struct Io {
    /// Standard input, and how far it was read.
    pub input: (String, usize),
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Io {
    /// All the input that is left.
    pub fn rest(&mut self) -> String {
        let rest = self.input.0[self.input.1..].to_owned();
        self.input.1 = self.input.0.len();
        rest
    }

    /// The next line, without its end; `None` at the end.
    pub fn line(&mut self) -> Option<String> {
        let rest = &self.input.0[self.input.1..];
        if rest.is_empty() {
            return None;
        }
        let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let line = rest[..end].trim_end_matches('\n').to_owned();
        self.input.1 += end;
        Some(line)
    }

    /// A line for standard output.
    pub fn say(&mut self, line: impl AsRef<str>) {
        self.out += line.as_ref();
        self.out.push('\n');
    }

    /// A line for standard error; the exit code that goes with it.
    pub fn fail(&mut self, line: impl AsRef<str>, code: i32) -> i32 {
        self.err += line.as_ref();
        self.err.push('\n');
        code
    }
}

/// Where control goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Exit,
    Return,
    Break,
    Continue,
}

/// A shell at work.
pub struct Shell<'m> {
    /// The machine.
    pub machine: &'m mut Machine,
    /// Who runs the commands: only root may change the machine.
    pub root: bool,
    /// Whether sudo asks for a password.
    pub no_sudo: bool,
    user: String,
    name: String,
    variables: BTreeMap<String, String>,
    arguments: Vec<String>,
    functions: BTreeMap<String, Command>,
    errexit: bool,
    nounset: bool,
    status: i32,
    flow: Flow,
    commands: u32,
    limit: u32,
    depth: u32,
}

impl<'m> Shell<'m> {
    fn new(machine: &'m mut Machine, user: &str) -> Self {
        Self {
            root: user == "root",
            no_sudo: false,
            user: user.to_owned(),
            name: "bash".to_owned(),
            variables: BTreeMap::from([
                ("IFS".to_owned(), " \t\n".to_owned()),
                ("USER".to_owned(), user.to_owned()),
            ]),
            arguments: Vec::new(),
            functions: BTreeMap::new(),
            errexit: false,
            nounset: false,
            status: 0,
            flow: Flow::On,
            commands: 0,
            limit: MOST_COMMANDS,
            depth: 0,
            machine,
        }
    }

    /// Reads and runs a script; its exit code.
    fn script(&mut self, script: &str, io: &mut Io) -> i32 {
        match parse::parse(script) {
            Ok(list) => {
                self.status = 0;
                self.run(&list, io);
                self.status
            }
            Err(why) => io.fail(format!("{}: {why}", self.name), 2),
        }
    }

    /// Runs a script as a shell of its own, as `sh -c` and `sh -s` do.
    pub fn nested(&mut self, name: &str, arguments: Vec<String>, script: &str, io: &mut Io) -> i32 {
        let outer = self.enter();
        self.name = name.to_owned();
        self.arguments = arguments;
        (self.errexit, self.nounset) = (false, false);
        self.functions.clear();
        let status = self.script(script, io);
        self.leave(outer);
        status
    }

    fn enter(&self) -> Outer {
        Outer {
            name: self.name.clone(),
            variables: self.variables.clone(),
            arguments: self.arguments.clone(),
            functions: self.functions.clone(),
            switches: (self.errexit, self.nounset),
        }
    }

    fn leave(&mut self, outer: Outer) {
        self.name = outer.name;
        self.variables = outer.variables;
        self.arguments = outer.arguments;
        self.functions = outer.functions;
        (self.errexit, self.nounset) = outer.switches;
        if self.commands < self.limit {
            self.flow = Flow::On;
        }
    }

    /// Who the commands run as.
    pub fn user(&self) -> &str {
        if self.root { "root" } else { &self.user }
    }

    /// The machine's name.
    pub fn host(&self) -> &str {
        &self.machine.name
    }

    /// Runs a command; its exit code.
    pub fn invoke(&mut self, argv: Vec<String>, io: &mut Io) -> i32 {
        self.call(argv, io);
        self.status
    }

    /// Whether the user may write there.
    pub fn may_write(&self, path: &str) -> bool {
        let path = super::files::normal(path);
        self.root || path.starts_with("/tmp/") || path == "/dev/null"
    }
}

/// What a shell of its own must not change.
struct Outer {
    name: String,
    variables: BTreeMap<String, String>,
    arguments: Vec<String>,
    functions: BTreeMap<String, Command>,
    switches: (bool, bool),
}

/// Runs a remote command.
pub fn run(machine: &mut Machine, request: &SshRequest, manner: SshManner) -> SshResponse {
    let mut limit = MOST_COMMANDS;
    if manner == SshManner::Midway {
        // How much there is to do shows on a machine that is thrown away.
        limit = attempt(&mut machine.clone(), request, manner, limit).1 / 2;
    }
    attempt(machine, request, manner, limit).0
}

fn attempt(machine: &mut Machine, request: &SshRequest, manner: SshManner, limit: u32) -> (SshResponse, u32) {
    let mut shell = Shell::new(machine, &request.user);
    shell.no_sudo = manner == SshManner::NoSudo;
    shell.limit = limit;
    let mut io = Io { input: (request.stdin.clone(), 0), ..Io::default() };
    let code = shell.script(&request.command, &mut io);
    (SshResponse { code, stdout: io.out, stderr: io.err }, shell.commands)
}

/// Runs one command as root, as a timer does.
pub fn run_argv(machine: &mut Machine, argv: &[String]) {
    let mut shell = Shell::new(machine, "root");
    shell.call(argv.to_vec(), &mut Io::default());
}
