//! The runner: carries out one permit, once, and finds out by reading what came of it.
//!
//! ```text
//!  Permit ─→ journal intent ─→ lease ─→ journal started ─→ spawn ─→ read back ─→ journal result
//!                                                                     │
//!            effect: settled, +10 s, +60 s ←── Applied ───────────────┘
//! ```

mod ending;
mod machine;
mod read_back;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::spawn_blocking;

pub use ending::Said;
pub use machine::LASTS;

use super::act::Act;
use super::child::{Ended, Ending};
use super::guard::Permit;
use super::journal::{Actor, Intent, Journal, JournalError, Record};
use super::kubectl::{Kubectl, complaint};
use super::names::Label;
use super::node::Remote;
use super::operation::{OperationId, Outcome, Phase};
use crate::domain::{Clean, Timestamp};

/// How long things are waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two reads.
    pub poll: Duration,
    /// For a target to show whether a write whose end nobody saw has happened.
    pub read_back: Duration,
    /// For an effect.
    pub settle: Duration,
    /// After which times a change is read again, to notice who puts it back.
    pub reverts: Vec<Duration>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(2),
            read_back: Duration::from_secs(30),
            settle: Duration::from_secs(180),
            reverts: vec![Duration::from_secs(10), Duration::from_secs(60)],
        }
    }
}

/// What goes on with an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// How far it is.
    Phase(Phase),
    /// What is known to have happened.
    Outcome(Outcome),
    /// The change has taken effect, since then.
    Effective(Timestamp),
    /// It takes itself back then; `None`: it stays.
    KeepUntil(Option<Timestamp>),
    /// Somebody put the old value back.
    Reverted(Clean),
    /// A word for who reads.
    Note(Clean),
}

/// Who hears of it.
pub type Tell = Arc<dyn Fn(Update) + Send + Sync>;

/// Runs permits in one context.
#[derive(Clone, Debug)]
pub struct Runner {
    pub(super) kubectl: Arc<Kubectl>,
    /// The machines, or why there is no way to them.
    pub(super) remote: Result<Arc<Remote>, Clean>,
    pub(super) journal: Arc<Journal>,
    pub(super) pace: Pace,
    pub(super) actor: Actor,
}

impl Runner {
    /// Appends to the journal where that holds nobody up.
    pub(super) async fn record(&self, record: Record) -> Result<(), Clean> {
        let journal = self.journal.clone();
        let written: Result<(), JournalError> = spawn_blocking(move || journal.append(record))
            .await
            .map_err(|error| Clean::new(&format!("the journal's writer ended: {error}")))?;
        written.map_err(|error| Clean::capped(&error.to_string(), 500))
    }

    /// Carries out `permit` by `by`. At most one attempt: whatever is seen, the command is not run again.
    pub async fn carry_out(&self, permit: Permit, by: Clean, tell: Tell) {
        let op = permit.bound().op.clone();
        let intent = self.intent(&permit, by);
        if let Err(why) = self.record(Record::Intent(Box::new(intent))).await {
            tell(Update::Outcome(Outcome::NotApplied(why)));
            tell(Update::Phase(Phase::Done));
            return;
        }
        let lease = match self.take_lease(&permit).await {
            Ok(lease) => lease,
            Err(why) => {
                let ended = Clean::new("not run");
                self.decided(&op, ended, Outcome::NotApplied(why), false, &tell).await;
                tell(Update::Phase(Phase::Done));
                return;
            }
        };
        if let Lease::Without(why) = &lease {
            tell(Update::Note(why.clone()));
        }
        if let Err(why) = self.record(Record::Started { op: op.clone() }).await {
            tell(Update::Outcome(Outcome::NotApplied(why)));
            tell(Update::Phase(Phase::Done));
            return;
        }
        let write = match &permit.bound().write {
            Act::Object(write) => write,
            Act::Machine(act) => return self.carry_out_there(&permit, act, &tell).await,
        };
        let ended = self.kubectl.write(&permit).await;
        tell(Update::Phase(Phase::ReadBack));
        let said = Said::of(&ended);
        let outcome = self.read_back(write, permit.generation(), &said).await;
        let words = ended_in_words(&ended);
        self.decided(&op, words, outcome.outcome.clone(), false, &tell).await;
        if let Some(note) = outcome.note {
            tell(Update::Note(note));
        }
        if outcome.outcome == Outcome::Applied {
            self.mark(&permit, &tell).await;
        }
        if let (Lease::Held, Some((_, give))) = (&lease, &permit.bound().books.lease) {
            // It runs out by itself.
            self.kubectl.keep_books(give, &permit).await;
        }
        match (&outcome.outcome, outcome.reverted) {
            (Outcome::Applied, Some(by)) => {
                self.reverted(&op, by, &tell).await;
                tell(Update::Phase(Phase::Done));
            }
            (Outcome::Applied, None) => self.follow(&op, write, permit.plan().kind, &tell).await,
            (_, _) if matches!(said, Said::Unsure(_)) => {
                self.look_again(&op, write, outcome.outcome, &tell).await;
                tell(Update::Phase(Phase::Done));
            }
            _ => tell(Update::Phase(Phase::Done)),
        }
    }

    fn intent(&self, permit: &Permit, by: Clean) -> Intent {
        let (plan, bound, approval) = (permit.plan(), permit.bound(), permit.approval());
        Intent {
            op: bound.op.clone(),
            slo: plan.slo.clone(),
            kind: plan.kind,
            write: bound.write.clone(),
            changes: plan.changes.clone(),
            argv: plan.step.argv.clone(),
            stdin_sha256: plan.step.stdin.as_deref().map(super::digest::sha256),
            digest: Clean::new(&super::digest::full(&plan.digest)),
            by,
            second: approval.second.clone(),
            reason: approval.reason.clone(),
            undo: plan.undo.as_ref().map(|step| step.argv.clone()),
            generation: permit.generation(),
            forecast: plan.forecast,
            objective_ms: plan.objective_ms,
            observed_ms: plan.observed_ms,
            undoes: plan.undoes.clone(),
            actor: self.actor.clone(),
        }
    }

    /// Tells and records what is known to have happened.
    async fn decided(&self, op: &OperationId, ended: Clean, outcome: Outcome, recovered: bool, tell: &Tell) {
        let record = Record::Result { op: op.clone(), ended, outcome: outcome.clone(), recovered };
        tell(Update::Outcome(outcome));
        if let Err(why) = self.record(record).await {
            tell(Update::Note(why));
        }
    }

    async fn reverted(&self, op: &OperationId, by: Clean, tell: &Tell) {
        tell(Update::Reverted(by.clone()));
        if let Err(why) = self.record(Record::Reverted { op: op.clone(), by }).await {
            tell(Update::Note(why));
        }
    }

    /// Finds out what became of an operation whose process died.
    pub async fn recover(&self, intent: &Intent, started: bool, tell: Tell) {
        let ended = Clean::new("nobody saw how it ended");
        if !started {
            let why = Clean::new("sagetop ended before the command was run");
            self.decided(&intent.op, ended, Outcome::NotApplied(why), true, &tell).await;
            tell(Update::Phase(Phase::Done));
            return;
        }
        tell(Update::Phase(Phase::ReadBack));
        let write = match &intent.write {
            Act::Object(write) => write,
            Act::Machine(act) => return self.recover_there(act, &intent.op, &tell).await,
        };
        let said = Said::Unsure(Clean::new("sagetop ended while the command ran"));
        let seen = self.read_back(write, intent.generation, &said).await;
        self.decided(&intent.op, ended, seen.outcome.clone(), true, &tell).await;
        if seen.outcome == Outcome::Applied {
            self.follow(&intent.op, write, intent.kind, &tell).await;
        } else {
            tell(Update::Phase(Phase::Done));
        }
    }

    async fn take_lease(&self, permit: &Permit) -> Result<Lease, Clean> {
        let Some((take, _)) = &permit.bound().books.lease else { return Ok(Lease::None) };
        let ended = self.kubectl.keep_books(take, permit).await;
        if ended.ending == Ending::Exit(0) {
            return Ok(Lease::Held);
        }
        let said = complaint(&ended);
        if !said.as_str().contains("(AlreadyExists)") {
            let text = format!("nobody else is told that somebody acts here: {said}");
            return Ok(Lease::Without(Clean::capped(&text, 400)));
        }
        let Some(target) = permit.bound().write.object().map(|write| &write.target) else {
            return Ok(Lease::None);
        };
        let holder = match Label::new(target.namespace.as_str()) {
            Ok(namespace) => {
                self.kubectl.lease(&namespace, &super::books::lease_name(target.uid.as_str())).await.ok()
            }
            Err(_) => None,
        };
        let text = |pointer: &str| {
            let text = holder.as_ref().and_then(|lease| lease.pointer(pointer)).and_then(Value::as_str);
            Clean::new(text.unwrap_or("unknown"))
        };
        // One of ours that has ended, or died and was read back since, holds nobody up. It is given back
        // with this one.
        if self.has_ended(text("/metadata/annotations/sagetop~1op").as_str()) {
            return Ok(Lease::Held);
        }
        let renewed = text("/spec/renewTime");
        let runs_out = super::books::runs_out(renewed.as_str());
        if runs_out.is_some_and(|at| at < Timestamp::now()) {
            // Left by somebody who died. It cannot be taken over without a race, and protects nobody.
            let why = format!(
                "a lease of {} ran out and was left: nobody is told that somebody acts here",
                text("/spec/holderIdentity")
            );
            return Ok(Lease::Without(Clean::new(&why)));
        }
        Err(Clean::new(&format!("{} is acting on it since {renewed}", text("/spec/holderIdentity"))))
    }

    /// Whether this journal tells how the operation of this name ended.
    fn has_ended(&self, op: &str) -> bool {
        let ended = |record: &Record| {
            matches!(record, Record::Result { .. }) && record.op().is_some_and(|ended| ended.0.as_str() == op)
        };
        self.journal.entries().iter().any(|entry| ended(&entry.record))
    }

    /// Leaves a mark on the object, so that another one's sagetop sees that something was done.
    async fn mark(&self, permit: &Permit, tell: &Tell) {
        let Some(words) = &permit.bound().books.marker else { return };
        let Some(target) = permit.bound().write.object().map(|write| &write.target) else { return };
        let Some(fresh) = self.read(target).await.ok().flatten() else { return };
        let Ok(namespace) = Label::new(target.namespace.as_str()) else { return };
        let mut words = words.clone();
        words.push(format!("--resource-version={}", fresh.version()));
        let step = self.kubectl.step(Some(&namespace), words, None);
        let ended = self.kubectl.keep_books(&step, permit).await;
        if ended.ending != Ending::Exit(0) {
            let text = format!("the object was not marked: {}", complaint(&ended));
            tell(Update::Note(Clean::capped(&text, 400)));
        }
    }
}

/// Whether others are told that somebody acts.
enum Lease {
    /// Not asked for.
    None,
    /// Yes.
    Held,
    /// No, and why.
    Without(Clean),
}

fn ended_in_words(ended: &Ended) -> Clean {
    match ended.ending {
        Ending::Exit(0) => Clean::new("exit 0"),
        _ => Clean::capped(&format!("{}: {}", ended.ending, complaint(ended)), 500),
    }
}
