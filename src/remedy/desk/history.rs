//! What the journal tells at the start: past operations, and those that nobody saw the end of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::operations::Kept;
use super::{Desk, Inner};
use crate::domain::Clean;
use crate::remedy::act::Act;
use crate::remedy::guard::later;
use crate::remedy::journal::{Actor, Entry, Intent, Record};
use crate::remedy::operation::{OperationId, Outcome, Phase};
use crate::remedy::runner::{LASTS, Update};
use crate::remedy::talk::Told;

/// Operations of this age are told to the screens at the start.
const RECENT: Duration = Duration::from_secs(24 * 3_600);
/// An effect this old is still measured by a later start.
const MEASURED: Duration = Duration::from_secs(1_800);
/// After this long another machine's process counts as gone.
const FOREIGN: Duration = Duration::from_secs(600);

/// A past operation.
#[derive(Clone, Debug)]
pub struct Past {
    /// It, as far as the journal tells.
    pub kept: Kept,
    /// What was going to be done.
    pub intent: Intent,
    /// Whether its command was spawned, as far as is known.
    pub started: bool,
    /// Whether its end is recorded.
    pub decided: bool,
}

/// The operations that `entries` tell of, oldest first.
pub fn past(entries: &[Entry]) -> Vec<Past> {
    let mut order: Vec<OperationId> = Vec::new();
    let mut all: BTreeMap<OperationId, Past> = BTreeMap::new();
    for entry in entries {
        if let Record::Intent(intent) = &entry.record {
            let kept = Kept::recalled(intent, entry.at);
            let intent = Intent::clone(intent);
            order.push(intent.op.clone());
            all.insert(intent.op.clone(), Past { kept, intent, started: false, decided: false });
            continue;
        }
        let Some(past) = entry.record.op().and_then(|op| all.get_mut(op)) else { continue };
        match &entry.record {
            Record::Started { .. } => past.started = true,
            Record::Result { outcome, .. } => {
                past.decided = true;
                past.kept.apply(Update::Outcome(outcome.clone()));
                if *outcome == Outcome::Applied
                    && matches!(&past.intent.write, Act::Machine(act) if act.takes_back.is_none())
                {
                    past.kept.apply(Update::KeepUntil(Some(later(entry.at, LASTS))));
                }
                past.kept.apply(Update::Phase(Phase::Done));
            }
            Record::Effect { since, note, .. } => {
                past.kept.effective = *since;
                if !note.as_str().is_empty() {
                    past.kept.apply(Update::Note(note.clone()));
                }
            }
            Record::Keep { .. } => past.kept.apply(Update::KeepUntil(None)),
            Record::Reverted { by, .. } => past.kept.apply(Update::Reverted(by.clone())),
            Record::Verify { verification, .. } => {
                past.kept.operation.verification = Some(verification.clone())
            }
            Record::Intent(_) | Record::Torn { .. } => {}
        }
    }
    let undone: Vec<(OperationId, OperationId)> = all
        .values()
        .filter(|past| past.kept.operation.outcome == Some(Outcome::Applied))
        .filter_map(|past| Some((past.intent.undoes.clone()?, past.intent.op.clone())))
        .collect();
    for (of, by) in undone {
        if let Some(past) = all.get_mut(&of) {
            past.kept.operation.undone_by = Some(by);
            past.kept.operation.reverted = None;
            past.kept.operation.can_undo = false;
            past.kept.operation.keep_until = None;
        }
    }
    for past in all.values_mut().filter(|past| !past.decided) {
        let why = if past.started {
            "nobody saw how its command ended"
        } else {
            "it was recorded, and nothing after that"
        };
        past.kept.apply(Update::Outcome(Outcome::Unknown(Clean::new(why))));
        past.kept.apply(Update::Phase(Phase::Done));
    }
    order.iter().filter_map(|op| all.remove(op)).collect()
}

impl Desk {
    /// Tells of past operations, and reads what became of those whose process died.
    pub(super) fn recall(&mut self) {
        let now = self.clock.wall();
        let (mut hits, mut of) = (0, 0);
        for past in past(&self.journal.entries()) {
            let Past { mut kept, intent, started, decided } = past;
            let age = now.duration_since(kept.operation.started).unsigned_abs();
            let orphan = !decided && is_gone(&intent.actor, age);
            if age > RECENT && !orphan {
                if let Some(hit) = kept.operation.verification.and_then(|seen| seen.hit) {
                    hits += usize::from(hit);
                    of += 1;
                }
                continue;
            }
            let fresh =
                kept.effective.is_some_and(|since| now.duration_since(since).unsigned_abs() < MEASURED);
            if decided && fresh && kept.operation.verification.is_none() && kept.operation.reverted.is_none()
            {
                kept.operation.phase = Phase::Verifying;
            }
            if orphan {
                kept.operation.phase = Phase::ReadBack;
            }
            let id = intent.op.clone();
            self.tell(Told::Operation(Arc::new(kept.operation.clone())));
            self.operations.insert(id.clone(), kept);
            if orphan {
                let (runner, to) = (self.runner.clone(), self.inner.0.clone());
                self.tasks.spawn(async move {
                    let tell = Arc::new(move |update: Update| {
                        let _ = to.send(Inner::Update(id.clone(), update));
                    });
                    runner.recover(&intent, started, tell).await;
                });
            }
        }
        if of > 0 {
            self.tell(Told::Predictions { hits, of });
        }
    }
}

/// Whether the process that ran an operation of this age is gone. On another machine that is not known,
/// and only time tells.
fn is_gone(actor: &Actor, age: Duration) -> bool {
    let own = this_process();
    if actor.host != own.host {
        return age > FOREIGN;
    }
    actor.boot != own.boot
        || actor.pid == own.pid
        || !std::path::Path::new(&format!("/proc/{}", actor.pid)).exists()
}

/// The machine's name.
pub fn host() -> Clean {
    Clean::capped(&rustix::system::uname().nodename().to_string_lossy(), 64)
}

/// The process that runs this.
pub fn this_process() -> Actor {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Actor { host: host(), boot: Clean::new(boot.trim()), pid: std::process::id() }
}
