//! Verdicts where latencies come from traces alone: Jaeger for calls, Prometheus for resources.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::Value;

use crate::synthetic::app::{CHANNEL_FAULT, CPU_FAULT, END, HEALTHY, LATENT_FAULT};
use crate::synthetic::program::{Config, Program};
use crate::synthetic::{jaeger, prometheus};
use crate::verdict_schema;

/// Moments with the kind of verdict, the service and the resource that are expected.
const EXPECTED: [(i64, &str, &str, &str); 3] = [
    (CPU_FAULT, "culprits", "db", "cpu"),
    (CHANNEL_FAULT, "culprits", "cart", "network"),
    (LATENT_FAULT, "latent", "catalogue", "latent"),
];

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_named_from_traces() {
    let Some(metrics) = prometheus::shared() else { return };
    let traces = jaeger::serve(Arc::new(END.into())).await;
    let config = Config::traces(&metrics.url, &traces.url);
    let asked = tokio::task::spawn_blocking(move || {
        let program = Program::new(&config);
        for (at, kind, service, resource) in EXPECTED {
            let outcome = program.at(at, &["diagnose", "--json"]);
            let verdict = outcome.json();
            assert_eq!(outcome.code, Some(2), "{outcome:?}");
            verdict_schema::check(&verdict);
            assert_eq!(verdict["ranking"][0]["service"], service, "{verdict:#}");
            assert_eq!(verdict["resource_ranking"][0]["resource"], resource, "{verdict:#}");
            assert_eq!(verdict["verdict"], kind, "{verdict:#}");
            assert_eq!(verdict["culprits"][0]["service"], service, "{verdict:#}");
        }
        let healthy = program.at(HEALTHY, &["diagnose", "--json"]);
        assert_eq!((healthy.code, &healthy.json()["verdict"]), (Some(0), &"healthy".into()));
        let graph: Value = program.at(CPU_FAULT, &["graph", "--json"]).json();
        let edges = graph["edges"].as_array().unwrap();
        assert_eq!(edges.len(), 3, "{graph:#}");
        assert!(edges.iter().all(|e| e["origin"] == "spans"), "{graph:#}");
        let doctor = program.at(CPU_FAULT, &["doctor"]);
        assert_eq!(doctor.code, Some(0), "{doctor:?}");
        assert!(doctor.out.contains("version legacy"), "{doctor:?}");
    });
    asked.await.unwrap();
    let searches = traces.seen().iter().filter(|s| s.target.starts_with("/api/traces")).count();
    // One a window: three hours before the first question, and what is between the questions.
    assert!((180..=320).contains(&searches), "{searches} searches");
}

#[tokio::test(flavor = "multi_thread")]
async fn later_traces_do_not_count() {
    let Some(metrics) = prometheus::shared() else { return };
    let until = Arc::new(AtomicI64::new(CPU_FAULT));
    let traces = jaeger::serve(until.clone()).await;
    let config = Config::traces(&metrics.url, &traces.url);
    let asked = tokio::task::spawn_blocking(move || {
        let ask = || Program::new(&config).at(CPU_FAULT, &["diagnose", "--json"]).verdict();
        let then = ask();
        assert_eq!(Program::new(&config).at(LATENT_FAULT, &["status"]).code, Some(3), "not known yet");
        until.store(END, Ordering::SeqCst);
        assert_eq!(Program::new(&config).at(LATENT_FAULT, &["status"]).code, Some(2));
        assert_eq!(ask(), then);
    });
    asked.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_trace_there_is_a_ranking_and_a_reason() {
    let Some(metrics) = prometheus::shared() else { return };
    let nothing = jaeger::serve(Arc::new(0.into())).await;
    let config = Config::traces(&metrics.url, &nothing.url);
    let asked = tokio::task::spawn_blocking(move || {
        let program = Program::new(&config);
        let outcome = program.at(CPU_FAULT, &["diagnose", "--json"]);
        let verdict = outcome.json();
        assert_eq!((outcome.code, &verdict["slo"]["state"]), (Some(3), &"unknown".into()), "{outcome:?}");
        assert_eq!((&verdict["verdict"], &verdict["model"]), (&"unsure".into(), &Value::Null));
        assert_eq!(verdict["ranking"][0]["service"], "db", "by its metrics alone: {verdict:#}");
        let warnings = verdict["warnings"].to_string();
        assert!(warnings.contains("no latency of any call is known"), "{warnings}");
        let trained = program.at(CPU_FAULT, &["train"]);
        assert_eq!(trained.code, Some(1));
        assert!(trained.err.contains("no latency of any call is known"), "{trained:?}");
    });
    asked.await.unwrap();
}
