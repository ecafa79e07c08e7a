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
const MOST: u32 = 4;

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

/// The incidents of an application, always in the same order.
pub fn of(app: &Application, cluster: &Cluster) -> Vec<Incident> {
    let load = offered(app);
    let mut busy: Vec<ServiceId> = (0..app.services.len()).filter(|id| load[*id].calls > 0.0).collect();
    busy.sort_by(|a, b| load[*b].of_limit.total_cmp(&load[*a].of_limit));
    let entry = app.entry();
    let of_kind = |kinds: &[Kind]| {
        busy.iter().copied().filter(|id| Some(*id) != entry && kinds.contains(&app.services[*id].kind)).next()
    };
    let logic = of_kind(&[Kind::Stateless]);
    let store = of_kind(&[Kind::Database]).or(of_kind(&[Kind::Redis, Kind::Cache]));
    let name = |id: ServiceId| app.services[id].name.to_string();
    let mut all = Vec::new();
    let mut add = |title: String, kinds: Vec<FaultKind>, service: ServiceId| {
        let fault = |(id, kind)| Fault { id, kind, from_s: 0.0, until_s: LENGTH_S, intensity: 0.8 };
        all.push(Incident { title, faults: (1..).zip(kinds).map(fault).collect(), service });
    };
    if let Some(id) = logic {
        let service = name(id);
        add(format!("the CPU quota of {service} was cut"), vec![FaultKind::QuotaCut { service }], id);
    }
    if let Some(id) = store {
        let service = name(id);
        add(
            format!("the disk of {service} is busy with something else"),
            vec![FaultKind::DiskContention { service }],
            id,
        );
    }
    if let Some(id) = logic {
        let service = name(id);
        add(format!("packets of {service} are late"), vec![FaultKind::NetworkDelay { service }], id);
    }
    let node =
        logic.and_then(|id| cluster.placement.get(id)?.first().copied()).and_then(|at| cluster.nodes.get(at));
    if let (Some(node), Some(id)) = (node, logic) {
        let node = node.name.to_string();
        add(format!("something else on {node} takes its CPU"), vec![FaultKind::NoisyNeighbour { node }], id);
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
        );
    }
    if let Some(id) = logic {
        let service = name(id);
        add(format!("{service} is slower, and no metric says why"), vec![FaultKind::Latent { service }], id);
        add("far more requests than usual".to_owned(), vec![FaultKind::LoadSurge], id);
    }
    all
}
