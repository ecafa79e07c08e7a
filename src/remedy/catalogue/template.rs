//! A2, template resources: more CPU or memory for every replica, by a rolling restart.

use serde_json::json;

use super::draft::{Draft, Unfit, Want, obstacle, repository_patch};
use super::grow::{Grows, grow};
use super::site::Site;
use crate::domain::Clean;
use crate::remedy::cluster::owners::blocking_budgets;
use crate::remedy::cluster::room::{container_most, quota_refuses};
use crate::remedy::kind::{ActionKind, Risk};
use crate::remedy::proposal::Weight;
use crate::remedy::target::ObjectKind;
use crate::remedy::write::{Edit, Field, Write};

/// Works it out.
///
/// # Errors
/// There is nothing that could grow, or no room.
pub fn draft(site: &Site<'_>, want: &Want<'_>) -> Result<Draft, Unfit> {
    let grows = Grows::against(want.resource);
    let spec = site.object.at("/spec/template/spec").cloned().unwrap_or_default();
    let grown = grow(&spec, want, container_most(site.view, grows.key()))?;
    let base = format!("/spec/template/spec/containers/{}", grown.index);
    let key = format!("k:{{\"name\":\"{}\"}}", grown.container);
    let mut obstacles =
        site.obstacles(&["f:spec", "f:template", "f:spec", "f:containers", key.as_str(), "f:resources"]);
    // Every replica grows, and while they are replaced one more of each size is there.
    let replicas = site.replicas();
    let (requests, limits) = match grows {
        Grows::Cpu => (["requests.cpu", "cpu"], ["limits.cpu"]),
        Grows::Memory => (["requests.memory", "memory"], ["limits.memory"]),
    };
    for (names, more) in [(&requests[..], grown.added.0), (&limits[..], grown.added.1)] {
        let full = more.and_then(|more| quota_refuses(site.view, names, more.times(replicas)));
        if let Some(full) = full {
            obstacles.push(obstacle(Weight::Refusal, full.as_str()));
        }
    }
    if site.kind == ObjectKind::StatefulSet {
        obstacles.push(obstacle(Weight::Warning, "a stateful set: its members restart one after the other"));
        if site.object.text("/spec/updateStrategy/type") == "OnDelete" {
            obstacles.push(obstacle(
                Weight::Refusal,
                "its update strategy is OnDelete: nothing would change by itself",
            ));
        }
    } else if site.object.text("/spec/strategy/type") == "Recreate" {
        obstacles.push(obstacle(
            Weight::Warning,
            "its strategy is Recreate: all replicas stop before new ones start",
        ));
    }
    let (ready, wanted) = (site.object.count("/status/readyReplicas").unwrap_or(0), replicas);
    if ready < wanted {
        obstacles.push(obstacle(
            Weight::Warning,
            format!("{ready} of {wanted} replicas are ready, and a rollout takes more away"),
        ));
    }
    for budget in blocking_budgets(site.view, &site.pods) {
        obstacles.push(obstacle(
            Weight::Note,
            format!("disruption budget {budget} allows no disruption now; rollouts do not ask it"),
        ));
    }
    if site.owners.vertical.as_ref().is_some_and(|(_, acts)| *acts) {
        obstacles.push(obstacle(Weight::Warning, "a vertical autoscaler sets the resources of its pods"));
    }
    let spec = json!({ "template": { "spec": { "containers": [{ "name": grown.container, "resources": grown.after }] } } });
    let place = (site.object.namespace(), site.object.name());
    Ok(Draft {
        kind: ActionKind::ResizeTemplate,
        partial: false,
        write: Write {
            target: site.object.target(site.kind, &site.context),
            edit: Edit::Patch {
                resize: false,
                keeps: vec![(format!("{base}/name"), json!(grown.container))],
                fields: vec![Field {
                    path: format!("{base}/resources"),
                    before: grown.before,
                    after: Some(grown.after),
                }],
            },
        },
        changes: grown.changes,
        risk: Risk::R2,
        why: Clean::capped(&grown.amount.why, 300),
        forecast: grown.amount.forecast,
        obstacles,
        patch: site.in_repository().then(|| repository_patch("apps/v1", site.object.kind(), place, &spec)),
    })
}
