//! The real binary with a configuration and a state folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use sagetop::domain::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use super::app::CPU_FAULT;
use super::prometheus::{self, Prometheus};

/// The objective of the tests: web's p99, usually about 55 ms.
pub const OBJECTIVE_MS: f64 = 90.0;

/// A configuration file's text, piece by piece.
#[derive(Clone, Debug)]
pub struct Config {
    pub prometheus: String,
    pub jaeger: Option<String>,
    pub latencies: &'static str,
    pub namespace: &'static str,
    pub epochs: usize,
    pub seed: u64,
    /// Further lines of the Prometheus section.
    pub more: &'static str,
}

impl Config {
    /// Metrics alone; trained well enough for verdicts that mean something.
    pub fn metrics(prometheus: &str) -> Self {
        Self {
            prometheus: prometheus.to_owned(),
            jaeger: None,
            latencies: "auto",
            namespace: "shop",
            epochs: 40,
            seed: 1,
            more: "",
        }
    }

    /// Latencies come from traces alone.
    pub fn traces(prometheus: &str, jaeger: &str) -> Self {
        Self { jaeger: Some(jaeger.to_owned()), latencies: "traces", ..Self::metrics(prometheus) }
    }

    fn text(&self) -> String {
        let Self { prometheus, latencies, namespace, epochs, seed, more, .. } = self;
        let (jaeger, source) = match &self.jaeger {
            Some(url) => {
                (format!("[contexts.shop.jaeger]\nurl = \"{url}\"\n"), r#"{ type = "traces" }"#.to_owned())
            }
            None => {
                let metric = r#"http_server_request_duration_seconds{namespace="shop",service="web"}"#;
                (String::new(), format!(r#"{{ type = "histogram", metric = '{metric}', unit = "s" }}"#))
            }
        };
        format!(
            r#"
[contexts.shop]
vars = {{ selector = 'namespace="{namespace}"' }}
[contexts.shop.prometheus]
url = "{prometheus}"
{more}
{jaeger}
[[contexts.shop.slo]]
name = "web p99"
service = "web"
quantile = 0.99
objective = "{OBJECTIVE_MS}ms"
source = {source}
[windows]
history = "3h"
scrape_interval = "30s"
latency_source = "{latencies}"
[model]
seed = {seed}
epochs = {epochs}
retrain_hours = 2
"#
        )
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Outcome {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The verdict without what may differ between runs: how long things took.
    pub fn verdict(&self) -> Value {
        let mut verdict = self.json();
        assert!(verdict["timings_ms"].take().is_object(), "{self:?}");
        verdict
    }
}

/// The shared server, and a state folder in which the question about the CPU fault was answered.
pub fn learned() -> Option<(&'static Prometheus, &'static Path)> {
    static LEARNED: OnceLock<Option<PathBuf>> = OnceLock::new();
    let server = prometheus::shared()?;
    let state = LEARNED.get_or_init(|| {
        let program = Program::new(&Config::metrics(&server.url));
        let outcome = program.at(CPU_FAULT, &["diagnose"]);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        let kept = prometheus::scratch().join("learned");
        copy(&program.state(), &kept);
        Some(kept)
    });
    Some((server, state.as_deref()?))
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
}

/// A configuration and a state folder.
pub struct Program {
    folder: TempDir,
}

impl Program {
    /// With nothing learned yet.
    pub fn new(config: &Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), config.text()).unwrap();
        Self { folder }
    }

    /// With a copy of what another one has stored and learned.
    pub fn after(config: &Config, state: &Path) -> Self {
        let new = Self::new(config);
        copy(state, &new.state());
        new
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Outcome {
        finish(self.start(args))
    }

    /// Runs it with `--at`.
    pub fn at(&self, second: i64, args: &[&str]) -> Outcome {
        let at = Timestamp::from_second(second).unwrap().to_string();
        self.run(&[args, &["--at", &at]].concat())
    }

    /// Starts it.
    pub fn start(&self, args: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_sagetop"))
            .args(args)
            .args([Path::new("--config"), &self.folder.path().join("config.toml")])
            .args([Path::new("--state-dir"), &self.state()])
            .env_clear()
            .env("HOME", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// The file of the window store.
    pub fn store(&self) -> PathBuf {
        self.files("windows", |name| name.ends_with(".db")).remove(0)
    }

    /// Model files, by extension.
    pub fn models(&self, extension: &str) -> Vec<PathBuf> {
        self.files("models", |name| name.ends_with(&format!(".{extension}")))
    }

    /// Files anywhere below folders of that name in the state folder.
    fn files(&self, folder: &str, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.state()];
        while let Some(at) = folders.pop() {
            for entry in std::fs::read_dir(&at).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if at.components().any(|c| c.as_os_str() == folder)
                    && entry.file_name().to_str().is_some_and(&wanted)
                {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }
}

/// Waits for the end.
pub fn finish(child: Child) -> Outcome {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}
