//! Runs the real program against a Prometheus in this process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sagetop::domain::Timestamp;
use tempfile::TempDir;
use url::form_urlencoded;

use crate::tiny_server::{Seen, Server, answer, write};

/// Labels and value of each series at one moment.
pub type Series = Vec<(serde_json::Value, f64)>;

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

[[latency]]
side = "server"
caller = "client"
callee = "server"
quantile = 0.5
unit = "s"
query = "served"
"#;

/// A configuration with its own state folder; `more` is added to it, `slo` is the service of the
/// objective.
pub fn home(url: &str, more: &str, slo: Option<&str>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut config = format!(
        "[contexts.x]\ncatalogue = \"catalogue.toml\"\ncatalogue_only = true\n\
         [contexts.x.prometheus]\nurl = \"{url}\"\n[windows]\nhistory = \"2h\"\n{more}"
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
pub async fn run(home: &Path, args: &[&str]) -> (Option<i32>, String, String) {
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

/// A Prometheus that knows `series(query, minutes ago)` for so many `minutes` before now; its clock
/// is `clock` seconds ahead of ours.
pub async fn prometheus(series: fn(&str, i64) -> Series, minutes: i64, clock: Arc<AtomicI64>) -> Server {
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
                let mut result: Vec<serde_json::Value> = Vec::new();
                for time in times {
                    for (n, (metric, value)) in series(inner, (now - time) / 60).into_iter().enumerate() {
                        if result.len() <= n {
                            result.push(serde_json::json!({ "metric": metric, "values": [] }));
                        }
                        let values = result[n]["values"].as_array_mut().unwrap();
                        values.push(serde_json::json!([time, value.to_string()]));
                    }
                }
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
