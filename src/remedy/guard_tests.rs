//! The guard under random sequences of events: nothing may be written unless everything held.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::Timestamp;
use crate::remedy::cluster::Object;
use crate::remedy::kind::ActionKind;
use crate::remedy::plan::Digest;
use crate::remedy::target::{ObjectKind, ObjectTarget};
use crate::remedy::write::{Edit, Write};

/// A clock that goes where it is told to; both hands by themselves.
#[derive(Default)]
struct Hands {
    boot_s: AtomicU64,
    wall_s: AtomicI64,
}

impl Clock for Hands {
    fn since_boot(&self) -> Duration {
        Duration::from_secs(self.boot_s.load(Ordering::Relaxed))
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_second(self.wall_s.load(Ordering::Relaxed)).unwrap()
    }
}

fn object(replicas: u32, uid: &str) -> Object {
    Object::of(json!({
        "metadata": { "name": "web", "namespace": "shop", "uid": uid, "resourceVersion": "7", "generation": 1 },
        "spec": { "replicas": replicas },
    }))
    .unwrap()
}

fn write(from: u32, to: u32) -> Write {
    let clean = Clean::new;
    Write {
        target: ObjectTarget {
            context: clean("lab"),
            namespace: clean("shop"),
            kind: ObjectKind::Deployment,
            name: clean("web"),
            uid: clean("u1"),
        },
        edit: Edit::Scale { from, to, version: Some("7".to_owned()) },
    }
}

fn plan(risk: Risk, kind: ActionKind, undoes: bool) -> (Plan, Bound) {
    let write = write(2, 3);
    let plan = Plan {
        slo: Clean::new("s"),
        kind,
        target: Target::Object(write.target.clone()),
        changes: Vec::new(),
        step: Step { argv: vec!["/bin/kubectl".to_owned()], stdin: None },
        undo: None,
        risk,
        confirmation: Confirmation::Choose,
        second_person: false,
        forecast: None,
        objective_ms: 1.0,
        observed_ms: None,
        obstacles: Vec::new(),
        dry_run: None,
        undoes: undoes.then(|| OperationId(Clean::new("before"))),
        digest: Digest([0; 32]),
        expires: Timestamp::UNIX_EPOCH,
    };
    let bound = Bound {
        op: OperationId(Clean::new("op")),
        write: write.into(),
        books: Books::default(),
        server: "a".to_owned(),
    };
    (plan, bound)
}

fn settings() -> RemedySettings {
    RemedySettings {
        enabled: true,
        namespaces: vec![Clean::new("shop")],
        armed_for: Duration::from_secs(100),
        second_person: true,
        ..RemedySettings::default()
    }
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    Arm(bool),
    Disarm,
    Present(Risk),
    Reject,
    Pass(u64),
    SetWall(i64),
    Approve(Attempt),
}

/// An approval, and what it finds.
#[derive(Clone, Debug)]
struct Attempt {
    digest: bool,
    typed: bool,
    reason: bool,
    second: bool,
    busy: bool,
    recent: u32,
    doubt: bool,
    replicas: u32,
    same_uid: bool,
    same_server: bool,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let risk = prop_oneof![Just(Risk::R1), Just(Risk::R2), Just(Risk::R3)];
    let likely = || prop::bool::weighted(0.9);
    let rarely = || prop::bool::weighted(0.05);
    let attempt = (
        (likely(), likely(), likely(), likely()),
        (rarely(), 0u32..8, rarely()),
        (2u32..4, likely(), likely()),
    );
    let attempt = attempt.prop_map(
        |((digest, typed, reason, second), (busy, recent, doubt), (replicas, uid, server))| {
            Event::Approve(Attempt {
                digest,
                typed,
                reason,
                second,
                busy,
                recent,
                doubt,
                replicas,
                same_uid: uid,
                same_server: server,
            })
        },
    );
    let event = prop_oneof![
        3 => any::<bool>().prop_map(Event::Arm),
        1 => Just(Event::Disarm),
        4 => risk.prop_map(Event::Present),
        1 => Just(Event::Reject),
        2 => (0u64..130).prop_map(Event::Pass),
        1 => (-4_000_000_000i64..4_000_000_000).prop_map(Event::SetWall),
        5 => attempt,
    ];
    prop::collection::vec(event, 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    /// A model of what may be, beside the guard: a permit is given exactly if all of it holds. What the
    /// wall clock shows plays no part.
    #[test]
    fn a_permit_needs_everything(events in events()) {
        let clock = Arc::new(Hands::default());
        let mut guard = Guard::new(Clean::new("prod"), settings(), clock.clone());
        let (mut armed_until, mut shown): (Option<u64>, Option<(Arc<Plan>, u64, Risk)>) = (None, None);
        let mut now = 0u64;
        for event in events {
            match event {
                Event::Arm(right) => {
                    let typed = if right { "prod" } else { "staging" };
                    prop_assert_eq!(guard.arm(&Clean::new(typed)).is_ok(), right);
                    armed_until = right.then_some(now + 100);
                }
                Event::Disarm => {
                    guard.disarm();
                    armed_until = None;
                }
                Event::Present(risk) => {
                    let (plan, bound) = plan(risk, ActionKind::ScaleOut, false);
                    let plan = guard.present(plan, bound, &object(2, "u1").into()).unwrap();
                    shown = Some((plan, now + 120, risk));
                }
                Event::Reject => {
                    guard.reject();
                    shown = None;
                }
                Event::Pass(seconds) => {
                    now += seconds;
                    clock.boot_s.store(now, Ordering::Relaxed);
                }
                Event::SetWall(second) => clock.wall_s.store(second, Ordering::Relaxed),
                Event::Approve(attempt) => {
                    let digest = shown.as_ref().map_or(Digest([1; 32]), |(plan, ..)| plan.digest);
                    let approval = Approval {
                        digest: if attempt.digest { digest } else { Digest([2; 32]) },
                        typed: Some(Clean::new(if attempt.typed { "web" } else { "we" })),
                        reason: attempt.reason.then(|| Clean::new("because")),
                        second: Some(Clean::new(if attempt.second { "anna" } else { "me" })),
                    };
                    let around = Circumstances {
                        busy: attempt.busy.then(|| Clean::new("busy")),
                        recent: attempt.recent,
                        doubt: attempt.doubt.then(|| Clean::new("unsure")),
                        operator: Some(Clean::new("me")),
                    };
                    let fresh = object(attempt.replicas, if attempt.same_uid { "u1" } else { "u2" }).into();
                    let server = if attempt.same_server { "a" } else { "b" };
                    let permit = guard.take(approval, &around).and_then(|ticket| ticket.confirm(&fresh, server));
                    let expected = shown.take().is_some_and(|(_, until, risk)| {
                        armed_until.is_some_and(|armed| now < armed)
                            && attempt.digest
                            && now < until
                            && (risk == Risk::R1 || attempt.typed)
                            && (risk != Risk::R3 || (attempt.reason && attempt.second))
                            && !attempt.busy
                            && attempt.recent < 6
                            && !attempt.doubt
                            && (attempt.replicas, attempt.same_uid, attempt.same_server) == (2, true, true)
                    });
                    prop_assert_eq!(permit.is_ok(), expected, "{:?} {:?}", attempt, permit);
                    // Used up in any case.
                    prop_assert!(guard.shown().is_none());
                }
            }
        }
    }
}

#[test]
fn what_takes_back_is_neither_counted_nor_doubted() {
    let mut guard = Guard::new(Clean::new("prod"), settings(), Arc::new(Hands::default()));
    guard.arm(&Clean::new("prod")).unwrap();
    let around = Circumstances {
        recent: 100,
        doubt: Some(Clean::new("unsure")),
        operator: Some(Clean::new("me")),
        ..Circumstances::default()
    };
    for undoes in [true, false] {
        let (plan, bound) = plan(Risk::R1, ActionKind::ScaleOut, undoes);
        let plan = guard.present(plan, bound, &object(2, "u1").into()).unwrap();
        let approval = Approval { digest: plan.digest, typed: None, reason: None, second: None };
        assert_eq!(guard.take(approval, &around).is_ok(), undoes);
    }
}

#[test]
fn what_the_configuration_does_not_name_is_not_shown() {
    let present = |change: &dyn Fn(&mut RemedySettings), kind| {
        let mut settings = settings();
        change(&mut settings);
        let mut guard = Guard::new(Clean::new("prod"), settings, Arc::new(Hands::default()));
        let (plan, bound) = plan(Risk::R1, kind, false);
        guard.present(plan, bound, &object(2, "u1").into()).map(drop).map_err(|why| why.to_string())
    };
    assert_eq!(present(&|_| {}, ActionKind::ScaleOut), Ok(()));
    let refused = |result: Result<(), String>, word: &str| assert!(result.unwrap_err().contains(word));
    refused(present(&|_| {}, ActionKind::IoMax), "io-max is not among");
    refused(present(&|settings| settings.namespaces.clear(), ActionKind::ScaleOut), "shop is not among");
    refused(present(&|settings| settings.enabled = false, ActionKind::ScaleOut), "off");
}
