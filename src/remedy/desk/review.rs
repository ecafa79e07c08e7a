//! From a proposal to a plan, and from an approval to a running operation.

use std::sync::Arc;
use std::time::Duration;

use super::machines::machine_plan;
use super::operations::Kept;
use super::propose::{Basis, Drafted, carries, views};
use super::{Desk, Inner, new_operation};
use crate::domain::{Clean, Timestamp};
use crate::remedy::act::{Act, Fresh};
use crate::remedy::books::books;
use crate::remedy::catalogue::Draft;
use crate::remedy::catalogue::draft::obstacle;
use crate::remedy::child::Ending;
use crate::remedy::cluster::Object;
use crate::remedy::cluster::rights::missing;
use crate::remedy::guard::{Bound, Circumstances, Ticket};
use crate::remedy::journal::Record;
use crate::remedy::kind::Risk;
use crate::remedy::kubectl::{Kubectl, complaint};
use crate::remedy::log::line;
use crate::remedy::names::Label;
use crate::remedy::node::Remote;
use crate::remedy::node::draft::NodeDraft;
use crate::remedy::operation::{OperationId, Outcome, Phase};
use crate::remedy::plan::{Approval, Confirmation, Digest, Plan};
use crate::remedy::proposal::{Obstacle, ProposalId, Weight};
use crate::remedy::runner::Update;
use crate::remedy::talk::Told;
use crate::remedy::target::Target;
use crate::remedy::write::{Edit, Standing, Write};

/// A verdict older than this does not carry an action.
pub const VERDICT_AGE: Duration = Duration::from_secs(600);
/// Data older than this, or than so many windows, does not.
const DATA_AGE: (Duration, u32) = (Duration::from_secs(300), 5);
/// Actions are counted over this long.
const HOUR: Duration = Duration::from_secs(3_600);

/// What goes into a plan beside the write.
pub struct Purpose {
    pub slo: Clean,
    pub objective_ms: f64,
    pub observed_ms: Option<f64>,
    pub undoes: Option<OperationId>,
}

impl Desk {
    /// Works a proposal out again from fresh reads, and tells exactly what would be run.
    pub(super) fn review(&mut self, id: ProposalId) {
        let Some((proposal, basis)) = self.proposals.get(&id).cloned() else {
            return self.refuse(
                "reviewing",
                Clean::new("there is no such proposal any more: ask for proposals again"),
            );
        };
        let what = Clean::new(&format!("{} of {}", proposal.kind.title(), proposal.target));
        let observed_ms = self
            .readings
            .as_ref()
            .and_then(|(readings, _)| readings.of(proposal.slo.as_str())?.observed_ms)
            .or(basis.verdict.slo.observed_ms);
        let purpose = Purpose {
            slo: proposal.slo.clone(),
            objective_ms: proposal.objective_ms,
            observed_ms,
            undoes: None,
        };
        let (kubectl, remote, by) = (self.kubectl.clone(), self.remote.clone(), self.operator.clone());
        let (number, op) = self.begin_review();
        self.spawn(async move {
            let result = Box::new(prepare(&kubectl, &remote, &basis, purpose, op, &by).await);
            Inner::Reviewed { number, what, result }
        });
    }

    /// Tells exactly what would take `id` back.
    pub(super) fn review_undo(&mut self, id: &OperationId) {
        let kept = self.operations.get(id).filter(|kept| kept.operation.can_undo);
        let Some((write, operation)) = kept.map(|kept| (kept.write.clone(), kept.operation.clone())) else {
            return self.refuse("undoing", Clean::new(&format!("{id} cannot be taken back")));
        };
        let what = Clean::new(&format!("taking back {} of {}", operation.kind.title(), operation.target));
        let purpose = Purpose {
            slo: operation.slo.clone(),
            objective_ms: operation.objective_ms,
            observed_ms: self
                .readings
                .as_ref()
                .and_then(|(readings, _)| readings.of(operation.slo.as_str())?.observed_ms),
            undoes: Some(id.clone()),
        };
        let (kubectl, remote, by) = (self.kubectl.clone(), self.remote.clone(), self.operator.clone());
        let (number, op) = self.begin_review();
        self.spawn(async move {
            let write = match write {
                Act::Object(write) => write.inverse(),
                Act::Machine(act) => {
                    let draft = NodeDraft {
                        kind: operation.kind,
                        target: act.target,
                        write: act.change,
                        changes: Write::turned(&operation.changes),
                        risk: Risk::R1,
                        why: Clean::new(""),
                        obstacles: Vec::new(),
                    };
                    let result = match &remote {
                        Ok(remote) => machine_plan(remote, draft, purpose, op).await,
                        Err(why) => Err(why.clone()),
                    };
                    return Inner::Reviewed { number, what, result: Box::new(result) };
                }
            };
            let risk = if write.target.kind == crate::remedy::target::ObjectKind::StatefulSet
                || matches!(&write.edit, Edit::Patch { resize: false, fields, .. } if fields.iter().any(|f| f.path.starts_with("/spec/template")))
            {
                Risk::R2
            } else {
                Risk::R1
            };
            let draft = Draft {
                kind: operation.kind,
                partial: false,
                write,
                changes: Write::turned(&operation.changes),
                risk,
                why: Clean::new(""),
                forecast: None,
                obstacles: Vec::new(),
                patch: None,
            };
            let result = Box::new(plan(&kubectl, draft, purpose, op, &by).await);
            Inner::Reviewed { number, what, result }
        });
    }

    /// A new review makes the one before void, shown or not.
    fn begin_review(&mut self) -> (u64, OperationId) {
        self.guard.reject();
        self.reviewing += 1;
        (self.reviewing, new_operation(Timestamp::now()))
    }

    pub(super) fn reviewed(
        &mut self,
        number: u64,
        what: &Clean,
        result: Result<(Plan, Bound, Fresh), Clean>,
    ) {
        if number != self.reviewing {
            return;
        }
        let presented = result.and_then(|(plan, bound, before)| self.guard.present(plan, bound, &before));
        match presented {
            Ok(plan) => self.tell(Told::Preview(plan)),
            Err(why) => self.refuse(what.as_str(), why),
        }
    }

    /// Carries out the plan that is shown, if everything still holds.
    pub(super) fn approve(&mut self, approval: Approval) {
        if let Err(error) = self.journal.refresh() {
            self.guard.reject();
            return self.refuse("approving", Clean::capped(&error.to_string(), 500));
        }
        let around = self.circumstances(&approval);
        let ticket = match self.guard.take(approval, &around) {
            Ok(ticket) => ticket,
            Err(why) => return self.refuse("approving", why),
        };
        self.confirming = true;
        let (kubectl, remote) = (self.kubectl.clone(), self.remote.clone());
        self.spawn(async move {
            let read = read_again(&kubectl, &remote, &ticket.bound().write).await;
            Inner::Confirmed { ticket: Box::new(ticket), read }
        });
    }

    pub(super) fn confirmed(&mut self, ticket: Ticket, read: Result<(Fresh, String), Clean>) {
        self.confirming = false;
        if !self.guard.is_armed() {
            return self.refuse("approving", Clean::new("writing was disarmed meanwhile"));
        }
        let permit = match read.and_then(|(fresh, server)| ticket.confirm(&fresh, &server)) {
            Ok(permit) => permit,
            Err(why) => return self.refuse("approving", why),
        };
        let id = permit.bound().op.clone();
        let kept = Kept::begun(&permit, self.operator.clone(), Timestamp::now());
        self.tell(Told::Operation(Arc::new(kept.operation.clone())));
        self.operations.insert(id.clone(), kept);
        let (runner, by) = (self.runner.clone(), self.operator.clone());
        let to = self.inner.0.clone();
        self.tasks.spawn(async move {
            let tell = Arc::new(move |update: Update| {
                let _ = to.send(Inner::Update(id.clone(), update));
            });
            runner.carry_out(permit, by, tell).await;
        });
    }

    fn circumstances(&self, approval: &Approval) -> Circumstances {
        let decided =
            |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Applied | Outcome::NotApplied(_)));
        let pending = self.operations.values().map(|kept| &kept.operation).find(|operation| {
            matches!(operation.phase, Phase::Running | Phase::ReadBack) && !decided(&operation.outcome)
        });
        let busy = match pending {
            Some(operation) => Some(format!("{} is not decided yet: wait for it", operation.target)),
            None if self.confirming => Some("another approval is being carried out".to_owned()),
            None => None,
        };
        let since = self.clock.wall().checked_sub(HOUR).unwrap_or(Timestamp::MIN);
        let entries = self.journal.entries();
        let recent = entries.iter().filter(|entry| {
            // Also those of a clock that was ahead.
            matches!(&entry.record, Record::Intent(intent) if intent.undoes.is_none() && entry.at >= since)
        });
        let recent = u32::try_from(recent.count()).unwrap_or(u32::MAX);
        let shown = self.guard.shown().filter(|plan| plan.digest == approval.digest);
        Circumstances {
            busy: busy.map(|busy| Clean::new(&busy)),
            recent,
            doubt: shown.and_then(|plan| self.doubt(&plan.slo)),
            operator: Some(self.operator.clone()),
        }
    }

    /// Why nothing should be done about `slo` on the strength of what is known.
    fn doubt(&self, slo: &Clean) -> Option<Clean> {
        let Some((verdict, heard)) = self.verdicts.get(slo) else {
            return Some(Clean::new("there is no verdict on it: ask for the cause"));
        };
        if !carries(verdict.kind) {
            return Some(Clean::new(&format!(
                "the newest verdict is `{}`: it does not carry an action",
                verdict.kind.word()
            )));
        }
        let by_wall = self.clock.wall().duration_since(verdict.at).unsigned_abs();
        if by_wall.max(self.clock.since_boot().saturating_sub(*heard)) > VERDICT_AGE {
            return Some(Clean::new("the verdict is older than 10 min: ask again"));
        }
        let length = self.readings.as_ref().map_or(Duration::ZERO, |(readings, _)| readings.length);
        match self.data_age() {
            Some(age) if age <= DATA_AGE.0.max(length * DATA_AGE.1) => None,
            Some(age) => Some(Clean::new(&format!(
                "the newest data is {} s old: nothing is done on it",
                age.as_secs()
            ))),
            None => Some(Clean::new("there is no data: nothing is done blindly")),
        }
    }
}

/// What an act writes to as it is now, and by which way it was read.
async fn read_again(
    kubectl: &Kubectl,
    remote: &Result<Arc<Remote>, Clean>,
    act: &Act,
) -> Result<(Fresh, String), Clean> {
    let target = match act {
        Act::Object(write) => &write.target,
        Act::Machine(act) => {
            let said = remote.as_ref().map_err(Clone::clone)?.read(act).await?;
            return Ok((Fresh::Machine(said), act.target.node.to_string()));
        }
    };
    let failed = |error: &dyn std::fmt::Display| {
        Clean::capped(&format!("the target cannot be read again: {error}"), 500)
    };
    let namespace = Label::new(target.namespace.as_str()).map_err(|error| failed(&error))?;
    let (object, server) =
        tokio::join!(kubectl.get(target.kind, &namespace, target.name.as_str()), kubectl.server());
    let object = Object::of(object.map_err(|error| failed(&error))?);
    let object = object.ok_or_else(|| Clean::new("the target has no valid name"))?;
    Ok((object.into(), server.map_err(|error| failed(&error))?))
}

async fn prepare(
    kubectl: &Kubectl,
    remote: &Result<Arc<Remote>, Clean>,
    basis: &Basis,
    purpose: Purpose,
    op: OperationId,
    by: &Clean,
) -> Result<(Plan, Bound, Fresh), Clean> {
    use crate::remedy::catalogue::Unfit;
    let (views, notes) = views(kubectl, &basis.settings).await;
    match basis.draft(kubectl, remote, &views).await {
        Ok(Drafted::Object(draft)) => plan(kubectl, draft, purpose, op, by).await,
        Ok(Drafted::Machine(draft)) => {
            machine_plan(remote.as_ref().map_err(Clone::clone)?, draft, purpose, op).await
        }
        Err(Unfit::Told(why)) => Err(why),
        Err(Unfit::Silent) => {
            Err(notes.into_iter().next().unwrap_or_else(|| Clean::new("it does not fit any more")))
        }
    }
}

/// The plan of a draft: its commands, what the server says to a rehearsal, and what is missing.
async fn plan(
    kubectl: &Kubectl,
    draft: Draft,
    purpose: Purpose,
    op: OperationId,
    by: &Clean,
) -> Result<(Plan, Bound, Fresh), Clean> {
    let Draft { kind, write, changes, risk, forecast, mut obstacles, .. } = draft;
    let wrong = |error: &dyn std::fmt::Display| Clean::capped(&error.to_string(), 500);
    let step = kubectl.write_step(&write).map_err(|error| wrong(&error))?;
    let undo = kubectl.write_step(&write.inverse()).map_err(|error| wrong(&error))?;
    let act = Act::Object(write.clone());
    let remote = Err(Clean::new("not on a machine"));
    let (read, rights, rehearsed, notes) = tokio::join!(
        read_again(kubectl, &remote, &act),
        missing(kubectl, &write),
        kubectl.rehearse(&write),
        books(kubectl, &write, &op, by),
    );
    let (fresh, server) = read?;
    match act.standing(&fresh) {
        Standing::Before => {}
        Standing::After => return Err(Clean::new("the target is as it would be already")),
        Standing::Replaced => return Err(Clean::new("the target was deleted and made anew")),
        Standing::Neither(seen) => return Err(Clean::new(&format!("the target has changed: {seen}"))),
    }
    obstacles.extend(rights);
    let rehearsed = rehearsed.map_err(|error| wrong(&error))?;
    let said = complaint(&rehearsed);
    let dry_run = match rehearsed.ending {
        Ending::Exit(0) => Some(rehearsal(&write, &rehearsed.stdout)),
        _ if said.as_str().contains("does not support dry run") => {
            let text = format!("no rehearsal is possible: {said}");
            obstacles.push(obstacle(Weight::Warning, text));
            None
        }
        _ => {
            let text = format!("the server refuses it in a rehearsal: {said}");
            obstacles.push(obstacle(Weight::Refusal, text));
            None
        }
    };
    let (notes, left_out) = notes.map_err(|error| wrong(&error))?;
    obstacles.extend(left_out.iter().map(|why| obstacle(Weight::Note, why.as_str())));
    if let Some((take, give)) = &notes.lease {
        obstacles.push(note(&format!(
            "before it, a lease tells others: {}; after it: {}",
            line(take),
            line(give)
        )));
    }
    if let Some(words) = &notes.marker {
        obstacles
            .push(note(&format!("after it, the object is marked: kubectl {}", shell_words::join(words))));
    }
    let plan = Plan {
        slo: purpose.slo,
        kind,
        target: Target::Object(write.target),
        changes,
        step,
        undo: Some(undo),
        risk,
        confirmation: Confirmation::Choose,
        second_person: false,
        forecast,
        objective_ms: purpose.objective_ms,
        observed_ms: purpose.observed_ms,
        obstacles,
        dry_run,
        undoes: purpose.undoes,
        digest: Digest([0; 32]),
        expires: Timestamp::now(),
    };
    Ok((plan, Bound { op, write: act, books: notes, server }, fresh))
}

fn note(text: &str) -> Obstacle {
    Obstacle { weight: Weight::Note, text: Clean::capped(text, 2_000) }
}

/// What a rehearsal shows: for a patch, that the fields would have the new values.
fn rehearsal(write: &Write, stdout: &[u8]) -> Clean {
    if matches!(write.edit, Edit::Scale { .. }) {
        return Clean::new(String::from_utf8_lossy(stdout).trim());
    }
    let object = serde_json::from_slice(stdout).ok().and_then(Object::of);
    match object.map(|object| write.standing(&object)) {
        Some(Standing::After) => Clean::new("accepted; the fields would have the new values"),
        Some(Standing::Neither(seen)) => {
            Clean::new(&format!("accepted, but the server would change it: {seen}"))
        }
        _ => Clean::new("accepted, but the answer does not show the new values"),
    }
}
