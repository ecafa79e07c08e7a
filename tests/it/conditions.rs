//! The real program under bad conditions: pages instead of data, no data, hostile names, clocks
//! that differ, two processes at once. The backends are small servers in this process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sagetop::domain::Timestamp;
use tempfile::TempDir;
use url::form_urlencoded;

use crate::tiny_server::{Seen, Server, answer, write};

const CATALOGUE: &str = r#"
[[feature]]
name = "cpu"
resource = "cpu"
scope = "service"
service = "app"
replica = "pod"
node = "node"
query = "cpu"

[[latency]]
side = "client"
caller = "client"
callee = "server"
quantile = 0.5
unit = "s"
query = "rpc"
"#;

/// Names as a hostile or broken exporter may give them.
const NAMES: [&str; 8] =
    ["\u{1b}]0;x\u{7}", "\u{202e}gnp.exe", "", "*", "שלום", "\"q\\uote", "{{x}}", "a\u{200b}\n\rb"];

/// A configuration with its own state folder; `slo` is the service of the objective.
fn home(url: &str, slo: Option<&str>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut config = format!(
        "[contexts.x]\ncatalogue = \"catalogue.toml\"\ncatalogue_only = true\n\
         [contexts.x.prometheus]\nurl = \"{url}\"\n[windows]\nhistory = \"2h\"\n"
    );
    if let Some(service) = slo {
        write!(
            config,
            "[[contexts.x.slo]]\nname = \"p95 of {service}\"\nservice = \"{service}\"\nquantile = 0.95\n\
             objective = \"300ms\"\nsource = {{ type = \"quantile\", query = \"e2e\", unit = \"s\" }}\n"
        )
        .unwrap();
    }
    std::fs::write(folder.path().join("catalogue.toml"), CATALOGUE).unwrap();
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    folder
}

/// Exit code, standard output, standard error.
async fn run(home: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_sagetop"));
    command.env_clear().env("HOME", home).env("RAYON_NUM_THREADS", "1").env("CANDLE_NUM_THREADS", "1");
    command.arg("--config").arg(home.join("config.toml")).arg("--state-dir").arg(home.join("state"));
    let output = command.args(args).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A parameter of a request, wherever it stands.
fn param(seen: &Seen, name: &str) -> Option<String> {
    let query = seen.target.split_once('?').map_or("", |(_, query)| query);
    let all = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(seen.body.as_bytes()));
    all.into_iter().find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
}

/// A Prometheus that knows `series(query)`, as labels and value, for the `minutes` before `clock`
/// (seconds that its clock is ahead of ours).
async fn prometheus(
    series: fn(&str) -> Vec<(serde_json::Value, f64)>,
    minutes: i64,
    clock: Arc<AtomicI64>,
) -> Server {
    Server::start(move |_, seen, stream| {
        let now = Timestamp::now().as_second() + clock.load(Ordering::Relaxed);
        let date = Timestamp::from_second(now).unwrap().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let head = format!("200 OK\r\nContent-Type: application/json\r\nDate: {date}");
        let number = |name: &str| param(&seen, name).and_then(|text| text.parse::<f64>().ok());
        let body = match (number("start"), number("end"), number("step"), param(&seen, "query")) {
            (Some(start), Some(end), Some(step), Some(query)) => {
                let known = |t: &i64| (now - 60 * minutes..=now).contains(t);
                let times = (0..).map(|n| start as i64 + n * step as i64).take_while(|t| *t as f64 <= end);
                let times: Vec<i64> = times.filter(known).collect();
                let inner = query.trim_start_matches("count(\n").trim_end_matches("\n)");
                let result: Vec<_> = series(inner)
                    .into_iter()
                    .filter(|_| !times.is_empty())
                    .map(|(metric, value)| {
                        let values: Vec<_> = times.iter().map(|t| (*t, value.to_string())).collect();
                        serde_json::json!({ "metric": metric, "values": values })
                    })
                    .collect();
                serde_json::json!({ "status": "success", "data": { "resultType": "matrix", "result": result } })
            }
            _ if seen.target.contains("buildinfo") => {
                serde_json::json!({ "status": "success", "data": { "version": "2.53.0" } })
            }
            _ => serde_json::json!({ "status": "success", "data": { "resultType": "vector", "result": [] } }),
        };
        write(stream, answer(&head, &body.to_string()))
    })
    .await
}

fn nothing(_: &str) -> Vec<(serde_json::Value, f64)> {
    Vec::new()
}

fn hostile(query: &str) -> Vec<(serde_json::Value, f64)> {
    let long = "a".repeat(10_000);
    let names = || NAMES.into_iter().chain([long.as_str()]).enumerate();
    match query {
        "e2e" => vec![(serde_json::json!({}), 0.8)],
        "cpu" => names()
            .map(|(i, n)| (serde_json::json!({ "app": n, "pod": n, "node": NAMES[0] }), i as f64))
            .collect(),
        _ => names()
            .map(|(i, n)| (serde_json::json!({ "client": NAMES[i / 2], "server": n }), i as f64))
            .collect(),
    }
}

#[tokio::test]
async fn a_page_instead_of_data_is_named() {
    let page = "<!DOCTYPE html><title>Sign in\u{1b}[31m</title>";
    let html = answer("200 OK\r\nContent-Type: text/html", page);
    let server = Server::with(vec![html]).await;
    let home = home(&server.url, Some("web"));

    let (code, out, _) = run(home.path(), &["status"]).await;
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains("UNKNOWN") && out.contains("HTML page"), "{out}");
    for command in ["diagnose", "train", "graph"] {
        let (code, out, err) = run(home.path(), &[command]).await;
        assert_eq!((code, out.as_str()), (Some(1), ""), "{command}");
        assert!(err.contains("HTML page") && !err.contains('\u{1b}'), "{command}: {err:?}");
    }
    let (code, out, _) = run(home.path(), &["doctor"]).await;
    assert_eq!(code, Some(1));
    assert!(out.contains("the catalogue was not asked"), "{out}");
}

#[tokio::test]
async fn no_data_is_unknown_and_says_where_to_look() {
    let server = prometheus(nothing, 120, Arc::default()).await;
    let home = home(&server.url, Some("*"));
    let (code, out, _) = run(home.path(), &["status"]).await;
    assert_eq!(code, Some(3));
    assert!(out.contains("UNKNOWN") && out.contains("no data"), "{out}");
    for command in ["diagnose", "train"] {
        let (code, _, err) = run(home.path(), &[command]).await;
        assert_eq!(code, Some(1));
        assert!(err.contains("there is no data up to") && err.contains("sagetop doctor"), "{err}");
    }
    let (code, out, err) = run(home.path(), &["graph"]).await;
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert!(err.contains("there is no data"), "{err}");
    let (code, out, _) = run(home.path(), &["doctor"]).await;
    assert_eq!(code, Some(1));
    assert!(out.contains("problem: no query of the catalogue has data"), "{out}");
}

#[tokio::test]
async fn a_context_without_objectives_says_what_to_add() {
    let server = prometheus(nothing, 120, Arc::default()).await;
    let home = home(&server.url, None);
    let (code, out, _) = run(home.path(), &["status"]).await;
    assert_eq!(code, Some(3));
    assert!(out.contains("add a [[contexts.x.slo]]"), "{out}");
    let (code, _, err) = run(home.path(), &["diagnose"]).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("add a [[contexts.x.slo]]"), "{err}");
}

#[tokio::test]
async fn hostile_names_reach_no_terminal() {
    // Too few windows for a model: the control ranks.
    let server = prometheus(hostile, 40, Arc::default()).await;
    let home = home(&server.url, Some("wbe"));
    for (args, expected) in [
        (&["status"][..], Some(2)),
        (&["status", "--json"], Some(2)),
        (&["graph"], Some(0)),
        (&["graph", "--dot"], Some(0)),
        (&["graph", "--json"], Some(0)),
        (&["diagnose"], Some(2)),
        (&["diagnose", "--json"], Some(2)),
    ] {
        let (code, out, err) = run(home.path(), args).await;
        assert_eq!(code, expected, "{args:?}: {err}");
        let hidden = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}');
        let odd = |c: char| (c.is_control() && c != '\n') || hidden(c);
        assert!(!out.contains(odd) && !err.contains(odd), "{args:?}: {out:?} {err:?}");
        assert!(out.lines().all(|line| args.contains(&"--json") || line.len() < 3000), "{args:?}: {out}");
        if args.contains(&"--json") {
            serde_json::from_str::<serde_json::Value>(&out).unwrap();
        }
    }
    let (_, out, _) = run(home.path(), &["diagnose"]).await;
    assert!(out.contains("only 40 windows") || out.contains("only 39 windows"), "{out}");
    assert!(out.contains("no data mentions the service `wbe`"), "{out}");
    assert!(out.contains("\\e]0;x"), "{out}");
}

#[tokio::test]
async fn what_is_kept_is_private() {
    let server = prometheus(hostile, 40, Arc::default()).await;
    let home = home(&server.url, Some("web"));
    run(home.path(), &["-v", "status"]).await;
    let mut folders = vec![home.path().join("state")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                files += 1;
            }
        }
    }
    assert!(files >= 2, "store and log");
}

/// By our clock the newest windows are long over, by the backend's their data is still to come.
#[tokio::test]
async fn windows_are_not_complete_before_the_backend_reached_them() {
    let clock = Arc::new(AtomicI64::new(-600));
    let server = prometheus(hostile, 40, Arc::clone(&clock)).await;
    let home = home(&server.url, Some("web"));
    let (code, _, _) = run(home.path(), &["status"]).await;
    assert_eq!(code, Some(3), "the newest value is ten minutes old");
    clock.store(0, Ordering::Relaxed);
    let (code, out, err) = run(home.path(), &["status"]).await;
    assert_eq!(code, Some(2), "the gap was filled: {out}{err}");
}

#[tokio::test]
async fn two_processes_share_a_folder() {
    let server = prometheus(hostile, 40, Arc::default()).await;
    let home = home(&server.url, Some("web"));
    let all = futures_util::future::join_all((0..4).map(|_| run(home.path(), &["status", "--json"]))).await;
    for (code, out, err) in all {
        assert_eq!(code, Some(2), "{err}");
        let status: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(status["slos"][0]["observed_ms"], 800.0, "{out}");
    }
}
