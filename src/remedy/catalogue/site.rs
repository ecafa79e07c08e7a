//! Where an action would be done: a workload with everything that was read about it.

use std::collections::BTreeMap;

use super::draft::obstacle;
use crate::domain::Clean;
use crate::domain::ServiceName;
use crate::remedy::cluster::owners::{foreign_managers, gitops};
use crate::remedy::cluster::rollout::{Rollout, rollout};
use crate::remedy::cluster::{Found, Object, Owners, View, Workload, find, owners};
use crate::remedy::kubectl::{Kubectl, ReadError};
use crate::remedy::names::ContextName;
use crate::remedy::proposal::{Obstacle, Weight};
use crate::remedy::target::ObjectKind;

/// Machines of a workload that are looked at.
const MACHINES: usize = 4;

/// A workload and its surroundings.
#[derive(Debug)]
pub struct Site<'a> {
    /// The kubeconfig's context.
    pub context: ContextName,
    /// Deployment or stateful set.
    pub kind: ObjectKind,
    /// The workload, read by itself, with who owns its fields.
    pub object: Object,
    /// Its namespace.
    pub view: &'a View,
    /// Who else writes to it.
    pub owners: Owners,
    /// Its pods.
    pub pods: Vec<&'a Object>,
    /// How its controller stands.
    pub rollout: Rollout,
    /// All pods of its machines, where they may be read.
    pub neighbours: BTreeMap<String, Vec<Object>>,
    /// Whether Cilium's bandwidth manager is on; `None` without Cilium.
    pub cilium: Option<bool>,
}

/// Why there is no site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoSite {
    /// No workload bears the name.
    Unknown,
    /// Several do.
    Ambiguous(Clean),
    /// It cannot be read.
    Unreadable(ReadError),
}

impl<'a> Site<'a> {
    /// The workload of `service` in `views`, read again by itself; `wide` also asks about the machines.
    ///
    /// # Errors
    /// There is none, more than one, or it cannot be read.
    pub async fn read(
        kubectl: &Kubectl,
        views: &'a [View],
        service: &ServiceName,
        wide: bool,
    ) -> Result<Self, NoSite> {
        let found = match find(views, service) {
            Found::One(found) => found,
            Found::None => return Err(NoSite::Unknown),
            Found::Several(which) => return Err(NoSite::Ambiguous(which)),
        };
        let unread = |why: &str| NoSite::Unreadable(ReadError::Failed(Clean::new(why)));
        let fresh = kubectl
            .get(found.kind, &found.view.namespace, found.object.name())
            .await
            .map_err(NoSite::Unreadable)?;
        let object = Object::of(fresh)
            .ok_or_else(|| unread("the server names the workload in a way that is not valid"))?;
        let workload = Workload { kind: found.kind, object: &object, view: found.view };
        let (mut owners, rollout) = (owners(&workload), rollout(found.kind, &object));
        // kubectl's lists do not tell who owns which field.
        for (kind, known) in [
            (ObjectKind::Autoscaler, &mut owners.autoscaler),
            (ObjectKind::ScaledObject, &mut owners.scaled_object),
        ] {
            let Some(listed) = known.as_ref() else { continue };
            let fresh = kubectl.get(kind, &found.view.namespace, listed.name()).await;
            if let Some(fresh) = fresh.ok().and_then(Object::of) {
                *known = Some(fresh);
            }
        }
        let pods = found.view.selected(object.at("/spec/selector"));
        let mut neighbours = BTreeMap::new();
        let mut machines: Vec<&str> = pods.iter().map(|pod| pod.text("/spec/nodeName")).collect();
        machines.sort_unstable();
        machines.dedup();
        for machine in machines.into_iter().filter(|name| wide && !name.is_empty()).take(MACHINES) {
            if let Ok(list) = kubectl.pods_on(machine).await {
                neighbours.insert(machine.to_owned(), Object::list(list));
            }
        }
        let (kind, view) = (found.kind, found.view);
        Ok(Self {
            context: kubectl.context().clone(),
            kind,
            object,
            view,
            owners,
            pods,
            rollout,
            neighbours,
            cilium: None,
        })
    }

    /// Replicas that are asked for.
    pub fn replicas(&self) -> u32 {
        self.object.count("/spec/replicas").unwrap_or(1)
    }

    /// What stands against any change of the workload itself, through the field at `path` in the words of
    /// `managedFields`.
    pub fn obstacles(&self, path: &[&str]) -> Vec<Obstacle> {
        let mut obstacles = Vec::new();
        if let Some(owner) = &self.owners.controller {
            obstacles.push(obstacle(
                Weight::Refusal,
                format!("it belongs to {owner}, which would put it back: change that instead"),
            ));
        }
        if self.object.at("/spec/selector").and_then(crate::remedy::cluster::view::Selector::of).is_none() {
            obstacles.push(obstacle(Weight::Refusal, "its selector is empty or not understood"));
        }
        match &self.rollout {
            Rollout::AtRest => {}
            Rollout::Underway(why) => {
                let text = format!("a rollout is under way ({why}): wait until it has ended");
                obstacles.push(obstacle(Weight::Refusal, text));
            }
            Rollout::Stuck(why) => obstacles.push(obstacle(Weight::Refusal, why.as_str())),
        }
        obstacles.extend(reverters(&self.object, path));
        obstacles.extend(self.view.gaps.iter().map(|gap| obstacle(Weight::Note, gap.as_str())));
        if let Some((kubectl, server)) = self.view.versions
            && kubectl.abs_diff(server) > 1
        {
            let text =
                format!("kubectl 1.{kubectl} and server 1.{server} are further apart than is supported");
            obstacles.push(obstacle(Weight::Note, text));
        }
        obstacles
    }

    /// Whether a repository owns it, so that a patch is worth having.
    pub fn in_repository(&self) -> bool {
        self.owners.gitops.is_some()
    }
}

/// Who would put back the field of `object` at `path`.
pub fn reverters(object: &Object, path: &[&str]) -> Vec<Obstacle> {
    let foreign = foreign_managers(object, path);
    let mut obstacles = Vec::new();
    if let Some(owner) = gitops(object) {
        let owns = foreign.iter().any(|manager| {
            ["argocd-controller", "kustomize-controller", "helm-controller"].contains(&manager.as_str())
        });
        let text = if owns {
            format!(
                "temporary: {owner} owns this field and puts it back, within seconds where it heals itself; the patch is for its repository"
            )
        } else {
            format!("{owner} manages this object and may put it back; the patch is for its repository")
        };
        obstacles.push(obstacle(Weight::Warning, text));
        return obstacles;
    }
    for manager in foreign {
        let (weight, text) = match manager.as_str() {
            // Helm acts when a person upgrades, not by itself.
            "helm" | "Helm" => (Weight::Note, "the next `helm upgrade` sets this field again".to_owned()),
            _ => (Weight::Warning, format!("{manager} owns this field and may put it back")),
        };
        obstacles.push(obstacle(weight, text));
    }
    obstacles
}
