//! C1 and C2, less bandwidth for whoever sends most beside the victim: annotations that the CNI's bandwidth
//! plugin reads when a pod starts, or Cilium's bandwidth manager at any time.
//!
//! The annotation is in bits per second. Some clouds read bytes, others ignore it; the settle check and
//! the measured tail tell.

use serde_json::{Value, json};

use super::draft::{Draft, Unfit, Want, change, obstacle, repository_patch};
use super::site::Site;
use crate::domain::Clean;
use crate::remedy::kind::{ActionKind, Risk};
use crate::remedy::proposal::Weight;
use crate::remedy::quantity::Quantity;
use crate::remedy::target::ObjectKind;
use crate::remedy::write::{BandwidthKey, Edit, Field, Write};

/// Share of what is sent now that stays.
const SHARE: f64 = 0.5;
/// Never less than this, bits per second: health checks and replies must get through.
const LEAST: f64 = 1e6;

/// The limit for a pod, in whole megabits.
fn limit(want: &Want<'_>, before: Option<&str>) -> Result<Quantity, Unfit> {
    let sends = want.sends.unwrap_or(0.0) * 8.0;
    let limit = ((sends * SHARE).max(LEAST) / 1e6).ceil() as u64 * 1_000_000;
    if limit as f64 >= sends {
        return Err(Unfit::because(format!(
            "{} sends {:.1} Mbit/s: a limit on it would change nothing",
            want.service,
            sends / 1e6
        )));
    }
    if before.and_then(|text| Quantity::parse(text).ok()).is_some_and(|now| now.as_f64() <= limit as f64) {
        return Err(Unfit::because(format!(
            "{} is limited to {} bit/s already",
            want.service,
            before.unwrap_or_default()
        )));
    }
    Ok(Quantity::whole(limit))
}

fn why(want: &Want<'_>) -> Clean {
    let sends = want.sends.unwrap_or(0.0) * 8.0 / 1e6;
    Clean::capped(
        &format!(
            "beside {}, {} sends most: {sends:.0} Mbit/s from each of its replicas; half of that stays for it",
            want.victim, want.service
        ),
        300,
    )
}

/// C1: in the pod template, for new pods.
///
/// # Errors
/// The service sends too little for a limit to help, or has one.
pub fn of_template(site: &Site<'_>, want: &Want<'_>) -> Result<Draft, Unfit> {
    if site.cilium == Some(true) {
        // That does it without a restart.
        return Err(Unfit::Silent);
    }
    let key = BandwidthKey::Egress;
    let (parent, annotations) = ("/spec/template/metadata", "/spec/template/metadata/annotations");
    let before = site.object.map(annotations).and_then(|map| map.get(key.key())).and_then(Value::as_str);
    let limit = limit(want, before)?.decimal();
    let field = match site.object.map(annotations) {
        Some(map) => {
            let before = map.get(key.key()).cloned();
            Field { path: key.pointer(parent), before, after: Some(json!(limit)) }
        }
        // The map itself is added where there is none.
        None => {
            Field { path: annotations.to_owned(), before: None, after: Some(json!({ (key.key()): limit })) }
        }
    };
    let mut obstacles = site.obstacles(&["f:spec", "f:template", "f:metadata", "f:annotations"]);
    obstacles.push(obstacle(
        Weight::Warning,
        "needs the CNI's `bandwidth` plugin on the machines, which cannot be seen from here",
    ));
    let spec = json!({ "template": { "metadata": { "annotations": { (key.key()): limit } } } });
    let place = (site.object.namespace(), site.object.name());
    Ok(Draft {
        kind: ActionKind::CniBandwidth,
        partial: false,
        write: Write {
            target: site.object.target(site.kind, &site.context),
            edit: Edit::Patch { resize: false, keeps: Vec::new(), fields: vec![field] },
        },
        changes: vec![change("egress-bandwidth", before, Some(&limit))],
        risk: Risk::R2,
        why: why(want),
        forecast: None,
        obstacles,
        patch: site.in_repository().then(|| repository_patch("apps/v1", site.object.kind(), place, &spec)),
    })
}

/// C2: on one running pod.
///
/// # Errors
/// Cilium's bandwidth manager is not on, no pod runs, or the service sends too little or has a limit.
pub fn of_pod(site: &Site<'_>, want: &Want<'_>) -> Result<Draft, Unfit> {
    match site.cilium {
        Some(true) => {}
        Some(false) => return Err(Unfit::because("Cilium's bandwidth manager is off")),
        None => return Err(Unfit::Silent),
    }
    let running = |pod: &&&crate::remedy::cluster::Object| pod.text("/status/phase") == "Running";
    let on_node = |pod: &&&crate::remedy::cluster::Object| {
        want.node.is_none_or(|node| pod.text("/spec/nodeName") == node.as_str())
    };
    let Some(pod) = site.pods.iter().filter(running).find(on_node) else {
        return Err(Unfit::because(format!("no pod of {} runs", site.object.name())));
    };
    let key = BandwidthKey::Egress;
    let before = pod.annotation(key.key());
    let limit = limit(want, before)?.decimal();
    let mut obstacles = vec![obstacle(Weight::Note, "lost when the pod is replaced")];
    if site.pods.len() > 1 {
        obstacles
            .push(obstacle(Weight::Warning, format!("only one of {} replicas is limited", site.pods.len())));
    }
    Ok(Draft {
        kind: ActionKind::CiliumBandwidth,
        partial: site.pods.len() > 1 && want.node.is_none(),
        write: Write {
            target: pod.target(ObjectKind::Pod, &site.context),
            edit: Edit::Annotate {
                key,
                before: before.map(str::to_owned),
                after: Some(limit.clone()),
                version: pod.version().to_owned(),
            },
        },
        changes: vec![change("egress-bandwidth", before, Some(&limit))],
        risk: Risk::R1,
        why: why(want),
        forecast: None,
        obstacles,
        patch: None,
    })
}
