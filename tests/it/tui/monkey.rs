//! A monkey at the keyboard: ten thousand keys, pastes and events over the real `update`, by a clock
//! that the test moves.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use rand::prelude::*;
use rand::rngs::StdRng;
use sagetop::domain::Clean;
use sagetop::engine::EngineEvent;
use sagetop::remedy::*;
use sagetop::tui::event::Event;

use super::approval::approvals;
use super::driver::{Driver, key_event};
use super::remedies::*;
use super::remedy_screens::actions;

const KEYS: [&str; 37] = [
    "a",
    "a",
    "w",
    "enter",
    "enter",
    "enter",
    "enter",
    "tab",
    "tab",
    "backtab",
    "esc",
    "left",
    "right",
    "up",
    "down",
    "pagedown",
    "end",
    "home",
    "a",
    "A",
    "u",
    "K",
    "c",
    "1",
    "2",
    "v",
    "d",
    "p",
    "y",
    "q",
    "/",
    "?",
    "x",
    "r",
    "e",
    "backspace",
    "space",
];

/// A keyboard with nobody sensible at it.
struct Monkey {
    driver: Driver,
    random: StdRng,
    armed: bool,
    /// Keys pressed so far.
    keys: usize,
    /// Digests of all plans that were told, newest last.
    plans: Vec<Digest>,
}

impl Monkey {
    fn new(seed: u64, armed: bool) -> Self {
        let random = StdRng::seed_from_u64(seed);
        let mut monkey = Self { driver: actions(80, 30), random, armed, keys: 0, plans: Vec::new() };
        monkey.engine();
        monkey
    }

    fn wait(&mut self, ms: std::ops::Range<u64>) {
        let ms = self.random.random_range(ms);
        self.driver.wait(Duration::from_millis(ms));
    }

    fn key(&mut self) {
        let key = *KEYS.choose(&mut self.random).unwrap();
        self.press(key);
    }

    fn press(&mut self, key: &str) {
        self.keys += 1;
        self.driver.send(Event::Key(key_event(key)));
    }

    fn paste(&mut self) {
        let texts = ["recommendationservice", "boutique-prod\n", "\t\t\n", "y\n", "\r\r\r"];
        let text = (*texts.choose(&mut self.random).unwrap()).to_owned();
        self.driver.send(Event::Paste(text));
    }

    /// An engine that answers every question about a plan, each time with another one.
    fn engine(&mut self) {
        let expires = self.driver.state.now + SignedDuration::from_secs(120);
        if let Some((subject, _)) = self.driver.state.awaited.clone() {
            use sagetop::tui::review::Subject;
            let digest = Digest(self.random.random());
            let plan = match subject {
                Subject::Proposal(_, ActionKind::ResizeTemplate) => Plan { digest, expires, ..risky() },
                Subject::Proposal(_, kind) => Plan { kind, digest, expires, ..plan() },
                Subject::Undo(id) => Plan { undoes: Some(id), digest, expires, ..plan() },
            };
            self.plans.push(digest);
            self.driver.engine([preview(plan)]);
        }
        let until = self.driver.state.now + SignedDuration::from_secs(900);
        if self.armed && self.driver.state.ledger().armed(self.driver.state.now).is_none() {
            self.driver.engine([told(Told::Armed(Some(until)))]);
        }
        if self.random.random_bool(0.02) {
            let id = format!("op-{}", self.random.random_range(0..8));
            self.driver.engine([told(Told::Operation(Arc::new(applied(&id, 10))))]);
        }
        if self.driver.state.suggestions().is_none_or(|s| s.proposals.is_empty()) {
            self.driver.engine([proposed()]);
        }
    }

    fn event(&mut self) {
        let event = match self.random.random_range(0..4) {
            0 => proposed(),
            1 => told(Told::Refused { what: Clean::new("review"), why: Clean::new("conflict") }),
            2 => commands().remove(0),
            _ => EngineEvent::Snapshot(Arc::new(super::fixture::snapshot())),
        };
        self.driver.engine([event]);
    }

    /// Presses `keys` keys and waits as `pace` says; returns how many plans were shown and how many
    /// approved.
    fn play(&mut self, keys: usize, mut pace: impl FnMut(&mut Self)) -> (usize, usize) {
        while self.keys < keys {
            match self.random.random_range(0..100) {
                0..4 => self.paste(),
                4..8 => self.event(),
                8..12 => self.driver.send(Event::Resize(80, 30)),
                _ => pace(self),
            }
            self.engine();
        }
        for approval in approvals(&self.driver) {
            assert!(self.plans.contains(&approval.digest), "approved what was never shown");
        }
        (self.plans.len(), approvals(&self.driver).len())
    }
}

#[test]
fn unarmed_it_never_approves() {
    let (shown, approved) = Monkey::new(1, false).play(10_000, |monkey| {
        monkey.key();
        monkey.wait(0..1500);
    });
    assert!(shown > 20, "it saw only {shown} plans");
    assert_eq!(approved, 0);
}

#[test]
fn in_bursts_it_never_approves_even_armed() {
    let (shown, approved) = Monkey::new(2, true).play(10_000, |monkey| {
        let keys = monkey.random.random_range(2..6);
        for i in 0..keys {
            monkey.key();
            if i + 1 < keys {
                monkey.wait(0..30);
            }
        }
        monkey.wait(100..3000);
    });
    assert!(shown > 20, "it saw only {shown} plans");
    assert_eq!(approved, 0);
}

#[test]
fn holding_keys_it_never_approves_even_armed() {
    let (shown, approved) = Monkey::new(3, true).play(3_000, |monkey| {
        // Held since before anybody looked; then let go for a while. A key that is not Enter follows.
        for _ in 0..monkey.random.random_range(2..6) {
            monkey.press("enter");
            monkey.engine();
            monkey.wait(30..40);
        }
        let other = ["tab", "backtab", "esc", "home"][monkey.random.random_range(0..4)];
        monkey.press(other);
        monkey.wait(0..600);
    });
    assert!(shown > 20, "it saw only {shown} plans");
    assert_eq!(approved, 0);
}

/// Else the other tests would prove nothing.
#[test]
fn with_patience_and_armed_it_does() {
    let mut monkey = Monkey::new(4, true);
    let (shown, approved) = monkey.play(1_000, |monkey| {
        let key = ["enter", "tab", "pagedown", "home"][monkey.random.random_range(0..4)];
        monkey.press(key);
        monkey.wait(200..2000);
    });
    assert!(shown > 20 && approved > 5, "it saw {shown} plans and approved {approved}");
}
