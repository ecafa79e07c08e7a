//! The kinds of objects the lab's API serves, and how a URL names one of them.

/// A kind of object.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// API group, empty for the core.
    pub group: &'static str,
    /// Version within the group.
    pub version: &'static str,
    /// As in a URL.
    pub plural: &'static str,
    /// For one of them.
    pub singular: &'static str,
    /// As in the field `kind`.
    pub kind: &'static str,
    /// Abbreviations that kubectl accepts.
    pub short: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Subresources.
    pub subresources: &'static [&'static str],
}

impl Kind {
    /// `deployments.apps`, `pods`: as error messages say it.
    pub fn qualified(&self) -> String {
        qualify(self.plural, self.group)
    }

    /// `deployment.apps`, `pod`: as kubectl prints it.
    pub fn qualified_singular(&self) -> String {
        qualify(self.singular, self.group)
    }

    /// `apps/v1`, `v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// URL path of the collection, of one object with `name`, of its `subresource`.
    pub fn path(&self, namespace: &str, name: Option<&str>, subresource: Option<&str>) -> String {
        let mut path = match self.group {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        if self.namespaced && !namespace.is_empty() {
            path += &format!("/namespaces/{namespace}");
        }
        path = format!("{path}/{}", self.plural);
        for part in [name, subresource].into_iter().flatten() {
            path = format!("{path}/{part}");
        }
        path
    }
}

fn qualify(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

/// All kinds, core first, then by group: the order of `kubectl api-resources`.
pub static KINDS: [Kind; 14] = [
    kind("", "v1", "limitranges", "LimitRange", &["limits"], true, &[]),
    kind("", "v1", "namespaces", "Namespace", &["ns"], false, &[]),
    kind("", "v1", "nodes", "Node", &["no"], false, &[]),
    kind("", "v1", "pods", "Pod", &["po"], true, &["resize"]),
    kind("", "v1", "resourcequotas", "ResourceQuota", &["quota"], true, &[]),
    kind("apps", "v1", "controllerrevisions", "ControllerRevision", &[], true, &[]),
    kind("apps", "v1", "daemonsets", "DaemonSet", &["ds"], true, &[]),
    kind("apps", "v1", "deployments", "Deployment", &["deploy"], true, &["scale"]),
    kind("apps", "v1", "replicasets", "ReplicaSet", &["rs"], true, &["scale"]),
    kind("apps", "v1", "statefulsets", "StatefulSet", &["sts"], true, &["scale"]),
    kind(
        "authorization.k8s.io",
        "v1",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        &[],
        false,
        &[],
    ),
    kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", &["hpa"], true, &[]),
    kind("coordination.k8s.io", "v1", "leases", "Lease", &[], true, &[]),
    kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", &["pdb"], true, &[]),
];

const fn kind(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
    namespaced: bool,
    subresources: &'static [&'static str],
) -> Kind {
    // Every plural here is the singular and an `s`.
    let (singular, _) = plural.split_at(plural.len() - 1);
    Kind { group, version, plural, singular, kind, short, namespaced, subresources }
}

/// The kind called `name` on a command line: plural, singular, abbreviation or `Kind`, with an
/// optional version and group behind a dot (`deployments.apps`, `deployments.v1.apps`).
pub fn find(name: &str) -> Option<&'static Kind> {
    let (name, rest) = name.split_once('.').map_or((name, None), |(name, rest)| (name, Some(rest)));
    let name = name.to_ascii_lowercase();
    KINDS.iter().find(|kind| {
        let named = [kind.plural, kind.singular].contains(&name.as_str())
            || kind.short.contains(&name.as_str())
            || kind.kind.eq_ignore_ascii_case(&name);
        let grouped = rest.is_none_or(|rest| {
            rest == kind.group
                || rest
                    .strip_prefix(kind.version)
                    .is_some_and(|rest| rest.trim_start_matches('.') == kind.group)
        });
        named && grouped
    })
}

/// The kind of `apiVersion` and `kind` in an object.
pub fn of_object(api_version: &str, name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.kind == name && kind.api_version() == api_version)
}

/// What a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Kind.
    pub kind: &'static Kind,
    /// Namespace, empty for all of them and for what has none.
    pub namespace: String,
    /// Object, `None` for the collection.
    pub name: Option<String>,
    /// Subresource of the object.
    pub subresource: Option<String>,
}

impl Target {
    /// Reads a URL's path; `None` when the server has nothing there.
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/');
        let group = match parts.next()? {
            "api" => "",
            "apis" => parts.next()?,
            _ => return None,
        };
        let version = parts.next()?;
        let mut rest: Vec<&str> = parts.collect();
        let mut namespace = "";
        // `/namespaces/shop` is the namespace itself, `/namespaces/shop/pods` is in it.
        if rest.first() == Some(&"namespaces") && rest.len() > 2 {
            namespace = rest[1];
            rest.drain(..2);
        }
        let kind = KINDS.iter().find(|kind| {
            kind.group == group && kind.version == version && Some(&kind.plural) == rest.first()
        })?;
        if rest.len() > 3 || (!kind.namespaced && !namespace.is_empty()) {
            return None;
        }
        let subresource = rest.get(2).map(|part| (*part).to_owned());
        if subresource.as_deref().is_some_and(|part| !kind.subresources.contains(&part)) {
            return None;
        }
        let name = rest.get(1).map(|part| (*part).to_owned());
        Some(Self { kind, namespace: namespace.to_owned(), name, subresource })
    }

    /// `deployments/scale`: as rights name it.
    pub fn resource(&self) -> String {
        match &self.subresource {
            Some(subresource) => format!("{}/{subresource}", self.kind.plural),
            None => self.kind.plural.to_owned(),
        }
    }
}

/// Namespaces.
pub fn namespaces() -> &'static Kind {
    &KINDS[1]
}

/// Pods.
pub fn pods() -> &'static Kind {
    &KINDS[3]
}

/// Replica sets.
pub fn replica_sets() -> &'static Kind {
    &KINDS[8]
}

/// Horizontal pod autoscalers.
pub fn autoscalers() -> &'static Kind {
    &KINDS[11]
}
