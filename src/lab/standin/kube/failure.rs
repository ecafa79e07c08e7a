//! What the API answers when it refuses: a `Status` with the words of a real API server.
//!
//! The texts are those that kube-apiserver 1.20 gave to kubectl 1.33.

use serde_json::{Value, json};

use super::kinds::{Kind, Target};

/// A refusal.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// HTTP status.
    pub code: u16,
    /// One word, such as `Conflict`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// What it is about.
    pub details: Value,
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: json!({}) }
    }

    fn about(mut self, kind: &Kind, name: &str) -> Self {
        self.details = json!({ "name": name, "group": kind.group, "kind": kind.plural });
        self
    }

    /// Nothing is served at this URL.
    pub fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    /// The verb does not exist here.
    pub fn method() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    /// No object of that name.
    pub fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", kind.qualified())).about(kind, name)
    }

    /// An object of that name is there already.
    pub fn exists(kind: &Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {name:?} already exists", kind.qualified()))
            .about(kind, name)
    }

    /// Somebody else was faster.
    pub fn conflict(kind: &Kind, name: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: the object has been modified; please apply your \
             changes to the latest version and try again",
            kind.qualified()
        );
        Self::new(409, "Conflict", message).about(kind, name)
    }

    /// The uid asked for is not the object's.
    pub fn other_uid(kind: &Kind, name: &str, asked: &str, is: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: Precondition failed: UID in precondition: {asked}, \
             UID in object meta: {is}",
            kind.qualified()
        );
        Self::new(409, "Conflict", message).about(kind, name)
    }

    /// RBAC says no.
    pub fn forbidden(target: &Target, user: &str, verb: &str) -> Self {
        let what = match &target.name {
            Some(name) => format!("{} {name:?}", target.kind.qualified()),
            None => target.kind.qualified(),
        };
        let place = match target.namespace.as_str() {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        let message = format!(
            "{what} is forbidden: User {user:?} cannot {verb} resource {:?} in API group {:?} {place}",
            target.resource(),
            target.kind.group
        );
        Self::new(403, "Forbidden", message).about(target.kind, target.name.as_deref().unwrap_or_default())
    }

    /// An admission webhook says no.
    pub fn webhook(message: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", message)
    }

    /// The object would be invalid: one line a cause.
    pub fn invalid(kind: &Kind, name: &str, causes: &[String]) -> Self {
        let text = match causes {
            [cause] => cause.clone(),
            causes => format!("[{}]", causes.join(", ")),
        };
        let mut failure =
            Self::new(422, "Invalid", format!("{} {name:?} is invalid: {text}", qualified_kind(kind)));
        let causes: Vec<Value> = causes
            .iter()
            .map(|cause| {
                let (field, message) = cause.split_once(": ").unwrap_or(("", cause));
                json!({ "reason": "FieldValueInvalid", "message": message, "field": field })
            })
            .collect();
        failure.details = json!({ "name": name, "group": kind.group, "kind": kind.kind, "causes": causes });
        failure
    }

    /// A JSON patch whose test failed or whose path leads nowhere: the server does not say which.
    pub fn patch() -> Self {
        Self::new(422, "Invalid", "the server rejected our request due to an error in our request")
    }

    /// The body cannot be read.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// A content type that is not understood.
    pub fn media_type() -> Self {
        Self::new(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json",
        )
    }

    /// A version of which nothing is known any more.
    pub fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// A way to begin a watch that servers before 1.34 do not know by default; clients then list first.
    pub fn no_initial_events() -> Self {
        let cause = "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList \
                     feature gate is enabled";
        Self::new(422, "Invalid", format!("ListOptions.meta.k8s.io \"\" is invalid: {cause}"))
    }

    /// Flow control.
    pub fn too_many() -> Self {
        Self::new(
            429,
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later",
        )
    }

    /// The store behind the server does not answer.
    pub fn internal() -> Self {
        Self::new(500, "InternalError", "Internal error occurred: etcdserver: request timed out")
    }

    /// As the server sends it.
    pub fn body(&self) -> Value {
        json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        })
    }
}

/// `Deployment.apps`, `Pod`: how validation names a kind.
fn qualified_kind(kind: &Kind) -> String {
    if kind.group.is_empty() { kind.kind.to_owned() } else { format!("{}.{}", kind.kind, kind.group) }
}
