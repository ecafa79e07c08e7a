//! Changes on machines: run once, read back, and watched until they are kept or have gone by themselves.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::{Runner, Tell, Update, ended_in_words};
use crate::domain::{Clean, Timestamp};
use crate::remedy::act::MachineAct;
use crate::remedy::guard::{Permit, later};
use crate::remedy::journal::Record;
use crate::remedy::node::Remote;
use crate::remedy::node::report::Kept;
use crate::remedy::node::script::Exit;
use crate::remedy::node::ssh::Ending;
use crate::remedy::operation::{OperationId, Outcome, Phase};
use crate::remedy::write::Standing;

/// How long a change on a machine lasts that nobody keeps; the script says the same.
pub const LASTS: Duration = Duration::from_secs(900);
/// systemd runs timers up to a minute late.
const LATE: Duration = Duration::from_secs(75);

impl Runner {
    /// Carries out a permit on a machine, whose intent is recorded.
    pub(super) async fn carry_out_there(&self, permit: &Permit, act: &MachineAct, tell: &Tell) {
        let op = &permit.bound().op;
        let Ok(remote) = &self.remote else {
            let why = Outcome::NotApplied(Clean::new("machines cannot be reached any more"));
            self.decided(op, Clean::new("not run"), why, false, tell).await;
            return tell(Update::Phase(Phase::Done));
        };
        let (ended, end) = remote.write(permit).await;
        tell(Update::Phase(Phase::ReadBack));
        let outcome = self.read_back_there(remote, act, op, &end).await;
        self.decided(op, ended_in_words(&ended), outcome.clone(), false, tell).await;
        self.watch_there(remote, act, op, &outcome, tell).await;
    }

    /// Finds out what became of a change on a machine whose process here died.
    pub(super) async fn recover_there(&self, act: &MachineAct, op: &OperationId, tell: &Tell) {
        let ended = Clean::new("nobody saw how it ended");
        let Ok(remote) = &self.remote else {
            let why = Clean::new("nobody saw how it ended, and machines cannot be reached");
            self.decided(op, ended, Outcome::Unknown(why), true, tell).await;
            return tell(Update::Phase(Phase::Done));
        };
        let end = Ending::Lost(Clean::new("sagetop ended while the command ran"));
        let outcome = self.read_back_there(remote, act, op, &end).await;
        self.decided(op, ended, outcome.clone(), true, tell).await;
        self.watch_there(remote, act, op, &outcome, tell).await;
    }

    /// What became of it, by what the machine says now. Only where there was no session is that not asked:
    /// nothing can have been done.
    async fn read_back_there(
        &self,
        remote: &Arc<Remote>,
        act: &MachineAct,
        op: &OperationId,
        end: &Ending,
    ) -> Outcome {
        if let Ending::NeverConnected(why) | Ending::NoProgram(why) = end {
            return Outcome::NotApplied(why.clone());
        }
        let until = Instant::now() + self.pace.read_back;
        loop {
            let late = Instant::now() >= until;
            // The outcome waits for the lock, so that what is read after it is not in the midst of it.
            let kept = remote.outcome(&act.target, op).await;
            let read = remote.read(act).await;
            match (kept, read) {
                (Ok(kept), Ok(read)) => {
                    if let Some(outcome) = judge(act.standing(&read), &kept, end, late) {
                        return outcome;
                    }
                }
                (Err(why), _) | (_, Err(why)) if late => {
                    let text = format!("the machine cannot be read: {why}; the command: {}", words(end));
                    return Outcome::Unknown(Clean::capped(&text, 500));
                }
                _ => {}
            }
            sleep(self.pace.poll).await;
        }
    }

    /// Watches an applied change: at the times at which others put things back, and once after the time
    /// at which it takes itself back.
    async fn watch_there(
        &self,
        remote: &Arc<Remote>,
        act: &MachineAct,
        op: &OperationId,
        outcome: &Outcome,
        tell: &Tell,
    ) {
        if *outcome != Outcome::Applied {
            return tell(Update::Phase(Phase::Done));
        }
        let (begun, since) = (Instant::now(), Timestamp::now());
        tell(Update::Effective(since));
        if act.takes_back.is_none() {
            tell(Update::KeepUntil(Some(later(since, LASTS))));
        }
        tell(Update::Phase(Phase::Verifying));
        let effect = Record::Effect { op: op.clone(), since: Some(since), note: Clean::new("") };
        if let Err(why) = self.record(effect).await {
            tell(Update::Note(why));
        }
        let last = act.takes_back.is_none().then_some(LASTS + LATE);
        for mark in self.pace.reverts.iter().copied().chain(last) {
            sleep_until(begun + mark).await;
            let Ok(read) = remote.read(act).await else { continue };
            if act.standing(&read) == Standing::After {
                continue;
            }
            let kept = remote.outcome(&act.target, op).await;
            let by = match kept {
                Ok(kept) if kept.reverted.is_some() => "itself, since nobody kept it",
                _ => "somebody on the machine",
            };
            return self.reverted(op, Clean::new(by), tell).await;
        }
    }
}

/// What ssh or the script said at the end.
fn words(end: &Ending) -> &Clean {
    match end {
        Ending::Script(_, said)
        | Ending::NeverConnected(said)
        | Ending::NoProgram(said)
        | Ending::Lost(said) => said,
    }
}

/// What one read says; `None` if it has to be read again.
fn judge(standing: Standing, kept: &Kept, end: &Ending, late: bool) -> Option<Outcome> {
    let not = |why: Clean| Some(Outcome::NotApplied(why));
    match standing {
        Standing::After => Some(Outcome::Applied),
        Standing::Before => match &kept.result {
            _ if kept.reverted.is_some() => not("it was done, and has taken itself back since".into()),
            Some((Exit::Done, _)) => not("it was done, and somebody has put it back since".into()),
            Some((_, why)) => not(why.clone()),
            None => match end {
                Ending::Script(Exit::Done, _) => {
                    not("it was said to be done, but the machine does not show it".into())
                }
                Ending::Script(_, why) => not(why.clone()),
                // Nobody holds the lock: it was stopped, and will not go on.
                _ if kept.begun => not("it was stopped before it had changed anything".into()),
                // What was sent when the session was lost may still arrive.
                _ if !late => None,
                _ => not(words(end).clone()),
            },
        },
        Standing::Neither(seen) => {
            Some(Outcome::Unknown(Clean::capped(&format!("neither the old nor the new values: {seen}"), 500)))
        }
        Standing::Replaced => Some(Outcome::Unknown(Clean::new("the target was replaced meanwhile"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_read_counts() {
        let kept = |result: Option<Exit>, begun: bool, reverted: bool| Kept {
            result: result.map(|exit| (exit, Clean::new("absent"))),
            begun,
            reverted: reverted.then(|| (Exit::Done, Clean::new("absent"))),
            waits: false,
        };
        let of = |standing: Standing, kept: Kept, lost: bool, late: bool| {
            let said = Clean::new("said");
            let end = if lost { Ending::Lost(said) } else { Ending::Script(Exit::Busy, said) };
            judge(standing, &kept, &end, late)
        };
        let not = |why: &str| Some(Outcome::NotApplied(Clean::new(why)));
        // A script that says it is done has not done it unless that shows, and one that is lost may have.
        assert_eq!(of(Standing::After, kept(None, true, false), true, false), Some(Outcome::Applied));
        let back = not("it was done, and somebody has put it back since");
        assert_eq!(of(Standing::Before, kept(Some(Exit::Done), true, false), false, false), back);
        assert_eq!(of(Standing::Before, kept(Some(Exit::Changed), true, false), false, false), not("absent"));
        assert!(matches!(
            of(Standing::Before, kept(None, true, false), true, false),
            Some(Outcome::NotApplied(_))
        ));
        assert_eq!(of(Standing::Before, kept(None, false, false), true, false), None);
        assert_eq!(of(Standing::Before, kept(None, false, false), true, true), not("said"));
        assert_eq!(of(Standing::Before, kept(None, false, false), false, false), not("said"));
        let seen = Standing::Neither(Clean::new("x"));
        assert!(matches!(
            of(seen, kept(Some(Exit::Done), true, false), false, false),
            Some(Outcome::Unknown(_))
        ));
        assert!(matches!(
            of(Standing::Before, kept(Some(Exit::Done), true, true), false, false),
            Some(Outcome::NotApplied(_))
        ));
    }
}
