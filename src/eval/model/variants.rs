//! Applications after a change: services that are added, updated and removed (scenarios A to F of Gan et
//! al., ASPLOS 2021, figure on incremental retraining; which services those were is not published).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::EvalError;
use crate::domain::ServiceName;
use crate::lab::app::file::{AppFile, CallFile, DemandFile, ServiceFile, Settings, Step};
use crate::lab::app::{self, Application, Kind};
use crate::lab::cluster::Cluster;

/// CPU of a service that is added, in microseconds a request: that of a light service of the application.
const ADDED_CPU_US: f64 = 100.0;
/// Variation of that.
const ADDED_CV: f64 = 0.7;

/// One change of an application.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Edit {
    /// A service through which one calls another from now on.
    Between { caller: &'static str, callee: &'static str, name: &'static str },
    /// A store that a service asks last.
    Behind { caller: &'static str, name: &'static str },
    /// A new version that needs this many times the CPU.
    Updated { service: &'static str, factor: f64 },
    /// A service that is called no more, and goes with those that only it called.
    Removed { service: &'static str },
}

const FRONT: Edit =
    Edit::Between { caller: "nginx-thrift", callee: "home-timeline-service", name: "feed-ranking-service" };
const BACK: Edit = Edit::Behind { caller: "post-storage-service", name: "post-index-redis" };
const GONE: Edit = Edit::Removed { service: "url-shorten-service" };
const POSTS: Edit = Edit::Updated { service: "post-storage-service", factor: 1.5 };

/// Application that the scenarios are of.
pub const APP: &str = "social-network";

/// What changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scenario {
    /// Letter, as in the paper.
    pub letter: &'static str,
    /// In words.
    pub what: &'static str,
    edits: &'static [Edit],
}

/// The scenarios.
pub const SCENARIOS: [Scenario; 6] = [
    Scenario { letter: "A", what: "one added at the front end", edits: &[FRONT] },
    Scenario { letter: "B", what: "one updated", edits: &[POSTS] },
    Scenario { letter: "C", what: "one removed (with its store)", edits: &[GONE] },
    Scenario { letter: "D", what: "one added at the back end", edits: &[BACK] },
    Scenario { letter: "E", what: "one added, one updated, one removed", edits: &[FRONT, POSTS, GONE] },
    Scenario {
        letter: "F",
        what: "two added, four updated, two removed",
        edits: &[
            FRONT,
            BACK,
            POSTS,
            Edit::Updated { service: "home-timeline-service", factor: 1.5 },
            Edit::Updated { service: "user-timeline-service", factor: 1.4 },
            Edit::Updated { service: "text-service", factor: 1.6 },
            GONE,
            Edit::Removed { service: "media-service" },
        ],
    },
];

/// An application and its cluster after a change.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The application.
    pub app: Arc<Application>,
    /// Where it runs: what was there before stays where it was.
    pub cluster: Cluster,
    /// Services that behave differently though nothing else about them changed; whoever rolls a new version
    /// out knows them.
    pub updated: BTreeSet<ServiceName>,
}

impl Scenario {
    /// What becomes of `before` on `cluster`.
    ///
    /// # Errors
    /// The application has no such services.
    pub fn apply(&self, before: &Application, cluster: &Cluster) -> Result<Changed, EvalError> {
        let mut app = app::edited(&before.name, |file| {
            let before = called(file);
            self.edits.iter().for_each(|edit| edit.apply(file));
            let now = called(file);
            file.services.retain(|service| now.contains(&service.name) || !before.contains(&service.name));
            file.fragments.retain(|name, _| now.contains(&format!("@{name}")));
        })?;
        app.objective = before.objective;
        let updated: BTreeSet<&str> = self.edits.iter().filter_map(Edit::updated).collect();
        for service in &mut app.services {
            let known = before.services.iter().find(|known| known.name == service.name);
            // Limits are what somebody wrote down; they do not follow the load by themselves.
            if let Some(known) = known.filter(|_| !updated.contains(&*service.name)) {
                *service = known.clone();
            }
        }
        let cluster = settle(&app, before, cluster);
        let updated = updated.into_iter().map(ServiceName::new).collect();
        Ok(Changed { app: Arc::new(app), cluster, updated })
    }
}

impl Edit {
    fn updated(&self) -> Option<&'static str> {
        match self {
            Self::Updated { service, .. } => Some(service),
            _ => None,
        }
    }

    fn apply(&self, file: &mut AppFile) {
        match *self {
            Self::Between { name, .. } => file.services.push(added(name, Kind::Stateless)),
            Self::Behind { name, .. } => file.services.push(added(name, Kind::Redis)),
            Self::Updated { .. } | Self::Removed { .. } => {}
        }
        let roots = file.flows.iter_mut().map(|flow| &mut flow.root);
        roots.chain(file.fragments.values_mut()).for_each(|call| self.apply_to(call));
    }

    /// Changes `call` and all calls under it.
    fn apply_to(&self, call: &mut CallFile) {
        for stage in &mut call.stages {
            if let Self::Removed { service } = self {
                stage.retain(|step| !matches!(step, Step::Call(call) if call.service == *service));
            }
            for step in stage {
                if let Step::Call(next) = step {
                    self.apply_to(next);
                }
            }
        }
        call.stages.retain(|stage| !stage.is_empty());
        match *self {
            Self::Between { caller, callee, name } if call.service == caller => {
                for step in call.stages.iter_mut().flatten() {
                    if let Step::Call(next) = step
                        && next.service == callee
                    {
                        **next = through(name, (**next).clone());
                    }
                }
            }
            Self::Behind { caller, name } if call.service == caller => {
                call.stages.push(vec![Step::Call(Box::new(asked(name)))]);
            }
            Self::Updated { service, factor } if call.service == service => call.cpu.mean_us *= factor,
            _ => {}
        }
    }
}

fn added(name: &str, kind: Kind) -> ServiceFile {
    let traced_as = (kind == Kind::Stateless).then(|| name.to_owned());
    ServiceFile { name: name.to_owned(), kind, traced_as, settings: Settings::default(), note: None }
}

/// A call of a service that is added, and calls nobody.
fn asked(name: &str) -> CallFile {
    let client_span = Some(format!("{name}_client"));
    CallFile { client_span, ..CallFile::new(name, DemandFile { mean_us: ADDED_CPU_US, cv: ADDED_CV }) }
}

/// `call`, made through a service that is added.
fn through(name: &str, mut call: CallFile) -> CallFile {
    let chance = std::mem::take(&mut call.chance);
    let repeat = std::mem::take(&mut call.repeat);
    CallFile {
        transport: call.transport,
        server_spans: vec![format!("{name}_server")],
        chance,
        repeat,
        stages: vec![vec![Step::Call(Box::new(call))]],
        ..asked(name)
    }
}

/// Services that are called, and fragments that are used (`@name`).
fn called(file: &AppFile) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    file.flows.iter().for_each(|flow| note(&flow.root, file, &mut known));
    known
}

fn note(call: &CallFile, file: &AppFile, known: &mut BTreeSet<String>) {
    known.insert(call.service.clone());
    for step in call.stages.iter().flatten() {
        match step {
            Step::Call(next) => note(next, file, known),
            Step::Fragment(name) => {
                if known.insert(format!("@{name}"))
                    && let Some(next) = file.fragments.get(name)
                {
                    note(next, file, known);
                }
            }
        }
    }
}

/// Everything stays where it was; what is new goes where there is room.
fn settle(app: &Application, before: &Application, old: &Cluster) -> Cluster {
    let placement = app.services.iter().map(|service| {
        let known = before.service(&service.name).and_then(|known| old.placement.get(known));
        known.cloned().unwrap_or_default()
    });
    let mut cluster = Cluster { placement: placement.collect(), ..old.clone() };
    for (index, service) in app.services.iter().enumerate() {
        while cluster.placement.get(index).is_some_and(|placed| placed.len() < service.replicas as usize) {
            let place = cluster.place(app, index);
            cluster.placement[index].push(place);
        }
    }
    cluster
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn changed(letter: &str) -> (Application, Cluster, Changed) {
        let before = app::named(APP).unwrap();
        let cluster = Cluster::for_application(&before, 4);
        let scenario = SCENARIOS.iter().find(|scenario| scenario.letter == letter).unwrap();
        let changed = scenario.apply(&before, &cluster).unwrap();
        (before, cluster, changed)
    }

    fn calls(app: &Application) -> BTreeSet<(String, String)> {
        let name = |id: usize| app.services[id].name.to_string();
        app::edges(app).into_iter().map(|edge| (name(edge.from), name(edge.to))).collect()
    }

    fn call(from: &str, to: &str) -> (String, String) {
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn a_service_in_front_takes_the_calls_over() {
        let (before, _, Changed { app, .. }) = changed("A");
        let ends = ("nginx-thrift", "home-timeline-service");
        assert!(
            calls(&before).contains(&call(ends.0, ends.1)) && !calls(&app).contains(&call(ends.0, ends.1))
        );
        assert!(calls(&app).contains(&call(ends.0, "feed-ranking-service")));
        assert!(calls(&app).contains(&call("feed-ranking-service", ends.1)));
        assert_eq!(app.services.len(), before.services.len() + 1);
    }

    #[test]
    fn what_is_removed_goes_with_what_only_it_called() {
        let (before, _, Changed { app, .. }) = changed("C");
        assert!(app.service("url-shorten-service").is_none() && app.service("url-shorten-mongodb").is_none());
        let kept =
            calls(&before).into_iter().filter(|(from, to)| ![from, to].iter().any(|s| s.starts_with("url-")));
        assert_eq!(calls(&app), kept.collect());
    }

    #[test]
    fn nobody_moves_and_no_limit_changes_but_of_what_is_updated() {
        for scenario in SCENARIOS {
            let (before, cluster, changed) = changed(scenario.letter);
            for (index, service) in changed.app.services.iter().enumerate() {
                let placed = &changed.cluster.placement[index];
                assert_eq!(placed.len(), service.replicas as usize, "{}", service.name);
                let Some(known) = before.service(&service.name) else { continue };
                assert_eq!(placed, &cluster.placement[known], "{} {}", scenario.letter, service.name);
                let updated = changed.updated.contains(&ServiceName::new(&service.name));
                assert!(updated || *service == before.services[known], "{}", service.name);
            }
            assert_eq!(changed.app.objective, before.objective);
        }
    }

    #[test]
    fn an_updated_service_needs_more_cpu() {
        let (before, _, Changed { app, updated, .. }) = changed("B");
        let cpu = |app: &Application| app::offered(app)[app.service("post-storage-service").unwrap()].cpu;
        assert!((cpu(&app) / cpu(&before) - 1.5).abs() < 1e-9);
        assert_eq!(Vec::from_iter(updated), [ServiceName::new("post-storage-service")]);
    }
}
