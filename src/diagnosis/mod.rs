//! Root causes: what is normal, what is unusual, counterfactuals, and the verdict.

mod abduction;
mod caches;
pub mod counterfactual;
pub mod evidence;
mod inherited;
mod machines;
pub mod metric;
mod own_time;
pub mod reference;
mod resources;
pub mod search;
pub mod settings;
pub mod suspects;
pub mod tail;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod testbed;
pub mod verdict;
mod ways;
pub mod what_if;

pub use counterfactual::{Intervention, Reset, World};
pub use evidence::{Evidence, Finding};
pub use reference::{FeatureKind, FeatureKinds, Reference};
pub use settings::{DiagnosisSettings, Part};
pub use verdict::{Case, DiagnosisError, diagnose};
pub use what_if::WhatIf;
