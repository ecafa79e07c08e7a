//! One run of kubectl: where it speaks to, and what it has printed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::flags::Line;
use super::{Failed, error};
use crate::lab::standin::Outcome;
use crate::lab::standin::connection::{self, Ask, Lab, Lost};
use crate::lab::standin::kube::kinds::Kind;

/// What `--dry-run` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// The write is real.
    None,
    /// It is not sent.
    Client,
    /// The server checks it and stores nothing.
    Server,
}

/// State of a run.
pub struct Session {
    program: PathBuf,
    lab: Result<Lab, Lost>,
    namespace: String,
    timeout: Option<Duration>,
    context: String,
    config: Option<Value>,
    out: String,
    err: String,
    failed: bool,
}

/// A request to the API server.
#[derive(Clone, Debug, Default)]
pub struct Call<'a> {
    pub method: &'a str,
    pub path: String,
    pub query: Vec<(&'a str, String)>,
    pub content_type: &'a str,
    pub accept: &'a str,
    pub body: Vec<u8>,
}

impl Session {
    pub fn new(program: &Path) -> Self {
        Self {
            program: program.to_path_buf(),
            lab: Err(Lost::NoLab),
            namespace: "default".to_owned(),
            timeout: None,
            context: String::new(),
            config: None,
            out: String::new(),
            err: String::new(),
            failed: false,
        }
    }

    /// Reads kubeconfig, context, namespace and time limit.
    pub fn configure(&mut self, line: &Line) -> Result<(), Failed> {
        let config = self.kubeconfig(line)?;
        let current =
            config.as_ref().map_or("", |config| config["current-context"].as_str().unwrap_or_default());
        self.context = line.get("context").unwrap_or(current).to_owned();
        let contexts = config.as_ref().and_then(|config| config["contexts"].as_array()).into_iter().flatten();
        let context = contexts.into_iter().find(|entry| entry["name"] == *self.context);
        if let (Some(asked), None) = (line.get("context").filter(|name| !name.is_empty()), context) {
            let message =
                format!("Error in configuration: context was not found for specified context: {asked}");
            return Err(Failed(message));
        }
        let of_context = context.and_then(|entry| entry["context"]["namespace"].as_str());
        self.namespace = line.get("namespace").or(of_context).unwrap_or("default").to_owned();
        self.lab = Lab::find(config.as_ref());
        self.config = config;
        if let Some(text) = line.get("request-timeout") {
            self.timeout = match duration(text) {
                Some(limit) => Some(limit).filter(|limit| !limit.is_zero()),
                None => {
                    return error(format_args!(
                        "Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed \
                         by a corresponding time unit (e.g. 1s | 2m | 3h)"
                    ));
                }
            };
        }
        Ok(())
    }

    fn kubeconfig(&self, line: &Line) -> Result<Option<Value>, Failed> {
        if let Some(path) = line.get("kubeconfig").filter(|path| !path.is_empty()) {
            if !Path::new(path).exists() {
                return error(format_args!("stat {path}: no such file or directory"));
            }
            return match connection::kubeconfig(Path::new(path)) {
                Some(config) => Ok(Some(config)),
                None => error(format_args!(
                    "error loading config file {path:?}: it is not one that the lab wrote"
                )),
            };
        }
        let named = std::env::var_os("KUBECONFIG").map(PathBuf::from).into_iter();
        let beside = connection::beside(&self.program);
        Ok(named.chain(beside).find_map(|path| connection::kubeconfig(&path)))
    }

    /// The namespace commands are about.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The kubeconfig, which has one context only.
    pub fn kubeconfig_read(&self) -> Option<&Value> {
        self.config.as_ref()
    }

    /// The context's name.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// Where objects of a kind are: the namespace, or nowhere.
    pub fn namespace_of(&self, kind: &Kind) -> &str {
        if kind.namespaced { &self.namespace } else { "" }
    }

    /// A line for standard output.
    pub fn say(&mut self, line: impl AsRef<str>) {
        self.out += line.as_ref();
        self.out.push('\n');
    }

    /// Text for standard output, as it is.
    pub fn print(&mut self, text: &str) {
        self.out += text;
    }

    /// A line for standard error.
    pub fn err(&mut self, line: &str) {
        self.err += line;
        self.err.push('\n');
    }

    /// A failure that does not end the command.
    pub fn fail(&mut self, Failed(message): Failed) {
        self.err(&message);
        self.failed = true;
    }

    /// Whether there was one.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// What has been printed.
    pub fn into_outcome(self, code: u8) -> Outcome {
        Outcome { stdout: self.out, stderr: self.err, code }
    }

    /// Calls the API: the object, or a `Status` as an error.
    pub fn call(&self, call: &Call<'_>) -> Result<Value, Refusal> {
        let lab = self.lab.as_ref().map_err(|lost| Refusal::Lost(lost.to_string()))?;
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(call.query.iter());
        let query = query.finish();
        let separator = if query.is_empty() { "" } else { "?" };
        let ask = Ask {
            method: call.method,
            path: format!("/lab/v1/kube{}{separator}{query}", call.path),
            content_type: call.content_type,
            accept: if call.accept.is_empty() { "application/json" } else { call.accept },
            agent: "kubectl/v1.33.1 (linux/amd64) sagetop/lab",
            body: call.body.clone(),
            timeout: self.timeout,
        };
        let (code, body) = lab.send(&ask).map_err(|lost| {
            Refusal::Lost(match lost {
                Lost::Refused(host) => {
                    format!("The connection to the server {host} was refused - did you specify the right host or port?")
                }
                Lost::TimedOut => "Unable to connect to the server: context deadline exceeded (Client.Timeout exceeded \
                                   while awaiting headers)"
                    .to_owned(),
                Lost::Broken => "Unable to connect to the server: EOF".to_owned(),
                Lost::NoLab => lost.to_string(),
            })
        })?;
        let body: Value = serde_json::from_slice(&body)
            .map_err(|_| Refusal::Lost("Unable to connect to the server: EOF".into()))?;
        match code {
            200..300 => Ok(body),
            401 => Err(Refusal::Lost("error: You must be logged in to the server (Unauthorized)".into())),
            _ => Err(Refusal::Status(body)),
        }
    }

    /// Reads one object.
    pub fn get(&self, kind: &Kind, name: &str, subresource: Option<&str>) -> Result<Value, Refusal> {
        let path = kind.path(self.namespace_of(kind), Some(name), subresource);
        self.call(&Call { method: "GET", path, ..Call::default() })
    }
}

/// Why the API did not do it.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// There was no answer: what kubectl says then.
    Lost(String),
    /// The server's `Status`.
    Status(Value),
}

impl Refusal {
    /// The server's word for it, empty if it gave none.
    pub fn reason(&self) -> &str {
        match self {
            Self::Lost(_) => "",
            Self::Status(status) => status["reason"].as_str().unwrap_or_default(),
        }
    }

    /// The server's sentence.
    pub fn message(&self) -> String {
        match self {
            Self::Lost(message) => message.clone(),
            Self::Status(status) => status["message"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

impl From<Refusal> for Failed {
    /// As kubectl prints it.
    fn from(refusal: Refusal) -> Self {
        let Refusal::Status(status) = &refusal else { return Self(refusal.message()) };
        let (reason, message) = (refusal.reason(), refusal.message());
        if reason != "Invalid" {
            return Self(format!("Error from server ({reason}): {message}"));
        }
        let details = &status["details"];
        let (Some(kind), Some(name)) = (details["kind"].as_str(), details["name"].as_str()) else {
            return Self(format!("The request is invalid: {message}"));
        };
        let causes: Vec<String> = details["causes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|cause| {
                let text = |key: &str| cause[key].as_str().unwrap_or_default();
                format!("{}: {}", text("field"), text("message"))
            })
            .collect();
        Self(match causes.as_slice() {
            [cause] => format!("The {kind} {name:?} is invalid: {cause}"),
            causes => format!("The {kind} {name:?} is invalid: \n* {}", causes.join("\n* ")),
        })
    }
}

/// `10s`, `2m`, `1h30m`, `500ms`, or plain seconds.
pub fn duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..at].parse().ok()?;
        let unit: String = rest[at..].chars().take_while(|c| c.is_ascii_alphabetic()).collect();
        total += number
            * match unit.as_str() {
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[at + unit.len()..];
    }
    (!text.is_empty()).then_some(total).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}
