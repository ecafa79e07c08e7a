//! Answers that are small on the wire and huge once decompressed: a clear message and bounded memory.
//!
//! The peak of memory is a property of a process, so each case runs in one of its own: the test starts
//! this binary again with the case in the environment.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use sagetop::domain::{ServiceName, Timestamp};
use sagetop::telemetry::{BackendSettings, Error, Jaeger, JaegerApi, JaegerSettings, Prometheus, TraceQuery};
use tokio::io::AsyncWriteExt as _;

use crate::tiny_server::Server;

const CASE: &str = "SAGETOP_TEST_BOMB";
/// Decoded size that is sent.
const SIZE: usize = 1 << 30;
/// The cap on decoded bytes: less than the default, since unoptimised decoders are slow.
const CAP_MIB: u64 = 8;
/// The program itself, and at most three times the cap in what is kept.
const MOST_MIB: u64 = 48 + 3 * CAP_MIB;

/// A gzip stream of `head`, then `filler` until a GiB is reached.
async fn bomb(head: &'static str, filler: &'static str) -> Server {
    Server::start(move |_, _, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n").await;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(head.as_bytes()).unwrap();
        let block = filler.repeat((1 << 20) / filler.len());
        for _ in 0..SIZE / block.len() {
            gzip.write_all(block.as_bytes()).unwrap();
            let out = std::mem::take(gzip.get_mut());
            if stream.write_all(&out).await.is_err() {
                return;
            }
        }
    })
    .await
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

async fn run(case: &str) -> Error {
    let (head, filler) = match case {
        "string" => (r#"{"status":"success","data":{"result":[{"metric":{"a":""#, "0"),
        "ignored_string" => (r#"{"status":"success","other":""#, "0"),
        "zero_bytes" => ("", "\0"),
        "series" => (
            r#"{"status":"success","data":{"result":[{"metric":{"a":"b"},"value":[1,"1"]}"#,
            r#",{"metric":{"a":"b"},"value":[1,"1"]}"#,
        ),
        "samples" => {
            (r#"{"status":"success","data":{"result":[{"metric":{},"values":[[1,"1"]"#, r#",[1,"1"]"#)
        }
        "depth" => (r#"{"status":"success","other":"#, "["),
        "deep_result" => (r#"{"status":"success","data":{"result":"#, "["),
        "spaces" => ("", " "),
        "legacy_traces" => (r#"{"data":[{}"#, r#",{"spans":[{"traceID":"1","spanID":"1"}]}"#),
        "legacy_spans" => (r#"{"data":[{"spans":[{}"#, r#",{"traceID":"1","spanID":"1"}"#),
        "v3_spans" => {
            (r#"{"result":{"resourceSpans":[{"scopeSpans":[{"spans":[{}"#, r#",{"traceId":"1","spanId":"1"}"#)
        }
        other => panic!("unknown case {other}"),
    };
    let server = bomb(head, filler).await;
    let settings = BackendSettings { max_response_mib: CAP_MIB, ..BackendSettings::at(&server.url) };
    let api = match case {
        "legacy_traces" | "legacy_spans" => JaegerApi::Legacy,
        "v3_spans" => JaegerApi::V3,
        _ => {
            let prometheus = Prometheus::new(&settings).unwrap();
            return prometheus.query("up", Timestamp::now()).await.unwrap_err();
        }
    };
    let jaeger = Jaeger::new(&JaegerSettings { backend: settings, api, limit: 10 }).unwrap();
    let (start, end) = (Timestamp::UNIX_EPOCH, Timestamp::now());
    let service = ServiceName::new("web");
    let query = TraceQuery { service, operation: None, start, end, min_duration: None, limit: 10 };
    jaeger.traces(&query, &mut drop).await.unwrap_err()
}

/// What the child does; without the variable there is nothing to do.
#[tokio::test]
async fn child() {
    let Ok(case) = std::env::var(CASE) else { return };
    let error = tokio::time::timeout(Duration::from_secs(60), run(&case)).await.expect("hung");
    println!("\n{}", serde_json::json!({ "error": error.to_string(), "peak_mib": peak_mib() }));
}

#[test]
fn bombs_are_refused_in_bounded_memory() {
    const TOO_LARGE: &str = "too large (more than 8 MiB";
    for (case, message) in [
        ("string", TOO_LARGE),
        ("ignored_string", TOO_LARGE),
        ("series", TOO_LARGE),
        ("samples", TOO_LARGE),
        ("spaces", TOO_LARGE),
        ("legacy_traces", TOO_LARGE),
        ("legacy_spans", TOO_LARGE),
        ("v3_spans", TOO_LARGE),
        ("zero_bytes", "instead of JSON"),
        ("depth", TOO_LARGE),
        ("deep_result", "not this API's"),
    ] {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "http_bombs::child", "--nocapture"])
            .env(CASE, case)
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout);
        let report = output.lines().find(|line| line.starts_with('{'));
        let report: serde_json::Value =
            serde_json::from_str(report.unwrap_or_else(|| panic!("{case}: {output}"))).unwrap();
        let error = report["error"].as_str().unwrap();
        assert!(error.contains(message), "{case}: {error}");
        let peak = report["peak_mib"].as_u64().unwrap();
        eprintln!("{case}: peak {peak} MiB");
        assert!(peak < MOST_MIB, "{case} took {peak} MiB");
    }
}
