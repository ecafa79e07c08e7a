//! The nouns of the project: text, services, RPCs, columns, SLOs, verdicts. No I/O.

pub mod column;
pub mod duration;
pub mod health;
pub mod names;
pub mod progress;
pub mod slo;
pub mod text;
pub mod verdict;
pub mod what_if;

pub use column::{Column, Direction, Pool, Quantile, Resource, Scope, Side, Stat, Tells};
pub use health::{BackendHealth, BackendKind, BackendState};
pub use jiff::Timestamp;
pub use names::{Entity, NodeName, Party, Rpc, ServiceName};
pub use progress::{NoProgress, Progress, Stage};
pub use slo::{Burn, LatencyUnit, Slo, SloSource, SloState, SloStatus};
pub use text::Clean;
pub use verdict::{
    Basis, Counterfactual, Culprit, ModelSummary, Ranked, RankedResource, ResourceCause, SloReading,
    TimeRange, Verdict, VerdictKind,
};
pub use what_if::{Lever, Move};
