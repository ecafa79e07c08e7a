//! `sagetop man`: manual pages made from the command line's definition.

use std::io::Write;
use std::path::Path;

use clap::CommandFactory;

use super::{Error, Exit, Output};
use crate::cli::Cli;

/// Prints the main page, or writes it and one page a subcommand to `dir`.
pub fn run(dir: Option<&Path>, out: &mut Output) -> Result<Exit, Error> {
    match dir {
        None => clap_mangen::Man::new(Cli::command()).render(out)?,
        Some(dir) => std::fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), dir))
            .map_err(|source| Error::Write { path: dir.to_owned(), source })?,
    }
    out.flush()?;
    Ok(Exit::Ok)
}
