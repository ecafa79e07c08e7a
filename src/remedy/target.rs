//! What an action is done to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::Clean;

/// Kinds of objects that actions write to, with their API group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// `deployments.apps`
    Deployment,
    /// `statefulsets.apps`
    StatefulSet,
    /// `pods`
    Pod,
    /// `horizontalpodautoscalers.autoscaling`
    Autoscaler,
    /// `scaledobjects.keda.sh`
    ScaledObject,
}

impl ObjectKind {
    /// Resource and group as kubectl takes them.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Deployment => "deployments.apps",
            Self::StatefulSet => "statefulsets.apps",
            Self::Pod => "pods",
            Self::Autoscaler => "horizontalpodautoscalers.autoscaling",
            Self::ScaledObject => "scaledobjects.keda.sh",
        }
    }

    /// In a word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::Pod => "pod",
            Self::Autoscaler => "autoscaler",
            Self::ScaledObject => "scaled object",
        }
    }
}

/// An object of a cluster, as the API server named it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectTarget {
    /// Context of the kubeconfig.
    pub context: Clean,
    /// Namespace.
    pub namespace: Clean,
    /// Kind.
    pub kind: ObjectKind,
    /// Name.
    pub name: Clean,
    /// `metadata.uid`.
    pub uid: Clean,
}

/// A container's processes on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeTarget {
    /// Context of the kubeconfig that names the machine.
    pub context: Clean,
    /// The machine, as Kubernetes names it.
    pub node: Clean,
    /// Namespace and name of the pod whose processes are limited; `None` for the whole machine.
    pub pod: Option<(Clean, Clean)>,
    /// The container's id, 64 hexadecimal digits.
    pub container: Option<Clean>,
}

/// What an action is done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// An object of the cluster.
    Object(ObjectTarget),
    /// Processes on a machine.
    Node(NodeTarget),
}

impl Target {
    /// The context it belongs to.
    pub fn context(&self) -> &Clean {
        match self {
            Self::Object(object) => &object.context,
            Self::Node(node) => &node.context,
        }
    }

    /// What has to be typed to approve a risky action on it: its name, with the machine for actions on one.
    pub fn to_type(&self) -> String {
        match self {
            Self::Object(object) => object.name.to_string(),
            Self::Node(NodeTarget { node, pod: Some((_, pod)), .. }) => format!("{node}/{pod}"),
            Self::Node(node) => node.node.to_string(),
        }
    }
}

impl fmt::Display for Target {
    /// Such as `deployment geo in shop`, or `pod cache-0 on node-2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(o) => write!(f, "{} {} in {}", o.kind.word(), o.name, o.namespace),
            Self::Node(NodeTarget { node, pod: Some((_, pod)), .. }) => write!(f, "pod {pod} on {node}"),
            Self::Node(node) => write!(f, "machine {}", node.node),
        }
    }
}
