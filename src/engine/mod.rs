//! Ties the rooms together: fetch → windows → learn → diagnose, for the CLI and the TUI alike.

pub mod snapshot;

pub use snapshot::{EngineEvent, ModelState, Request, ServiceView, Snapshot};
