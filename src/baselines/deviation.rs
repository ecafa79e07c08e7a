//! How far the windows asked about are off the usual ones: N-sigma and its robust sibling.
//!
//! N-sigma takes mean and standard deviation; the robust one median and interquartile range, as the scorer
//! of BARO does (Pham, Ha and Zhang, *BARO: Robust Root Cause Analysis for Microservices via Multivariate
//! Bayesian Online Change Point Detection*, FSE 2024), which is for the rest a way of finding the moment of
//! the change; here the moment is given. The score of a service is that of its worst signal in its worst
//! window.

use std::collections::BTreeMap;
use std::ops::Range;

use super::method::{Answer, Method, MethodError, Question};
use super::stats::{known, moments, quartiles};
use crate::domain::{Column, Entity, Pool, ServiceName, Side, Stat};
use crate::windows::Frame;

/// A signal that stands still counts as moving by this share of its usual value, or of the largest.
const STILL: f64 = 0.01;

/// What is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deviation {
    /// Mean and standard deviation.
    Sigma,
    /// Median and interquartile range.
    Robust,
}

impl Deviation {
    /// How many scales the farthest of `now` is off the centre of `before`.
    fn score(self, before: &[f64], now: &[f64]) -> Option<f64> {
        let (centre, scale) = match self {
            Self::Sigma => moments(before)?,
            Self::Robust => {
                let (low, middle, high) = quartiles(before)?;
                (middle, high - low)
            }
        };
        let largest = known(before).chain(known(now)).map(f64::abs).fold(0.0, f64::max);
        let scale = scale.max(STILL * if centre == 0.0 { largest } else { centre.abs() });
        let farthest = known(now).map(|value| (value - centre).abs()).fold(f64::NAN, f64::max);
        (scale > 0.0 && farthest.is_finite()).then(|| farthest / scale)
    }
}

impl Method for Deviation {
    fn name(&self) -> &'static str {
        match self {
            Self::Sigma => "N-sigma",
            Self::Robust => "BARO-like",
        }
    }

    fn settings(&self) -> String {
        let usual = match self {
            Self::Sigma => "mean and standard deviation",
            Self::Robust => "median and interquartile range",
        };
        format!("{usual} of the whole history; worst signal, worst window")
    }

    fn answer(&self, question: &Question<'_>) -> Result<Answer, MethodError> {
        let mut best: BTreeMap<&ServiceName, f64> = BTreeMap::new();
        for (service, values) in signals(question.frame) {
            let at = |rows: Range<usize>| Vec::from_iter(values[rows].iter().map(|value| f64::from(*value)));
            if let Some(score) = self.score(&at(question.history()), &at(question.now())) {
                let known = best.entry(service).or_insert(score);
                *known = known.max(score);
            }
        }
        Ok(Answer::ranking(best.into_iter().map(|(service, score)| (service.clone(), score))))
    }
}

/// All signals of all services: metrics, latencies of what they serve, and what is measured on the way to
/// them.
fn signals(frame: &Frame) -> impl Iterator<Item = (&ServiceName, &Vec<f32>)> {
    frame.columns.iter().filter_map(|(column, values)| {
        let service = match column {
            Column::Metric { entity: Entity::Service(service), pool: Pool::Mean, .. } => service,
            Column::Metric { entity: Entity::Channel { callee, .. }, pool: Pool::Mean, .. } => callee,
            Column::Latency { rpc, side: Side::Server | Side::Network, stat: Stat::Quantile(_) } => {
                rpc.callee.service()?
            }
            _ => return None,
        };
        Some((service, values))
    })
}
