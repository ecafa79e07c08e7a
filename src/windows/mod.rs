//! From spans and series to one row per window, and the store that keeps them.

pub mod frame;

pub use frame::{Frame, Source};
