//! After the write: has the change taken effect, and does it stay?

use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};

use super::read_back::who;
use super::{Runner, Tell, Update};
use crate::domain::{Clean, Timestamp};
use crate::remedy::cluster::Object;
use crate::remedy::cluster::rollout::{Rollout, available, rollout, unschedulable};
use crate::remedy::cluster::view::Selector;
use crate::remedy::journal::Record;
use crate::remedy::kind::ActionKind;
use crate::remedy::names::Label;
use crate::remedy::operation::{OperationId, Phase};
use crate::remedy::quantity::same;
use crate::remedy::target::ObjectKind;
use crate::remedy::write::{Edit, Standing, Write};

/// How far a change's effect is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Effect {
    /// It is there.
    There,
    /// It is waited for; what for.
    Coming(Clean),
    /// It will not come by itself.
    Stuck(Clean),
}

impl Runner {
    /// Follows an applied write: until it has settled, and at the times at which others put things back.
    pub(super) async fn follow(&self, op: &OperationId, write: &Write, kind: ActionKind, tell: &Tell) {
        let begun = Instant::now();
        let mut marks = self.pace.reverts.iter().peekable();
        let mut last = None;
        let until = begun + self.pace.settle;
        loop {
            let object = match self.read(&write.target).await {
                Ok(Some(object)) => object,
                Ok(None) => return self.ended(op, None, "the target is gone", tell).await,
                Err(error) if Instant::now() >= until => {
                    return self.ended(op, None, &format!("the target cannot be read: {error}"), tell).await;
                }
                Err(_) => {
                    sleep(self.pace.poll).await;
                    continue;
                }
            };
            if write.standing(&object) != Standing::After {
                self.reverted(op, who(write, &object), tell).await;
                return tell(Update::Phase(Phase::Done));
            }
            while marks.next_if(|mark| begun + **mark <= Instant::now()).is_some() {}
            match self.effect(write, kind, &object).await {
                Effect::There => break,
                Effect::Stuck(why) => return self.ended(op, None, why.as_str(), tell).await,
                Effect::Coming(why) if Instant::now() >= until => {
                    return self
                        .ended(
                            op,
                            None,
                            &format!("not yet after {} s: {why}", self.pace.settle.as_secs()),
                            tell,
                        )
                        .await;
                }
                Effect::Coming(why) => {
                    if last.as_ref() != Some(&why) {
                        tell(Update::Phase(Phase::Settling(why.clone())));
                        last = Some(why);
                    }
                }
            }
            sleep(self.pace.poll).await;
        }
        self.ended(op, Some(Timestamp::now()), "", tell).await;
        for mark in marks {
            sleep_until(begun + *mark).await;
            let Ok(read) = self.read(&write.target).await else { continue };
            match read {
                Some(object) if write.standing(&object) == Standing::After => {}
                Some(object) => return self.reverted(op, who(write, &object), tell).await,
                // A pod that was resized is replaced one day.
                None => return self.reverted(op, Clean::new("whoever deleted the target"), tell).await,
            }
        }
    }

    async fn ended(&self, op: &OperationId, since: Option<Timestamp>, note: &str, tell: &Tell) {
        let note = Clean::capped(note, 500);
        match since {
            Some(since) => {
                tell(Update::Effective(since));
                tell(Update::Phase(Phase::Verifying));
            }
            None => {
                tell(Update::Note(note.clone()));
                tell(Update::Phase(Phase::Done));
            }
        }
        if let Err(why) = self.record(Record::Effect { op: op.clone(), since, note }).await {
            tell(Update::Note(why));
        }
    }

    async fn effect(&self, write: &Write, kind: ActionKind, object: &Object) -> Effect {
        let coming = |why: String| Effect::Coming(Clean::capped(&why, 300));
        match (kind, write.target.kind) {
            (_, ObjectKind::Deployment | ObjectKind::StatefulSet) => {
                match rollout(write.target.kind, object) {
                    Rollout::Stuck(why) => return Effect::Stuck(why),
                    Rollout::Underway(why) => return self.or_unschedulable(write, object, why).await,
                    Rollout::AtRest => {}
                }
                let (ready, wanted) = available(object);
                if ready < wanted {
                    let why = Clean::new(&format!("{ready} of {wanted} replicas are available"));
                    return self.or_unschedulable(write, object, why).await;
                }
                Effect::There
            }
            (ActionKind::ResizePod, _) => resized(write, object),
            (_, ObjectKind::Autoscaler) => {
                let floor = object.count("/spec/minReplicas").unwrap_or(1);
                match object.count("/status/desiredReplicas") {
                    Some(desired) if desired >= floor => Effect::There,
                    desired => coming(format!(
                        "the autoscaler asks for {} of {floor} replicas",
                        desired.unwrap_or(0)
                    )),
                }
            }
            _ => Effect::There,
        }
    }

    /// `why` it is not there yet, unless a pod finds no machine: then it does not come by itself.
    async fn or_unschedulable(&self, write: &Write, object: &Object, why: Clean) -> Effect {
        let pods = async {
            let namespace = Label::new(write.target.namespace.as_str()).ok()?;
            let list = self.kubectl.list(Some(&namespace), "pods").await.ok()?;
            let selector = Selector::of(object.at("/spec/selector")?)?;
            let pods = Object::list(list).into_iter().filter(|pod| selector.matches(pod));
            unschedulable(&pods.collect::<Vec<_>>())
        };
        match pods.await {
            // The cluster may get another machine: that is for a person to wait for, or to undo.
            Some(stuck) => Effect::Coming(Clean::capped(&format!("{why}; no machine fits: {stuck}"), 400)),
            None => Effect::Coming(why),
        }
    }
}

/// Whether a pod runs with the resources that it was given (KEP-1287).
fn resized(write: &Write, pod: &Object) -> Effect {
    let message = |condition: &Value| {
        let text = |key: &str| condition[key].as_str().unwrap_or_default();
        Clean::capped(&format!("{} {}", text("reason"), text("message")), 300)
    };
    let on = |condition: &&Value| condition["status"] == "True";
    if let Some(pending) = pod.condition("PodResizePending").filter(on) {
        let why = message(pending);
        return if pending["reason"] == "Infeasible" { Effect::Stuck(why) } else { Effect::Coming(why) };
    }
    if let Some(progress) = pod.condition("PodResizeInProgress").filter(on) {
        return Effect::Coming(message(progress));
    }
    let Edit::Patch { keeps, fields, .. } = &write.edit else { return Effect::There };
    let name = keeps.iter().find(|(path, _)| path.ends_with("/name")).map(|(_, name)| name);
    let statuses = pod.each("/status/containerStatuses").iter();
    let status = statuses.into_iter().find(|status| Some(&status["name"]) == name);
    let runs_with = status.and_then(|status| status.get("resources"));
    match (runs_with, fields.first().and_then(|field| field.after.as_ref())) {
        (Some(seen), Some(wanted)) if same(seen, wanted) => Effect::There,
        (None, _) => Effect::Coming(Clean::new("the kubelet has not told of its resources yet")),
        _ => Effect::Coming(Clean::new("the container still runs with the old resources")),
    }
}
