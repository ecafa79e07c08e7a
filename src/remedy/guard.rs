//! The guard: decides whether something may be written, and makes the only token with which it can be.
//!
//! ```text
//!  present ──→ Plan on screen ──→ Approval ──→ take ──→ Ticket ──fresh read──→ confirm ──→ Permit ──→ runner
//!  allow-lists, refusals, digest      armed, 120 s, once, typed      nothing has changed
//! ```
//!
//! [`Permit`] has no public constructor: whoever wants to write has to come by here.

use std::sync::Arc;
use std::time::Duration;

use super::act::{Act, Fresh};
use super::clock::Clock;
use super::digest::digest;
use super::kind::Risk;
use super::operation::OperationId;
use super::plan::{Approval, Confirmation, Plan, Step};
use super::proposal::Weight;
use super::settings::RemedySettings;
use super::target::Target;
use super::write::Standing;
use crate::domain::{Clean, Timestamp};

/// A plan that was not approved for so long has to be reviewed again.
pub const PLAN_TTL: Duration = Duration::from_secs(120);
/// Shortest reason, in characters: one that can tell anybody anything.
const REASON: usize = 4;

/// What has been worked out for a plan and is not shown: what an approval is bound to besides.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// Name of the operation that it would become.
    pub op: OperationId,
    /// What would be written.
    pub write: Act,
    /// Notes that would be left in the cluster, as far as there are the rights to.
    pub books: Books,
    /// The server's address.
    pub server: String,
}

/// Commands that only leave notes: who acts, and who has acted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Books {
    /// Takes the lease, which says that somebody is acting; gives it back.
    pub lease: Option<(Step, Step)>,
    /// Marks the object.
    pub marker: Option<Vec<String>>,
}

impl Books {
    /// Their commands, for who approves them.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.lease.iter().flat_map(|(take, give)| [take, give])
    }
}

/// What stands around an approval.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// Why nothing may be begun now: something else is not decided yet.
    pub busy: Option<Clean>,
    /// Actions within the last hour.
    pub recent: u32,
    /// Why the verdict behind the plan does not carry it any more.
    pub doubt: Option<Clean>,
    /// Who is at the keyboard.
    pub operator: Option<Clean>,
}

struct Pending {
    plan: Arc<Plan>,
    bound: Bound,
    until: Duration,
}

/// Decides about writes in one context.
pub struct Guard {
    context: Clean,
    settings: RemedySettings,
    clock: Arc<dyn Clock>,
    armed: Option<Duration>,
    pending: Option<Pending>,
}

/// An approval that holds, as far as can be said without reading the target again.
pub struct Ticket {
    plan: Arc<Plan>,
    bound: Bound,
    until: Duration,
    approval: Approval,
    clock: Arc<dyn Clock>,
}

/// The right to run one command once.
#[derive(Debug)]
pub struct Permit {
    plan: Arc<Plan>,
    bound: Bound,
    approval: Approval,
    generation: Option<u64>,
}

impl Permit {
    /// The command.
    pub fn step(&self) -> &Step {
        &self.plan.step
    }

    /// What was shown.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// What it is bound to.
    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Who said yes, and why.
    pub fn approval(&self) -> &Approval {
        &self.approval
    }

    /// The object's generation just before.
    pub fn generation(&self) -> Option<u64> {
        self.generation
    }
}

impl Guard {
    /// For the context of this name. Nothing may be written until it is armed.
    pub fn new(context: Clean, settings: RemedySettings, clock: Arc<dyn Clock>) -> Self {
        Self { context, settings, clock, armed: None, pending: None }
    }

    /// Makes writing possible for a while.
    ///
    /// # Errors
    /// What was typed is not the context's name, or actions are off.
    pub fn arm(&mut self, typed: &Clean) -> Result<Timestamp, Clean> {
        self.disarm();
        if !self.settings.enabled {
            return Err(Clean::new(
                "actions are off in this context: `enabled = true` in its [remedy] section turns them on",
            ));
        }
        if *typed != self.context {
            return Err(Clean::new(&format!("type the context's name, {}, to arm it", self.context)));
        }
        self.armed = Some(self.clock.since_boot() + self.settings.armed_for);
        Ok(later(self.clock.wall(), self.settings.armed_for))
    }

    /// Makes writing impossible.
    pub fn disarm(&mut self) {
        self.armed = None;
    }

    /// Whether writing is possible.
    pub fn is_armed(&self) -> bool {
        self.armed.is_some_and(|until| self.clock.since_boot() < until)
    }

    /// How long it still is, if armed: for whoever shows it.
    pub fn armed_for(&self) -> Option<Duration> {
        self.armed.and_then(|until| until.checked_sub(self.clock.since_boot())).filter(|left| !left.is_zero())
    }

    /// Whether the configuration lets `target` be changed by such an action at all.
    ///
    /// # Errors
    /// Which entry it lacks.
    pub fn admits(&self, plan: &Plan) -> Result<(), Clean> {
        let refuse = |why: String| Err(Clean::new(&why));
        if !self.settings.enabled {
            return refuse("actions are off in this context".to_owned());
        }
        if !self.settings.kinds.contains(&plan.kind) {
            return refuse(format!("{} is not among the context's `kinds`", plan.kind.word()));
        }
        let namespace = match &plan.target {
            Target::Object(object) => Some(&object.namespace),
            Target::Node(node) => node.pod.as_ref().map(|(namespace, _)| namespace),
        };
        match namespace {
            Some(namespace) if !self.settings.namespaces.contains(namespace) => {
                refuse(format!("{namespace} is not among the context's `namespaces`"))
            }
            _ => Ok(()),
        }
    }

    /// Takes a plan to be shown, in place of the one before. Fills in what only the guard decides:
    /// confirmation, second person, digest and expiry.
    ///
    /// # Errors
    /// The configuration or an obstacle refuses it.
    pub fn present(&mut self, mut plan: Plan, bound: Bound, before: &Fresh) -> Result<Arc<Plan>, Clean> {
        self.pending = None;
        self.admits(&plan)?;
        if let Some(refusal) = plan.obstacles.iter().find(|obstacle| obstacle.weight == Weight::Refusal) {
            return Err(refusal.text.clone());
        }
        plan.confirmation = match plan.risk {
            Risk::R1 => Confirmation::Choose,
            Risk::R2 => Confirmation::Type(plan.target.to_type()),
            Risk::R3 => Confirmation::TypeWithReason(plan.target.to_type()),
        };
        plan.second_person = self.settings.second_person && plan.risk == Risk::R3;
        plan.digest = digest(&plan.step, &bound, before);
        plan.expires = later(self.clock.wall(), PLAN_TTL);
        let plan = Arc::new(plan);
        let until = self.clock.since_boot() + PLAN_TTL;
        self.pending = Some(Pending { plan: plan.clone(), bound, until });
        Ok(plan)
    }

    /// The plan that is shown.
    pub fn shown(&self) -> Option<&Arc<Plan>> {
        self.pending.as_ref().map(|pending| &pending.plan)
    }

    /// Forgets the plan that is shown.
    pub fn reject(&mut self) {
        self.pending = None;
    }

    /// Uses up the plan that is shown, whatever comes of it.
    ///
    /// # Errors
    /// Why it may not be carried out.
    pub fn take(&mut self, approval: Approval, around: &Circumstances) -> Result<Ticket, Clean> {
        let refuse = |why: &str| Err(Clean::new(why));
        let Some(Pending { plan, bound, until }) = self.pending.take() else {
            return refuse("there is no plan to approve: review one first");
        };
        if !self.is_armed() {
            return refuse("writing is not armed in this context");
        }
        if approval.digest != plan.digest {
            return refuse("what was approved is not what was shown last: review it again");
        }
        if self.clock.since_boot() >= until {
            return refuse("the plan is older than 120 s: review it again");
        }
        let typed = |expected: &str| approval.typed.as_ref().is_some_and(|typed| typed.as_str() == expected);
        let reasoned = || {
            approval.reason.as_ref().is_some_and(|reason| reason.as_str().trim().chars().count() >= REASON)
        };
        match &plan.confirmation {
            Confirmation::Choose => {}
            Confirmation::Type(name) | Confirmation::TypeWithReason(name) if !typed(name) => {
                return Err(Clean::new(&format!("{name} had to be typed: review it again")));
            }
            Confirmation::Type(_) => {}
            Confirmation::TypeWithReason(_) if !reasoned() => {
                return refuse("a reason is needed: review it again");
            }
            Confirmation::TypeWithReason(_) => {}
        }
        if plan.second_person {
            let other = |name: &Clean| is_other(name.as_str(), around.operator.as_ref());
            if !approval.second.as_ref().is_some_and(other) {
                return refuse("a second person has to approve this, by another name than yours");
            }
        }
        if let Some(busy) = &around.busy {
            return Err(busy.clone());
        }
        // What takes something back must always be possible.
        if plan.undoes.is_none() {
            if around.recent >= self.settings.max_actions_per_hour {
                return Err(Clean::new(&format!(
                    "{} actions within an hour are enough (`max_actions_per_hour`)",
                    around.recent
                )));
            }
            if let Some(doubt) = &around.doubt {
                return Err(doubt.clone());
            }
        }
        Ok(Ticket { plan, bound, until, approval, clock: self.clock.clone() })
    }
}

impl Ticket {
    /// What it is about.
    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Holds what was approved against `fresh`, read just now, and the `server` as it is configured now.
    ///
    /// # Errors
    /// Something has changed since it was shown, or it took too long.
    pub fn confirm(self, fresh: &Fresh, server: &str) -> Result<Permit, Clean> {
        if self.clock.since_boot() >= self.until {
            return Err(Clean::new("the plan is older than 120 s: review it again"));
        }
        match self.bound.write.standing(fresh) {
            Standing::Before => {}
            Standing::After => {
                return Err(Clean::new("the target is as it would be already: nothing was written"));
            }
            Standing::Replaced => {
                return Err(Clean::new("the target was deleted and made anew: review it again"));
            }
            Standing::Neither(seen) => {
                return Err(Clean::new(&format!(
                    "the target has changed since it was shown ({seen}): review it again"
                )));
            }
        }
        let bound = Bound { server: server.to_owned(), ..self.bound.clone() };
        if digest(&self.plan.step, &bound, fresh) != self.plan.digest {
            return Err(Clean::new(
                "the target or the kubeconfig has changed since it was shown: review it again",
            ));
        }
        let generation = fresh.generation();
        Ok(Permit { plan: self.plan, bound: self.bound, approval: self.approval, generation })
    }
}

/// Whether `name` is somebody's, and not the operator's, who is known as user and machine (`kim@bastion`).
fn is_other(name: &str, operator: Option<&Clean>) -> bool {
    let operator = operator.map_or("", Clean::as_str);
    let user = operator.split('@').next().unwrap_or_default();
    let name = name.trim();
    !name.is_empty() && ![operator, user].iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// `length` after `moment`.
pub fn later(moment: Timestamp, length: Duration) -> Timestamp {
    moment.checked_add(length).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
