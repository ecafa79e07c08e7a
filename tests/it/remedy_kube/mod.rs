//! Actions against a real API server.
//!
//! The server comes from a script that `SAGETOP_KUBE_LAB` names; `tests/run` finds it where it is. These
//! tests are ignored elsewhere.

mod cluster;
mod interrupted;
mod owners;
mod reconcilers;
mod rights;
mod versions;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sagetop::domain::{Resource, ServiceName, VerdictKind};
use sagetop::remedy::runner::Pace;
use sagetop::remedy::{ActionKind, Heard, Proposal, RemedySettings};

use crate::remedy_desk::driver::{Bench, readings, settings};

/// No kubelet makes a pod ready here, so that an effect is not waited for: only the write matters.
fn pace() -> Pace {
    Pace {
        poll: Duration::from_millis(300),
        read_back: Duration::from_secs(5),
        settle: Duration::from_millis(500),
        reverts: Vec::new(),
    }
}

fn bench(kubectl: &Path, kubeconfig: &Path, namespace: &str) -> Bench {
    opened(settings(kubectl, kubeconfig, namespace), pace())
}

fn opened(settings: RemedySettings, pace: Pace) -> Bench {
    Bench::at(settings, Arc::new(tempfile::tempdir().unwrap()), pace).unwrap()
}

fn of_kind(kind: ActionKind) -> impl Fn(&Proposal) -> bool {
    move |proposal| proposal.kind == kind
}

/// Of the network, `db` is the victim, beside which `web` sends most.
fn blame(bench: &Bench, resource: Resource) {
    let victim = if resource == Resource::Network { "db" } else { "web" };
    bench.blame(VerdictKind::Culprits, victim, resource);
    let mut measured = readings(&[250.0]);
    measured.sends =
        [("web", 10e6), ("db", 20e6)].map(|(name, sends)| (ServiceName::new(name), sends)).into();
    bench.heard.send(Heard::Readings(measured)).unwrap();
}

/// The proposal of this kind, or all that was said instead.
fn proposed(bench: &mut Bench, kind: ActionKind) -> Arc<Proposal> {
    let (proposals, notes) = bench.proposals();
    let found = proposals.iter().find(|proposal| proposal.kind == kind).cloned();
    found.unwrap_or_else(|| panic!("no {kind:?} among {proposals:#?}, {notes:?}"))
}

/// A kubectl in front of the real one: `arms` are cases of the words of a command, in which `"$real" "$@"`
/// runs it.
fn in_front(real: &Path, folder: &Path, arms: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("kubectl");
    let text = format!(
        "#!/bin/sh\nreal='{}'\ncase \"$*\" in\n{arms}\nesac\nexec \"$real\" \"$@\"\n",
        real.display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}
