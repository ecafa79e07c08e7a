//! The least rights that the configured kinds of action take, as a manifest for `kubectl apply -f -`.

use std::fmt::Write as _;

use super::kind::ActionKind;
use super::names::{Label, NameError};
use super::settings::RemedySettings;

/// Name of the roles and their bindings.
pub const ROLE: &str = "sagetop-actions";

/// API groups, resources, verbs.
type Rule = (&'static str, &'static [&'static str], &'static [&'static str]);

/// What every action reads.
const READS: [Rule; 7] = [
    ("apps", &["deployments", "statefulsets"], &["get", "list"]),
    ("", &["pods"], &["get", "list"]),
    ("", &["resourcequotas", "limitranges"], &["list"]),
    ("policy", &["poddisruptionbudgets"], &["list"]),
    ("autoscaling", &["horizontalpodautoscalers"], &["get", "list"]),
    ("keda.sh", &["scaledobjects"], &["get", "list"]),
    ("autoscaling.k8s.io", &["verticalpodautoscalers"], &["list"]),
];
/// With these other people are told that somebody acts; without them nothing else is missing.
const LEASES: Rule = ("coordination.k8s.io", &["leases"], &["create", "get", "delete"]);
/// About the cluster: whether the machines have room.
const CLUSTER: [Rule; 1] = [("", &["nodes", "pods"], &["list"])];

/// Whether Cilium's bandwidth manager is on: of this one map only, see below.
const CILIUM: [Rule; 1] = [("", &["configmaps"], &["get"])];

/// What a kind of action writes.
fn writes(kind: ActionKind) -> &'static [Rule] {
    match kind {
        ActionKind::ScaleOut => &[("apps", &["deployments/scale", "statefulsets/scale"], &["get", "update"])],
        ActionKind::ResizePod => &[("", &["pods/resize"], &["get", "patch"])],
        ActionKind::ResizeTemplate | ActionKind::CniBandwidth => {
            &[("apps", &["deployments", "statefulsets"], &["patch"])]
        }
        ActionKind::AutoscalerFloor => &[
            ("autoscaling", &["horizontalpodautoscalers"], &["patch"]),
            ("keda.sh", &["scaledobjects"], &["patch"]),
        ],
        ActionKind::CiliumBandwidth => &[("", &["pods"], &["patch"])],
        // Over ssh, not through the API.
        ActionKind::CacheWays
        | ActionKind::MemoryBandwidth
        | ActionKind::HostBandwidth
        | ActionKind::CpuMax
        | ActionKind::IoMax => &[],
    }
}

/// The manifest for `user`.
///
/// # Errors
/// A namespace or the user cannot be written down.
pub fn manifest(settings: &RemedySettings, user: &str) -> Result<String, NameError> {
    let mut text =
        String::from("# The least rights for the actions of sagetop, by `sagetop actions rbac`.\n");
    let mut rules: Vec<Rule> = READS.to_vec();
    for kind in &settings.kinds {
        for rule in writes(*kind) {
            if !rules.contains(rule) {
                rules.push(*rule);
            }
        }
    }
    rules.push(LEASES);
    // A user's name is any text to the API server: as JSON it is any text to YAML, too.
    let user = serde_json::Value::from(user).to_string();
    let mut put = |kind: &str, namespace: Option<&Label>, rules: &[Rule]| {
        let place = namespace.map_or(String::new(), |namespace| format!(", namespace: {namespace}"));
        let written = writeln!(
            text,
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{ name: {ROLE}{place} }}\nrules:"
        );
        debug_assert!(written.is_ok(), "writing to a String does not fail");
        for (group, resources, verbs) in rules {
            let line =
                format!("  - {{ apiGroups: [{group:?}], resources: {resources:?}, verbs: {verbs:?} }}\n");
            text.push_str(&line);
        }
        text.push_str(&format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}Binding\nmetadata: {{ name: {ROLE}{place} }}\n\
             roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: {ROLE} }}\n\
             subjects: [{{ apiGroup: rbac.authorization.k8s.io, kind: User, name: {user} }}]\n"
        ));
    };
    for namespace in &settings.namespaces {
        put("Role", Some(&Label::new(namespace.as_str())?), &rules);
    }
    if settings.kinds.contains(&ActionKind::CiliumBandwidth) {
        put("Role", Some(&Label::new("kube-system")?), &CILIUM);
    }
    put("ClusterRole", None, &CLUSTER);
    Ok(text)
}
