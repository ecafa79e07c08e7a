//! Fetching history: whatever of the plan is not in the store yet, piece by piece.

use std::future::Future;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::cells::{Cells, Ends};
use super::error::{Error, SourceError};
use super::load::windows_with_edges;
use super::plan::{Key, Plan, Query, TracePlan};
use super::report::{FetchReport, Outcome, Tally};
use super::schedule::{Period, missing, pieces};
use super::series::{self, Grid};
use super::settings::LatencySource;
use super::source::{MetricSource, Sources, TraceSource};
use super::spans::{Aggregator, Window};
use super::store::Store;
use crate::domain::{Clean, Progress, Timestamp};
use crate::telemetry::{Matrix, TraceQuery};

/// PromQL requests under way; the client has its own limit below that.
const QUERIES_AT_ONCE: usize = 6;
/// Trace searches under way: each may hold a response of many megabytes.
const SEARCHES_AT_ONCE: usize = 2;
/// A query missing for more windows than this is probed before it is pulled.
const PROBE_FROM: i64 = 30;
/// Points of a probe, spread over what is missing.
const PROBE_POINTS: i64 = 24;
/// A query that never had data is asked again only once this many windows have gathered.
const ABSENT_RECHECK: i64 = 10;
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
    /// Queries of the plan, by index, with the ranges they lack. (Indices, because streams of
    /// futures over references are not `Send`.)
    async fn missing_queries(&self) -> Result<Vec<(usize, Vec<Ends>)>, Error> {
        let range = self.period.ends(self.length);
        let mut wanted = Vec::new();
        for (ix, query) in self.plan.queries.iter().enumerate().filter(|(_, q)| self.plan.uses(q)) {
            let key = query.key.clone();
            let (covered, known) =
                self.stored(move |store| Ok((store.covered(&key)?, store.has_cells(&key, range)?))).await?;
            let gaps = missing(range, &covered);
            let windows: i64 = gaps.iter().map(|gap| gap.windows(self.length)).sum();
            // What has no data here is not asked for every minute, only now and then.
            let idle = !known && windows < ABSENT_RECHECK.min(range.windows(self.length));
            if windows > 0 && !idle {
                wanted.push((ix, gaps));
            }
        }
        Ok(wanted)
    }

    async fn fetch_queries<M: MetricSource>(
        &self,
        metrics: &M,
        wanted: Vec<(usize, Vec<Ends>)>,
        tally: &mut Tally<'_>,
    ) -> Result<(), Error> {
        let queries = &self.plan.queries;
        let probes = wanted.into_iter().map(|(ix, gaps)| async move {
            let there = self.probe(metrics, &queries[ix], &gaps).await;
            (ix, gaps, there)
        });
        tally.begin_source();
        let mut present = Vec::new();
        let mut probes = stream::iter(probes).buffered(QUERIES_AT_ONCE);
        while let Some(answer) = unless_cancelled(&mut probes, tally).await {
            let (ix, gaps, there) = answer;
            let query = &queries[ix];
            match there {
                Ok(true) => present.push((ix, gaps)),
                Ok(false) => {
                    for gap in &gaps {
                        self.commit_query(query, *gap, Cells::default()).await?;
                    }
                    let steps = pieces(&gaps, self.length).len();
                    tally.add(&query.label, steps, Outcome::Absent);
                }
                // Not every expression can be counted (a scalar cannot): the pieces will tell.
                Err(error) => {
                    tally.doubt(&query.label, error);
                    present.push((ix, gaps));
                }
            }
            if tally.hopeless() {
                return Ok(());
            }
        }
        drop(probes);
        let mut steps: Vec<(usize, Ends)> = present
            .iter()
            .flat_map(|(ix, gaps)| pieces(gaps, self.length).into_iter().map(|piece| (*ix, piece)))
            .collect();
        // All queries of the newest piece, then all of the next: an early end leaves whole rows.
        steps.sort_by_key(|(_, piece)| std::cmp::Reverse(piece.until.div_euclid(self.length)));
        let requests = steps
            .into_iter()
            .map(|(ix, piece)| async move { (ix, self.fetch_piece(metrics, &queries[ix], piece).await) });
        let mut requests = stream::iter(requests).buffer_unordered(QUERIES_AT_ONCE);
        while let Some((ix, outcome)) = unless_cancelled(&mut requests, tally).await {
            tally.add(&queries[ix].label, 1, outcome?);
            if tally.hopeless() {
                break;
            }
        }
        Ok(())
    }

    /// Whether a query has any data in what is missing, by few points over all of it.
    async fn probe<M: MetricSource>(
        &self,
        metrics: &M,
        query: &Query,
        gaps: &[Ends],
    ) -> Result<bool, SourceError> {
        let (Some(first), Some(last)) = (gaps.first(), gaps.last()) else { return Ok(false) };
        let windows = (last.until - first.after) / self.length;
        if windows <= PROBE_FROM {
            return Ok(true);
        }
        let step = windows.div_euclid(PROBE_POINTS).max(1) * self.length;
        // Counted back from the end, so that the newest window is always among the points.
        let points = (last.until - first.after - 1).div_euclid(step);
        // On lines of its own, because the expression may end in a comment.
        let expr = format!("count(\n{}\n)", query.expr);
        let answer = self.ask(metrics, &expr, last.until - points * step, last.until, step).await?;
        let mut values = answer.series.iter().flat_map(|s| &s.points);
        Ok(values.any(|(_, count)| *count > 0.0))
    }

    async fn ask<M: MetricSource>(
        &self,
        metrics: &M,
        expr: &str,
        start: i64,
        end: i64,
        step: i64,
    ) -> Result<Matrix, SourceError> {
        let time = |s| Timestamp::from_second(s).map_err(|e| SourceError(Clean::new(&e.to_string())));
        metrics.query_range(expr, time(start)?, time(end)?, Duration::from_secs(step.unsigned_abs())).await
    }

    async fn fetch_piece<M: MetricSource>(
        &self,
        metrics: &M,
        query: &Query,
        piece: Ends,
    ) -> Result<Outcome, Error> {
        let first = piece.after + self.length;
        let matrix = match self.ask(metrics, &query.expr, first, piece.until, self.length).await {
            Ok(matrix) => matrix,
            Err(error) => return Ok(Outcome::Failed(error)),
        };
        let grid = Grid { range: piece, length: self.length, names: &self.plan.names };
        let read = series::read(&matrix, &query.meaning, grid);
        let found = !read.cells.is_empty();
        let mut remarks = matrix.warnings;
        remarks.extend(read.remark);
        if read.unplaced > 0 {
            remarks.push(Clean::new("some series lack the labels that say what they belong to"));
        }
        self.commit_query(query, piece, read.cells).await?;
        Ok(if found { Outcome::Found(remarks) } else { Outcome::Empty(remarks) })
    }

    async fn commit_query(&self, query: &Query, piece: Ends, cells: Cells) -> Result<(), Error> {
        let settled = self.period.settled(&self.plan.settings);
        self.commit(&query.key, &query.label, piece, cells, settled).await
    }

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
            let border = settled.clamp(piece.after, piece.until);
            let parts = [(piece.after, border, true), (border, piece.until, false)];
            for (after, until, complete) in parts.into_iter().filter(|(after, until, _)| after < until) {
                store.commit(&key, &label, Ends { after, until }, length, &cells, complete)?;
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

    /// Windows that lack spans, newest first, as far as the latency source wants spans at all.
    async fn search_candidates(&self) -> Result<Vec<Ends>, Error> {
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
        let mut windows: Vec<Ends> = missing(range, &covered)
            .into_iter()
            .flat_map(|gap| (1..=gap.windows(self.length)).map(move |n| gap.after + n * self.length))
            .filter(|end| !known.contains(end))
            .map(|end| Ends { after: end - self.length, until: end })
            .collect();
        windows.reverse();
        Ok(windows)
    }

    async fn fetch_traces<T: TraceSource>(
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
        let mut spans = Aggregator::new(bounds, settings, &self.plan.names);
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
        self.commit(&search.key, &Clean::new("traces"), window, cells, settled).await?;
        Ok(if found { Outcome::Found(remarks) } else { Outcome::Empty(remarks) })
    }
}

/// The next item, or `None` at the end or as soon as the work is cancelled.
async fn unless_cancelled<S>(items: &mut S, tally: &mut Tally<'_>) -> Option<S::Item>
where
    S: stream::Stream + Unpin,
{
    loop {
        if tally.cancelled() {
            return None;
        }
        match within(GLANCE, items.next()).await {
            Some(item) => return item,
            None => continue,
        }
    }
}

async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
