//! The remedies' desk against the lab's stand-in: proposed, reviewed, armed, approved, applied, undone.

pub mod driver;
mod story;
