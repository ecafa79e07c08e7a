//! Child processes on a short leash: their own process group, a clean environment, capped output, and a
//! deadline of ours after which the whole group is killed.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::plan::Step;

/// Most that is taken of each output. More is an error: the beginning of an answer is not the answer.
pub const MAX_OUTPUT: usize = 16 << 20;

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exit(i32),
    /// By this signal, which was not ours.
    Signal(i32),
    /// Killed by us at its deadline.
    Deadline(Duration),
    /// Killed by us because it said too much.
    TooMuch,
    /// It did not begin.
    Failed(String),
    /// It began, and what it said was lost.
    Lost(String),
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit {code}"),
            Self::Signal(signal) => write!(f, "ended by signal {signal}"),
            Self::Deadline(limit) => write!(f, "killed after {} s", limit.as_secs()),
            Self::TooMuch => write!(f, "killed: more than {} MiB of output", MAX_OUTPUT >> 20),
            Self::Failed(why) => write!(f, "not run: {why}"),
            Self::Lost(why) => write!(f, "killed: its output was lost: {why}"),
        }
    }
}

/// A child that has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// How.
    pub ending: Ending,
    /// What it said; empty unless it ended by itself.
    pub stdout: Vec<u8>,
    /// What it complained about.
    pub stderr: Vec<u8>,
    /// How long it took.
    pub took: Duration,
}

/// Kills a process group when dropped, also when whoever waits is cancelled.
struct Group(Option<Pid>);

impl Group {
    fn kill(&self) {
        if let Some(group) = self.0 {
            // It may be gone already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs `step` with exactly the environment `env`, for at most `limit`.
pub(super) async fn run(step: &Step, env: &[(OsString, OsString)], limit: Duration) -> Ended {
    let clock = Instant::now();
    let (ending, stdout, stderr) = match attempt(step, env, limit).await {
        Ok(result) => result,
        Err(error) => (Ending::Failed(error.to_string()), Vec::new(), Vec::new()),
    };
    Ended { ending, stdout, stderr, took: clock.elapsed() }
}

async fn attempt(
    step: &Step,
    env: &[(OsString, OsString)],
    limit: Duration,
) -> io::Result<(Ending, Vec<u8>, Vec<u8>)> {
    let [program, args @ ..] = step.argv.as_slice() else {
        return Err(io::Error::other("no program"));
    };
    let stdin = if step.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = Command::new(program)
        .args(args)
        .env_clear()
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .process_group(0)
        .kill_on_drop(true)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // It leads its group, so that the group has its number. While it has not been waited for, nobody else
    // can have that number.
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let (Some(mut pipe), Some(text)) = (input, &step.stdin) {
            // One that reads nothing may be gone already; its exit code tells.
            let _ = pipe.write_all(text.as_bytes()).await;
        }
        Ok(())
    };
    let work = async {
        let ((), stdout, stderr) = tokio::try_join!(feed, take(out), take(err))?;
        // Not before its outputs are closed: who holds them open still runs.
        Ok::<_, Trouble>((child.wait().await.map_err(Trouble::Pipe)?, stdout, stderr))
    };
    match timeout(limit, work).await {
        Ok(Ok((status, stdout, stderr))) => {
            group.0 = None;
            let ending = match (status.code(), status.signal()) {
                (Some(code), _) => Ending::Exit(code),
                (None, signal) => Ending::Signal(signal.unwrap_or(0)),
            };
            Ok((ending, stdout, stderr))
        }
        Ok(Err(Trouble::TooMuch)) => Ok((Ending::TooMuch, Vec::new(), Vec::new())),
        Ok(Err(Trouble::Pipe(error))) => Ok((Ending::Lost(error.to_string()), Vec::new(), Vec::new())),
        Err(_) => Ok((Ending::Deadline(limit), Vec::new(), Vec::new())),
    }
}

enum Trouble {
    TooMuch,
    Pipe(io::Error),
}

async fn take(pipe: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let most = MAX_OUTPUT as u64 + 1;
        pipe.take(most).read_to_end(&mut bytes).await.map_err(Trouble::Pipe)?;
    }
    if bytes.len() > MAX_OUTPUT { Err(Trouble::TooMuch) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn sh(script: &str, stdin: Option<&str>, limit: Duration) -> Ended {
        let argv = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        run(&Step { argv, stdin: stdin.map(str::to_owned) }, &[("A".into(), "b".into())], limit).await
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn output_code_and_environment() {
        let ended = sh("env; cat; echo no >&2; exit 3", Some("in"), LONG).await;
        assert_eq!(ended.ending, Ending::Exit(3));
        let said = String::from_utf8(ended.stdout).unwrap();
        assert!(said.contains("A=b") && said.ends_with("in") && !said.contains("HOME="), "{said}");
        assert_eq!(ended.stderr, b"no\n");
        assert_eq!(sh("kill -9 $$", None, LONG).await.ending, Ending::Signal(9));
        let argv = vec!["/nowhere/tool".to_owned()];
        let ended = run(&Step { argv, stdin: None }, &[], LONG).await;
        assert!(matches!(ended.ending, Ending::Failed(_)));
    }

    #[tokio::test]
    async fn the_whole_group_dies_at_the_deadline() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let script = format!("sleep 60 & echo $! > {}; wait", file.path().display());
        let limit = Duration::from_secs(1);
        assert_eq!(sh(&script, None, limit).await.ending, Ending::Deadline(limit));
        let pid = std::fs::read_to_string(file.path()).unwrap();
        let stat = format!("/proc/{}/stat", pid.trim());
        for _ in 0..100 {
            // Killed, though whoever inherits it may take its time to bury it.
            match std::fs::read_to_string(&stat) {
                Ok(text) if !text.contains(") Z") => tokio::time::sleep(Duration::from_millis(20)).await,
                _ => return,
            }
        }
        panic!("the grandchild still runs");
    }

    #[tokio::test]
    async fn a_flood_is_an_error_and_not_a_beginning() {
        let ended = sh("exec cat /dev/zero", None, LONG).await;
        assert_eq!((ended.ending, ended.stdout.len()), (Ending::TooMuch, 0));
    }
}
