//! A3, scale out: more replicas of a deployment or stateful set.

use serde_json::json;

use super::amount;
use super::draft::{Draft, Unfit, Want, change, obstacle, repository_patch};
use super::site::Site;
use crate::domain::Clean;
use crate::remedy::cluster::room::quota_allows;
use crate::remedy::kind::{ActionKind, Risk};
use crate::remedy::proposal::Weight;
use crate::remedy::target::ObjectKind;
use crate::remedy::write::{Edit, Write};

/// Works it out.
///
/// # Errors
/// An autoscaler sets the number of replicas, it is 0, or there is no room for more.
pub fn draft(site: &Site<'_>, want: &Want<'_>) -> Result<Draft, Unfit> {
    if site.owners.autoscaler.is_some() || site.owners.scaled_object.is_some() {
        // Its floor is raised instead.
        return Err(Unfit::Silent);
    }
    let (now, name) = (site.replicas(), site.object.name());
    if now == 0 {
        return Err(Unfit::because(format!("{name} is scaled to 0, which somebody has meant")));
    }
    let quota = site.object.at("/spec/template/spec").and_then(|spec| quota_allows(site.view, spec));
    let ceiling = want.settings.max_replicas;
    let room = quota.as_ref().map_or(ceiling, |(fit, _)| ceiling.min(now.saturating_add(*fit)));
    let most = amount::most_replicas(now, room).ok_or_else(|| match &quota {
        Some((0, which)) => Unfit::because(format!("no replica of {name} can be added: {which}")),
        _ => Unfit::because(format!("{name} has {now} replicas, and `max_replicas` is {ceiling}")),
    })?;
    let amount = amount::replicas(want, now, most);
    let mut obstacles = site.obstacles(&["f:spec", "f:replicas"]);
    let mut risk = Risk::R1;
    if site.kind == ObjectKind::StatefulSet {
        risk = Risk::R2;
        obstacles.push(obstacle(
            Weight::Warning,
            "a stateful set: a new member gets its own volume and identity, and may need to be told to the others",
        ));
    }
    let mounts_claim = site
        .object
        .each("/spec/template/spec/volumes")
        .iter()
        .any(|volume| volume["persistentVolumeClaim"].is_object());
    if site.kind == ObjectKind::Deployment && mounts_claim {
        obstacles.push(obstacle(
            Weight::Warning,
            "its replicas share a volume claim: unless that can be mounted by several machines, a new one may not start",
        ));
    }
    if let Some((fit, which)) = quota.filter(|(fit, _)| *fit <= amount.to - now) {
        obstacles.push(obstacle(Weight::Note, format!("room for {fit} more: {which}")));
    }
    let (before, after) = (now.to_string(), amount.to.to_string());
    let spec = json!({ "replicas": amount.to });
    let place = (site.object.namespace(), name);
    Ok(Draft {
        kind: ActionKind::ScaleOut,
        partial: false,
        write: Write {
            target: site.object.target(site.kind, &site.context),
            edit: Edit::Scale { from: now, to: amount.to, version: Some(site.object.version().to_owned()) },
        },
        changes: vec![change("replicas", Some(&before), Some(&after))],
        risk,
        why: Clean::capped(&amount.why, 300),
        forecast: amount.forecast,
        obstacles,
        patch: site.in_repository().then(|| repository_patch("apps/v1", site.object.kind(), place, &spec)),
    })
}
