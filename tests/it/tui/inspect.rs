//! One service in full, and what is tried on it: keys in, screens and questions out.

use std::sync::Arc;
use std::time::Duration;

use sagetop::domain::*;
use sagetop::engine::{EngineEvent, Prediction, Question, Request};
use sagetop::remedy::{Ask, Proposal, ProposalId, Told};
use sagetop::tui::effect::Effect;
use sagetop::tui::event::Event;

use super::approval::asked;
use super::driver::{Driver, styled_dump};
use super::fixture;
use super::remedies::{off, proposals, ready};
use super::screens::{SIZES, check};
use super::services::*;

/// The service's screen as it is reached from the verdict, with everything told.
pub fn service(columns: u16, rows: u16, ascii: bool) -> Driver {
    let mut driver = Driver::with(columns, rows, ascii, None);
    driver.engine(fixture::usual());
    driver.engine([fixture::answered(7, fixture::verdict())]);
    driver.press("v enter");
    driver.engine([detailed(detail()), replicas(2)]);
    driver
}

pub fn what_if(columns: u16, rows: u16, ascii: bool) -> Driver {
    let mut driver = service(columns, rows, ascii);
    driver.press("w right right");
    driver.engine([predicted(questions(&driver).len() as u64, tail(171.0, 150.0, 198.0, 0.97))]);
    driver
}

pub fn questions(driver: &Driver) -> Vec<Question> {
    let asked = driver.effects.iter().filter_map(|effect| match effect {
        Effect::Ask(Request::WhatIf(question)) => Some(question.clone()),
        _ => None,
    });
    asked.collect()
}

/// Pictures of a screen at all sizes, and in ASCII.
pub fn at_all_sizes(name: &str, make: impl Fn(u16, u16, bool) -> Driver) {
    for (columns, rows) in SIZES {
        let driver = make(columns, rows, false);
        // The styles are the same at every size: one layer of them is enough.
        let text = if columns == 80 { styled_dump(&driver.buffer()) } else { driver.text() };
        check(&format!("{name}@{columns}x{rows}"), text);
    }
    let text = make(80, 24, true).text();
    assert!(text.is_ascii(), "{name} is not ASCII:\n{text}");
    check(&format!("ascii-{name}@80x24"), text);
}

#[test]
fn a_service_in_full() {
    at_all_sizes("service", service);
}

#[test]
fn a_service_with_an_example_trace() {
    at_all_sizes("trace", |columns, rows, ascii| {
        let mut driver = service(columns, rows, ascii);
        driver.press("e");
        driver.engine([traced(Ok(Some(waterfall())))]);
        driver.wait(Duration::from_secs(25));
        driver
    });
}

#[test]
fn what_if_it_had_more() {
    at_all_sizes("what-if", what_if);
}

/// What is tried becomes a proposal among the verdict's, and the cursor goes to it.
#[test]
fn what_is_tried_can_be_proposed() {
    let mut driver = what_if(100, 40, false);
    assert!(driver.text().contains("enter makes a proposal of it"), "{}", driver.text());
    driver.engine([ready()]);
    driver.type_keys("enter");
    let moves = questions(&driver).last().unwrap().moves.clone();
    assert!(matches!(moves[..], [Move { lever: Lever::Replicas { from: 2, to: 4 }, .. }]), "{moves:?}");
    let slo = Clean::new("product-page-p95");
    assert_eq!(asked(&driver), [&Ask::Try { slo: slo.clone(), moves }]);
    assert!(driver.text().contains("[Actions]") && driver.text().contains("Sizing what could be done."));
    let mut all = proposals();
    let tried = Proposal { id: ProposalId(9), asked: true, ..(*all[0]).clone() };
    all.push(Arc::new(tried));
    driver.engine([EngineEvent::Remedy(Told::Proposals { slo, proposals: all, notes: vec![] })]);
    driver.effects.clear();
    driver.type_keys("enter");
    assert_eq!(asked(&driver), [&Ask::Review(ProposalId(9))]);

    // With nothing moved, there is nothing of one's own to propose; where nothing can be changed neither.
    for (keys, standing) in [("0 enter", ready()), ("enter", off())] {
        let mut driver = what_if(100, 40, false);
        driver.engine([standing]);
        driver.type_keys(keys);
        assert!(driver.text().contains("[Actions]"));
        assert!(!asked(&driver).iter().any(|ask| matches!(ask, Ask::Try { .. })), "{keys}");
    }
}

#[test]
fn enter_opens_the_service_under_the_cursor() {
    let slo = Some(Clean::new("product-page-p95"));
    for (keys, name) in [
        ("2 enter", "frontend"),
        ("2 down down enter", "cartservice"),
        ("v down enter", "productcatalogservice"),
    ] {
        let mut driver = Driver::usual(100, 40);
        driver.engine([fixture::answered(7, fixture::verdict())]);
        driver.press(keys);
        assert!(driver.text().contains("[Service]") && driver.text().contains(name), "{keys}");
        assert!(driver.text().contains("Reading what is stored about it."), "{}", driver.text());
        let asked = Effect::Ask(Request::Detail(ServiceName::new(name), slo.clone()));
        assert_eq!(driver.effects.iter().filter(|effect| **effect == asked).count(), 1, "{keys}");
    }
}

#[test]
fn it_is_asked_for_again_when_newer_data_comes_and_only_then() {
    let mut driver = service(100, 40, false);
    let details = |driver: &Driver| {
        driver.effects.iter().filter(|e| matches!(e, Effect::Ask(Request::Detail(..)))).count()
    };
    driver.engine([EngineEvent::Snapshot(Arc::new(fixture::snapshot()))]);
    driver.press("esc enter");
    assert_eq!(details(&driver), 1);
    let mut newer = fixture::snapshot();
    newer.version = 8;
    driver.engine([EngineEvent::Snapshot(Arc::new(newer))]);
    assert_eq!(details(&driver), 2);
}

#[test]
fn why_it_is_not_known_stands_in_its_place() {
    let mut driver = Driver::usual(80, 24);
    driver.press("2 enter");
    let why = Clean::new("the window store is locked by another program");
    driver.engine([EngineEvent::Detail { service: ServiceName::new("frontend"), detail: Err(why) }]);
    assert!(driver.text().contains("the window store is locked by another program"), "{}", driver.text());
    let mut nothing = detail();
    nothing.service = ServiceName::new("frontend");
    nothing.metrics.clear();
    driver.engine([detailed(nothing)]);
    assert!(
        driver.text().contains("No metric and no latency of it was measured lately"),
        "{}",
        driver.text()
    );
}

#[test]
fn a_metric_is_chosen_and_filtered_by_name() {
    let mut driver = service(80, 24, false);
    assert!(driver.cursor_line().starts_with("▲ cpu_throttled"), "{}", driver.cursor_line());
    assert!(driver.text().contains(" cpu_throttled 83 %, normally 2 % by the model "), "{}", driver.text());
    driver.press("down");
    assert!(
        driver.text().contains(" server latency p95 310 ms, normally 42 ms by the model "),
        "{}",
        driver.text()
    );
    driver.press("/ m e m o r y enter");
    assert!(driver.cursor_line().starts_with("memory_working_set"), "{}", driver.cursor_line());
    assert!(driver.text().contains("filter \"memory\" 1 of 9"), "{}", driver.text());
    driver.press("esc / n o n e o f");
    assert!(driver.text().contains("No metric's name contains that."), "{}", driver.text());
}

#[test]
fn a_trace_is_fetched_once_and_its_failure_told_in_place() {
    let mut driver = service(80, 24, false);
    let traces = |driver: &Driver| {
        driver.effects.iter().filter(|e| matches!(e, Effect::Ask(Request::Trace(_)))).count()
    };
    driver.press("e e e");
    assert_eq!(traces(&driver), 1, "the first answer is still awaited");
    driver.wait(Duration::from_secs(21));
    assert!(driver.text().contains("asked Jaeger 20s ago"), "{}", driver.text());
    driver.engine([traced(Err("jaeger.internal does not answer"))]);
    assert!(
        driver.text().contains("It could not be fetched: jaeger.internal does not answer"),
        "{}",
        driver.text()
    );
    driver.press("e e");
    assert_eq!(traces(&driver), 2);
    driver.engine([traced(Ok(None))]);
    assert!(driver.text().contains("No trace passed through it"), "{}", driver.text());
    driver.press("e");
    assert!(driver.text().contains("cpu_throttled 83 %"), "the chart is back: {}", driver.text());
}

#[test]
fn the_service_is_copied_with_its_link() {
    let mut driver = service(80, 24, false);
    driver.press("e");
    driver.engine([traced(Ok(Some(waterfall())))]);
    driver.press("y");
    let Some(Effect::Copy(text)) = driver.effects.last() else { panic!("nothing was copied") };
    assert!(text.contains("cpu_throttled: 83 %, normally 2 % (unusually high)"), "{text}");
    assert!(text.contains("http://jaeger.internal:16686/trace/0af7651916cd43dd8448eb211c80319c"), "{text}");
}

#[test]
fn sliders_ask_the_model_and_only_the_newest_answer_counts() {
    let mut driver = service(100, 40, false);
    driver.press("w");
    assert_eq!(questions(&driver).last().unwrap().moves, []);
    driver.press("right right");
    let asked = questions(&driver);
    let newest = asked.last().unwrap();
    let service = ServiceName::new(SERVICE);
    assert_eq!(newest.moves, [Move { service, lever: Lever::Replicas { from: 2, to: 4 } }]);
    assert!(driver.text().contains("The model is asked"), "{}", driver.text());
    driver.engine([predicted(newest.number - 1, tail(400.0, 380.0, 420.0, 0.01))]);
    assert!(driver.text().contains("being computed again"), "{}", driver.text());
    driver.engine([predicted(newest.number, tail(171.0, 150.0, 198.0, 0.97))]);
    let text = driver.text();
    assert!(text.contains("Predicted 171 ms [150-198], objective 300 ms: ● met, P(SLO met) 0.97"), "{text}");
    // An older one that comes late changes nothing.
    driver.engine([predicted(newest.number - 1, tail(400.0, 380.0, 420.0, 0.01))]);
    assert_eq!(driver.text(), text);
    driver.press("0");
    assert_eq!(questions(&driver).last().unwrap().moves, []);
    driver.press("a");
    assert!(driver.text().contains("[Actions]"));
}

#[test]
fn what_cannot_be_tried_says_why() {
    let mut driver = service(100, 40, false);
    driver.press("w left");
    assert!(driver.text().contains("less cannot be tried, only more"), "{}", driver.text());
    driver.press(&"right ".repeat(7));
    assert!(driver.text().contains("that is the most that can be tried"), "{}", driver.text());
    let mut bare = detail();
    bare.means = sagetop::engine::Means::default();
    driver.engine([detailed(bare)]);
    assert!(driver.text().contains("no CPU limit is measured"), "{}", driver.text());
    driver.press("down right");
    assert!(
        driver.text().ends_with("no CPU limit is measured")
            || driver.text().contains("no CPU limit is measured")
    );
    let number = questions(&driver).last().unwrap().number;
    driver.engine([predicted(number, None)]);
    assert!(driver.text().contains("Nobody can tell what that would do"), "{}", driver.text());
    let why = Clean::new("there is no model yet");
    driver.press("0");
    let number = questions(&driver).last().unwrap().number;
    driver.engine([EngineEvent::WhatIf(Prediction { number, tails: Err(why) })]);
    assert!(driver.text().contains("No prediction: there is no model yet"), "{}", driver.text());
}

#[test]
fn a_situation_the_model_does_not_know_is_called_so() {
    let mut driver = Driver::usual(100, 40);
    driver.engine([fixture::answered(7, fixture::unsure())]);
    driver.press("v enter");
    driver.engine([detailed(detail()), replicas(2)]);
    driver.press("w");
    driver.engine([predicted(1, tail(171.0, 150.0, 198.0, 0.97))]);
    assert!(driver.text().contains("outside of what the model was trained on"), "{}", driver.text());
}

#[test]
fn every_size_is_drawn_whatever_the_names_and_numbers() {
    for keys in ["", "e", "w", "w right"] {
        let mut driver = service(80, 24, false);
        driver.press(keys);
        let service = driver.state.inspected.service.clone().unwrap();
        driver.engine(hostile(&service));
        for w in (0..60).step_by(3).chain([80, 120, 149, 150, 200]) {
            for h in (0..30).step_by(2).chain([60]) {
                driver.send(Event::Resize(w, h));
                let text = driver.text();
                assert!(!text.contains('\x1b') && !text.contains('\u{202e}'), "{text}");
            }
        }
    }
}
