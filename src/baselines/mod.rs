//! Rankings that the model has to beat.

pub mod control;

pub use control::control;
