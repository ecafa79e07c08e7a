//! A namespace as it was read at one moment: what a proposal is worked out from.

use serde_json::{Value, json};

use super::object::Object;
use crate::domain::{Clean, Timestamp};
use crate::remedy::kubectl::{Kubectl, ReadError};
use crate::remedy::names::Label;

/// What every cluster has, in the order in which it is taken apart; each word is one question.
const KINDS: [&str; 6] = [
    "deployments.apps,statefulsets.apps",
    "pods",
    "horizontalpodautoscalers.autoscaling",
    "resourcequotas",
    "limitranges",
    "poddisruptionbudgets.policy",
];
/// All of it in one question: each is a process of its own.
const TOGETHER: &str = "deployments.apps,statefulsets.apps,pods,horizontalpodautoscalers.autoscaling,resourcequotas,limitranges,poddisruptionbudgets.policy";

/// A list of several kinds as one list for each of [`KINDS`].
fn by_kind(list: &Value) -> [Value; 6] {
    let mut lists: [Vec<Value>; 6] = Default::default();
    for item in list["items"].as_array().into_iter().flatten() {
        let at = match item["kind"].as_str() {
            Some("Deployment" | "StatefulSet") => 0,
            Some("Pod") => 1,
            Some("HorizontalPodAutoscaler") => 2,
            Some("ResourceQuota") => 3,
            Some("LimitRange") => 4,
            Some("PodDisruptionBudget") => 5,
            _ => continue,
        };
        lists[at].push(item.clone());
    }
    lists.map(|items| json!({ "items": items }))
}

/// The objects of a namespace that matter to actions, and the machines.
#[derive(Clone, Debug)]
pub struct View {
    /// The namespace.
    pub namespace: Label,
    /// When it was read.
    pub at: Timestamp,
    /// Deployments and stateful sets.
    pub workloads: Vec<Object>,
    /// Pods.
    pub pods: Vec<Object>,
    /// Horizontal pod autoscalers.
    pub autoscalers: Vec<Object>,
    /// KEDA's ScaledObjects.
    pub scaled_objects: Vec<Object>,
    /// Vertical pod autoscalers.
    pub vertical: Vec<Object>,
    /// Resource quotas.
    pub quotas: Vec<Object>,
    /// Limit ranges.
    pub limits: Vec<Object>,
    /// Pod disruption budgets.
    pub budgets: Vec<Object>,
    /// Machines; `None` where they may not be read.
    pub nodes: Option<Vec<Object>>,
    /// Minor versions of kubectl and server; `None` where they are not told.
    pub versions: Option<(u32, u32)>,
    /// What could not be read, and what follows.
    pub gaps: Vec<Clean>,
}

impl View {
    /// Reads `namespace`.
    ///
    /// # Errors
    /// Workloads or pods cannot be read: then there is nothing to act on. Anything else that cannot be
    /// read is a gap.
    pub async fn read(kubectl: &Kubectl, namespace: &Label) -> Result<Self, ReadError> {
        let list = |kinds| kubectl.list(Some(namespace), kinds);
        let (together, scaled_objects, vertical, nodes, versions) = tokio::join!(
            list(TOGETHER),
            list("scaledobjects.keda.sh"),
            list("verticalpodautoscalers.autoscaling.k8s.io"),
            kubectl.list(None, "nodes"),
            kubectl.versions(),
        );
        let [workloads, pods, autoscalers, quotas, limits, budgets] = match together {
            Ok(list) => by_kind(&list).map(Ok),
            // One of them may not be read, or all together are too much: each by itself.
            Err(_) => {
                let (workloads, pods, autoscalers) =
                    tokio::join!(list(KINDS[0]), list(KINDS[1]), list(KINDS[2]));
                let (quotas, limits, budgets) = tokio::join!(list(KINDS[3]), list(KINDS[4]), list(KINDS[5]));
                [workloads, pods, autoscalers, quotas, limits, budgets]
            }
        };
        let mut view = Self {
            namespace: namespace.clone(),
            at: Timestamp::now(),
            workloads: Object::list(workloads?),
            pods: Object::list(pods?),
            autoscalers: Vec::new(),
            scaled_objects: Vec::new(),
            vertical: Vec::new(),
            quotas: Vec::new(),
            limits: Vec::new(),
            budgets: Vec::new(),
            nodes: None,
            versions: versions.ok(),
            gaps: Vec::new(),
        };
        view.autoscalers = view.known(autoscalers, "an autoscaler may own the number of replicas");
        view.scaled_objects = view.known(scaled_objects, "KEDA may own the number of replicas");
        view.vertical = view.known(vertical, "a vertical autoscaler may own the resources");
        view.quotas = view.known(quotas, "a quota may refuse what is added");
        view.limits = view.known(limits, "a limit range may refuse what is added");
        view.budgets = view.known(budgets, "a disruption budget may hold things up");
        match nodes {
            Ok(nodes) => view.nodes = Some(Object::list(nodes)),
            Err(error) => view.gap("whether the machines have room is not known", &error),
        }
        Ok(view)
    }

    /// The objects of a list; a kind that the server does not have has none.
    fn known(&mut self, list: Result<Value, ReadError>, but: &str) -> Vec<Object> {
        match list {
            Ok(list) => Object::list(list),
            Err(ReadError::NoType(_)) => Vec::new(),
            Err(error) => {
                self.gap(but, &error);
                Vec::new()
            }
        }
    }

    fn gap(&mut self, but: &str, error: &ReadError) {
        self.gaps.push(Clean::capped(&format!("{but}: {error}"), 400));
    }

    /// The pods that a label selector (`spec.selector`) matches; none if it is empty or not understood,
    /// because an empty selector would match them all.
    pub fn selected(&self, selector: Option<&Value>) -> Vec<&Object> {
        let Some(labels) = selector.and_then(Selector::of) else { return Vec::new() };
        self.pods.iter().filter(|pod| labels.matches(pod)).collect()
    }
}

/// A label selector.
#[derive(Debug)]
pub struct Selector<'a> {
    labels: Vec<(&'a str, &'a str)>,
    expressions: Vec<&'a Value>,
}

impl<'a> Selector<'a> {
    /// Reads `{matchLabels, matchExpressions}`; `None` if it selects everything.
    pub fn of(selector: &'a Value) -> Option<Self> {
        let labels = selector["matchLabels"].as_object().into_iter().flatten();
        let labels: Vec<_> =
            labels.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect();
        let expressions: Vec<_> = selector["matchExpressions"].as_array().into_iter().flatten().collect();
        (!labels.is_empty() || !expressions.is_empty()).then_some(Self { labels, expressions })
    }

    /// Whether it selects `object`.
    pub fn matches(&self, object: &Object) -> bool {
        self.labels.iter().all(|(key, value)| object.label(key) == Some(value))
            && self.expressions.iter().all(|expression| {
                let key = expression["key"].as_str().unwrap_or_default();
                let label = object.label(key);
                let listed = |label: &str| {
                    expression["values"]
                        .as_array()
                        .is_some_and(|values| values.iter().any(|value| value == label))
                };
                match expression["operator"].as_str() {
                    Some("In") => label.is_some_and(listed),
                    Some("NotIn") => !label.is_some_and(listed),
                    Some("Exists") => label.is_some(),
                    Some("DoesNotExist") => label.is_none(),
                    _ => false,
                }
            })
    }
}
