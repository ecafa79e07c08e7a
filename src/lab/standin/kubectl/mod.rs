//! The kubectl stand-in: kubectl's commands for looking at workloads and changing them, with its
//! output, its words and its exit codes.
//!
//! Compared with kubectl 1.33 against the same server by `tests/it/lab_kubectl.rs`.

mod flags;
mod get;
mod names;
mod other;
mod print;
mod rollout;
mod session;
mod write;

use std::path::Path;

use super::Outcome;
use flags::Line;
use session::Session;

/// Version that the stand-in claims to be.
const VERSION: &str = "v1.33.1+sagetop.lab";

/// What a command has printed when it fails: the message for standard error, with its prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failed(String);

impl From<String> for Failed {
    fn from(message: String) -> Self {
        Self(message)
    }
}

/// A failure that kubectl itself finds.
fn error<T>(message: impl std::fmt::Display) -> Result<T, Failed> {
    Err(Failed(format!("error: {message}")))
}

/// Runs a command line.
pub fn run(program: &Path, args: &[String]) -> Outcome {
    let mut session = Session::new(program);
    let result = Line::parse(args).map_err(Failed).and_then(|line| dispatch(&mut session, &line));
    let code = match result {
        Ok(code) => code,
        Err(Failed(message)) => {
            session.err(message.trim_end());
            1
        }
    };
    session.into_outcome(code)
}

fn dispatch(session: &mut Session, line: &Line) -> Result<u8, Failed> {
    let Some(command) = line.words.first() else {
        return error(
            "the lab's kubectl needs a command: get, patch, scale, autoscale, annotate, rollout, auth, \
                      version, api-resources, config, create, delete",
        );
    };
    session.configure(line)?;
    match command.as_str() {
        "get" => get::run(session, line)?,
        "patch" => write::patch(session, line)?,
        "scale" => write::scale(session, line)?,
        "annotate" => write::annotate(session, line)?,
        "autoscale" => write::autoscale(session, line)?,
        "create" => write::create(session, line)?,
        "delete" => write::delete(session, line)?,
        "rollout" => rollout::run(session, line)?,
        "auth" => return other::can_i(session, line),
        "version" => other::version(session, line)?,
        "api-resources" => other::api_resources(session, line)?,
        "config" => other::config(session, line)?,
        "exec" => other::exec(session, line)?,
        _ => return error(format_args!("unknown command {command:?} for \"kubectl\"")),
    }
    Ok(if session.failed() { 1 } else { 0 })
}
