//! From a verdict to proposals.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::machines::machine_draft;
use super::tried::{idle, unblamed};
use super::{Desk, Inner};
use crate::domain::{
    Clean, Culprit, Lever, NodeName, Resource, ResourceCause, ServiceName, Verdict, VerdictKind,
};
use crate::remedy::catalogue::aggressor::{Aggressor, aggressor};
use crate::remedy::catalogue::site::NoSite;
use crate::remedy::catalogue::{Draft, Site, Unfit, Want, against, draft};
use crate::remedy::cluster::View;
use crate::remedy::cluster::rights::missing;
use crate::remedy::forecast::Forecast;
use crate::remedy::kind::ActionKind;
use crate::remedy::kubectl::Kubectl;
use crate::remedy::names::Label;
use crate::remedy::node::Remote;
use crate::remedy::node::draft::NodeDraft;
use crate::remedy::proposal::{Proposal, ProposalId};
use crate::remedy::reading::Readings;
use crate::remedy::settings::RemedySettings;
use crate::remedy::talk::Told;
use crate::remedy::target::Target;

/// Blamed services that are answered to; more are not blamed together.
const SERVICES: usize = 3;
/// Resources of one of them.
const RESOURCES: usize = 2;

/// What a proposal answers to, so that it can be worked out again from fresh reads.
#[derive(Clone)]
pub struct Basis {
    pub kind: ActionKind,
    pub service: ServiceName,
    pub resource: Resource,
    pub node: Option<NodeName>,
    pub cause: Option<ResourceCause>,
    pub excess: f64,
    /// What somebody tried and asks for, where it is not the verdict that calls for it.
    pub asked: Option<Lever>,
    /// What each replica of each service sends, bytes per second.
    pub sends: Arc<BTreeMap<ServiceName, f64>>,
    pub forecast: Option<Arc<dyn Forecast>>,
    pub settings: Arc<RemedySettings>,
    pub verdict: Arc<Verdict>,
}

impl Basis {
    fn want<'a>(&'a self, beside: Option<&'a Aggressor>) -> Want<'a> {
        Want {
            service: beside.map_or(&self.service, |beside| &beside.service),
            victim: &self.service,
            resource: self.resource,
            node: beside.map(|beside| &beside.node).or(self.node.as_ref()),
            cause: self.cause.as_ref(),
            excess: self.excess,
            sends: beside.map(|beside| beside.sends),
            asked: self.asked,
            forecast: self.forecast.as_deref(),
            settings: &self.settings,
        }
    }

    /// Whether the machines matter to it.
    fn wide(&self) -> bool {
        self.kind == ActionKind::ResizePod
    }

    /// Works it out from what is read now, and says so where the verdict does not call for it.
    pub async fn draft(
        &self,
        kubectl: &Kubectl,
        remote: &Result<Arc<Remote>, Clean>,
        views: &[View],
    ) -> Result<Drafted, Unfit> {
        let mut drafted = self.fitted(kubectl, remote, views).await?;
        let (obstacles, forecast) = match &mut drafted {
            Drafted::Object(draft) => (&mut draft.obstacles, draft.forecast.as_ref()),
            Drafted::Machine(draft) => (&mut draft.obstacles, None),
        };
        obstacles.splice(0..0, unblamed(self).into_iter().chain(idle(self, forecast)));
        Ok(drafted)
    }

    async fn fitted(
        &self,
        kubectl: &Kubectl,
        remote: &Result<Arc<Remote>, Clean>,
        views: &[View],
    ) -> Result<Drafted, Unfit> {
        if self.kind.is_on_node() {
            let remote = remote.as_ref().map_err(|why| Unfit::Told(why.clone()))?;
            return Ok(Drafted::Machine(machine_draft(kubectl, remote, views, self).await?));
        }
        let limits_a_neighbour = matches!(self.kind, ActionKind::CiliumBandwidth | ActionKind::CniBandwidth);
        let beside = match limits_a_neighbour {
            true => Some(aggressor(views, &self.service, self.node.as_ref(), &self.sends)?),
            false => None,
        };
        let want = self.want(beside.as_ref());
        let site = Site::read(kubectl, views, want.service, self.wide()).await;
        let mut site = site.map_err(|why| Unfit::because(no_site(want.service, &why)))?;
        if limits_a_neighbour {
            site.cilium = kubectl.cilium_limits_bandwidth().await.ok();
        }
        Ok(Drafted::Object(draft(self.kind, &site, &want)?))
    }
}

/// An action, worked out.
pub enum Drafted {
    /// On an object of the cluster.
    Object(Draft),
    /// On a machine.
    Machine(NodeDraft),
}

pub fn no_site(service: &ServiceName, why: &NoSite) -> String {
    match why {
        NoSite::Unknown => {
            format!("no workload in the allowed namespaces is called {service}, nor labelled so")
        }
        NoSite::Ambiguous(which) => format!("which workload is {service} is not clear: {which}"),
        NoSite::Unreadable(error) => format!("{service}: {error}"),
    }
}

/// The namespaces as they are now; what cannot be read is told.
pub async fn views(kubectl: &Kubectl, settings: &RemedySettings) -> (Vec<View>, Vec<Clean>) {
    let (mut views, mut notes) = (Vec::new(), Vec::new());
    for name in &settings.namespaces {
        let Ok(namespace) = Label::new(name.as_str()) else { continue };
        match View::read(kubectl, &namespace).await {
            Ok(view) => views.push(view),
            Err(error) => notes.push(Clean::capped(&format!("namespace {name}: {error}"), 400)),
        }
    }
    (views, notes)
}

impl Desk {
    /// Works out what could be done about the newest verdict on `slo`.
    pub(super) fn propose(&mut self, slo: Clean) {
        let Some((verdict, _)) = self.verdicts.get(&slo).cloned() else {
            let notes = vec![Clean::new("there is no verdict yet: ask for the cause first")];
            return self.tell(Told::Proposals { slo, proposals: Vec::new(), notes });
        };
        let readings = self.readings.as_ref().map(|(readings, _)| readings);
        let forecast = self.forecasts.get(&slo);
        let (mut bases, mut notes) = bases(&verdict, readings, forecast, &self.settings);
        let (asked, more) =
            self.asked(&slo, &bases, &Ground::of(&verdict, readings, forecast, &self.settings));
        bases.extend(asked);
        notes.extend(more);
        let (kubectl, settings, remote) = (self.kubectl.clone(), self.settings.clone(), self.remote.clone());
        self.spawn(async move {
            let mut found: Vec<(bool, Proposal, Basis)> = Vec::new();
            if !bases.is_empty() {
                let (views, unread) = views(&kubectl, &settings).await;
                notes.extend(unread);
                for basis in bases {
                    match basis.draft(&kubectl, &remote, &views).await {
                        Ok(Drafted::Object(mut draft)) => {
                            draft.obstacles.extend(missing(&kubectl, &draft.write).await);
                            let partial = draft.partial;
                            found.push((partial, proposal(draft, &basis), basis));
                        }
                        Ok(Drafted::Machine(draft)) => {
                            found.push((false, machine_proposal(draft, &basis), basis));
                        }
                        Err(Unfit::Silent) => {}
                        Err(Unfit::Told(why)) => {
                            let note = Clean::capped(&format!("{}: {why}", basis.kind.title()), 400);
                            if !notes.contains(&note) {
                                notes.push(note);
                            }
                        }
                    }
                }
                // The verdict's order, but what is refused comes last, and before that what covers one of
                // several replicas.
                found.sort_by_key(|(partial, proposal, _)| (proposal.refusal().is_some(), *partial));
                if found.is_empty() {
                    notes.insert(0, Clean::new("nothing in the catalogue fits"));
                }
            }
            let proposals = found.into_iter().map(|(_, proposal, basis)| (proposal, basis)).collect();
            Inner::Proposed { slo, proposals, notes }
        });
    }

    pub(super) fn proposed(&mut self, slo: Clean, found: Vec<(Proposal, Basis)>, notes: Vec<Clean>) {
        let mut proposals = Vec::new();
        for (mut proposal, basis) in found {
            proposal.id = ProposalId(self.next_proposal);
            self.next_proposal += 1;
            let proposal = Arc::new(proposal);
            self.proposals.insert(proposal.id, (proposal.clone(), basis));
            proposals.push(proposal);
        }
        self.tell(Told::Proposals { slo, proposals, notes });
    }
}

fn proposal(draft: Draft, basis: &Basis) -> Proposal {
    Proposal {
        id: ProposalId(0),
        slo: basis.verdict.slo.name.clone(),
        kind: draft.kind,
        target: Target::Object(draft.write.target),
        service: basis.service.clone(),
        resource: basis.resource,
        changes: draft.changes,
        risk: draft.risk,
        asked: basis.asked.is_some(),
        why: draft.why,
        forecast: draft.forecast,
        objective_ms: basis.verdict.slo.objective_ms,
        obstacles: draft.obstacles,
        patch: draft.patch,
    }
}

fn machine_proposal(draft: NodeDraft, basis: &Basis) -> Proposal {
    Proposal {
        id: ProposalId(0),
        slo: basis.verdict.slo.name.clone(),
        kind: draft.kind,
        target: Target::Node(draft.target),
        service: basis.service.clone(),
        resource: basis.resource,
        changes: draft.changes,
        risk: draft.risk,
        asked: basis.asked.is_some(),
        why: draft.why,
        // The model knows the services, not what their neighbours do to them.
        forecast: None,
        objective_ms: basis.verdict.slo.objective_ms,
        obstacles: draft.obstacles,
        patch: None,
    }
}

/// Whether a verdict of this kind is sure enough to act on.
pub fn carries(kind: VerdictKind) -> bool {
    matches!(kind, VerdictKind::Culprits | VerdictKind::Latent | VerdictKind::Load)
}

/// What everything that is proposed about one verdict rests on.
pub struct Ground {
    excess: f64,
    sends: Arc<BTreeMap<ServiceName, f64>>,
    forecast: Option<Arc<dyn Forecast>>,
    settings: Arc<RemedySettings>,
    verdict: Arc<Verdict>,
}

impl Ground {
    fn of(
        verdict: &Arc<Verdict>,
        readings: Option<&Readings>,
        forecast: Option<&Arc<dyn Forecast>>,
        settings: &Arc<RemedySettings>,
    ) -> Self {
        let observed = verdict.slo.observed_ms.unwrap_or(verdict.slo.objective_ms);
        let excess = (observed / verdict.slo.objective_ms).max(1.0);
        Self {
            excess: if excess.is_finite() { excess } else { 1.0 },
            sends: Arc::new(readings.map(|readings| readings.sends.clone()).unwrap_or_default()),
            forecast: forecast.cloned(),
            settings: settings.clone(),
            verdict: verdict.clone(),
        }
    }

    /// The verdict.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Kinds of action that may be proposed.
    pub fn kinds(&self) -> &[ActionKind] {
        &self.settings.kinds
    }

    /// An action on a service against a resource.
    pub fn basis(&self, kind: ActionKind, service: ServiceName, resource: Resource) -> Basis {
        Basis {
            kind,
            service,
            resource,
            node: None,
            cause: None,
            excess: self.excess,
            asked: None,
            sends: self.sends.clone(),
            forecast: self.forecast.clone(),
            settings: self.settings.clone(),
            verdict: self.verdict.clone(),
        }
    }
}

/// What a verdict calls for, best first, and what is to be said of it.
pub fn bases(
    verdict: &Arc<Verdict>,
    readings: Option<&Readings>,
    forecast: Option<&Arc<dyn Forecast>>,
    settings: &Arc<RemedySettings>,
) -> (Vec<Basis>, Vec<Clean>) {
    let mut notes = Vec::new();
    let blamed: Vec<&Culprit> = match verdict.kind {
        VerdictKind::Culprits | VerdictKind::Latent => verdict.culprits.iter().take(SERVICES).collect(),
        // Nobody's fault; what is nearest to its limit gets more.
        VerdictKind::Load => verdict.suspects.iter().take(1).collect(),
        VerdictKind::Healthy | VerdictKind::Unsure | VerdictKind::Unresolved => Vec::new(),
    };
    match verdict.kind {
        VerdictKind::Healthy => notes.push(Clean::new("the objective was met when the cause was asked for")),
        VerdictKind::Unsure | VerdictKind::Unresolved => {
            notes.push(Clean::new("the verdict is not sure enough to act on: nothing is proposed"));
        }
        VerdictKind::Load if blamed.is_empty() => {
            notes.push(Clean::new("the verdict names nobody who could get more"))
        }
        VerdictKind::Load => {
            notes.push(Clean::new("the load is nobody's fault: more of what it strains is the remedy"))
        }
        VerdictKind::Culprits | VerdictKind::Latent => {}
    }
    let ground = Ground::of(verdict, readings, forecast, settings);
    let mut bases: Vec<Basis> = Vec::new();
    for culprit in blamed {
        let own = culprit.resources.iter().take(RESOURCES).map(|cause| (cause.resource, Some(cause)));
        let causes: Vec<_> = match verdict.kind {
            VerdictKind::Load => vec![(Resource::Load, None)],
            _ if culprit.resources.is_empty() => vec![(Resource::Latent, None)],
            _ => own.collect(),
        };
        for (resource, cause) in causes {
            for kind in against(resource).iter().filter(|kind| settings.kinds.contains(kind)) {
                // The same action against a second resource of the same service is the same action.
                if bases.iter().any(|basis| basis.kind == *kind && basis.service == culprit.service) {
                    continue;
                }
                bases.push(Basis {
                    node: culprit.node.clone(),
                    cause: cause.cloned(),
                    ..ground.basis(*kind, culprit.service.clone(), resource)
                });
            }
        }
    }
    (bases, notes)
}
