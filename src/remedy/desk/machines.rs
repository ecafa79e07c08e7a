//! Proposals and plans on machines: who is to be limited there, and exactly what would be run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::propose::{Basis, no_site};
use super::review::Purpose;
use crate::domain::{Clean, Timestamp};
use crate::remedy::act::{Act, Fresh, MachineAct};
use crate::remedy::catalogue::draft::obstacle;
use crate::remedy::catalogue::{Site, Unfit};
use crate::remedy::cluster::{Object, View};
use crate::remedy::guard::{Books, Bound};
use crate::remedy::kind::ActionKind;
use crate::remedy::kubectl::Kubectl;
use crate::remedy::names::Uid;
use crate::remedy::node::container::{Rate, Seat, container_id, process, rates, usage};
use crate::remedy::node::draft::{self, NodeDraft};
use crate::remedy::node::machine::{Machine, Sender, Tenant, Uplink};
use crate::remedy::node::neighbour::{Candidate, choose};
use crate::remedy::node::{NodeWrite, Remote};
use crate::remedy::operation::OperationId;
use crate::remedy::plan::{Confirmation, Digest, Plan};
use crate::remedy::proposal::Weight;
use crate::remedy::settings::RemedySettings;
use crate::remedy::target::{NodeTarget, Target};
use crate::remedy::write::Standing;

/// How long containers are watched to see which uses how much.
const WATCHED: Duration = Duration::from_secs(2);
/// At its busiest a service is taken to send this many times its average: its quantiles are not measured.
const BUSIEST: f64 = 2.0;

fn told(why: impl std::fmt::Display) -> Unfit {
    Unfit::because(why.to_string())
}

/// Works an action on a machine out from what is read there now.
pub async fn machine_draft(
    kubectl: &Kubectl,
    remote: &Remote,
    views: &[View],
    basis: &Basis,
) -> Result<NodeDraft, Unfit> {
    let site = Site::read(kubectl, views, &basis.service, false).await;
    let site = site.map_err(|why| Unfit::because(no_site(&basis.service, &why)))?;
    let node = machine_of(&site, basis)?;
    let report = remote.probe(&node, &["machine"]).await.map_err(told)?;
    if !report.is_ours() {
        return Err(Unfit::because(format!("the helper on {node} is of another version: install it anew")));
    }
    let machine = Machine::of(&report);
    let context = kubectl.context().as_str();
    if basis.kind == ActionKind::HostBandwidth {
        let pod = site.pods.iter().find(|pod| pod.text("/spec/nodeName") == node);
        let pod = pod.ok_or_else(|| Unfit::because(format!("no pod of {} runs on {node}", basis.service)))?;
        let victim = tenant(remote, &node, context, pod).await?;
        let sends = basis.sends.get(&basis.service).copied().filter(|sends| *sends > 0.0);
        let sends = sends.ok_or_else(|| told(format!("what {} sends is not measured", basis.service)))?;
        let address = pod.text("/status/podIP").parse().map_err(|_| told("the pod has no IPv4 address"))?;
        let interface = machine.way_out.clone();
        let interface =
            interface.ok_or_else(|| told(format!("which interface leads out of {node} is not clear")))?;
        let report = remote.probe(&node, &["interface", &interface]).await.map_err(told)?;
        let uplink = Uplink::of(&interface, &report);
        let sender = Sender { address, busiest: sends * 8.0 * BUSIEST };
        return draft::host_bandwidth(&machine, &victim, &uplink, sender).map_err(Unfit::Told);
    }
    let (pod, rate) = neighbour(kubectl, remote, &site, &basis.settings, &node, basis.kind).await?;
    let mut neighbour = tenant(remote, &node, context, &pod).await?;
    neighbour.rate = rate;
    let drafted = match basis.kind {
        ActionKind::CacheWays => draft::cache_ways(&machine, &neighbour),
        ActionKind::MemoryBandwidth => draft::memory_bandwidth(&machine, &neighbour, None),
        ActionKind::CpuMax => draft::cpu_max(&machine, &neighbour),
        ActionKind::IoMax => draft::io_max(&machine, &neighbour),
        _ => return Err(Unfit::Silent),
    };
    drafted.map_err(Unfit::Told)
}

/// The machine that the verdict names; else the one that all pods of the service are on.
fn machine_of(site: &Site<'_>, basis: &Basis) -> Result<String, Unfit> {
    let mut machines: Vec<&str> = site.pods.iter().map(|pod| pod.text("/spec/nodeName")).collect();
    machines.retain(|name| !name.is_empty());
    machines.sort_unstable();
    machines.dedup();
    match (&basis.node, machines.as_slice()) {
        (Some(node), names) if names.contains(&node.as_str()) => Ok(node.as_str().to_owned()),
        (None, [only]) => Ok((*only).to_owned()),
        _ => Err(Unfit::because(format!(
            "on which of its machines {} is disturbed is not clear",
            basis.service
        ))),
    }
}

/// The neighbour that is limited, of those on `node` in namespaces that may be changed, and what it uses.
async fn neighbour(
    kubectl: &Kubectl,
    remote: &Remote,
    site: &Site<'_>,
    settings: &RemedySettings,
    node: &str,
    kind: ActionKind,
) -> Result<(Object, Option<Rate>), Unfit> {
    let list = kubectl.pods_on(node).await.map_err(told)?;
    let own: Vec<&str> = site.pods.iter().map(|pod| pod.uid()).collect();
    let mut pods: Vec<Object> = Object::list(list);
    pods.retain(|pod| {
        pod.text("/status/phase") == "Running"
            && !own.contains(&pod.uid())
            && settings.namespaces.iter().any(|namespace| namespace.as_str() == pod.namespace())
    });
    let before = usage(&remote.probe(node, &["usage"]).await.map_err(told)?);
    let clock = std::time::Instant::now();
    tokio::time::sleep(WATCHED).await;
    let after = usage(&remote.probe(node, &["usage"]).await.map_err(told)?);
    let rates = rates(&before, &after, clock.elapsed().as_secs_f64());
    let candidates: Vec<Candidate<'_>> = pods
        .iter()
        .map(|pod| {
            let id = pod.text("/status/containerStatuses/0/containerID");
            let id = id.rsplit('/').next().unwrap_or_default();
            let rate = rates.iter().find(|(cgroup, _)| !id.is_empty() && cgroup.contains(id));
            Candidate { namespace: pod.namespace(), name: pod.name(), rate: rate.map(|(_, rate)| *rate) }
        })
        .collect();
    let chosen = choose(&candidates, site.object.namespace(), kind).map_err(Unfit::Told)?;
    let rate = candidates.get(chosen).and_then(|candidate| candidate.rate);
    let pod = pods.into_iter().nth(chosen).ok_or(Unfit::Silent)?;
    Ok((pod, rate))
}

/// A pod's first container on its machine.
async fn tenant(remote: &Remote, node: &str, context: &str, pod: &Object) -> Result<Tenant, Unfit> {
    let uid = Uid::new(pod.uid()).map_err(told)?;
    let id = container_id(pod.text("/status/containerStatuses/0/containerID")).map_err(told)?;
    let inspected = remote.probe(node, &["container", id.as_str()]).await.map_err(told)?;
    let pid = process(&inspected, &uid).map_err(told)?;
    let report = remote.probe(node, &["process", &pid.to_string()]).await.map_err(told)?;
    let seat = Seat::of(&report, &id, &uid).map_err(told)?;
    let target = NodeTarget {
        context: Clean::new(context),
        node: Clean::new(node),
        pod: Some((Clean::new(pod.namespace()), Clean::new(pod.name()))),
        container: Some(Clean::new(id.as_str())),
    };
    let annotations = pod.map("/metadata/annotations").into_iter().flatten();
    let annotations: BTreeMap<String, String> = annotations
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    Ok(Tenant::of(target, seat, annotations, &report))
}

/// The plan of a draft on a machine.
pub async fn machine_plan(
    remote: &Remote,
    draft: NodeDraft,
    purpose: Purpose,
    op: OperationId,
) -> Result<(Plan, Bound, Fresh), Clean> {
    let NodeDraft { kind, target, write, changes, risk, mut obstacles, .. } = draft;
    let wrong = |error: &dyn std::fmt::Display| Clean::capped(&error.to_string(), 500);
    let act = MachineAct { target, change: write, takes_back: purpose.undoes.clone() };
    let node = act.target.node.as_str();
    let step = remote.step(node, &act.words(&op).map_err(|error| wrong(&error))?).await?;
    let undo = back(&act.change, &op, act.takes_back.is_some());
    let undo = remote.step(node, &undo.map_err(|error| wrong(&error))?).await?;
    let said = remote.read(&act).await?;
    match act.standing(&said) {
        Standing::Before => {}
        Standing::After => return Err(Clean::new("the machine is as it would be already")),
        Standing::Replaced => return Err(Clean::new("the target was replaced")),
        Standing::Neither(seen) => return Err(Clean::new(&format!("the machine has changed: {seen}"))),
    }
    obstacles.push(obstacle(
        Weight::Note,
        "machines make no rehearsals; the script checks everything again before it writes",
    ));
    let server = act.target.node.to_string();
    let plan = Plan {
        slo: purpose.slo,
        kind,
        target: Target::Node(act.target.clone()),
        changes,
        step,
        undo: Some(undo),
        risk,
        confirmation: Confirmation::Choose,
        second_person: false,
        forecast: None,
        objective_ms: purpose.objective_ms,
        observed_ms: purpose.observed_ms,
        obstacles,
        dry_run: None,
        undoes: purpose.undoes,
        digest: Digest([0; 32]),
        expires: Timestamp::now(),
    };
    let bound = Bound { op, write: Act::Machine(act), books: Books::default(), server };
    Ok((plan, bound, Fresh::Machine(said)))
}

/// Words of the command that would take operation `op` back, which gets a name of its own when it is run.
fn back(
    change: &NodeWrite,
    op: &OperationId,
    is_inverse: bool,
) -> Result<Vec<String>, crate::remedy::node::write::BadWords> {
    let named = |prefix: &str| OperationId(Clean::new(&format!("{prefix}-{op}")));
    if is_inverse { change.apply(&named("again")) } else { change.undo(&named("undo"), op) }
}
