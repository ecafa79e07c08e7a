//! Evaluation: how good an answer is, measured on scenarios of the lab of which the truth is known.
//!
//! ```text
//!  lab::scenario ──→ observe ──→ baselines::rules ──→ difficulty
//!  draws, labels     metrics as   naive answers        how often they are right,
//!                    scraped                           by kind of fault
//! ```

pub mod difficulty;
pub mod faults;
pub mod model;
pub mod observe;
pub mod paper;
pub mod replay;
mod report;

pub use difficulty::{Difficulty, Outcome, Plan};
