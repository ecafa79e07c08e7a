//! Incidents for a demo: what could happen to an application, from the plain to the devious.

use super::app::{Application, Kind, ServiceId, offered};
use super::cluster::Cluster;
use super::fault::{Fault, FaultKind};

/// An incident lasts until someone does something about it, or for this long, in seconds.
const LENGTH_S: f64 = 3_600.0;

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// One line for people who want to know the end.
    pub title: String,
    /// What breaks; times in seconds from the strike.
    pub faults: Vec<Fault>,
    /// A command that remedies it.
    pub remedy: String,
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
    let scale = |id: ServiceId| {
        let service = &app.services[id];
        let kind = if service.kind == Kind::Database { "statefulset" } else { "deployment" };
        format!(
            "kubectl -n {} scale {kind}/{} --replicas={}",
            cluster.namespace,
            service.name,
            service.replicas + 1
        )
    };
    let mut all = Vec::new();
    let mut add = |title: String, kinds: Vec<FaultKind>, remedy: String| {
        let fault = |(id, kind)| Fault { id, kind, from_s: 0.0, until_s: LENGTH_S, intensity: 0.8 };
        all.push(Incident { title, faults: (1..).zip(kinds).map(fault).collect(), remedy });
    };
    if let Some(id) = logic {
        let service = name(id);
        add(format!("the CPU quota of {service} was cut"), vec![FaultKind::QuotaCut { service }], scale(id));
    }
    if let Some(id) = store {
        let service = name(id);
        add(
            format!("the disk of {service} is busy with something else"),
            vec![FaultKind::DiskContention { service }],
            scale(id),
        );
    }
    if let Some(id) = logic {
        let service = name(id);
        add(format!("packets of {service} are late"), vec![FaultKind::NetworkDelay { service }], scale(id));
    }
    let node =
        logic.and_then(|id| cluster.placement.get(id)?.first().copied()).and_then(|at| cluster.nodes.get(at));
    if let (Some(node), Some(id)) = (node, logic) {
        let node = node.name.to_string();
        add(
            format!("something else on {node} takes its CPU"),
            vec![FaultKind::NoisyNeighbour { node }],
            scale(id),
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
            scale(first),
        );
    }
    if let Some(id) = logic {
        let service = name(id);
        add(
            format!("{service} is slower, and no metric says why"),
            vec![FaultKind::Latent { service }],
            scale(id),
        );
        add("far more requests than usual".to_owned(), vec![FaultKind::LoadSurge], scale(id));
    }
    all
}
