//! The call graph read from telemetry, and the causal Bayesian network built on it.

pub mod graph;
pub mod render;

pub use graph::{CallGraph, Edge, EdgeOrigin, TreeNode};
