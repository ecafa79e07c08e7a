//! The lab's servers.

pub mod control;
