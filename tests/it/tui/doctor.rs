//! How backends, model and metrics are, and what the program had to say.

use std::sync::Arc;
use std::time::Duration;

use sagetop::domain::*;
use sagetop::engine::{EngineEvent, ModelFacts, ModelState, Probe, Request};
use sagetop::tui::effect::Effect;
use sagetop::tui::event::Event;

use super::driver::Driver;
use super::fixture;
use super::inspect::at_all_sizes;

fn probe(name: &str, series: Option<usize>, error: Option<&str>) -> Probe {
    Probe { name: Clean::new(name), series, error: error.map(Clean::new) }
}

fn told() -> Vec<EngineEvent> {
    let facts = ModelFacts {
        summary: fixture::model(),
        from: "2026-03-01T02:31:00Z".parse().unwrap(),
        services: 11,
        columns: 184,
        silent: vec![Clean::new("adservice: cpu_pressure"), Clean::new("node node-c: disk_queue")],
        remarks: vec![Clean::new(
            "adservice came: 8 % of the model were trained again on the 25 windows since",
        )],
    };
    let epochs = (1..=40u32).map(|n| {
        let elbo = -40.0 * (-f64::from(n) / 6.0).exp() - 3.2 + 0.05 * f64::from(n % 3);
        EngineEvent::Epoch { done: u64::from(n), elbo }
    });
    let probes = vec![
        probe("cpu_usage (service)", Some(22), None),
        probe("memory_working_set (service)", Some(22), None),
        probe("cache_occupancy (service)", Some(0), None),
        probe("server latency p95", Some(11), None),
        probe("probe_rtt (channel)", None, Some("parse error at char 12: unexpected \"{\"")),
    ];
    let next = fixture::now().checked_add(Duration::from_secs(25)).unwrap();
    let mut all: Vec<_> = epochs.collect();
    all.push(EngineEvent::Facts(Arc::new(facts)));
    all.push(EngineEvent::Next(Some(next)));
    all.push(EngineEvent::Probes(fixture::now(), Arc::new(probes)));
    all
}

pub fn doctor(columns: u16, rows: u16, ascii: bool) -> Driver {
    let mut driver = Driver::with(columns, rows, ascii, None);
    driver.engine(fixture::usual());
    driver.engine([fixture::health(BackendKind::Jaeger, BackendState::Down)]);
    driver.press("7");
    driver.engine(told());
    driver
}

pub fn log(columns: u16, rows: u16, ascii: bool) -> Driver {
    let mut driver = Driver::with(columns, rows, ascii, None);
    driver.engine(fixture::usual());
    driver.wait(Duration::from_secs(125));
    driver.engine([
        fixture::health(BackendKind::Jaeger, BackendState::Down),
        fixture::answered(7, fixture::verdict()),
        EngineEvent::Model(ModelState::Stale(fixture::model(), Clean::new("the call graph changed"))),
        EngineEvent::Failed {
            slo: None,
            what: Clean::new("fetching history"),
            why: Clean::new("jaeger.internal refused the connection: is the port-forward still running?"),
        },
    ]);
    driver.wait(Duration::from_secs(20));
    driver.press("8");
    driver
}

#[test]
fn how_everything_is() {
    at_all_sizes("doctor", doctor);
}

#[test]
fn what_the_program_said() {
    at_all_sizes("log", log);
}

#[test]
fn a_backend_that_is_down_is_tried_again_and_the_wait_is_counted() {
    let mut driver = doctor(120, 40, false);
    assert!(driver.text().contains("tried again in 0:25"), "{}", driver.text());
    driver.wait(Duration::from_secs(5));
    assert!(driver.text().contains("tried again in 0:20"), "{}", driver.text());
    driver.wait(Duration::from_secs(30));
    assert!(!driver.text().contains("tried again in"), "it is being tried: {}", driver.text());
}

#[test]
fn the_catalogue_is_asked_once_and_again_on_demand() {
    let mut driver = Driver::usual(100, 40);
    let asked =
        |driver: &Driver| driver.effects.iter().filter(|e| **e == Effect::Ask(Request::Probe)).count();
    driver.press("7 1 7 r");
    assert_eq!(asked(&driver), 1, "the first answer is still awaited");
    driver.engine(told());
    driver.press("1 7");
    assert_eq!(asked(&driver), 1);
    driver.press("r");
    assert_eq!(asked(&driver), 2);
    assert!(driver.text().contains("3 of 5 queries have data, 1 failed"), "{}", driver.text());
}

/// A training that begins anew draws its curve anew.
#[test]
fn the_curve_is_of_the_last_training() {
    let mut driver = doctor(120, 40, false);
    assert!(driver.text().contains("ELBO of the held-back windows"), "{}", driver.text());
    driver.engine([EngineEvent::Epoch { done: 1, elbo: -90.0 }]);
    assert_eq!(driver.state.live.curve, [(1, -90.0)]);
    assert!(driver.text().contains("No training was seen"), "one point is no curve: {}", driver.text());
}

#[test]
fn a_warning_is_told_once_and_found_by_its_words() {
    let mut driver = log(100, 30, false);
    let lines = driver.state.log_rows().len();
    let mut again = fixture::snapshot();
    again.version = 8;
    driver.engine([EngineEvent::Snapshot(Arc::new(again))]);
    assert_eq!(driver.state.log_rows().len(), lines, "the same warning is no news");
    driver.press("/ f a i l u r e enter");
    assert_eq!(driver.state.log_rows().len(), 2);
    assert!(driver.cursor_line().contains("failure"), "{}", driver.cursor_line());
    driver.press("y");
    let Some(Effect::Copy(text)) = driver.effects.last() else { panic!("nothing was copied") };
    assert!(text.contains("failure: fetching history failed: jaeger.internal refused"), "{text}");
}

#[test]
fn every_size_is_drawn_whatever_was_said() {
    let bad = "svc\x1b[31m\u{202e}gnol\u{200b}\tname 結帳服務";
    for key in ["7", "8"] {
        let mut driver = doctor(80, 24, false);
        driver.engine([
            EngineEvent::Probes(
                Timestamp::MIN,
                Arc::new(vec![probe(bad, None, Some(bad)), probe(bad, Some(0), None)]),
            ),
            EngineEvent::Failed { slo: None, what: Clean::new(bad), why: Clean::new(bad) },
            EngineEvent::Epoch { done: 41, elbo: f64::NAN },
            EngineEvent::Epoch { done: 42, elbo: f64::INFINITY },
            EngineEvent::Next(Some(Timestamp::MAX)),
        ]);
        driver.press(key);
        for w in (0..60).step_by(3).chain([80, 120, 200]) {
            for h in (0..30).step_by(2).chain([60]) {
                driver.send(Event::Resize(w, h));
                let text = driver.text();
                assert!(!text.contains('\x1b') && !text.contains('\u{202e}'), "{text}");
            }
        }
    }
}
