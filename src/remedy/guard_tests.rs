//! The guard under random sequences of events: nothing may be written unless everything held.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
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

/// An approval, and what it finds.
#[derive(Clone, Copy, Debug)]
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

impl Attempt {
    /// Most often something is wrong, and most often one thing only.
    fn any(random: &mut StdRng) -> Self {
        Self {
            digest: random.random_bool(0.9),
            typed: random.random_bool(0.9),
            reason: random.random_bool(0.9),
            second: random.random_bool(0.9),
            busy: random.random_bool(0.05),
            recent: random.random_range(0..8),
            doubt: random.random_bool(0.05),
            replicas: if random.random_bool(0.9) { 2 } else { 3 },
            same_uid: random.random_bool(0.9),
            same_server: random.random_bool(0.9),
        }
    }

    fn approval(&self, shown: Option<&Arc<Plan>>) -> Approval {
        let digest = shown.map_or(Digest([1; 32]), |plan| plan.digest);
        Approval {
            digest: if self.digest { digest } else { Digest([2; 32]) },
            typed: Some(Clean::new(if self.typed { "web" } else { "we" })),
            reason: self.reason.then(|| Clean::new("because")),
            second: Some(Clean::new(if self.second { "anna" } else { "me" })),
        }
    }

    fn around(&self) -> Circumstances {
        Circumstances {
            busy: self.busy.then(|| Clean::new("busy")),
            recent: self.recent,
            doubt: self.doubt.then(|| Clean::new("unsure")),
            operator: Some(Clean::new("me")),
        }
    }

    /// Whether a plan of this risk may be carried out, as far as this decides it.
    fn suffices(&self, risk: Risk) -> bool {
        self.digest
            && (risk == Risk::R1 || self.typed)
            && (risk != Risk::R3 || (self.reason && self.second))
            && !self.busy
            && self.recent < 6
            && !self.doubt
            && (self.replicas, self.same_uid, self.same_server) == (2, true, true)
    }
}

/// A model of what may be, beside the guard, over random sequences of events: a permit is given exactly if
/// all of it holds. What the wall clock shows plays no part.
#[test]
fn a_permit_needs_everything() {
    let objects = [(2, "u1"), (2, "u2"), (3, "u1"), (3, "u2")];
    let objects = objects.map(|(replicas, uid)| ((replicas, uid), Fresh::from(object(replicas, uid))));
    let mut permits = 0;
    for seed in 0..100_000 {
        let mut random = StdRng::seed_from_u64(seed);
        let clock = Arc::new(Hands::default());
        let mut guard = Guard::new(Clean::new("prod"), settings(), clock.clone());
        let mut armed_until: Option<u64> = None;
        let mut shown: Option<(Arc<Plan>, u64, Risk)> = None;
        let mut now = 0;
        for _ in 0..8 {
            match random.random_range(0..16) {
                0..3 => {
                    let right = random.random_bool(0.8);
                    let typed = if right { "prod" } else { "staging" };
                    assert_eq!(guard.arm(&Clean::new(typed)).is_ok(), right, "{seed}");
                    armed_until = right.then_some(now + 100);
                }
                3 => {
                    guard.disarm();
                    armed_until = None;
                }
                4..8 => {
                    let risk = [Risk::R1, Risk::R2, Risk::R3][random.random_range(0..3)];
                    let (plan, bound) = plan(risk, ActionKind::ScaleOut, false);
                    let plan = guard.present(plan, bound, &objects[0].1).unwrap();
                    shown = Some((plan, now + 120, risk));
                }
                8 => {
                    guard.reject();
                    shown = None;
                }
                9 => {
                    now += random.random_range(0..130);
                    clock.boot_s.store(now, Ordering::Relaxed);
                }
                10 => {
                    clock.wall_s.store(random.random_range(-4_000_000_000..4_000_000_000), Ordering::Relaxed)
                }
                _ => {
                    let attempt = Attempt::any(&mut random);
                    let approval = attempt.approval(shown.as_ref().map(|(plan, ..)| plan));
                    let seen = (attempt.replicas, if attempt.same_uid { "u1" } else { "u2" });
                    let fresh =
                        objects.iter().find(|(key, _)| *key == seen).map(|(_, object)| object).unwrap();
                    let server = if attempt.same_server { "a" } else { "b" };
                    let ticket = guard.take(approval, &attempt.around());
                    let permit = ticket.and_then(|ticket| ticket.confirm(fresh, server));
                    let expected = shown.take().is_some_and(|(_, until, risk)| {
                        armed_until.is_some_and(|armed| now < armed) && now < until && attempt.suffices(risk)
                    });
                    assert_eq!(permit.is_ok(), expected, "{seed}: {attempt:?} {permit:?}");
                    permits += usize::from(expected);
                    // Used up in any case.
                    assert!(guard.shown().is_none(), "{seed}");
                }
            }
        }
    }
    assert!(permits > 1_000, "only {permits} permits: the test says little");
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
fn the_second_person_is_another_one() {
    let kim = Clean::new("kim@bastion");
    for (name, is) in [
        ("sam", true),
        (" kim ", false),
        ("Kim@bastion", false),
        ("kim@laptop", true),
        ("  ", false),
        ("", false),
    ] {
        assert_eq!(is_other(name, Some(&kim)), is, "{name:?}");
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
