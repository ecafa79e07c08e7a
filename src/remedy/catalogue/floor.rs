//! A4, scale out under an autoscaler: its floor is raised, since it would overwrite the number itself.

use serde_json::json;

use super::amount;
use super::draft::{Draft, Unfit, Want, change, obstacle, repository_patch};
use super::site::{Site, reverters};
use crate::domain::Clean;
use crate::remedy::cluster::Object;
use crate::remedy::cluster::owners::gitops;
use crate::remedy::cluster::room::quota_allows;
use crate::remedy::kind::{ActionKind, Risk};
use crate::remedy::proposal::Weight;
use crate::remedy::target::ObjectKind;
use crate::remedy::write::{Edit, Field, Write};

/// Where an autoscaler keeps its floor and ceiling, and what they are when they are not written
/// (autoscaling/v2; keda.sh/v1alpha1).
struct Kind {
    kind: ObjectKind,
    api: &'static str,
    floor: &'static str,
    ceiling: &'static str,
    defaults: (u32, u32),
}

const HPA: Kind = Kind {
    kind: ObjectKind::Autoscaler,
    api: "autoscaling/v2",
    floor: "minReplicas",
    ceiling: "maxReplicas",
    defaults: (1, 1),
};
const KEDA: Kind = Kind {
    kind: ObjectKind::ScaledObject,
    api: "keda.sh/v1alpha1",
    floor: "minReplicaCount",
    ceiling: "maxReplicaCount",
    defaults: (0, 100),
};

/// Works it out.
///
/// # Errors
/// There is no autoscaler, or it is at its ceiling.
pub fn draft(site: &Site<'_>, want: &Want<'_>) -> Result<Draft, Unfit> {
    // KEDA writes its autoscaler's floor, so that KEDA's own object is the place.
    let (object, kind): (&Object, Kind) = match (&site.owners.scaled_object, &site.owners.autoscaler) {
        (Some(scaled), _) => (scaled, KEDA),
        (None, Some(hpa)) => (hpa, HPA),
        (None, None) => return Err(Unfit::Silent),
    };
    let (floor_at, ceiling_at) = (format!("/spec/{}", kind.floor), format!("/spec/{}", kind.ceiling));
    let floor = object.count(&floor_at).unwrap_or(kind.defaults.0);
    let ceiling = object.count(&ceiling_at).unwrap_or(kind.defaults.1);
    let now = site.replicas().max(1);
    let (name, word) = (object.name(), kind.kind.word());
    if floor >= ceiling || now >= ceiling {
        return Err(Unfit::because(format!(
            "{word} {name} is at its ceiling ({now} of {ceiling}): raising {} is a decision of its own",
            kind.ceiling
        )));
    }
    let quota = site.object.at("/spec/template/spec").and_then(|spec| quota_allows(site.view, spec));
    let room = ceiling.min(want.settings.max_replicas);
    let room = quota.as_ref().map_or(room, |(fit, _)| room.min(now.saturating_add(*fit)));
    let Some(most) = amount::most_replicas(now, room) else {
        let limit = quota.map_or_else(|| "`max_replicas`".to_owned(), |(_, which)| which.to_string());
        return Err(Unfit::because(format!("{word} {name} cannot go beyond {now} replicas: {limit}")));
    };
    let amount = amount::replicas(want, now, most);
    // What stands against the workload's own fields does not stand against the autoscaler's.
    let mut obstacles = reverters(object, &["f:spec", &format!("f:{}", kind.floor)]);
    if object.annotation("autoscaling.keda.sh/paused-replicas").is_some()
        || object.annotation("autoscaling.keda.sh/paused").is_some_and(|value| value != "false")
    {
        obstacles
            .push(obstacle(Weight::Refusal, format!("{word} {name} is paused: its floor changes nothing")));
    }
    if let Some((kind, name)) = object.controller() {
        obstacles
            .push(obstacle(Weight::Refusal, format!("it belongs to {kind} {name}, which would put it back")));
    }
    let before = object.at(&floor_at).cloned();
    let shown = object.count(&floor_at).map(|floor| floor.to_string());
    let after = amount.to.to_string();
    let keeps = object.at(&ceiling_at).map(|value| (ceiling_at, value.clone())).into_iter().collect();
    let spec = json!({ (kind.floor): amount.to });
    let place = (object.namespace(), name);
    Ok(Draft {
        kind: ActionKind::AutoscalerFloor,
        partial: false,
        write: Write {
            target: object.target(kind.kind, &site.context),
            edit: Edit::Patch {
                resize: false,
                keeps,
                fields: vec![Field { path: floor_at, before, after: Some(json!(amount.to)) }],
            },
        },
        changes: vec![change(kind.floor, shown.as_deref(), Some(&after))],
        risk: Risk::R1,
        why: Clean::capped(&format!("{}; {word} {name} sets the number, now {now}", amount.why), 300),
        forecast: amount.forecast,
        obstacles,
        patch: gitops(object).map(|_| repository_patch(kind.api, object.kind(), place, &spec)),
    })
}
