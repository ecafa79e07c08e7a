//! From spans and series to one row per window, and the store that keeps them.
//!
//! ```text
//! settings, catalogue, SLOs ─▶ Plan ─▶ fetch ─▶ Store ─▶ load ─▶ Frame, call edges
//!                                       ▲ spans → trace → quantiles
//!                                       └ series → entities, replicas pooled
//! ```

pub mod cells;
pub mod error;
pub mod frame;
pub mod history;
pub mod load;
pub mod names;
pub mod plan;
pub mod report;
pub mod schedule;
pub mod series;
pub mod settings;
pub mod source;
pub mod spans;
pub mod store;
pub mod trace;

pub use error::{Error, SourceError};
pub use frame::{Frame, SOURCE_FEATURE, Source};
pub use history::fetch;
pub use load::{EdgeSeen, Loaded, ObservedEdge, load};
pub use names::NameMap;
pub use plan::{Key, Plan, PlanInput};
pub use report::FetchReport;
pub use schedule::Period;
pub use settings::{Granularity, LatencySource, WindowSettings};
pub use source::{MetricSource, Sources, TraceSource};
pub use store::Store;
