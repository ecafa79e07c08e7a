//! What every method is asked, what it may say, and what it may learn from: the same for all of them.

use std::ops::Range;

use crate::causal::CallGraph;
use crate::diagnosis::FeatureKinds;
use crate::domain::{Ranked, ServiceName, Slo};
use crate::windows::Frame;

/// "Why is the objective violated in the last windows?" A method sees this and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Windows up to the moment of the question; none lies after it.
    pub frame: &'a Frame,
    /// How many of the last windows are asked about; what is before them is history.
    pub diagnosed: usize,
    /// Who calls whom.
    pub graph: &'a CallGraph,
    /// What the metrics mean.
    pub kinds: &'a FeatureKinds,
    /// The objective, with the service where requests enter.
    pub slo: &'a Slo,
}

/// Windows just before those asked about in which it may have begun.
const ONSET: usize = 2;

impl Question<'_> {
    /// The rows that are asked about.
    pub fn now(&self) -> Range<usize> {
        self.frame.len().saturating_sub(self.diagnosed)..self.frame.len()
    }

    /// The rows that tell what is usual: those before, but for the last two, in which it may have begun. One
    /// window of an incident among sixty keeps what is off by any distance within √60 standard deviations.
    pub fn history(&self) -> Range<usize> {
        0..self.now().start.saturating_sub(ONSET)
    }
}

/// Whom a method blames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blamed {
    /// These services; nobody if there is none.
    Services(Vec<ServiceName>),
    /// The users, who ask for more than usual.
    Load,
}

/// What a method says.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Services, most suspect first; those that it has no opinion on are missing.
    pub ranking: Vec<Ranked>,
    /// Whom it blames; `None` if it only ranks.
    pub blamed: Option<Blamed>,
}

impl Answer {
    /// Ranks by descending score, of equals by name, and blames nobody.
    pub fn ranking(scores: impl IntoIterator<Item = (ServiceName, f64)>) -> Self {
        Self { ranking: ranked(scores), blamed: None }
    }

    /// Ranks in the same way and blames `services`.
    pub fn blaming(
        scores: impl IntoIterator<Item = (ServiceName, f64)>,
        services: impl IntoIterator<Item = ServiceName>,
    ) -> Self {
        Self { ranking: ranked(scores), blamed: Some(Blamed::Services(services.into_iter().collect())) }
    }
}

/// Services by descending score, of equals by name.
pub fn ranked(scores: impl IntoIterator<Item = (ServiceName, f64)>) -> Vec<Ranked> {
    let scores = scores.into_iter().filter(|(_, score)| !score.is_nan());
    let mut ranking = Vec::from_iter(scores.map(|(service, score)| Ranked { service, score }));
    ranking.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.service.cmp(&b.service)));
    ranking
}

/// A question whose answer is known, to learn from.
#[derive(Clone, Debug)]
pub struct Labelled<'a> {
    /// The question.
    pub question: Question<'a>,
    /// Who really is to blame; no service if all is well.
    pub truth: Blamed,
}

impl Labelled<'_> {
    /// Whether this service is to blame.
    pub fn blames(&self, service: &ServiceName) -> bool {
        matches!(&self.truth, Blamed::Services(services) if services.contains(service))
    }
}

/// Why a method has no answer.
#[derive(Debug, thiserror::Error)]
pub enum MethodError {
    /// It learns from labels and there is nothing to learn.
    #[error("{method} learns from labelled incidents and was given none that blames a service: give it some")]
    NoLabels {
        /// Which method.
        method: &'static str,
    },
    /// A network could not be computed.
    #[error("{method}: its network could not be computed: {source}")]
    Network {
        /// Which method.
        method: &'static str,
        /// What the tensor library says.
        source: Box<candle_core::Error>,
    },
}

/// A way of finding the root cause.
pub trait Method: Send + Sync {
    /// What it is called in tables.
    fn name(&self) -> &'static str;

    /// Its settings in a few words; after [`Method::learn`] with what was learned.
    fn settings(&self) -> String;

    /// Whether it has to be shown labelled cases before it can answer.
    fn needs_labels(&self) -> bool {
        false
    }

    /// Learns from cases of the application that it will be asked about.
    ///
    /// # Errors
    /// They teach nothing.
    fn learn(&mut self, _cases: &[Labelled<'_>]) -> Result<(), MethodError> {
        Ok(())
    }

    /// Answers. The same question has the same answer.
    ///
    /// # Errors
    /// What it has learned cannot be applied.
    fn answer(&self, question: &Question<'_>) -> Result<Answer, MethodError>;
}
