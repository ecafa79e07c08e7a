//! Ties the rooms together: fetch → windows → learn → diagnose, for the CLI and the TUI alike.

pub mod control;
pub mod core;
pub mod detail;
pub mod error;
mod grafana;
pub mod history;
pub mod learn;
mod lessons;
pub mod live;
pub mod probe;
mod relay;
mod remedies;
mod shelf;
pub mod snapshot;
mod units;
pub mod views;
pub mod waterfall;

pub use core::{Engine, Picture, now};
pub use detail::{Deviation, Means, MetricView, ServiceDetail};
pub use error::EngineError;
pub use history::{History, Incident};
pub use learn::Learned;
pub use live::live;
pub use probe::Probe;
pub use remedies::Remedies;
pub use snapshot::{
    CallView, EngineEvent, Entry, Load, ModelFacts, ModelState, Prediction, Question, Reading, Readings,
    Request, Sampled, ServiceView, Snapshot,
};
pub use waterfall::{SpanView, Waterfall};
