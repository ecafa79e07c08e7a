//! A1, in-place resize: more CPU or memory for one running pod (`pods/resize`, KEP-1287).

use serde_json::{Value, json};

use super::draft::{Draft, Unfit, Want, obstacle};
use super::grow::{Grows, grow};
use super::site::Site;
use crate::domain::Clean;
use crate::remedy::cluster::Object;
use crate::remedy::cluster::room::{container_most, node_free, quota_refuses};
use crate::remedy::kind::{ActionKind, Risk};
use crate::remedy::proposal::Weight;
use crate::remedy::quantity::Quantity;
use crate::remedy::target::ObjectKind;
use crate::remedy::write::{Edit, Field, Write};

/// First server with it switched on, and first kubectl that knows the subresource.
const SINCE: (u32, u32) = (33, 32);

/// Works it out.
///
/// # Errors
/// Server or kubectl is too old, there is no pod for it, or no room on its machine.
pub fn draft(site: &Site<'_>, want: &Want<'_>) -> Result<Draft, Unfit> {
    let grows = Grows::against(want.resource);
    if let Some((kubectl, server)) = site.view.versions
        && (server < SINCE.0 || kubectl < SINCE.1)
    {
        return Err(Unfit::because(format!(
            "running pods are resized from Kubernetes 1.{} and kubectl 1.{} on; here are 1.{server} and 1.{kubectl}",
            SINCE.0, SINCE.1
        )));
    }
    let pod = pod(site, want)?;
    let node = pod.text("/spec/nodeName");
    let spec = pod.at("/spec").cloned().unwrap_or_default();
    let most = container_most(site.view, grows.key());
    let grown = grow(&spec, want, most)?;
    let base = format!("/spec/containers/{}", grown.index);
    // The pod may differ from its neighbours already: what counts is that the class stays.
    let mut obstacles = site.obstacles(&["f:spec", "f:template"]);
    obstacles.retain(|found| found.weight != Weight::Warning);
    if let Some(more) = grown.added.0 {
        let free = site.neighbours.get(node).and_then(|pods| node_free(site.view, node, pods, grows.key()));
        match free {
            Some(free) if free < more => {
                return Err(Unfit::because(format!(
                    "{node} has {} of {} left, {} more is wanted",
                    grows.write(free),
                    grows.key(),
                    grows.write(more)
                )));
            }
            Some(_) => {}
            None => obstacles.push(obstacle(Weight::Note, format!("how much room {node} has is not known"))),
        }
    }
    let (requests, limits) = match grows {
        Grows::Cpu => (["requests.cpu", "cpu"], "limits.cpu"),
        Grows::Memory => (["requests.memory", "memory"], "limits.memory"),
    };
    let nothing = Quantity::whole(0);
    let full = quota_refuses(site.view, &requests, grown.added.0.unwrap_or(nothing))
        .or_else(|| quota_refuses(site.view, &[limits], grown.added.1.unwrap_or(nothing)));
    if let Some(full) = full {
        obstacles.push(obstacle(Weight::Refusal, full.as_str()));
    }
    let restarts = restarts(&spec["containers"][grown.index], grows);
    if restarts {
        obstacles.push(obstacle(Weight::Warning, "its resize policy restarts the container"));
    }
    let count = site.pods.len();
    if count > 1 {
        obstacles.push(obstacle(Weight::Warning, format!("only one of {count} replicas gets more")));
    }
    obstacles.push(obstacle(
        Weight::Note,
        "the template stays as it is: a pod that replaces this one has the old resources",
    ));
    if site.owners.vertical.as_ref().is_some_and(|(_, acts)| *acts) {
        obstacles.push(obstacle(
            Weight::Warning,
            "a vertical autoscaler sets the resources and may put them back",
        ));
    }
    if grows == Grows::Memory {
        obstacles
            .push(obstacle(Weight::Note, "a heap with a fixed size (JVM, Go limit) does not grow by itself"));
    }
    Ok(Draft {
        kind: ActionKind::ResizePod,
        partial: count > 1 && want.node.is_none(),
        write: Write {
            target: pod.target(ObjectKind::Pod, &site.context),
            edit: Edit::Patch {
                resize: true,
                keeps: vec![(format!("{base}/name"), json!(grown.container))],
                fields: vec![Field {
                    path: format!("{base}/resources"),
                    before: grown.before,
                    after: Some(grown.after),
                }],
            },
        },
        changes: grown.changes,
        risk: if restarts { Risk::R2 } else { Risk::R1 },
        why: Clean::capped(&grown.amount.why, 300),
        // The model knows services, not single replicas.
        forecast: grown.amount.forecast.filter(|_| count <= 1),
        obstacles,
        patch: None,
    })
}

/// The pod: on the blamed machine, else the only one, else the first that runs.
fn pod<'a>(site: &Site<'a>, want: &Want<'_>) -> Result<&'a Object, Unfit> {
    let fits = |pod: &&&Object| {
        pod.text("/status/phase") == "Running"
            && pod.at("/metadata/deletionTimestamp").is_none()
            && pod.annotation("kubernetes.io/config.mirror").is_none()
    };
    let on_node = |pod: &&&Object| want.node.is_none_or(|node| pod.text("/spec/nodeName") == node.as_str());
    let mut running: Vec<&&Object> = site.pods.iter().filter(fits).collect();
    running.sort_by_key(|pod| pod.name());
    let found = running.iter().copied().find(on_node).or_else(|| running.first().copied());
    found.copied().ok_or_else(|| Unfit::because(format!("no pod of {} runs", site.object.name())))
}

fn restarts(container: &Value, grows: Grows) -> bool {
    let policies = container["resizePolicy"].as_array().into_iter().flatten();
    let mut own = policies.filter(|policy| policy["resourceName"] == grows.key());
    own.any(|policy| policy["restartPolicy"] == "RestartContainer")
}
