//! Autoscaling: blames what it would scale, every service whose CPU is used beyond a threshold.
//!
//! What the horizontal autoscaler of Kubernetes does with a target utilisation, and the first of the
//! methods that Sage is compared with.

use super::method::{Answer, Method, MethodError, Question};
use super::signals::{Metric, metrics};
use super::stats::{known, mean};
use crate::domain::Resource;

/// Utilisation of the CPU that a service may use at most.
const OF_LIMIT: &str = "cpu_of_limit";

/// Scales what uses more of its CPU limit than this share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Autoscaling {
    /// In percent.
    pub percent: u8,
}

impl Method for Autoscaling {
    fn name(&self) -> &'static str {
        match self.percent {
            50 => "autoscaling 50 %",
            70 => "autoscaling 70 %",
            _ => "autoscaling",
        }
    }

    fn settings(&self) -> String {
        format!("mean CPU above {} % of the limit", self.percent)
    }

    fn answer(&self, question: &Question<'_>) -> Result<Answer, MethodError> {
        let used = |of: &[Metric<'_>]| {
            let metric =
                of.iter().find(|m| m.kind.resource == Resource::Cpu && m.feature.as_str() == OF_LIMIT)?;
            mean(known(&metric.values[question.now()]))
        };
        let used =
            metrics(question).into_iter().filter_map(|(service, of)| Some((service.clone(), used(&of)?)));
        let used = Vec::from_iter(used);
        let above = used.iter().filter(|(_, share)| *share > f64::from(self.percent) / 100.0);
        let above = Vec::from_iter(above.map(|(service, _)| service.clone()));
        Ok(Answer::blaming(used, above))
    }
}
