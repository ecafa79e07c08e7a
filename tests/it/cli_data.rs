//! The commands that need data, against a real Prometheus: states, exit codes, graph, doctor, training.

use serde_json::{Value, json};

use crate::synthetic::app::{CPU_FAULT, END, GAP, HEALTHY, LATER, START};
use crate::synthetic::program::{Config, OBJECTIVE_MS, Program, learned};
use crate::synthetic::prometheus;

fn program() -> Option<Program> {
    let (server, state) = learned()?;
    Some(Program::after(&Config::metrics(&server.url), state))
}

#[test]
fn the_state_decides_the_exit_code() {
    let Some(program) = program() else { return };
    for (at, state, code) in [
        (HEALTHY, "ok", 0),
        (CPU_FAULT, "breached", 2),
        // The budget of hours is spent, though the objective is met again.
        (LATER, "burning", 2),
        (START - 3600, "unknown", 3),
        (END + 3600, "unknown", 3),
    ] {
        let outcome = program.at(at, &["status", "--json"]);
        let report = outcome.json();
        assert_eq!((outcome.code, outcome.err.as_str()), (Some(code), ""), "{state}: {report:#}");
        assert_eq!(report["slos"][0]["state"], state, "{report:#}");
        let words = program.at(at, &["status"]);
        assert_eq!(words.code, Some(code));
        assert!(words.out.contains(&state.to_uppercase()) && words.out.contains("web p99"), "{words:?}");
        let plain = program.at(at, &["status", "--plain"]);
        let said = format!("web p99 is {}: ", state.to_uppercase());
        assert!(plain.code == Some(code) && plain.out.starts_with(&said), "{plain:?}");
    }
}

#[test]
fn the_status_says_what_the_contract_says() {
    let Some(program) = program() else { return };
    let report = program.at(CPU_FAULT, &["status", "--json"]).json();
    assert_eq!(
        (&report["schema"], &report["at"]),
        (&"sagetop.status/1".into(), &"2024-03-05T06:16:00Z".into())
    );
    let slo = &report["slos"][0];
    assert_eq!((&slo["name"], &slo["objective_ms"]), (&"web p99".into(), &OBJECTIVE_MS.into()));
    assert!(slo["observed_ms"].as_f64() > Some(OBJECTIVE_MS), "{slo}");
    let burn = slo["burn"].as_array().unwrap();
    let windows: Vec<_> = burn.iter().map(|b| b["window"].as_str().unwrap()).collect();
    assert_eq!(windows[..3], ["5m", "30m", "1h"]);
    // All of the last five windows were bad, of a budget of 1 %.
    assert!((burn[0]["rate"].as_f64().unwrap() - 100.0).abs() < 1e-6, "{slo}");
    assert_eq!(slo["newest_sample_age_s"], json!(0.0));
    // Nothing is invented where nothing is known.
    let before = program.at(START - 3600, &["status", "--json"]).json();
    let slo = &before["slos"][0];
    for unknown in ["observed_ms", "budget_left", "newest_sample_age_s"] {
        assert!(slo.get(unknown).is_some_and(Value::is_null), "{unknown}: {slo}");
    }
    assert!(slo["burn"].as_array().unwrap().iter().all(|b| b["rate"].is_null()), "{slo}");
}

#[test]
fn a_gap_is_neither_good_nor_bad() {
    let Some(program) = program() else { return };
    // Two minutes into the gap: the newest sample is old, but not too old for five minutes.
    let report = program.at(GAP.start + 120, &["status", "--json"]).json();
    let slo = &report["slos"][0];
    assert_eq!(slo["state"], "ok", "{slo}");
    assert!(slo["newest_sample_age_s"].as_f64() >= Some(60.0), "{slo}");
    assert!(slo["recent_ms"].as_array().unwrap().len() > 30, "{slo}");
    let after = program.at(GAP.end + 600, &["status", "--json"]).json();
    let recent = after["slos"][0]["recent_ms"].as_array().unwrap();
    let gaps = recent.iter().filter(|ms| ms.is_null()).count();
    assert!((1..=5).contains(&gaps), "a gap of four minutes: {recent:?}");
}

#[test]
fn the_call_graph_in_three_forms() {
    let Some(program) = program() else { return };
    let tree = program.at(CPU_FAULT, &["graph"]);
    assert_eq!((tree.code, tree.err.as_str()), (Some(0), ""));
    assert_eq!(tree.out, "web\n├─ cart\n│  └─ db\n└─ catalogue\n");
    let ascii = program.at(CPU_FAULT, &["graph", "--ascii"]).out;
    assert_eq!(ascii, "web\n|- cart\n|  `- db\n`- catalogue\n");
    let dot = program.at(CPU_FAULT, &["graph", "--dot"]).out;
    assert!(dot.starts_with("digraph") && dot.trim_end().ends_with('}'), "{dot}");
    let graph = program.at(CPU_FAULT, &["graph", "--json"]).json();
    assert_eq!(graph["schema"], "sagetop.graph/1");
    for (caller, callee) in [("web", "cart"), ("web", "catalogue"), ("cart", "db")] {
        assert!(dot.contains(&format!("\"{caller}\" -> \"{callee}\"")), "{dot}");
        let edges = graph["edges"].as_array().unwrap();
        let edge = edges.iter().find(|e| e["caller"] == caller && e["callee"] == callee);
        let edge = edge.unwrap_or_else(|| panic!("{caller} → {callee}: {graph:#}"));
        // About 60 requests a second for three hours.
        assert!(edge["calls"].as_u64() > Some(300_000), "{edge}");
    }
    let services = graph["services"].as_array().unwrap();
    let names: Vec<_> = services.iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["cart", "catalogue", "db", "web"]);
    assert_eq!(graph["tree"]["service"], "web");
}

#[test]
fn doctor_tells_what_there_is_and_what_not() {
    let Some(program) = program() else { return };
    let outcome = program.at(CPU_FAULT, &["doctor", "--json"]);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""), "{outcome:?}");
    let report = outcome.json();
    assert_eq!((&report["schema"], &report["problems"]), (&"sagetop.doctor/1".into(), &json!([])));
    assert_eq!(report["backends"][0]["state"], "up", "{report:#}");
    let queries = report["queries"].as_array().unwrap();
    for (name, series) in [
        ("cpu_usage", 5),
        ("cpu_of_limit", 5),
        ("cpu_throttled", 5),
        ("memory_of_limit", 5),
        ("node cpu_usage", 2),
        ("network_sent", 5),
        ("requests", 4),
        // What the exporters here lack.
        ("cache_occupancy", 0),
        ("disk_read", 0),
        ("node disk_queue", 0),
        ("channel probe_rtt", 0),
    ] {
        let query =
            queries.iter().find(|q| q["name"] == name).unwrap_or_else(|| panic!("{name}: {report:#}"));
        assert_eq!((&query["series"], &query["error"]), (&series.into(), &Value::Null), "{name}");
    }
    let words = program.at(CPU_FAULT, &["doctor"]).out;
    for (name, word) in [("cpu_of_limit", "yes"), ("cache_occupancy", "none: masked")] {
        let line = words.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("{words}"));
        assert!(line.ends_with(word), "{line}");
    }
    assert!(words.contains("no problems found"), "{words}");
}

#[test]
fn doctor_finds_a_selector_that_selects_nothing() {
    let Some(server) = prometheus::shared() else { return };
    let mut config = Config::metrics(&server.url);
    config.namespace = "shoop";
    let outcome = Program::new(&config).at(CPU_FAULT, &["doctor", "--json"]);
    let report = outcome.json();
    let queries = report["queries"].as_array().unwrap();
    let cpu = queries.iter().find(|q| q["name"] == "cpu_usage").unwrap();
    assert_eq!(cpu["series"], 0, "{report:#}");
    // Node metrics have no namespace, hence there is data; where there is none at all, that is a problem.
    let outcome = Program::new(&config).at(START - 3600, &["doctor", "--json"]);
    assert_eq!(outcome.code, Some(1));
    let problems = outcome.json()["problems"].to_string();
    assert!(problems.contains("no query of the catalogue has data"), "{problems}");
}

#[test]
fn training_ahead_makes_the_model_that_verdicts_use() {
    let Some(server) = prometheus::shared() else { return };
    let program = Program::new(&Config::metrics(&server.url));
    let trained = program.at(CPU_FAULT, &["train", "--json"]);
    assert_eq!((trained.code, trained.err.as_str()), (Some(0), ""));
    let report = trained.json();
    assert_eq!((&report["schema"], &report["warnings"]), (&"sagetop.model/1".into(), &json!([])));
    assert_eq!(report["model"]["trained_at"], "2024-03-05T06:00:00Z");
    // Three hours, without the minutes in which nothing was recorded.
    assert!((170..=180).contains(&report["model"]["windows"].as_u64().unwrap()), "{report}");
    let files = program.models("safetensors");
    assert_eq!(files.len(), 1);
    let written = files[0].metadata().unwrap().modified().unwrap();
    let verdict = program.at(CPU_FAULT, &["diagnose", "--json"]).json();
    assert_eq!(verdict["model"]["fingerprint"], report["model"]["fingerprint"]);
    assert_eq!(files[0].metadata().unwrap().modified().unwrap(), written, "not trained a second time");
    let fresh = program.at(CPU_FAULT, &["train", "--fresh"]);
    assert!(fresh.out.contains("4 services"), "{fresh:?}");
    assert_ne!(files[0].metadata().unwrap().modified().unwrap(), written, "--fresh trains anyway");
    let again = program.at(CPU_FAULT, &["diagnose", "--json"]).json();
    assert_eq!(again["ranking"], verdict["ranking"]);
}

#[test]
fn too_little_history_is_said_with_numbers() {
    let Some(server) = prometheus::shared() else { return };
    let program = Program::new(&Config::metrics(&server.url));
    let outcome = program.at(START + 1800, &["train"]);
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""));
    assert!(outcome.err.contains("no model") && outcome.err.contains("60 are needed"), "{}", outcome.err);
    // A verdict needs no model: then it is the ranking of the control, and says so.
    let outcome = program.at(START + 1800, &["diagnose", "--json"]);
    let verdict = outcome.json();
    assert_eq!((outcome.code, &verdict["model"]), (Some(0), &Value::Null), "{outcome:?}");
    assert!(verdict["warnings"].to_string().contains("60 are needed"), "{verdict:#}");
    assert_eq!(program.at(START + 1800, &["status"]).code, Some(0));
}
