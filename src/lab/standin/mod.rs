//! Stand-ins for kubectl and ssh: how operators' commands reach the simulated cluster.
//!
//! ```text
//!  sagetop ──child process──→ kubectl, ssh ──HTTP, loopback──→ ClusterApi ──Change──→ simulation
//!                             (this binary under                objects, machines'
//!                              another name)                    files
//! ```
//!
//! The program runs them as it runs the real ones: found in a folder of links that stands first in
//! `PATH`, or by an explicit path. They speak to the lab at [`ADDRESS`] with [`TOKEN`]; where the
//! environment was cleaned, what [`install()`] wrote beside the links tells them the same.

pub mod connection;
mod install;
pub mod kube;
mod kubectl;
pub mod node;
mod ssh;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

pub use connection::{ADDRESS, TOKEN};
pub use install::{CONTEXT, InstallError, Installed, install};
pub use kube::{ClusterApi, KubeRequest, KubeResponse, Manners, Watch};
pub use node::{SshRequest, SshResponse};

/// What a stand-in prints, and its exit code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outcome {
    stdout: String,
    stderr: String,
    code: u8,
}

/// Runs the stand-in whose name the binary bears; `None` when it bears its own.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter();
    let program = args.next()?;
    let run = match Path::new(&program).file_stem()?.to_str()? {
        "kubectl" => kubectl::run,
        "ssh" => ssh::run,
        _ => return None,
    };
    let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    let outcome = run(Path::new(&program), &args);
    // Whoever has closed our output does not want to read of it.
    let _ = io::stdout().write_all(outcome.stdout.as_bytes());
    let _ = io::stderr().write_all(outcome.stderr.as_bytes());
    Some(ExitCode::from(outcome.code))
}
