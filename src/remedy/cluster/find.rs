//! The workload of a service: names from traces only select an object that the API server named.

use super::object::Object;
use super::view::View;
use crate::domain::{Clean, ServiceName};
use crate::remedy::target::ObjectKind;

/// Labels by which applications are known, most telling first.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/>
const LABELS: [&str; 6] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/component",
    "app.kubernetes.io/instance",
    "app",
    "k8s-app",
    "io.kompose.service",
];

/// A deployment or stateful set.
#[derive(Clone, Copy, Debug)]
pub struct Workload<'a> {
    /// Which of the two.
    pub kind: ObjectKind,
    /// The object.
    pub object: &'a Object,
    /// The namespace it was read with.
    pub view: &'a View,
}

/// What was found for a service.
#[derive(Debug)]
pub enum Found<'a> {
    /// One workload.
    One(Workload<'a>),
    /// None.
    None,
    /// Several that fit equally well: which one is not for us to guess.
    Several(Clean),
}

/// Looks for the workload of `service`: by name, else by the labels of its pods.
pub fn find<'a>(views: &'a [View], service: &ServiceName) -> Found<'a> {
    let all = || {
        views.iter().flat_map(|view| {
            view.workloads.iter().filter_map(move |object| {
                let kind = match object.kind() {
                    "Deployment" => ObjectKind::Deployment,
                    "StatefulSet" => ObjectKind::StatefulSet,
                    _ => return None,
                };
                Some(Workload { kind, object, view })
            })
        })
    };
    let name = service.as_str();
    let by_name: Vec<_> = all().filter(|workload| workload.object.name() == name).collect();
    if !by_name.is_empty() {
        return one(by_name);
    }
    for label in LABELS {
        let pointer = format!("/spec/template/metadata/labels/{}", label.replace('/', "~1"));
        let labelled: Vec<_> = all().filter(|workload| workload.object.text(&pointer) == name).collect();
        if !labelled.is_empty() {
            return one(labelled);
        }
    }
    Found::None
}

fn one(mut found: Vec<Workload<'_>>) -> Found<'_> {
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Found::One(only),
        (None, _) => Found::None,
        (Some(last), false) => {
            found.push(last);
            let names = found.iter().map(|workload| {
                format!("{} {} in {}", workload.kind.word(), workload.object.name(), workload.view.namespace)
            });
            Found::Several(Clean::new(&names.collect::<Vec<_>>().join(", ")))
        }
    }
}
