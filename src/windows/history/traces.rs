//! The trace half of a fetch: one search a window and entry, for the windows that want spans.

use futures_util::stream::{self, StreamExt};

use super::{Job, unless_cancelled};
use crate::domain::{Clean, Timestamp};
use crate::telemetry::TraceQuery;
use crate::windows::cells::Ends;
use crate::windows::error::Error;
use crate::windows::load::windows_with_edges;
use crate::windows::plan::TracePlan;
use crate::windows::report::{Outcome, Tally};
use crate::windows::schedule::missing;
use crate::windows::settings::LatencySource;
use crate::windows::source::TraceSource;
use crate::windows::spans::{Aggregator, Window};

/// Trace searches under way: each may hold a response of many megabytes.
pub(super) const SEARCHES_AT_ONCE: usize = 2;

impl Job<'_> {
    /// Windows that lack spans, newest first, as far as the latency source wants spans at all.
    pub(super) async fn search_candidates(&self) -> Result<Vec<Ends>, Error> {
        let Some(traces) = &self.plan.traces else { return Ok(Vec::new()) };
        let settings = &self.plan.settings;
        let mut range = self.period.ends(self.length);
        let newest = i64::try_from(settings.trace_windows).unwrap_or(i64::MAX).saturating_mul(self.length);
        match settings.latency_source {
            LatencySource::Traces => {}
            LatencySource::Metrics if !traces.needed_by_slo => return Ok(Vec::new()),
            LatencySource::Metrics | LatencySource::Auto => {
                range.after = range.after.max(range.until.saturating_sub(newest));
            }
        }
        let by_metrics_too = settings.latency_source == LatencySource::Auto && !traces.needed_by_slo;
        let (old, young) = range.split(self.period.spans_settled(settings));
        let (key, plan) = (traces.key.clone(), self.plan.clone());
        let (covered, known) = self
            .stored(move |store| {
                let covered = store.covered(&key)?;
                let known = if by_metrics_too {
                    windows_with_edges(store, &plan, range)?
                } else {
                    Default::default()
                };
                Ok((covered, known))
            })
            .await?;
        // Young windows are always searched again: what is known about them changes with the question.
        let mut windows: Vec<Ends> = missing(old, &covered)
            .into_iter()
            .chain([young])
            .flat_map(|gap| (1..=gap.windows(self.length)).map(move |n| gap.after + n * self.length))
            .filter(|end| !known.contains(end))
            .map(|end| Ends { after: end - self.length, until: end })
            .collect();
        windows.reverse();
        Ok(windows)
    }

    /// Searches the windows of [`Job::search_candidates`].
    pub(super) async fn fetch_traces<T: TraceSource>(
        &self,
        traces: &T,
        search: &TracePlan,
        windows: Vec<Ends>,
        tally: &mut Tally<'_>,
    ) -> Result<(), Error> {
        let label = Clean::new("traces");
        tally.begin_source();
        let searches = windows.into_iter().map(|window| self.fetch_window(traces, search, window));
        let mut searches = stream::iter(searches).buffer_unordered(SEARCHES_AT_ONCE);
        while let Some(outcome) = unless_cancelled(&mut searches, tally).await {
            tally.add(&label, 1, outcome?);
            if tally.hopeless() {
                break;
            }
        }
        Ok(())
    }

    async fn fetch_window<T: TraceSource>(
        &self,
        traces: &T,
        search: &TracePlan,
        window: Ends,
    ) -> Result<Outcome, Error> {
        let settings = &self.plan.settings;
        let (Ok(start), Ok(end)) =
            (Timestamp::from_second(window.after), Timestamp::from_second(window.until))
        else {
            return Ok(Outcome::Empty(Vec::new()));
        };
        // As much as is known `settle` after the window, whenever the question is asked: a window
        // fetched later must not hold more than one fetched live.
        let known = end.saturating_add(settings.settle).unwrap_or(end).min(self.period.until);
        let ns = |t: Timestamp| u64::try_from(t.as_nanosecond()).unwrap_or(0);
        let bounds = Window { start_ns: ns(start), end_ns: ns(end), known_ns: ns(known) };
        let mut spans = Aggregator::new(bounds, settings, &self.plan.names, &search.entry_quantiles);
        let mut remarks = Vec::new();
        for (service, operation) in &search.entries {
            let query = TraceQuery {
                service: service.clone(),
                operation: operation.clone(),
                start,
                end,
                min_duration: None,
                limit: settings.sample_traces,
            };
            let stats = match traces.traces(&query, &mut |span| spans.push(span)).await {
                Ok(stats) => stats,
                Err(error) => return Ok(Outcome::Failed(error)),
            };
            spans.close_trace();
            if stats.truncated {
                remarks.push(Clean::new(&format!(
                    "some windows hold more than sample_traces = {} traces of {service}: their latencies \
                     and counts are those of a sample",
                    settings.sample_traces
                )));
            }
            remarks.extend(stats.warnings);
        }
        let cells = spans.finish(window.until);
        let found = !cells.is_empty();
        let settled = self.period.spans_settled(settings);
        let key = if window.until <= settled { &search.key } else { &search.young };
        self.commit(key, &Clean::new("traces"), window, cells, settled).await?;
        Ok(if found { Outcome::Found(remarks) } else { Outcome::Empty(remarks) })
    }
}
