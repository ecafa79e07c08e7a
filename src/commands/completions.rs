//! `sagetop completions`: completion scripts for shells.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Error, Exit, Output};
use crate::cli::Cli;

/// Prints the script for `shell`.
pub fn run(shell: Shell, out: &mut Output) -> Result<Exit, Error> {
    // Generated in memory: the generator panics when its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sagetop", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Ok)
}
