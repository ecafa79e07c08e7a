//! Incidents for a demo: what could happen to an application, from the plain to the devious.

use std::sync::Arc;

use super::app::{Application, Kind, ServiceId, offered};
use super::cluster::Cluster;
use super::fault::{Fault, FaultKind};
use super::sim::{Change, SECOND, Settings, SimError};
use super::truth::Case;

/// An incident lasts until someone does something about it, or for this long, in seconds.
const LENGTH_S: f64 = 3_600.0;
/// Simulated before a remedy is tried out, in seconds.
const WARM_UP_S: f64 = 30.0;
/// Most replicas that a remedy adds.
const MOST: u32 = 6;

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// One line for people who want to know the end.
    pub title: String,
    /// What breaks; times in seconds from the strike.
    pub faults: Vec<Fault>,
    /// The service to look at for a remedy.
    service: ServiceId,
}

impl Incident {
    /// The smallest number of replicas of the afflicted service, beyond those it has, at which the
    /// objective is met again: tried out by simulating it. `None` if that is no remedy.
    ///
    /// # Errors
    /// The incident is not of this application and cluster.
    pub fn remedy(
        &self,
        app: &Arc<Application>,
        cluster: &Cluster,
        settings: &Settings,
    ) -> Result<Option<Remedy>, SimError> {
        let mut faults = self.faults.clone();
        for fault in &mut faults {
            fault.from_s += WARM_UP_S;
            fault.until_s += WARM_UP_S;
        }
        let (app, cluster, settings) = (app.clone(), cluster.clone(), settings.clone());
        let remedied = (WARM_UP_S as u64 + 60) * SECOND;
        // Time for the backlog to drain, then three minutes that count.
        let window = (remedied + 60 * SECOND, remedied + 240 * SECOND);
        let case = Case { app, cluster, settings, faults, changes: Vec::new(), window };
        let service = &case.app.services[self.service];
        for replicas in service.replicas + 1..=service.replicas + MOST {
            if case.tail_after(&[(remedied, Change::Replicas(self.service, replicas))])?.met {
                let kind = if service.kind == Kind::Database { "statefulset" } else { "deployment" };
                let command = format!("scale {kind}/{} --replicas={replicas}", service.name);
                return Ok(Some(Remedy { service: self.service, replicas, command }));
            }
        }
        Ok(None)
    }
}

/// More replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// Of which service.
    pub service: ServiceId,
    /// How many it has then.
    pub replicas: u32,
    /// What to tell kubectl.
    pub command: String,
}

/// The incidents of an application, always in the same order. How bad they are is chosen so that the
/// objective of the embedded applications is clearly violated and the application still answers.
pub fn of(app: &Application, cluster: &Cluster) -> Vec<Incident> {
    let load = offered(app);
    let mut busy: Vec<ServiceId> = (0..app.services.len()).filter(|id| load[*id].calls > 0.0).collect();
    busy.sort_by(|a, b| load[*b].of_limit.total_cmp(&load[*a].of_limit));
    let entry = app.entry();
    let of_kind =
        |kind: Kind| busy.iter().copied().find(|id| Some(*id) != entry && app.services[*id].kind == kind);
    let (logic, store) = (of_kind(Kind::Stateless), of_kind(Kind::Database));
    let name = |id: ServiceId| app.services[id].name.to_string();
    let mut all = Vec::new();
    let mut add = |title: String, kinds: Vec<FaultKind>, service: ServiceId, intensity: f64| {
        let fault = |(id, kind)| Fault { id, kind, from_s: 0.0, until_s: LENGTH_S, intensity };
        all.push(Incident { title, faults: (1..).zip(kinds).map(fault).collect(), service });
    };
    if let Some(id) = logic {
        let service = name(id);
        add(format!("the CPU quota of {service} was cut"), vec![FaultKind::QuotaCut { service }], id, 0.5);
    }
    if let Some(id) = store {
        let service = name(id);
        add(
            format!("the disk of {service} is busy with something else"),
            vec![FaultKind::DiskContention { service }],
            id,
            0.7,
        );
    }
    if let Some(id) = logic {
        let service = name(id);
        add(format!("packets of {service} are late"), vec![FaultKind::NetworkDelay { service }], id, 1.0);
    }
    let node =
        logic.and_then(|id| cluster.placement.get(id)?.first().copied()).and_then(|at| cluster.nodes.get(at));
    if let (Some(node), Some(id)) = (node, logic) {
        let node = node.name.to_string();
        add(
            format!("something else on {node} takes its CPU"),
            vec![FaultKind::NoisyNeighbour { node }],
            id,
            0.7,
        );
    }
    if let (Some(first), Some(second)) = (logic, store) {
        let kinds = vec![
            FaultKind::CpuHog { service: name(first) },
            FaultKind::DiskContention { service: name(second) },
        ];
        add(
            format!("a runaway process in {}, and {}'s disk is busy", name(first), name(second)),
            kinds,
            first,
            0.6,
        );
    }
    if let Some(id) = logic {
        let service = name(id);
        add(
            format!("{service} is slower, and no metric says why"),
            vec![FaultKind::Latent { service }],
            id,
            1.0,
        );
        add("far more requests than usual".to_owned(), vec![FaultKind::LoadSurge], id, 0.35);
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::lab::app::named;

    #[test]
    fn the_first_incident_violates_the_objective_and_has_a_remedy() {
        let app = Arc::new(named("chain-3").unwrap());
        let cluster = Cluster::for_application(&app, 2);
        let settings = Settings { seed: 1, start: 13 * 3_600 * SECOND, ..Settings::default() };
        let incident = of(&app, &cluster).remove(0);
        let case = Case {
            app: app.clone(),
            cluster: cluster.clone(),
            settings: settings.clone(),
            faults: incident.faults.clone(),
            changes: Vec::new(),
            window: (30 * SECOND, 60 * SECOND),
        };
        assert!(!case.tail(&Default::default()).unwrap().met);
        let remedy = incident.remedy(&app, &cluster, &settings).unwrap().expect("replicas help");
        assert!(remedy.replicas > app.services[remedy.service].replicas);
        assert!(remedy.command.starts_with("scale deployment/chain-"), "{}", remedy.command);
    }

    #[test]
    fn embedded_applications_have_incidents_of_many_kinds() {
        for name in ["hotel-reservation", "social-network", "media", "online-boutique"] {
            let app = named(name).unwrap();
            let incidents = of(&app, &Cluster::for_application(&app, 4));
            assert!(incidents.len() >= 5, "{name}: {}", incidents.len());
            assert_eq!(incidents, of(&app, &Cluster::for_application(&app, 4)));
        }
    }
}
