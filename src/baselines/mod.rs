//! Other methods, which the model has to beat: each in its own file, all behind [`Method`].

pub mod control;
pub mod method;
pub mod pc;
pub mod rules;
pub mod stats;
pub mod table;

pub use control::{Control, control};
pub use method::{Answer, Blamed, Labelled, Method, MethodError, Question};
pub use rules::Rule;

/// Every method with its settings. `unusual` is the least surprise (−ln of a tail probability) that the
/// control calls unusual.
pub fn all(unusual: f64) -> Vec<Box<dyn Method>> {
    let rules = Rule::ALL.map(|rule| Box::new(rule) as Box<dyn Method>);
    let mut methods: Vec<Box<dyn Method>> = vec![Box::new(Control { unusual })];
    methods.extend(rules);
    methods
}
