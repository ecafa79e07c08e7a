//! A verdict depends on nothing but the data before its moment, the settings and the seed.

use serde_json::Value;

use crate::synthetic::app::{CPU_FAULT, LATENT_FAULT, LATER};
use crate::synthetic::program::{Config, Program, learned};
use crate::synthetic::prometheus::{self, Prometheus, build};
use crate::synthetic::proxy::Proxy;

fn verdict(program: &Program, at: i64) -> Value {
    let outcome = program.at(at, &["diagnose", "--json"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    outcome.verdict()
}

#[test]
fn what_came_later_does_not_count() {
    let Some((server, _)) = learned() else { return };
    let Some(blocks) = build("cut", CPU_FAULT) else { return };
    let cut = Prometheus::over(&blocks);
    // One address for both, because that is what the program knows a backend by.
    let proxy = Proxy::to(&cut.url, i64::MAX / 2);
    let config = Config::metrics(&proxy.url);
    let program = Program::new(&config);
    let then = verdict(&program, CPU_FAULT);
    let outcome = program.at(LATENT_FAULT, &["status"]);
    assert_eq!(outcome.code, Some(3), "the cut one knows nothing later: {outcome:?}");
    proxy.lead_to(&server.url);
    let program = Program::new(&config);
    assert_eq!(program.at(LATENT_FAULT, &["status"]).code, Some(2));
    assert_eq!(verdict(&program, CPU_FAULT), then);
}

#[test]
fn asked_again_after_later_questions() {
    let Some((server, state)) = learned() else { return };
    let program = Program::after(&Config::metrics(&server.url), state);
    let first = verdict(&program, CPU_FAULT);
    let (one, later) = (program.models("json").len(), program.at(LATER, &["diagnose", "--json"]).verdict());
    assert_ne!(later["model"]["trained_at"], first["model"]["trained_at"]);
    assert_eq!((one, program.models("json").len()), (1, 2), "a newer model was trained");
    assert_eq!(verdict(&program, CPU_FAULT), first);
}

#[test]
fn the_same_seed_and_data_give_the_same_verdict() {
    let Some(server) = prometheus::shared() else { return };
    let config = Config::metrics(&server.url);
    let fresh = || verdict(&Program::new(&config), CPU_FAULT);
    let (first, second) = (fresh(), fresh());
    assert_eq!(first, second);
    let other = verdict(&Program::new(&Config { seed: 2, ..config.clone() }), CPU_FAULT);
    assert_ne!(other["ranking"], first["ranking"], "another seed is another model");
    assert_eq!(other["culprits"][0]["service"], first["culprits"][0]["service"], "of the same mind");
}
