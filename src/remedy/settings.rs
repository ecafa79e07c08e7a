//! What may be done at all, and by which programs.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::ActionKind;
use crate::domain::Clean;

/// Actions in one context. Without this section nothing can be changed there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RemedySettings {
    /// Whether actions may be approved at all.
    pub enabled: bool,
    /// The kubeconfig file, by absolute path or relative to this file.
    pub kubeconfig: PathBuf,
    /// The kubeconfig's context; absent, it has the name of this one.
    pub kube_context: Option<Clean>,
    /// Namespaces in which objects may be changed.
    pub namespaces: Vec<Clean>,
    /// kubectl, by absolute path; absent, it is looked for in PATH once.
    pub kubectl: Option<PathBuf>,
    /// ssh, by absolute path; absent, it is looked for in PATH once.
    pub ssh: Option<PathBuf>,
    /// Who logs in on machines.
    pub ssh_user: Option<Clean>,
    /// Configuration of ssh that is used instead of the user's own.
    pub ssh_config: Option<PathBuf>,
    /// Kinds of action that may be used. Actions on machines are experimental and not among the default.
    pub kinds: Vec<ActionKind>,
    /// How long writing stays possible once armed.
    #[serde(with = "crate::domain::duration")]
    #[schemars(schema_with = "crate::domain::duration::schema")]
    pub armed_for: Duration,
    /// Most replicas an action may ask for.
    pub max_replicas: u32,
    /// Most actions within an hour.
    pub max_actions_per_hour: u32,
    /// Whether actions on whole machines need a second person.
    pub second_person: bool,
}

impl Default for RemedySettings {
    fn default() -> Self {
        Self {
            enabled: false,
            kubeconfig: PathBuf::new(),
            kube_context: None,
            namespaces: Vec::new(),
            kubectl: None,
            ssh: None,
            ssh_user: None,
            ssh_config: None,
            kinds: ActionKind::ALL.into_iter().filter(|kind| !kind.is_on_node()).collect(),
            armed_for: Duration::from_secs(15 * 60),
            max_replicas: 20,
            max_actions_per_hour: 6,
            second_person: false,
        }
    }
}
