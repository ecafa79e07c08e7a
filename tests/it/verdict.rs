//! HTTP in, verdict out: the faults of the synthetic application are named, as the contract says.

use serde_json::Value;

use crate::synthetic::app::{CHANNEL_FAULT, CPU_FAULT, HEALTHY, LATENT_FAULT, SURGE};
use crate::synthetic::program::{Config, OBJECTIVE_MS, Program, learned};
use crate::verdict_schema;

/// The verdict at a moment, by the shared model, checked against the contract.
fn ask(at: i64) -> Option<Value> {
    let (server, state) = learned()?;
    let program = Program::after(&Config::metrics(&server.url), state);
    let outcome = program.at(at, &["diagnose", "--json", "--slo", "web p99"]);
    let verdict = outcome.json();
    let expected = if verdict["slo"]["state"] == "ok" { 0 } else { 2 };
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(expected), ""), "{verdict:#}");
    verdict_schema::check(&verdict);
    Some(verdict)
}

/// Asserts that a service alone is blamed and that the objective would be met without it.
fn assert_blames(verdict: &Value, kind: &str, service: &str, resource: &str) {
    assert_eq!(verdict["verdict"], kind, "{verdict:#}");
    assert_eq!(verdict["slo"]["state"], "breached");
    let culprits = verdict["culprits"].as_array().unwrap();
    assert_eq!(culprits.len(), 1, "{verdict:#}");
    assert_eq!(culprits[0]["service"], service);
    assert_eq!(culprits[0]["resources"][0]["resource"], resource, "{verdict:#}");
    assert_eq!(verdict["ranking"][0]["service"], service, "{verdict:#}");
    assert_eq!(verdict["resource_ranking"][0]["service"], service);
    assert_eq!(verdict["resource_ranking"][0]["resource"], resource);
    let had_it_been_normal = &culprits[0]["counterfactual"];
    let ms = |value: &Value| value.as_f64().unwrap();
    assert!(ms(&had_it_been_normal["quantile_ms"]) < OBJECTIVE_MS, "{verdict:#}");
    assert!(ms(&had_it_been_normal["p_slo_met"]) > 0.5, "{verdict:#}");
    assert!(ms(&verdict["slo"]["observed_ms"]) > OBJECTIVE_MS);
    assert_eq!(verdict["model"]["in_range"], true, "{verdict:#}");
}

#[test]
fn a_busy_processor() {
    let Some(verdict) = ask(CPU_FAULT) else { return };
    assert_blames(&verdict, "culprits", "db", "cpu");
    let cpu = &verdict["culprits"][0]["resources"][0];
    assert!(cpu["observed"].as_f64() > cpu["normal"].as_f64(), "{cpu}");
    let path: Vec<_> = verdict["culprits"][0]["path"].as_array().unwrap().iter().collect();
    assert_eq!(path, ["db", "cart", "web"]);
}

#[test]
fn a_slow_way_between_two_services() {
    let Some(verdict) = ask(CHANNEL_FAULT) else { return };
    // The channel belongs to the one who is called.
    assert_blames(&verdict, "culprits", "cart", "network");
    let way = &verdict["culprits"][0]["resources"][0];
    assert!(way["metric"].as_str().unwrap().contains("web → cart"), "{way}");
    assert!(way["observed"].as_f64().unwrap() > 50.0, "60 ms were added: {way}");
}

#[test]
fn slow_for_no_measured_reason() {
    let Some(verdict) = ask(LATENT_FAULT) else { return };
    assert_blames(&verdict, "latent", "catalogue", "latent");
}

#[test]
fn more_load_than_ever_is_nobodys_fault() {
    let Some(verdict) = ask(SURGE) else { return };
    // Twice the load of the training data: the model may say that it does not know this.
    assert!(["load", "unsure"].contains(&verdict["verdict"].as_str().unwrap()), "{verdict:#}");
    if verdict["verdict"] == "unsure" {
        assert_eq!(verdict["model"]["in_range"], false, "{verdict:#}");
        assert!(!verdict["warnings"].as_array().unwrap().is_empty());
    }
    let suspects = verdict["suspects"].as_array().unwrap();
    let load =
        |s: &Value| s["resources"].as_array().unwrap().iter().find(|r| r["resource"] == "load").cloned();
    for suspect in suspects {
        let load = load(suspect).unwrap_or_else(|| panic!("{suspect:#}"));
        assert!(load["observed"].as_f64() > load["normal"].as_f64().map(|n| 1.5 * n), "{load}");
    }
}

#[test]
fn nothing_is_wrong() {
    let Some(verdict) = ask(HEALTHY) else { return };
    assert_eq!((&verdict["verdict"], &verdict["slo"]["state"]), (&"healthy".into(), &"ok".into()));
    assert_eq!(verdict["culprits"].as_array().map(Vec::len), Some(0));
    assert_eq!(verdict["basis"], "own_contribution");
    assert_eq!(verdict["ranking"].as_array().map(Vec::len), Some(4), "filled all the same: {verdict:#}");
}

#[test]
fn people_read_the_same_in_words() {
    let Some((server, state)) = learned() else { return };
    let program = Program::after(&Config::metrics(&server.url), state);
    let report = program.at(CPU_FAULT, &["diagnose"]);
    assert_eq!((report.code, report.err.as_str()), (Some(2), ""));
    for words in ["BREACHED", "root cause: db (cpu)", "had db been normal", "path: db → cart → web"] {
        assert!(report.out.contains(words), "{words}: {}", report.out);
    }
}

#[test]
fn a_foreign_objective_is_refused_by_name() {
    let Some((server, state)) = learned() else { return };
    let program = Program::after(&Config::metrics(&server.url), state);
    let outcome = program.at(CPU_FAULT, &["diagnose", "--slo", "web p98"]);
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""));
    assert!(
        outcome.err.contains("`web p98`") && outcome.err.contains("did you mean `web p99`?"),
        "{outcome:?}"
    );
}
