//! Backends that are dead, mute or die; programs that are killed, or run twice at once.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::synthetic::app::CPU_FAULT;
use crate::synthetic::program::{Config, Program, finish};
use crate::synthetic::prometheus::{self, Prometheus};
use crate::synthetic::proxy::Proxy;

/// Longest that a command may take to say that a backend is dead: three tries of each of the first
/// requests, with a timeout of one second.
const PATIENCE: Duration = Duration::from_secs(30);

/// What each command does on a first start without a backend.
fn assert_first_start_fails_well(config: &Config, words: &[&str]) {
    for (args, code) in [
        (&["diagnose"][..], 1),
        (&["diagnose", "--json"], 1),
        (&["train"], 1),
        (&["graph"], 1),
        (&["status"], 3),
        (&["status", "--json"], 3),
        (&["doctor"], 1),
    ] {
        let program = Program::new(config);
        let started = Instant::now();
        let outcome = program.at(CPU_FAULT, args);
        assert!(started.elapsed() < PATIENCE, "{args:?} took {:?}", started.elapsed());
        assert_eq!(outcome.code, Some(code), "{args:?}: {outcome:?}");
        let told = outcome.err.clone() + &outcome.out;
        for word in words {
            assert!(told.contains(word), "{args:?} does not say {word:?}: {told}");
        }
        assert!(!told.contains("panicked"), "{told}");
        if args == ["status", "--json"] {
            let slo = &outcome.json()["slos"][0];
            assert!(slo["state"] == "unknown" && slo["observed_ms"].is_null(), "{slo}");
        }
    }
}

#[test]
fn a_dead_backend_at_the_first_start() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let config = Config::metrics(&format!("http://{address}"));
    assert_first_start_fails_well(&config, &[&address, "refused"]);
}

#[test]
fn a_mute_backend_at_the_first_start() {
    // Connections are made by the kernel, but nobody ever answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut config = Config::metrics(&format!("http://{address}"));
    config.more = "timeout = \"1s\"";
    assert_first_start_fails_well(&config, &[&address, "within 1 s"]);
}

#[test]
fn stored_data_outlives_the_backend() {
    let Some(blocks) = prometheus::blocks() else { return };
    let server = Prometheus::over(blocks);
    let program = Program::new(&Config::metrics(&server.url));
    let alive = program.at(CPU_FAULT, &["diagnose", "--json"]).verdict();
    let status = program.at(CPU_FAULT, &["status", "--json"]).json();
    let port = server.url.clone();
    server.kill();
    // What was asked before is answered from the store, without a word: nothing is missing.
    assert_eq!(program.at(CPU_FAULT, &["diagnose", "--json"]).verdict(), alive);
    // Five minutes later, something is.
    let outcome = program.at(CPU_FAULT + 120, &["diagnose", "--json"]);
    let verdict = outcome.verdict();
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    let warnings = verdict["warnings"].to_string();
    assert!(warnings.contains("backends: ") && warnings.contains(&port[7..]), "{warnings}");
    assert_eq!(verdict["ranking"][0]["service"], "db");
    let outcome = program.at(CPU_FAULT + 120, &["status", "--json"]);
    let report = outcome.json();
    assert_eq!((outcome.code, &report["slos"][0]["state"]), (Some(2), &"breached".into()));
    assert!(report["warnings"].to_string().contains("refused"), "{report:#}");
    assert!(report["slos"][0]["newest_sample_age_s"].as_f64() >= Some(120.0), "{report:#}");
    assert_eq!(status["slos"][0]["newest_sample_age_s"].as_f64(), Some(0.0));
    let graph = program.at(CPU_FAULT + 120, &["graph"]);
    assert_eq!((graph.code, graph.out.lines().next()), (Some(0), Some("web")), "{graph:?}");
    assert!(graph.err.contains("refused"), "{graph:?}");
    // Hours later all of it is too old to tell.
    assert_eq!(program.at(CPU_FAULT + 3600, &["status"]).code, Some(3));
}

#[test]
fn a_backend_that_dies_midway_is_asked_again_later_for_the_rest_only() {
    let Some(server) = prometheus::shared() else { return };
    let mut broke = 0;
    // Breaks after some of the probes, after some of the history, and late.
    for bytes in [2_000, 20_000, 60_000] {
        let proxy = Proxy::to(&server.url, bytes);
        let program = Program::new(&Config::metrics(&proxy.url));
        // Whatever it makes of what it got …
        let outcome = program.at(CPU_FAULT, &["diagnose", "--json"]);
        if proxy.is_broken() {
            broke += 1;
            let told = outcome.err.clone() + &outcome.out;
            assert!(told.contains(&proxy.url[7..]), "{bytes}: {outcome:?}");
        }
        assert!([Some(1), Some(2), Some(3)].contains(&outcome.code), "{bytes}: {outcome:?}");
        // … it does not hold to when there is more.
        proxy.mend();
        let healed = program.at(CPU_FAULT, &["diagnose", "--json"]);
        assert_eq!(healed.code, Some(2), "{bytes}: {healed:?}");
        let whole = Program::new(&Config::metrics(&proxy.url)).at(CPU_FAULT, &["diagnose", "--json"]);
        assert_eq!(healed.verdict(), whole.verdict(), "{bytes}");
    }
    assert!(broke >= 2, "the proxies did not break: there is nothing to see here");
}

#[test]
fn two_at_once_on_one_folder() {
    let Some(server) = prometheus::shared() else { return };
    let program = Program::new(&Config::metrics(&server.url));
    let args = ["diagnose", "--json", "--at", "2024-03-05T06:16:00Z"];
    let (one, other) = (program.start(&args), program.start(&args));
    let (one, other) = (finish(one), finish(other));
    assert_eq!((one.code, other.code), (Some(2), Some(2)), "{one:?} {other:?}");
    assert_eq!(one.verdict(), other.verdict());
    assert_eq!(one.verdict()["warnings"], serde_json::json!([]));
    assert_eq!(program.run(&args).verdict(), one.verdict(), "what they left behind is sound");
}

#[test]
fn killed_again_and_again() {
    let Some(server) = prometheus::shared() else { return };
    let config = Config::metrics(&server.url);
    let program = Program::new(&config);
    let args = ["diagnose", "--json", "--at", "2024-03-05T06:16:00Z"];
    let (mut kills, mut patience) = (0, Duration::from_millis(40));
    // Later each time: while connecting, fetching, training, writing the model.
    let outcome = loop {
        let mut child = program.start(&args);
        let deadline = Instant::now() + patience;
        let ended = loop {
            if child.try_wait().unwrap().is_some() {
                break true;
            }
            if Instant::now() > deadline {
                break false;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        if ended {
            break finish(child);
        }
        // SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
        (kills, patience) = (kills + 1, patience.mul_f64(1.3));
    };
    assert!(kills > 2, "it was not killed in the midst of its work");
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(2), ""));
    let undisturbed = Program::new(&config).run(&args);
    assert_eq!(outcome.verdict(), undisturbed.verdict());
}
