//! Whole stories on the lab's machines: the verdict blames, a neighbour is limited, and the change is kept,
//! taken back, or goes by itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sagetop::domain::{Clean, Resource, ServiceName, VerdictKind};
use sagetop::lab::sim::Change;
use sagetop::remedy::journal::{self, Record};
use sagetop::remedy::{
    ActionKind, Ask, Confirmation, Heard, Opening, Outcome, RemedySettings, Risk, Target, Weight,
};

use crate::lab_operators::Lab;
use crate::remedy_desk::driver::{Bench, pace, readings, settings};

/// A desk that may limit the neighbours on machines, by this ssh.
fn machines(lab: &Lab, ssh: PathBuf) -> RemedySettings {
    let kubectl = lab.installed.folder.join("kubectl");
    RemedySettings {
        ssh: Some(ssh),
        ssh_user: Some(Clean::new("ops")),
        namespaces: vec![Clean::new("shop"), Clean::new("batch")],
        kinds: ActionKind::ALL.into_iter().filter(|kind| kind.is_on_node()).collect(),
        ..settings(&kubectl, &lab.installed.kubeconfig, "shop")
    }
}

fn bench(lab: &Lab) -> Bench {
    Bench::open(machines(lab, lab.installed.folder.join("ssh")))
}

#[test]
fn a_neighbour_is_limited_kept_and_let_go_again() {
    let lab = Lab::start();
    let mut bench = bench(&lab);
    bench.blame(VerdictKind::Culprits, "mongo", Resource::Cache);
    let plan = bench.carry_out(|proposal| proposal.kind == ActionKind::CacheWays);
    assert_eq!(
        (plan.risk, &plan.confirmation),
        (Risk::R2, &Confirmation::Type("node-1/analytics-node-1".into()))
    );
    let remote = plan.step.argv.last().unwrap();
    assert!(remote.starts_with("sudo -n sh -s -- '/' 'resctrl' 'apply' '"), "{remote}");
    assert!(remote.ends_with("'absent' 'L3:0=7'"), "{remote}");
    assert!(plan.undo.as_ref().unwrap().argv.last().unwrap().contains("'resctrl' 'undo' 'undo-"));
    assert!(plan.obstacles.iter().any(|obstacle| obstacle.text.as_str().starts_with("experimental")));
    assert!(plan.obstacles.iter().all(|obstacle| obstacle.weight < Weight::Refusal), "{:#?}", plan.obstacles);
    let operation = bench.operation("what it waits for", |operation| operation.keep_until.is_some());
    assert_eq!(operation.outcome, Some(Outcome::Applied));
    assert_eq!(lab.changes(), [Change::CacheWaysOfOthers(0, Some(3))]);

    bench.ask(Ask::Keep(operation.id.clone()));
    bench.operation("that it is kept", |seen| seen.id == operation.id && seen.keep_until.is_none());
    lab.observe(1_000, &[0, 1], 0.0);
    assert_eq!(lab.changes(), []);

    bench.ask(Ask::Undo(operation.id.clone()));
    let undo = bench.preview().unwrap();
    assert!(undo.step.argv.last().unwrap().contains("'resctrl' 'undo' '"), "{undo:?}");
    bench.approve(&undo);
    bench.operation("that it is undone", |seen| seen.id == operation.id && seen.undone_by.is_some());
    assert_eq!(lab.changes(), [Change::CacheWaysOfOthers(0, None)]);
}

#[test]
fn what_nobody_keeps_goes_by_itself_and_that_is_told() {
    let lab = Lab::start();
    let mut bench = bench(&lab);
    bench.blame(VerdictKind::Culprits, "mongo", Resource::Cache);
    bench.carry_out(|proposal| proposal.kind == ActionKind::MemoryBandwidth);
    bench.operation("what it waits for", |operation| operation.keep_until.is_some());
    lab.observe(1_000, &[0, 1], 0.0);
    let changes = [Change::MemoryBandwidthOfOthers(0, 0.5), Change::MemoryBandwidthOfOthers(0, 1.0)];
    assert_eq!(lab.changes(), changes);
    let operation = bench.operation("that it is gone", |operation| operation.reverted.is_some());
    assert_eq!(operation.reverted.as_ref().unwrap().as_str(), "itself, since nobody kept it");
    assert!(operation.keep_until.is_none() && !operation.can_undo);
    bench.ask(Ask::Keep(operation.id.clone()));
    assert!(
        bench
            .wait("a refusal", |told| match told {
                sagetop::remedy::Told::Refused { why, .. } => Some(why.to_string()),
                _ => None,
            })
            .contains("does not take itself back")
    );
}

#[test]
fn a_share_of_the_link_takes_a_reason() {
    let lab = Lab::start();
    let mut bench = bench(&lab);
    bench.blame(VerdictKind::Culprits, "mongo", Resource::Network);
    let mut measured = readings(&[250.0, 250.0]);
    measured.sends.insert(ServiceName::new("mongo"), 1e8);
    bench.heard.send(Heard::Readings(measured)).unwrap();
    let plan = bench.carry_out(|proposal| proposal.kind == ActionKind::HostBandwidth);
    assert_eq!(plan.risk, Risk::R3);
    assert!(matches!(plan.confirmation, Confirmation::TypeWithReason(_)));
    assert!(matches!(&plan.target, Target::Node(node) if node.node.as_str() == "node-1"));
    assert_eq!(bench.outcome(), Outcome::Applied);
    // 10 Gbit/s; 1.6 at the busiest and a quarter more are kept, 5 % are for ssh and the kubelet.
    assert_eq!(lab.changes(), [Change::NetworkOfOthers(0, Some(7_499e6 / 8.0))]);
}

#[test]
fn where_it_is_asked_for_a_whole_machine_takes_a_second_person() {
    let lab = Lab::start();
    let state = Arc::new(tempfile::tempdir().unwrap());
    let ssh = lab.installed.folder.join("ssh");
    let mut settings = RemedySettings { second_person: true, ..machines(&lab, ssh) };
    settings.kinds = vec![ActionKind::HostBandwidth, ActionKind::CacheWays];
    let own = Opening::new(Clean::new("shop"), settings.clone(), state.path()).operator;
    let mut bench = Bench::at(settings, state.clone(), pace()).unwrap();
    bench.blame(VerdictKind::Culprits, "mongo", Resource::Network);
    let mut measured = readings(&[250.0, 250.0]);
    measured.sends.insert(ServiceName::new("mongo"), 1e8);
    bench.heard.send(Heard::Readings(measured)).unwrap();
    let (proposals, notes) = bench.proposals();
    let proposal = proposals.first().unwrap_or_else(|| panic!("{notes:?}")).clone();
    bench.arm();
    let user = own.as_str().split('@').next().unwrap();
    for second in [None, Some(""), Some(own.as_str()), Some(user)] {
        let plan = bench.review(&proposal).unwrap();
        assert!(plan.second_person && plan.risk == Risk::R3);
        bench.approve_with(&plan, second);
        let refusal = bench.refusal();
        assert!(refusal.contains("a second person has to approve this"), "{second:?}: {refusal}");
    }
    assert_eq!(lab.changes(), []);
    let plan = bench.review(&proposal).unwrap();
    bench.approve_with(&plan, Some("sam"));
    let operation = bench.operation("an outcome", |operation| operation.outcome.is_some());
    assert_eq!((&operation.outcome, &operation.second), (&Some(Outcome::Applied), &Some(Clean::new("sam"))));
    assert_eq!(lab.changes().len(), 1);
    let journal = std::fs::read(journal::path(state.path(), "shop")).unwrap();
    let recorded = journal::verify(&journal).unwrap().0.into_iter().find_map(|entry| match entry.record {
        Record::Intent(intent) => Some((intent.by, intent.second, intent.reason)),
        _ => None,
    });
    assert_eq!(recorded, Some((own, Some(Clean::new("sam")), Some(Clean::new("a test")))));

    // What concerns a neighbour alone takes none.
    bench.blame(VerdictKind::Culprits, "mongo", Resource::Cache);
    let (proposals, _) = bench.proposals();
    let ways = proposals.iter().find(|proposal| proposal.kind == ActionKind::CacheWays).unwrap();
    assert!(!bench.review(ways).unwrap().second_person);
}

/// A program in front of ssh that is another's on the way: `case` patterns of its words, and what is done.
fn in_front(lab: &Lab, folder: &Path, arms: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let real = lab.installed.folder.join("ssh");
    let path = folder.join("ssh");
    let text = format!(
        "#!/bin/sh\nreal='{}'\ncase \"$*\" in\n{arms}\n*) exec \"$real\" \"$@\" ;;\nesac\n",
        real.display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_lost_session_is_found_out_about() {
    for (arms, applied) in [
        ("*\"'apply'\"*) \"$real\" \"$@\" >/dev/null 2>&1; exit 255 ;;", true),
        ("*\"'apply'\"*) cat >/dev/null; exit 255 ;;", false),
        ("*\"'apply'\"*) cat >/dev/null; echo 'L3:0=7; 4 threads moved, 0 not' ;;", false),
    ] {
        let lab = Lab::start();
        let folder = tempfile::tempdir().unwrap();
        let mut bench = Bench::open(machines(&lab, in_front(&lab, folder.path(), arms)));
        bench.blame(VerdictKind::Culprits, "mongo", Resource::Cache);
        bench.carry_out(|proposal| proposal.kind == ActionKind::CacheWays);
        let outcome = bench.outcome();
        assert_eq!(outcome == Outcome::Applied, applied, "{arms}: {outcome:?}");
        assert_eq!(matches!(outcome, Outcome::NotApplied(_)), !applied, "{arms}: {outcome:?}");
        assert_eq!(!lab.changes().is_empty(), applied, "{arms}");
    }
}

#[test]
fn what_stands_in_the_way_is_said() {
    let lab = Lab::start();
    let notes = |settings: RemedySettings, service: &str| {
        let mut bench = Bench::open(settings);
        bench.blame(VerdictKind::Culprits, service, Resource::Cache);
        let (proposals, notes) = bench.proposals();
        assert!(proposals.is_empty(), "{proposals:?}");
        notes.join("\n")
    };
    let ssh = lab.installed.folder.join("ssh");
    let all = machines(&lab, ssh);
    // `web` has pods on two machines.
    assert!(notes(all.clone(), "web").contains("on which of its machines web is disturbed is not clear"));
    let alone = RemedySettings { namespaces: vec![Clean::new("shop")], ..all.clone() };
    assert!(
        notes(alone, "mongo").contains("no neighbour in the context's `namespaces` runs on that machine")
    );
    let nobody = RemedySettings { ssh_user: None, ..all.clone() };
    assert!(notes(nobody, "mongo").contains("`ssh_user`"));
    lab.manners(serde_json::from_value(serde_json::json!({ "ssh": "no-sudo" })).unwrap());
    assert!(notes(all.clone(), "mongo").contains("a password is required"));
    lab.manners(serde_json::from_value(serde_json::json!({ "ssh": "host-key" })).unwrap());
    assert!(notes(all, "mongo").contains("node-1 cannot be reached: Host key verification failed."));
    // Nothing on machines is proposed unless it is asked for.
    let kubectl = lab.installed.folder.join("kubectl");
    let usual = settings(&kubectl, &lab.installed.kubeconfig, "shop");
    assert!(usual.kinds.iter().all(|kind| !kind.is_on_node()));
}
