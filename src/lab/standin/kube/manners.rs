//! How the cluster behaves towards its operators: what it forbids, how slow it is, what goes wrong.

use serde::{Deserialize, Serialize};

use super::kinds::Target;

/// Set over the control endpoint; the default is a cluster that does what it is told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manners {
    /// Every answer comes this much later, in milliseconds.
    pub delay_ms: u64,
    /// What the operator may not do.
    pub forbid: Vec<Right>,
    /// What becomes of writes over the Kubernetes API.
    pub kubectl: KubectlManner,
    /// What becomes of commands over ssh.
    pub ssh: SshManner,
    /// `kubectl` and `ssh` apply to this many writes and commands, `null` to all.
    pub times: Option<u32>,
}

/// A right, as RBAC has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Right {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `*`.
    pub verb: String,
    /// `deployments`, `deployments/scale`, `*`.
    pub resource: String,
}

impl Right {
    /// Whether this is the right to do `verb` to `target`.
    pub fn covers(&self, verb: &str, target: &Target) -> bool {
        (self.verb == "*" || self.verb == verb)
            && (self.resource == "*" || self.resource == target.resource())
    }
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KubectlManner {
    /// It is done.
    #[default]
    Normal,
    /// Somebody else has changed the object a moment before.
    Conflict,
    /// The server has too much to do.
    TooManyRequests,
    /// The store times out, and nothing is stored.
    InternalError,
    /// An admission webhook denies it.
    Denied,
    /// An admission webhook cannot do a dry run; real writes pass.
    NoDryRun,
    /// The connection is lost before the write is done.
    LostBefore,
    /// The connection is lost after the write is done.
    LostAfter,
}

/// What becomes of a remote command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SshManner {
    /// It is run.
    #[default]
    Normal,
    /// The host's key is not the known one.
    HostKey,
    /// Nobody listens.
    Refused,
    /// The operator may not use sudo.
    NoSudo,
    /// The connection is lost before anything is run.
    LostBefore,
    /// The connection is lost while the command runs; it runs to its end.
    LostAfter,
    /// The connection and the command end half-way, as when the machine goes down.
    Midway,
}
