//! Fetching history: whatever of the plan is not in the store yet, piece by piece.

mod metrics;
mod traces;

use std::time::Duration;

use futures_util::stream::{Stream, StreamExt};

use super::cells::{Cells, Ends};
use super::error::Error;
use super::plan::{Key, Plan};
use super::report::{FetchReport, Tally};
use super::schedule::{Period, pieces};
use super::source::{MetricSource, Sources, TraceSource};
use super::store::Store;
use crate::domain::{Clean, Progress, Timestamp};

/// How soon a cancellation is noticed while a backend is slow.
const GLANCE: Duration = Duration::from_millis(100);

/// Fetches what `plan` asks for over `period` and `store` does not hold, newest pieces first, and
/// commits each piece as it comes: an interrupted fetch goes on where it stopped. Nothing later than
/// `period.until` is read. What fails is tried again by the next fetch.
///
/// # Errors
/// If the store cannot be used, or if every single request failed.
pub async fn fetch<M: MetricSource, T: TraceSource>(
    sources: Sources<'_, M, T>,
    plan: &Plan,
    period: &Period,
    store: &Store,
    progress: &dyn Progress,
) -> Result<FetchReport, Error> {
    let job = Job { plan, period, store, length: plan.settings.length_s() };
    let mut tally = Tally::new(progress);
    if let Some(metrics) = sources.metrics {
        let wanted = job.missing_queries().await?;
        let searches = if sources.traces.is_some() { job.search_candidates().await?.len() } else { 0 };
        let steps: usize = wanted.iter().map(|(_, gaps)| pieces(gaps, job.length).len()).sum();
        tally.plan(steps + searches);
        job.fetch_queries(metrics, wanted, &mut tally).await?;
    }
    if let (Some(traces), Some(search)) = (sources.traces, &plan.traces) {
        let candidates = job.search_candidates().await?;
        if sources.metrics.is_none() {
            tally.plan(candidates.len());
        }
        job.fetch_traces(traces, search, candidates, &mut tally).await?;
    }
    job.forget_the_past().await?;
    let mut report = tally.finish()?;
    report.warnings.extend(plan.warnings.iter().cloned());
    report.warnings.extend(store.take_warnings());
    Ok(report)
}

/// What the steps of one fetch share.
#[derive(Clone, Copy)]
struct Job<'a> {
    plan: &'a Plan,
    period: &'a Period,
    store: &'a Store,
    length: i64,
}

impl Job<'_> {
    /// Stores a piece; what ends after `settled` may still change and does not count as fetched.
    async fn commit(
        &self,
        key: &Key,
        label: &Clean,
        piece: Ends,
        cells: Cells,
        settled: i64,
    ) -> Result<(), Error> {
        let (key, label, length) = (key.clone(), label.clone(), self.length);
        self.stored(move |store| {
            let (old, young) = piece.split(settled);
            for (range, complete) in [(old, true), (young, false)] {
                if !range.is_empty() {
                    store.commit(&key, &label, range, length, &cells, complete)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Keeps the store from growing for ever. Only when live: a question about the past must not
    /// cost the present its history, nor the other way round.
    async fn forget_the_past(&self) -> Result<(), Error> {
        let history = self.plan.settings.history;
        if self.period.now.duration_since(self.period.until).unsigned_abs() > history {
            return Ok(());
        }
        let kept = self.period.now.saturating_sub(history.saturating_mul(2));
        let Ok(before) = kept.map(Timestamp::as_second) else { return Ok(()) };
        self.stored(move |store| store.prune(before)).await
    }

    /// Runs store work where it may block.
    async fn stored<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || work(&store)).await.map_err(|e| Error::Aborted(e.to_string()))?
    }
}

/// The next item, or `None` at the end or as soon as the work is cancelled.
async fn unless_cancelled<S>(items: &mut S, tally: &mut Tally<'_>) -> Option<S::Item>
where
    S: Stream + Unpin,
{
    loop {
        if tally.cancelled() {
            return None;
        }
        // An item that is not there in time is not lost: the stream is asked again.
        if let Ok(item) = tokio::time::timeout(GLANCE, items.next()).await {
            return item;
        }
    }
}

#[cfg(test)]
mod tests;
