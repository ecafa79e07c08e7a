//! The catalogue on clusters that no test has at hand: KEDA, Cilium, vertical autoscalers, full machines.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::domain::{Clean, Counterfactual, ServiceName, Timestamp};
use crate::domain::{Lever, Move};
use crate::remedy::cluster::rollout::rollout;
use crate::remedy::cluster::{Object, View, Workload, owners};
use crate::remedy::forecast::Forecast;
use crate::remedy::names::{ContextName, Label};
use crate::remedy::proposal::Weight;
use crate::remedy::settings::RemedySettings;
use crate::remedy::target::ObjectKind;
use crate::remedy::write::Mode;

fn object(kind: &str, name: &str, more: Value) -> Object {
    let mut whole = json!({
        "kind": kind,
        "metadata": { "name": name, "namespace": "shop", "uid": format!("uid-{name}"), "resourceVersion": "5", "generation": 1 },
    });
    for (key, value) in more.as_object().unwrap() {
        match (whole.get_mut(key).and_then(Value::as_object_mut), value.as_object()) {
            (Some(at), Some(value)) => at.extend(value.clone()),
            _ => whole[key] = value.clone(),
        }
    }
    Object::of(whole).unwrap()
}

fn resources() -> Value {
    json!({ "requests": { "cpu": "100m", "memory": "64Mi" }, "limits": { "cpu": "200m", "memory": "128Mi" } })
}

/// Two replicas of `web` on one machine.
fn view() -> View {
    let labels = json!({ "app": "web" });
    let containers = json!([
        { "name": "istio-proxy", "resources": {} },
        { "name": "main", "resources": resources() },
    ]);
    let web = object(
        "Deployment",
        "web",
        json!({
            "spec": {
                "replicas": 2,
                "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels }, "spec": { "containers": containers } },
            },
            "status": { "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2 },
        }),
    );
    let pod = |name: &str| {
        object(
            "Pod",
            name,
            json!({
                "metadata": { "labels": labels },
                "spec": { "nodeName": "n1", "containers": containers },
                "status": { "phase": "Running" },
            }),
        )
    };
    let node =
        object("Node", "n1", json!({ "status": { "allocatable": { "cpu": "400m", "memory": "1Gi" } } }));
    View {
        namespace: Label::new("shop").unwrap(),
        at: Timestamp::UNIX_EPOCH,
        workloads: vec![web],
        pods: vec![pod("web-1"), pod("web-2")],
        autoscalers: Vec::new(),
        scaled_objects: Vec::new(),
        vertical: Vec::new(),
        quotas: Vec::new(),
        limits: Vec::new(),
        budgets: Vec::new(),
        nodes: Some(vec![node]),
        versions: Some((33, 33)),
        gaps: Vec::new(),
    }
}

fn site(view: &View) -> Site<'_> {
    let object = view.workloads[0].clone();
    let workload = Workload { kind: ObjectKind::Deployment, object: &object, view };
    let (owners, rollout) = (owners(&workload), rollout(ObjectKind::Deployment, &object));
    let pods = view.selected(object.at("/spec/selector"));
    let neighbours = BTreeMap::from([("n1".to_owned(), view.pods.clone())]);
    let context = ContextName::new("lab").unwrap();
    Site {
        context,
        kind: ObjectKind::Deployment,
        object,
        view,
        owners,
        pods,
        rollout,
        neighbours,
        cilium: None,
    }
}

/// Draws up `kind` for `web`, with or without a model.
fn drawn(
    kind: ActionKind,
    site: &Site<'_>,
    resource: Resource,
    forecast: Option<&dyn Forecast>,
) -> Result<Draft, Unfit> {
    let (settings, service) = (RemedySettings::default(), ServiceName::new("web"));
    draft(
        kind,
        site,
        &Want {
            service: &service,
            victim: &ServiceName::new("db"),
            resource,
            node: None,
            cause: None,
            excess: 1.4,
            sends: Some(10e6),
            asked: None,
            forecast,
            settings: &settings,
        },
    )
}

fn after(draft: &Draft) -> Vec<(String, String)> {
    let text = |value: &Option<Clean>| value.as_ref().map_or(String::new(), ToString::to_string);
    draft.changes.iter().map(|change| (change.field.to_string(), text(&change.after))).collect()
}

/// Enough from `enough` replicas, or from so many cores, on.
struct Model {
    enough: f64,
}

impl Forecast for Model {
    fn tail(&self, change: &Move) -> Option<Counterfactual> {
        let to = match change.lever {
            Lever::Replicas { to, .. } => f64::from(to),
            Lever::Cpu { to, .. } => to,
            Lever::Memory { .. } | Lever::Neighbour(_) => return None,
        };
        let p_slo_met = if to >= self.enough { 0.9 } else { 0.1 * to / self.enough };
        Some(Counterfactual { quantile_ms: 50.0, low_ms: 40.0, high_ms: 60.0, p_slo_met })
    }
}

#[test]
fn the_model_sizes_where_it_can_and_rules_where_it_cannot() {
    let view = view();
    let site = site(&view);
    let scale = |forecast| drawn(ActionKind::ScaleOut, &site, Resource::Latent, forecast).unwrap();
    assert_eq!(after(&scale(None)), [("replicas".to_owned(), "3".to_owned())]);
    let model = Model { enough: 4.0 };
    let sized = scale(Some(&model));
    assert_eq!(after(&sized), [("replicas".to_owned(), "4".to_owned())]);
    assert_eq!(sized.forecast.unwrap().p_slo_met, 0.9);
    // Not enough by any amount that is allowed: the most that helps, and the prediction says so.
    let never = scale(Some(&Model { enough: 40.0 }));
    assert_eq!(after(&never), [("replicas".to_owned(), "4".to_owned())]);
    assert!(never.why.as_str().contains("not predicted to be enough"), "{}", never.why);
    let cpu = drawn(ActionKind::ResizeTemplate, &site, Resource::Cpu, Some(&Model { enough: 0.33 })).unwrap();
    assert_eq!(after(&cpu), [("limits.cpu".to_owned(), "350m".to_owned())]);
    let memory = drawn(ActionKind::ResizeTemplate, &site, Resource::Memory, Some(&model)).unwrap();
    assert_eq!(after(&memory), [("limits.memory".to_owned(), "192Mi".to_owned())]);
}

#[test]
fn a_guaranteed_pod_stays_one() {
    let mut view = view();
    let whole =
        json!({ "limits": { "cpu": "1000m", "memory": "1Gi" }, "requests": { "cpu": 1, "memory": "1Gi" } });
    let containers = json!([{ "name": "web", "resources": whole }]);
    let mut web = view.workloads[0].clone();
    web = object(
        "Deployment",
        "web",
        json!({
            "spec": { "selector": web.at("/spec/selector").unwrap(), "template": { "spec": { "containers": containers } } },
            "status": { "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1 },
        }),
    );
    view.workloads = vec![web];
    let grown = drawn(ActionKind::ResizeTemplate, &site(&view), Resource::Cpu, None).unwrap();
    let both =
        [("requests.cpu".to_owned(), "1500m".to_owned()), ("limits.cpu".to_owned(), "1500m".to_owned())];
    assert_eq!(after(&grown), both);
    // What is tested is what was read, letter for letter.
    let words = grown.write.words(Mode::Real).unwrap().join(" ");
    assert!(words.contains(r#""cpu":"1000m","memory":"1Gi"},"requests":{"cpu":1,"#), "{words}");
}

#[test]
fn a_pod_grows_only_where_there_is_room_and_everything_is_new_enough() {
    let mut view = view();
    let resize = |view: &View| drawn(ActionKind::ResizePod, &site(view), Resource::Cpu, None);
    let drawn_up = resize(&view).unwrap();
    assert_eq!(drawn_up.write.target.name.as_str(), "web-1");
    assert!(drawn_up.partial && drawn_up.forecast.is_none());
    view.limits = vec![object(
        "LimitRange",
        "caps",
        json!({ "spec": { "limits": [{ "type": "Container", "max": { "cpu": "250m" } }] } }),
    )];
    assert_eq!(after(&resize(&view).unwrap()), [("limits.cpu".to_owned(), "250m".to_owned())]);
    view.limits = vec![object(
        "LimitRange",
        "caps",
        json!({ "spec": { "limits": [{ "type": "Container", "max": { "cpu": "220m" } }] } }),
    )];
    assert!(matches!(resize(&view), Err(Unfit::Told(why)) if why.as_str().contains("no room for more cpu")));
    view.limits.clear();
    view.quotas = vec![object(
        "ResourceQuota",
        "small",
        json!({ "status": { "hard": { "limits.cpu": "450m" }, "used": { "limits.cpu": "400m" } } }),
    )];
    let refused = resize(&view).unwrap();
    assert!(
        refused.obstacles.iter().any(|o| o.weight == Weight::Refusal
            && o.text.as_str().contains("quota small: limits.cpu has 50m left"))
    );
    view.quotas.clear();
    view.versions = Some((31, 33));
    assert!(matches!(resize(&view), Err(Unfit::Told(why)) if why.as_str().contains("kubectl 1.32")));
    view.versions = Some((33, 33));
    view.vertical = vec![object(
        "VerticalPodAutoscaler",
        "web",
        json!({ "spec": {
        "targetRef": { "kind": "Deployment", "name": "web" }, "updatePolicy": { "updateMode": "Auto" },
    } }),
    )];
    assert!(resize(&view).unwrap().obstacles.iter().any(|o| o.text.as_str().contains("vertical autoscaler")));
}

#[test]
fn kedas_own_object_is_the_place_for_the_floor() {
    let mut view = view();
    let target = json!({ "kind": "Deployment", "name": "web" });
    view.autoscalers = vec![object(
        "HorizontalPodAutoscaler",
        "keda-hpa-web",
        json!({
            "metadata": { "ownerReferences": [{ "controller": true, "kind": "ScaledObject", "name": "web" }] },
            "spec": { "scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 9 },
        }),
    )];
    let scaled = |more: Value| {
        object(
            "ScaledObject",
            "web",
            json!({
                "metadata": { "annotations": more }, "spec": { "scaleTargetRef": { "name": "web" }, "maxReplicaCount": 9 },
            }),
        )
    };
    view.scaled_objects = vec![scaled(json!({}))];
    let none = drawn(ActionKind::ScaleOut, &site(&view), Resource::Latent, None);
    assert_eq!(none, Err(Unfit::Silent));
    let floor = drawn(ActionKind::AutoscalerFloor, &site(&view), Resource::Latent, None).unwrap();
    let words = floor.write.words(Mode::Real).unwrap().join(" ");
    assert!(words.starts_with("patch scaledobjects.keda.sh/web"), "{words}");
    // The floor was not written before: it is added, and the ceiling is held fast.
    assert!(words.contains(r#"{"op":"add","path":"/spec/minReplicaCount","value":3}"#), "{words}");
    assert!(words.contains(r#"{"op":"test","path":"/spec/maxReplicaCount","value":9}"#), "{words}");
    view.scaled_objects = vec![scaled(json!({ "autoscaling.keda.sh/paused-replicas": "2" }))];
    let paused = drawn(ActionKind::AutoscalerFloor, &site(&view), Resource::Latent, None).unwrap();
    assert!(
        paused.obstacles.iter().any(|o| o.weight == Weight::Refusal && o.text.as_str().contains("paused"))
    );
}

#[test]
fn with_cilium_a_running_pod_is_limited_and_without_it_the_template() {
    let view = view();
    let mut site = site(&view);
    assert_eq!(drawn(ActionKind::CiliumBandwidth, &site, Resource::Network, None), Err(Unfit::Silent));
    let template = drawn(ActionKind::CniBandwidth, &site, Resource::Network, None).unwrap();
    // There were no annotations: the map itself is added, and taken away by the undo.
    let undo = template.write.inverse().words(Mode::Real).unwrap().join(" ");
    assert!(undo.contains(r#"{"op":"remove","path":"/spec/template/metadata/annotations"}"#), "{undo}");
    site.cilium = Some(true);
    assert_eq!(drawn(ActionKind::CniBandwidth, &site, Resource::Network, None), Err(Unfit::Silent));
    let pod = drawn(ActionKind::CiliumBandwidth, &site, Resource::Network, None).unwrap();
    let words = pod.write.words(Mode::Real).unwrap();
    assert_eq!(words.last().unwrap(), "kubernetes.io/egress-bandwidth=40M");
    assert!(words.contains(&"--resource-version=5".to_owned()), "{words:?}");
    assert_eq!(
        pod.why.as_str(),
        "beside db, web sends most: 80 Mbit/s from each of its replicas; half of that stays for it"
    );
    // Twice is once.
    let mut limited = view.clone();
    let pods = ["web-1", "web-2"].map(|name| {
        let metadata =
            json!({ "labels": { "app": "web" }, "annotations": { "kubernetes.io/egress-bandwidth": "40M" } });
        object("Pod", name, json!({ "metadata": metadata, "status": { "phase": "Running" } }))
    });
    limited.pods = pods.to_vec();
    let mut again = self::site(&limited);
    again.cilium = Some(true);
    let refused = drawn(ActionKind::CiliumBandwidth, &again, Resource::Network, None);
    assert_eq!(refused, Err(Unfit::because("web is limited to 40M bit/s already")));
}

#[test]
fn owners_and_rollouts_stand_against_it() {
    let mut view = view();
    let base = view.workloads[0].clone();
    let with = |more: Value| {
        let spec = base.at("/spec").unwrap();
        let mut whole = json!({ "spec": spec, "status": base.at("/status").unwrap() });
        for (key, value) in more.as_object().unwrap() {
            whole[key] = value.clone();
        }
        object("Deployment", "web", whole)
    };
    let scale = |view: &View| drawn(ActionKind::ScaleOut, &site(view), Resource::Latent, None).unwrap();
    for (more, weight, words) in [
        (
            json!({ "metadata": { "ownerReferences": [{ "controller": true, "kind": "Rollout", "name": "r" }] } }),
            Weight::Refusal,
            "belongs to Rollout r",
        ),
        (
            json!({ "metadata": { "labels": { "kustomize.toolkit.fluxcd.io/name": "apps" } } }),
            Weight::Warning,
            "Flux (kustomization apps)",
        ),
        (
            json!({ "metadata": { "managedFields": [{ "manager": "magic", "fieldsV1": { "f:spec": { "f:replicas": {} } } }] } }),
            Weight::Warning,
            "magic owns this field",
        ),
        (
            json!({ "status": { "observedGeneration": 1, "replicas": 3, "updatedReplicas": 1 } }),
            Weight::Refusal,
            "rollout is under way",
        ),
        (
            json!({ "status": { "observedGeneration": 0, "replicas": 2, "updatedReplicas": 2 } }),
            Weight::Refusal,
            "has not seen the last change",
        ),
    ] {
        view.workloads = vec![with(more)];
        let found = scale(&view).obstacles;
        assert!(
            found.iter().any(|o| o.weight == weight && o.text.as_str().contains(words)),
            "{words}: {found:?}"
        );
    }
}
