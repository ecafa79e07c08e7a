//! The call graph read from telemetry, and the causal Bayesian network built on it.

pub mod cbn;
pub mod change;
pub mod graph;
pub mod layers;
pub mod render;

pub use cbn::{Cbn, EntityNode, LatencyNode};
pub use change::Change;
pub use graph::{CallGraph, Edge, EdgeOrigin, TreeNode};
