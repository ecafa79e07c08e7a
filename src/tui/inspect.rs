//! The service that is looked at in full.

use super::sliders::Bench;
use super::state::{Screen, State, contains};
use crate::domain::{Clean, Entity, ServiceName, Timestamp};
use crate::engine::{MetricView, ServiceDetail};

/// Names a metric across refreshes.
pub type MetricName = (Entity, Clean);

/// The service that is looked at, and what is tried on it.
#[derive(Clone, Debug, Default)]
pub struct Inspected {
    /// The service.
    pub service: Option<ServiceName>,
    /// The selected metric.
    pub metric: Option<MetricName>,
    /// For which service, SLO and version of the data its detail was asked last.
    pub asked: Option<(ServiceName, Option<Clean>, u64)>,
    /// Whether the example trace is in view rather than the chart, where only one of them fits.
    pub example: bool,
    /// The service whose example trace is awaited, and since when.
    pub tracing: Option<(ServiceName, Timestamp)>,
    /// What changes are tried on it.
    pub bench: Bench,
}

impl State {
    /// What is known of the service that is looked at.
    pub fn detail(&self) -> Option<&ServiceDetail> {
        let known = self.picture().details.get(self.inspected.service.as_ref()?)?;
        known.as_ref().ok().map(|detail| &**detail)
    }

    /// The link to the selected metric in Grafana.
    pub fn metric_link(&self) -> Option<&Clean> {
        let (detail, (entity, what)) = (self.detail()?, self.inspected.metric.as_ref()?);
        let at = detail.metrics.iter().position(|m| m.entity == *entity && m.what == *what)?;
        detail.links.get(at)?.as_ref()
    }

    /// Its metrics that pass the filter, most unusual first.
    pub fn metric_rows(&self) -> Vec<&MetricView> {
        let needle = self.lists[Screen::Service as usize].needle();
        let metrics = self.detail().into_iter().flat_map(|detail| &detail.metrics);
        metrics.filter(|m| contains(m.what.as_str(), &needle)).collect()
    }

    /// The service that a question about one would be about: the one looked at, the one under the
    /// cursor, else the first that is to blame, else the entry.
    pub fn service_in_view(&self) -> Option<ServiceName> {
        let blamed = || {
            let verdict = &self.selected_answer()?.verdict;
            let first = verdict.culprits.first().map(|c| &c.service);
            first.or(verdict.ranking.first().map(|r| &r.service)).cloned()
        };
        let here = match self.screen {
            Screen::Tree => self.place.as_ref().map(|place| place.service.clone()),
            Screen::Verdict => self.suspect.clone(),
            Screen::Service | Screen::WhatIf => self.inspected.service.clone(),
            Screen::Slos
            | Screen::Actions
            | Screen::Commands
            | Screen::Timeline
            | Screen::Doctor
            | Screen::Log => None,
        };
        here.or_else(blamed).or_else(|| self.selected_entry().cloned())
    }
}
