//! From spans and series to one row per window, and the store that keeps them.

pub mod cells;
pub mod error;
pub mod frame;
pub mod names;
pub mod plan;
pub mod series;
pub mod settings;
pub mod spans;
pub mod store;
pub mod template;
pub mod trace;

pub use error::{Error, SourceError};
pub use frame::{Frame, Source};
pub use names::NameMap;
pub use plan::{Plan, PlanInput};
pub use settings::{Granularity, LatencySource, WindowSettings};
pub use store::Store;
