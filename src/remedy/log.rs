//! The command log: every child process, told as it begins and as it ends.

use std::sync::Mutex;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use super::child::{Ended, Ending};
use super::kubectl::{complaint, without_logins};
use super::plan::Step;
use super::talk::{CommandRecord, Told};
use crate::domain::{Clean, Timestamp};

/// Longest command line that is told.
const LINE: usize = 4_000;

/// Tells the screens of commands. Nothing is dropped: there are as many as a person's questions need.
#[derive(Debug)]
pub struct CommandLog {
    number: Mutex<u64>,
    to: UnboundedSender<Told>,
}

/// A command under way.
#[derive(Debug)]
pub struct Begun {
    number: u64,
    started: Timestamp,
    clock: Instant,
}

impl CommandLog {
    /// Tells `to`.
    pub fn new(to: UnboundedSender<Told>) -> Self {
        Self { number: Mutex::default(), to }
    }

    /// `step` begins.
    pub fn begin(&self, step: &Step, writes: bool) -> Begun {
        // A thread that panicked while counting leaves a number that is as good as any.
        let mut count = self.number.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *count += 1;
        let begun = Begun { number: *count, started: Timestamp::now(), clock: Instant::now() };
        drop(count);
        self.tell(&begun, step, writes, None);
        begun
    }

    /// It has ended.
    pub fn end(&self, begun: Begun, step: &Step, writes: bool, ended: &Ended) {
        self.tell(&begun, step, writes, Some(ended));
    }

    fn tell(&self, begun: &Begun, step: &Step, writes: bool, ended: Option<&Ended>) {
        let complained = ended.filter(|ended| ended.ending != Ending::Exit(0) || !ended.stderr.is_empty());
        let record = CommandRecord {
            number: begun.number,
            started: begun.started,
            line: line(step),
            writes,
            took: ended.map(|_| begun.clock.elapsed()),
            ended: ended.map(|ended| Clean::new(&ended.ending.to_string())),
            complaint: complained.map(complaint),
        };
        // Nobody listens any more when the screens are gone.
        let _ = self.to.send(Told::Command(record));
    }
}

/// How a command reads in a shell.
pub fn line(step: &Step) -> Clean {
    let mut line = shell_words::join(&step.argv);
    if step.stdin.is_some() {
        line.push_str(" <<'…'");
    }
    Clean::capped(&without_logins(&line), LINE)
}
