//! The remedies' desk against the lab's stand-in: proposed, reviewed, armed, approved, applied, undone.

mod death;
pub mod driver;
mod faults;
mod kinds;
mod proxy;
mod refused;
mod story;
mod wrong;
