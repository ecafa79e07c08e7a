//! Evaluation: how good an answer is, measured on scenarios of the lab of which the truth is known.
//!
//! ```text
//!  lab::scenario ──→ observe ──→ rules ──→ difficulty
//!  draws, labels     metrics as   naive     how often they are right,
//!                    scraped      answers   by kind of fault
//! ```

pub mod difficulty;
pub mod faults;
pub mod model;
pub mod observe;
pub mod paper;
mod report;
pub mod rules;

pub use difficulty::{Difficulty, Outcome, Plan};
