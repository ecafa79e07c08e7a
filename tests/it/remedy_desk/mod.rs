//! The remedies' desk against the lab's stand-in: proposed, reviewed, armed, approved, applied, undone.

pub mod driver;
mod kinds;
mod refused;
mod story;
