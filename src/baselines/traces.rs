//! Rules of whoever reads traces: whose own time grew, and on which way calls got stuck.
//!
//! The own time of a service is what it takes to serve minus what it waits for the services that it
//! calls, each weighed by how often it is called; the gap of a call is what the caller waits minus what the
//! callee takes. Both are compared with what they usually are, in milliseconds of a request that the entry
//! serves. Windows hold quantiles, not spans, and quantiles do not subtract exactly: medians nearly do.

use std::collections::BTreeMap;

use super::method::{Answer, Method, MethodError, Question};
use super::signals::{called, calls, served};
use super::stats::{known, mean, quartiles};
use crate::diagnosis::reference::most;
use crate::domain::{Quantile, ServiceName, Side};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceRule {
    /// The service whose own time grew most.
    OwnTime,
    /// The service on the way to which the gap grew most.
    Gap,
    /// The larger of both.
    Both,
}

/// Which quantile is subtracted.
const QUANTILE: Quantile = Quantile(990);

impl Method for TraceRule {
    fn name(&self) -> &'static str {
        match self {
            Self::OwnTime => "own time",
            Self::Gap => "client-server gap",
            Self::Both => "own time or gap",
        }
    }

    fn settings(&self) -> String {
        format!("growth of {QUANTILE} over its median")
    }

    fn answer(&self, question: &Question<'_>) -> Result<Answer, MethodError> {
        let requests = calls(question.frame, None, &question.slo.service);
        let mut scores: BTreeMap<&ServiceName, f64> = BTreeMap::new();
        for service in question.graph.services() {
            let own = own_time(question, service).unwrap_or(0.0);
            let weight = ratio(question, calls(question.frame, None, service), requests.as_deref());
            let gap = gaps(question, service, requests.as_deref());
            let score = match self {
                Self::OwnTime => own * weight,
                Self::Gap => gap,
                Self::Both => (own * weight).max(gap),
            };
            scores.insert(service, score.max(0.0));
        }
        Ok(Answer::ranking(scores.into_iter().map(|(service, score)| (service.clone(), score))))
    }
}

/// By how many milliseconds a latency grew: its mean over the windows asked about over its median before.
fn growth(question: &Question<'_>, values: &[f64]) -> Option<f64> {
    let (_, usual, _) = quartiles(&values[question.history()])?;
    Some(mean(known(&values[question.now()]))? - usual)
}

/// Growth of what a service takes beyond that of what it waits for.
fn own_time(question: &Question<'_>, service: &ServiceName) -> Option<f64> {
    let frame = question.frame;
    let own = growth(question, &served(frame, service, QUANTILE)?)?;
    let here = calls(frame, None, service);
    let waited = question.graph.callees(service).into_iter().filter_map(|callee| {
        let grown = growth(question, &called(frame, service, callee, Side::Client, QUANTILE)?)?;
        Some(grown.max(0.0) * ratio(question, calls(frame, Some(service), callee), here.as_deref()))
    });
    Some(own - waited.sum::<f64>())
}

/// Growth of the gaps of all calls to a service, each weighed by how often it is made in a request.
fn gaps(question: &Question<'_>, service: &ServiceName, requests: Option<&[f64]>) -> f64 {
    let frame = question.frame;
    let gap = |caller: &ServiceName| {
        let client = growth(question, &called(frame, caller, service, Side::Client, QUANTILE)?)?;
        let server = growth(question, &called(frame, caller, service, Side::Server, QUANTILE)?)?;
        Some((client - server) * ratio(question, calls(frame, Some(caller), service), requests))
    };
    question.graph.callers(service).into_iter().filter_map(gap).sum()
}

/// How much of these calls' latency shows at the quantile in those that make them: all, once for each call,
/// unless hardly any of them makes one. 1 where nobody counts.
fn ratio(question: &Question<'_>, calls: Option<Vec<f64>>, of: Option<&[f64]>) -> f64 {
    let usual = |values: &[f64]| quartiles(&values[question.history()]).map(|(_, middle, _)| middle);
    let ratio = || Some(usual(&calls?)? / of.and_then(usual).filter(|calls| *calls > 0.0)?);
    ratio().map_or(1.0, |calls| f64::from(most(calls as f32, QUANTILE)))
}
