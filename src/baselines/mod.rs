//! Other methods, which the model has to beat: each in its own file, all behind [`Method`].

pub mod autoscaling;
pub mod causeinfer;
pub mod control;
pub mod deviation;
pub mod method;
pub mod microscope;
pub mod oracle;
pub mod pc;
pub mod rules;
pub mod seer;
pub mod signals;
pub mod stats;
pub mod table;
#[cfg(test)]
mod testbed;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
pub mod traces;

pub use autoscaling::Autoscaling;
pub use causeinfer::CauseInfer;
pub use control::{Control, control};
pub use deviation::Deviation;
pub use method::{Answer, Blamed, Labelled, Method, MethodError, Question};
pub use microscope::Microscope;
pub use oracle::Oracle;
pub use rules::Rule;
pub use seer::Seer;
pub use traces::TraceRule;

/// Every method with its settings. `unusual` is the least surprise (−ln of a tail probability) that the
/// control calls unusual.
pub fn all(unusual: f64) -> Vec<Box<dyn Method>> {
    let rules = Rule::ALL.map(|rule| Box::new(rule) as Box<dyn Method>);
    let mut methods: Vec<Box<dyn Method>> = vec![
        Box::new(Autoscaling { percent: 50 }),
        Box::new(Autoscaling { percent: 70 }),
        Box::new(Oracle::default()),
        Box::new(Seer::default()),
        Box::new(CauseInfer::default()),
        Box::new(Microscope::default()),
        Box::new(Deviation::Sigma),
        Box::new(Deviation::Robust),
        Box::new(TraceRule::OwnTime),
        Box::new(TraceRule::Gap),
        Box::new(TraceRule::Both),
        Box::new(Control { unusual }),
    ];
    methods.extend(rules);
    methods
}
