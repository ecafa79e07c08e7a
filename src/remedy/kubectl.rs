//! kubectl as a child process: always this context, this namespace, this program, and never a shell.
//!
//! What reads is here as typed questions; the one function that writes takes a [`Permit`], which only the
//! guard can make.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::child::{self, Ended, Ending};
use super::guard::Permit;
use super::log::CommandLog;
use super::names::{ContextName, Label, NameError};
use super::plan::Step;
use super::program::Program;
use super::target::ObjectKind;
use super::write::{Mode, Write, reference};
use crate::domain::Clean;

/// Limit on each of kubectl's requests.
const REQUEST_TIMEOUT: &str = "--request-timeout=10s";
/// A read is killed after this long.
pub const READ_LIMIT: Duration = Duration::from_secs(10);
/// A write is killed after this long: `kubectl scale` goes on with conflicts for five minutes by itself.
pub const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// That the server does not have a kind is believed for this long: operators are seldom installed.
const LACKING: Duration = Duration::from_secs(300);

/// Variables that children get: no others, so that no configuration that nobody looked at changes what a
/// command means.
const PASSED: [&str; 8] =
    ["HOME", "PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];
/// Beginnings of the variables that providers' login helpers need, passed where the kubeconfig has one.
const LOGIN: [&str; 6] = ["AWS_", "AZURE_", "CLOUDSDK_", "GOOGLE_", "OCI_", "USE_GKE_GCLOUD_AUTH_PLUGIN"];

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The server has no such kind.
    #[error("the server does not know {0}")]
    NoType(Clean),
    /// There is no such object.
    #[error("not found: {0}")]
    NotFound(Clean),
    /// It may not be read.
    #[error("{0}")]
    Forbidden(Clean),
    /// Anything else: no connection, no answer in time, no JSON.
    #[error("{0}")]
    Failed(Clean),
    /// A name in the question is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// kubectl for one context.
#[derive(Debug)]
pub struct Kubectl {
    program: Program,
    kubeconfig: PathBuf,
    context: ContextName,
    env: Vec<(OsString, OsString)>,
    log: Arc<CommandLog>,
    /// Kinds that the server did not have when it was asked.
    lacking: Mutex<BTreeMap<&'static str, Instant>>,
}

impl Kubectl {
    /// For `context` of `kubeconfig`, which must be an existing file: without one kubectl asks whoever
    /// listens on port 8080 of this machine.
    ///
    /// # Errors
    /// There is no such file, or its path is not absolute or not text.
    pub fn new(
        program: Program,
        kubeconfig: PathBuf,
        context: ContextName,
        log: Arc<CommandLog>,
    ) -> Result<Self, Clean> {
        let refuse = |why: &str| Err(Clean::new(&format!("kubeconfig {}: {why}", kubeconfig.display())));
        if !kubeconfig.is_absolute() || kubeconfig.to_str().is_none() {
            return refuse("its path must be absolute, and text");
        }
        let text = match std::fs::read_to_string(&kubeconfig) {
            Ok(text) => text,
            Err(error) => return refuse(&error.to_string()),
        };
        let has_login = text.contains("exec");
        let passed = |name: &str| {
            PASSED.contains(&name) || (has_login && LOGIN.iter().any(|prefix| name.starts_with(prefix)))
        };
        let mut env: Vec<(OsString, OsString)> =
            std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(passed)).collect();
        // A user's kuberc once made a real `scale` a dry run that reported success.
        for (name, value) in [("LANG", "C.UTF-8"), ("KUBERC", "off"), ("KUBECTL_KUBERC", "false")] {
            env.push((name.into(), value.into()));
        }
        env.push(("KUBECONFIG".into(), kubeconfig.clone().into()));
        Ok(Self { program, kubeconfig, context, env, log, lacking: Mutex::default() })
    }

    /// The context.
    pub fn context(&self) -> &ContextName {
        &self.context
    }

    /// A command, complete: the words that every one has, then `words`.
    pub fn step(&self, namespace: Option<&Label>, words: Vec<String>, stdin: Option<String>) -> Step {
        let mut argv = vec![
            self.program.path().display().to_string(),
            format!("--kubeconfig={}", self.kubeconfig.display()),
            format!("--context={}", self.context),
            REQUEST_TIMEOUT.to_owned(),
        ];
        if let Some(namespace) = namespace {
            argv.extend(["-n".to_owned(), namespace.to_string()]);
        }
        argv.extend(words);
        Step { argv, stdin }
    }

    /// The command that carries out `write`.
    ///
    /// # Errors
    /// A name in it is no name.
    pub fn write_step(&self, write: &Write) -> Result<Step, NameError> {
        let namespace = Label::new(write.target.namespace.as_str())?;
        Ok(self.step(Some(&namespace), write.words(Mode::Real)?, None))
    }

    async fn run(&self, step: &Step, writes: bool, limit: Duration) -> Ended {
        let number = self.log.begin(step, writes);
        let ended = child::run(step, &self.env, limit).await;
        self.log.end(number, step, writes, &ended);
        ended
    }

    async fn ask(&self, namespace: Option<&Label>, words: &[&str]) -> Ended {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        self.run(&self.step(namespace, words, None), false, READ_LIMIT).await
    }

    async fn json(&self, namespace: Option<&Label>, words: &[&str]) -> Result<Value, ReadError> {
        let ended = self.ask(namespace, words).await;
        if ended.ending != Ending::Exit(0) {
            return Err(read_error(&ended));
        }
        serde_json::from_slice(&ended.stdout)
            .map_err(|error| ReadError::Failed(Clean::new(&format!("kubectl's answer is no JSON: {error}"))))
    }

    /// One object, with who owns its fields.
    pub async fn get(&self, kind: ObjectKind, namespace: &Label, name: &str) -> Result<Value, ReadError> {
        let object = reference(kind, name)?;
        self.json(Some(namespace), &["get", &object, "-o", "json", "--show-managed-fields"]).await
    }

    /// All objects of `kinds` (plurals with their groups) in a namespace, or of the cluster. That the
    /// server does not have a kind is remembered for a while: to be told so, kubectl reads anew all that
    /// the server has.
    pub async fn list(&self, namespace: Option<&Label>, kinds: &'static str) -> Result<Value, ReadError> {
        let lacks = |asked: &Instant| asked.elapsed() < LACKING;
        if self.lacking.lock().unwrap_or_else(PoisonError::into_inner).get(kinds).is_some_and(lacks) {
            return Err(ReadError::NoType(Clean::new(kinds)));
        }
        let list = self.json(namespace, &["get", kinds, "-o", "json"]).await;
        if matches!(list, Err(ReadError::NoType(_))) {
            self.lacking.lock().unwrap_or_else(PoisonError::into_inner).insert(kinds, Instant::now());
        }
        list
    }

    /// All pods of a machine, whatever their namespace.
    pub async fn pods_on(&self, node: &str) -> Result<Value, ReadError> {
        let node = super::names::Host::new(node)?;
        let selector = format!("--field-selector=spec.nodeName={node}");
        self.json(None, &["get", "pods", "-A", &selector, "-o", "json"]).await
    }

    /// A lease by name.
    pub async fn lease(&self, namespace: &Label, name: &str) -> Result<Value, ReadError> {
        let name = super::names::ObjectName::new(name)?;
        let object = format!("leases.coordination.k8s.io/{name}");
        self.json(Some(namespace), &["get", &object, "-o", "json"]).await
    }

    /// Whether we may do `verb` to an object or its subresource. A warning means that the server does not
    /// know what was asked about, and then its yes means nothing.
    pub async fn can_i(
        &self,
        verb: &'static str,
        namespace: &Label,
        object: &str,
        subresource: Option<&'static str>,
    ) -> Result<bool, ReadError> {
        let flag = subresource.map(|name| format!("--subresource={name}"));
        let mut words = vec!["auth", "can-i", verb, object];
        words.extend(flag.as_deref());
        let ended = self.ask(Some(namespace), &words).await;
        match (&ended.ending, ended.stdout.trim_ascii(), ended.stderr.trim_ascii().is_empty()) {
            (Ending::Exit(0), b"yes", true) => Ok(true),
            (Ending::Exit(1), b"no", true) => Ok(false),
            _ => Err(read_error(&ended)),
        }
    }

    /// Minor versions of kubectl and of the server.
    pub async fn versions(&self) -> Result<(u32, u32), ReadError> {
        let version = self.json(None, &["version", "-o", "json"]).await?;
        let minor = |which: &str| {
            let text = version[which]["minor"].as_str().unwrap_or_default();
            text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<u32>().ok()
        };
        minor("clientVersion")
            .zip(minor("serverVersion"))
            .ok_or_else(|| ReadError::Failed(Clean::new("kubectl tells no version of the server")))
    }

    /// The address of the server, as the kubeconfig has it now.
    pub async fn server(&self) -> Result<String, ReadError> {
        let config = self.json(None, &["config", "view", "--minify", "-o", "json"]).await?;
        match config["clusters"][0]["cluster"]["server"].as_str() {
            Some(server) => Ok(server.to_owned()),
            None => Err(ReadError::Failed(Clean::new("the kubeconfig names no server for the context"))),
        }
    }

    /// Whether the machines limit bandwidth by Cilium's bandwidth manager: its own configuration tells.
    /// (Its agent would tell more, but the right to run commands in its pods is the right to everything.)
    pub async fn cilium_limits_bandwidth(&self) -> Result<bool, ReadError> {
        let namespace = Label::new("kube-system")?;
        let config = self.json(Some(&namespace), &["get", "configmaps/cilium-config", "-o", "json"]).await?;
        Ok(config["data"]["enable-bandwidth-manager"] == "true")
    }

    /// What the server says to `write` when nothing is stored.
    pub async fn rehearse(&self, write: &Write) -> Result<Ended, NameError> {
        let namespace = Label::new(write.target.namespace.as_str())?;
        let mut words = write.words(Mode::Rehearsal)?;
        // Only a patch prints what would come of it: scale prints the count before.
        if !matches!(write.edit, super::write::Edit::Scale { .. }) {
            words.splice(2..2, ["-o".to_owned(), "json".to_owned()]);
        }
        let step = self.step(Some(&namespace), words, None);
        Ok(self.run(&step, false, READ_LIMIT).await)
    }

    /// Carries out what was approved.
    pub(super) async fn write(&self, permit: &Permit) -> Ended {
        self.run(permit.step(), true, WRITE_LIMIT).await
    }

    /// Runs a command that belongs to what was approved and changes nothing but notes about it.
    pub(super) async fn keep_books(&self, step: &Step, _of: &Permit) -> Ended {
        self.run(step, true, READ_LIMIT).await
    }
}

/// What a read that failed means.
pub fn read_error(ended: &Ended) -> ReadError {
    let text = complaint(ended);
    let said = text.as_str();
    if said.contains("(Forbidden)") {
        ReadError::Forbidden(text)
    } else if said.contains("the server doesn't have a resource type") || said.contains("no matches for kind")
    {
        ReadError::NoType(text)
    } else if said.contains("(NotFound)") {
        ReadError::NotFound(text)
    } else {
        ReadError::Failed(text)
    }
}

/// The first line that says what is wrong, or how it ended.
pub fn complaint(ended: &Ended) -> Clean {
    let stderr = String::from_utf8_lossy(&ended.stderr);
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let telling = |line: &&str| line.starts_with("Error") || line.starts_with("error");
    let line = lines().find(telling).or_else(|| lines().next());
    match (&ended.ending, line) {
        (Ending::Exit(_), Some(line)) => Clean::capped(&without_logins(line), 400),
        (ending, _) => Clean::new(&format!("kubectl: {ending}")),
    }
}

/// Addresses can carry a login or a token in their path.
pub fn without_logins(line: &str) -> String {
    const MARK: &str = "/token/";
    let Some(at) = line.find(MARK) else { return line.to_owned() };
    let rest = &line[at + MARK.len()..];
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    format!("{}…{}", &line[..at + MARK.len()], &rest[end..])
}
