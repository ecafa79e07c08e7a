//! Names of the things that are observed: services, nodes, channels, RPCs.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Clean;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Clean);

        impl $name {
            /// Cleans `raw` into a name.
            pub fn new(raw: &str) -> Self {
                Self(Clean::new(raw))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<&str> for $name {
            fn from(raw: &str) -> Self {
                Self::new(raw)
            }
        }
    };
}

name!(
    /// A service (workload), replicas pooled; uninstrumented peers are services too.
    ServiceName
);
name!(
    /// A machine that replicas run on.
    NodeName
);

/// What carries resource metrics and, for services and channels, a latent Z.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// A service, replicas pooled.
    Service(ServiceName),
    /// The network between a caller and a callee.
    Channel {
        /// Who sends requests.
        caller: ServiceName,
        /// Who serves them.
        callee: ServiceName,
    },
    /// A machine.
    Node(NodeName),
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(s) => write!(f, "{s}"),
            Self::Channel { caller, callee } => write!(f, "{caller} → {callee}"),
            Self::Node(n) => write!(f, "node {n}"),
        }
    }
}

/// One end of an RPC as far as the data tells it apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Outside of the application: its users.
    User,
    /// All peers pooled (per-service latency without a call edge).
    Any,
    /// One service.
    Service(ServiceName),
}

impl Party {
    /// The service, if it is one.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::Service(s) => Some(s),
            Self::User | Self::Any => None,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("user"),
            Self::Any => f.write_str("*"),
            Self::Service(s) => write!(f, "{s}"),
        }
    }
}

/// A remote procedure call seen as a class: `caller` calls `operation` of `callee`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rpc {
    /// Who sends the request.
    pub caller: Party,
    /// Who serves it.
    pub callee: Party,
    /// The callee's operation; `None` pools all of them.
    pub operation: Option<Clean>,
}

impl Rpc {
    /// The pooled RPC over one call edge.
    pub fn edge(caller: &ServiceName, callee: &ServiceName) -> Self {
        Self {
            caller: Party::Service(caller.clone()),
            callee: Party::Service(callee.clone()),
            operation: None,
        }
    }

    /// Everything `service` serves, callers pooled.
    pub fn served_by(service: &ServiceName) -> Self {
        Self { caller: Party::Any, callee: Party::Service(service.clone()), operation: None }
    }

    /// Everything `service` calls, callees pooled.
    pub fn issued_by(service: &ServiceName) -> Self {
        Self { caller: Party::Service(service.clone()), callee: Party::Any, operation: None }
    }

    /// Requests of users to the entry `service`.
    pub fn entry(service: &ServiceName, operation: Option<&Clean>) -> Self {
        Self { caller: Party::User, callee: Party::Service(service.clone()), operation: operation.cloned() }
    }
}

impl fmt::Display for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.caller, self.callee)?;
        match &self.operation {
            Some(op) => write!(f, " {op}"),
            None => Ok(()),
        }
    }
}
