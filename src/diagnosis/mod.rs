//! Root causes: what is normal, what is unusual, counterfactuals, and the verdict.

pub mod evidence;
pub mod metric;
pub mod reference;
pub mod settings;
pub mod tail;

pub use evidence::{Evidence, Finding};
pub use reference::{FeatureKind, FeatureKinds, Reference};
pub use settings::DiagnosisSettings;
