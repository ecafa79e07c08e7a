//! The PromQL half of a fetch: probe what may have no data, pull the rest piece by piece.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::{Job, unless_cancelled};
use crate::domain::{Clean, Timestamp};
use crate::telemetry::Matrix;
use crate::windows::cells::{Cells, Ends};
use crate::windows::error::{Error, SourceError};
use crate::windows::plan::Query;
use crate::windows::report::{Outcome, Tally};
use crate::windows::schedule::{missing, pieces};
use crate::windows::series::{self, Grid};
use crate::windows::source::MetricSource;

/// PromQL requests under way; the client has its own limit below that.
pub(super) const QUERIES_AT_ONCE: usize = 6;
/// A query missing for more windows than this is probed before it is pulled.
const PROBE_FROM: i64 = 30;
/// Points of a probe, spread over what is missing.
const PROBE_POINTS: i64 = 24;
/// A query that never had data is asked again only once this many windows have gathered.
const ABSENT_RECHECK: i64 = 10;

impl Job<'_> {
    /// Queries of the plan, by index, with the ranges they lack. (Indices, because streams of
    /// futures over references are not `Send`.)
    pub(super) async fn missing_queries(&self) -> Result<Vec<(usize, Vec<Ends>)>, Error> {
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

    /// Probes and pulls the queries of [`Job::missing_queries`].
    pub(super) async fn fetch_queries<M: MetricSource>(
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
}
