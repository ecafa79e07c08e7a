//! The subcommands, one file each, and what they share: output, exit codes, logging.
//!
//! A new subcommand is a variant of [`Command`], a file here with a `run`, and a line in
//! `dispatch`.

mod actions;
mod completions;
mod config;
mod demo;
mod diagnose;
mod doctor;
mod eval;
mod eval_model;
mod eval_paper;
mod eval_replay;
mod graph;
mod lab;
mod log;
mod man;
mod output;
mod plain;
mod screens;
mod session;
mod status;
mod train;
mod watch;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::config::{ConfigError, Dirs};
use crate::domain::{Clean, Timestamp};
use crate::engine::EngineError;
use crate::lab::folder::FolderError;
use crate::lab::stage::StageError;
use crate::remedy::journal::JournalError;
use crate::tui::TuiError;
pub use output::Output;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done; where an SLO was looked at, it is met.
    Ok = 0,
    /// It failed; standard error says why.
    Error = 1,
    /// An SLO burns or is breached.
    Violated = 2,
    /// It is not known how an SLO stands.
    Unknown = 3,
    /// The command line was wrong.
    Usage = 64,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a subcommand failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Fetching, learning or diagnosing.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A moment of which nothing is known yet.
    #[error("--at {at} lies in the future: by this machine's clock it is {now}")]
    Future {
        /// What was asked for.
        at: Timestamp,
        /// The wall clock.
        now: Timestamp,
    },
    /// What does not change is not watched.
    #[error(
        "`watch` waits for what comes, and nothing comes at a past moment: leave --at away, or use `status`"
    )]
    WatchPast,
    /// What to log.
    #[error("SAGETOP_LOG is not understood: {0} (for example: sagetop=debug,warn)")]
    LogFilter(Clean),
    /// Keymap or theme.
    #[error("{0}")]
    Screen(String),
    /// The terminal.
    #[error(transparent)]
    Screens(#[from] TuiError),
    /// Writing the result. A reader that went away is not a failure: see [`main`].
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// A file that was to be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that was to be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The journal of actions.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Rights that cannot be written down.
    #[error("{0}")]
    Rights(#[from] crate::remedy::names::NameError),
    /// The simulated cluster.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The demo's folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// What the lab is asked to do.
    #[error("{0}")]
    Lab(String),
    /// A file that must not be overwritten.
    #[error("{} exists; --force overwrites it", .0.display())]
    Exists(std::path::PathBuf),
}

/// Runs the program with the arguments of the process.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come as errors that belong on standard output. A reader that
            // went away changes nothing.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    let mut out = Output::stdout(cli.global.json);
    let result = start_log(&cli).and_then(|()| dispatch(&cli, &mut out)).and_then(|exit| {
        out.flush()?;
        Ok(exit)
    });
    match result {
        Ok(exit) => exit,
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(error) => {
            tracing::error!("{error}");
            output::complain(&format!("sagetop: {error}"));
            if matches!(error, Error::Future { .. } | Error::WatchPast) { Exit::Usage } else { Exit::Error }
        }
    }
}

fn start_log(cli: &Cli) -> Result<(), Error> {
    if cli.global.verbose == 0 {
        return Ok(());
    }
    log::start(Dirs::find(cli.global.state_dir())?.state()?, cli.global.verbose)
}

fn dispatch(cli: &Cli, out: &mut Output) -> Result<Exit, Error> {
    let Some(command) = &cli.command else { return screens::run(&cli.global, &cli.screen) };
    match command {
        Command::Status(args) => status::run(&cli.global, *args, out),
        Command::Diagnose(args) => diagnose::run(&cli.global, args, out),
        Command::Watch(args) => watch::run(&cli.global, args, out),
        Command::Train { fresh } => train::run(&cli.global, *fresh, out),
        Command::Graph(args) => graph::run(&cli.global, args, out),
        Command::Doctor => doctor::run(&cli.global, out),
        Command::Actions(args) => actions::run(&cli.global, args, out),
        Command::Config(args) => config::run(&cli.global, args, out),
        Command::Demo(args) => demo::run(&cli.global, &cli.screen, args),
        Command::Lab(args) => lab::run(args, out),
        Command::Eval { what } => eval::run(&cli.global, what, out),
        Command::Completions { shell } => completions::run(*shell, out),
        Command::Man { dir } => man::run(dir.as_deref(), out),
    }
}
