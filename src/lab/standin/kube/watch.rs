//! Watches: what becomes of a kind's objects from a version on, as a stream of events.
//!
//! As in Kubernetes' API conventions ("Efficient detection of changes"): a client lists, and watches from
//! the list's version on; a version that is too old is answered with 410, upon which it lists anew.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch::Receiver;

use super::failure::Failure;
use super::kinds::Target;
use super::store::text;
use super::{ClusterApi, KubeRequest, KubeResponse, select, table};

/// How long a watch lasts that does not say, in seconds.
const LASTS_S: u64 = 1_800;

/// A client that waits for events.
#[derive(Debug)]
pub struct Watch {
    target: Target,
    labels: String,
    fields: String,
    /// Events carry tables for people.
    tabular: bool,
    bookmarks: bool,
    /// It knows everything up to this version; `None` before it has seen what there is.
    version: Option<u64>,
    lasts: Duration,
    versions: Receiver<u64>,
}

impl Watch {
    /// How long it is to last.
    pub fn lasts(&self) -> Duration {
        self.lasts
    }

    /// Waits until there may be more; false when there never will be.
    pub async fn changed(&mut self) -> bool {
        self.versions.changed().await.is_ok()
    }

    /// An event that only tells the version from which the next watch may go on, for who wants that.
    pub fn bookmark(&self) -> Option<Value> {
        let kind = self.target.kind;
        let version = self.version.filter(|_| self.bookmarks)?;
        Some(json!({ "type": "BOOKMARK", "object": {
            "kind": kind.kind, "apiVersion": kind.api_version(),
            "metadata": { "resourceVersion": version.to_string(), "creationTimestamp": null },
        } }))
    }

    fn matches(&self, object: Option<&Value>) -> bool {
        object.is_some_and(|object| {
            let named = self.target.name.as_deref().is_none_or(|name| text(object, "/metadata/name") == name);
            // Selectors that cannot be read were refused when the watch began.
            named && select::matches(object, &self.labels, &self.fields).unwrap_or(false)
        })
    }
}

impl ClusterApi {
    /// Begins the watch that a request asks for; `None` when it asks for something else.
    pub fn watch(&self, request: &KubeRequest) -> Option<Result<Watch, KubeResponse>> {
        let asked = request.method == "GET" && request.query("watch").is_some_and(|watch| watch != "false");
        let target = Target::parse(&request.path).filter(|_| asked)?;
        Some(self.begin(target, request).map_err(|failure| KubeResponse::from(Err(failure))))
    }

    fn begin(&self, target: Target, request: &KubeRequest) -> Result<Watch, Failure> {
        if self.manners.forbid.iter().any(|right| right.covers("watch", &target)) {
            return Err(Failure::forbidden(&target, &request.user, "watch"));
        }
        if request.query("sendInitialEvents").is_some() {
            return Err(Failure::no_initial_events());
        }
        let number = |name: &str| {
            let given = request.query(name).filter(|value| !value.is_empty());
            let read = |value: &str| {
                value
                    .parse::<u64>()
                    .map_err(|_| Failure::bad_request(format!("{name}: {value:?} is no number")))
            };
            given.map(read).transpose()
        };
        // Version 0 is whatever the server has at hand, none is the newest: here they are one.
        let version = number("resourceVersion")?.filter(|version| *version > 0);
        if let Some(version) = version.filter(|version| *version < self.store.forgotten()) {
            return Err(Failure::expired(version, self.store.forgotten()));
        }
        let text = |name| request.query(name).unwrap_or_default().to_owned();
        let watch = Watch {
            labels: text("labelSelector"),
            fields: text("fieldSelector"),
            tabular: request.accept.contains("as=Table"),
            bookmarks: request.query("allowWatchBookmarks").is_some_and(|allowed| allowed != "false"),
            version,
            lasts: Duration::from_secs(number("timeoutSeconds")?.unwrap_or(LASTS_S)),
            versions: self.store.versions(),
            target,
        };
        for object in self.store.list(watch.target.kind, &watch.target.namespace) {
            select::matches(object, &watch.labels, &watch.fields)?;
        }
        Ok(watch)
    }

    /// What has happened since the last call, oldest first: objects with what became of them.
    pub fn events(&self, watch: &mut Watch) -> Vec<Value> {
        let Watch { target, .. } = &*watch;
        let newest = self.store.version();
        let event = |kind: &str, object: &Value| {
            let object =
                if watch.tabular { table::of(target.kind, &[object], self.now_ms) } else { object.clone() };
            json!({ "type": kind, "object": object })
        };
        let mut events = Vec::new();
        match watch.version {
            None => {
                let found = self.store.list(target.kind, &target.namespace);
                events.extend(
                    found.filter(|object| watch.matches(Some(object))).map(|object| event("ADDED", object)),
                );
            }
            // It was too slow, and what it has missed is forgotten.
            Some(version) if version < self.store.forgotten() => {
                let failure = Failure::expired(version, self.store.forgotten());
                events.push(json!({ "type": "ERROR", "object": failure.body() }));
            }
            Some(version) => {
                for change in self.store.since(version, target.kind, &target.namespace) {
                    let (before, after) = (change.before.as_ref(), change.after.as_ref());
                    match (watch.matches(before), watch.matches(after), before, after) {
                        (false, true, _, Some(after)) => events.push(event("ADDED", after)),
                        (true, true, _, Some(after)) => events.push(event("MODIFIED", after)),
                        (true, false, Some(before), after) => {
                            // The last state that it saw, with the version of its end.
                            let mut last = after.unwrap_or(before).clone();
                            last["metadata"]["resourceVersion"] = json!(change.version.to_string());
                            events.push(event("DELETED", &last));
                        }
                        _ => {}
                    }
                }
            }
        }
        watch.version = Some(newest);
        events
    }
}
