//! The log file of `-v`. Never the terminal: that belongs to the screens and to results.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tracing_subscriber::EnvFilter;

use super::Error;
use crate::domain::Clean;

/// A log larger than this is put aside when the program starts.
const LARGEST: u64 = 8 << 20;

/// Starts logging to `sagetop.log` in `folder`. `SAGETOP_LOG` overrides what is logged, in the
/// notation of `RUST_LOG`.
pub fn start(folder: &Path, verbose: u8) -> Result<(), Error> {
    let default = if verbose == 1 { "sagetop=debug,warn" } else { "sagetop=trace,info" };
    let wanted = std::env::var("SAGETOP_LOG").ok().filter(|wanted| !wanted.is_empty());
    let filter = EnvFilter::try_new(wanted.as_deref().unwrap_or(default))
        .map_err(|error| Error::LogFilter(Clean::new(&error.to_string())))?;
    let path = folder.join("sagetop.log");
    let file = open(&path).map_err(|source| Error::Write { path, source })?;
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(file).finish();
    // Only fails if a log was started already, as in tests: then that one goes on.
    let _ = tracing::subscriber::set_global_default(subscriber);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
    Ok(())
}

fn open(path: &Path) -> std::io::Result<File> {
    if std::fs::metadata(path).is_ok_and(|meta| meta.len() > LARGEST) {
        std::fs::rename(path, path.with_extension("log.1"))?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}
