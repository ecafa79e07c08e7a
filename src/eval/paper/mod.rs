//! The paper's evaluation, and ours, with one command.
pub mod figure;
