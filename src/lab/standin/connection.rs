//! The way from a stand-in to its lab.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::Value;

/// Variable with the lab's address, `http://127.0.0.1:PORT`.
pub const ADDRESS: &str = "SAGETOP_LAB";
/// Variable with the token that the lab wants to see.
pub const TOKEN: &str = "SAGETOP_LAB_TOKEN";

/// Longer answers than this are the lab's mistake: stop rather than fill the memory.
const MAX_BYTES: usize = 64 << 20;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Nobody told where the lab is.
    #[error(
        "no lab: call the link in the folder that `sagetop lab --stand-ins` made, by its path or with the folder first in PATH; or set {ADDRESS} and {TOKEN}"
    )]
    NoLab,
    /// Nobody listens there.
    #[error("the lab at {0} does not listen")]
    Refused(String),
    /// It took longer than allowed.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke before the answer was complete.
    #[error("the connection to the lab was lost")]
    Broken,
}

/// A lab, and the right to speak to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lab {
    address: String,
    token: String,
}

/// A request to it.
#[derive(Clone, Debug, Default)]
pub struct Ask<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Path and query.
    pub path: String,
    /// `Content-Type` of the body.
    pub content_type: &'a str,
    /// `Accept`.
    pub accept: &'a str,
    /// `User-Agent`.
    pub agent: &'a str,
    /// Body.
    pub body: Vec<u8>,
    /// Limit on the whole exchange.
    pub timeout: Option<Duration>,
}

impl Lab {
    /// The lab of the environment, or else of the kubeconfig that [`super::install()`] wrote.
    pub fn find(kubeconfig: Option<&Value>) -> Result<Self, Lost> {
        if let Ok(address) = std::env::var(ADDRESS)
            && !address.is_empty()
        {
            let token = std::env::var(TOKEN).unwrap_or_default();
            return Ok(Self { address: address.trim_end_matches('/').to_owned(), token });
        }
        let text = |pointer: &str| kubeconfig.and_then(|config| config.pointer(pointer)?.as_str());
        let server = text("/clusters/0/cluster/server").ok_or(Lost::NoLab)?;
        let (address, rest) = server.split_once("/lab/v1/token/").ok_or(Lost::NoLab)?;
        let token = rest.strip_suffix("/kube").ok_or(Lost::NoLab)?;
        Ok(Self { address: address.to_owned(), token: token.to_owned() })
    }

    /// Host and port, for messages.
    pub fn host(&self) -> &str {
        self.address.split_once("://").map_or(&self.address, |(_, host)| host)
    }

    /// Sends a request; status and body of the answer.
    pub fn send(&self, ask: &Ask<'_>) -> Result<(u16, Vec<u8>), Lost> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|_| Lost::Broken)?;
        runtime.block_on(self.exchange(ask))
    }

    async fn exchange(&self, ask: &Ask<'_>) -> Result<(u16, Vec<u8>), Lost> {
        // The lab is on this machine: no proxy has to do with it. It speaks plain HTTP, so that no
        // roots of trust need be read, which would take longer than all the rest.
        let client = Client::builder().no_proxy().tls_certs_only([]).build().map_err(|_| Lost::Broken)?;
        let method = Method::from_bytes(ask.method.as_bytes()).map_err(|_| Lost::Broken)?;
        let mut request = client
            .request(method, format!("{}{}", self.address, ask.path))
            .bearer_auth(&self.token)
            .header("Accept", ask.accept)
            .header("User-Agent", ask.agent)
            .body(ask.body.clone());
        if !ask.content_type.is_empty() {
            request = request.header("Content-Type", ask.content_type);
        }
        if let Some(timeout) = ask.timeout {
            request = request.timeout(timeout);
        }
        let wrong = |error: reqwest::Error| {
            if error.is_timeout() {
                Lost::TimedOut
            } else if error.is_connect() {
                Lost::Refused(self.host().to_owned())
            } else {
                Lost::Broken
            }
        };
        let mut answer = request.send().await.map_err(wrong)?;
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(wrong)? {
            body.extend_from_slice(&part);
            if body.len() > MAX_BYTES {
                return Err(Lost::Broken);
            }
        }
        Ok((answer.status().as_u16(), body))
    }
}

/// Where the kubeconfig is that [`super::install()`] wrote beside the link by which `program` was called: in the
/// folder of its path, or in the one of `PATH` that a shell found its name in.
pub fn beside(program: &Path) -> Option<PathBuf> {
    let folder = program.parent().filter(|folder| !folder.as_os_str().is_empty());
    let found = folder.map(Path::to_path_buf).or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join(program).is_file())
    });
    found.map(|folder| folder.join("kubeconfig"))
}

/// The kubeconfig at `path`; `None` if it cannot be read.
pub fn kubeconfig(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
