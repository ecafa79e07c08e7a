//! What a fetch did: counts, which queries have data, what went wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{Error, SourceError};
use crate::domain::{Clean, Progress, Stage};

/// Most remarks of backends kept; they repeat themselves.
const MAX_REMARKS: usize = 20;
/// Failures in a row, without any success before, after which a backend is given up for this fetch.
const GIVE_UP: usize = 8;

/// What a fetch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchReport {
    /// Pieces that were fetched and committed; 0 means everything was there already.
    pub fetched: usize,
    /// Pieces that failed; the next fetch tries them again.
    pub failed: usize,
    /// Queries that brought data in this fetch.
    pub present: BTreeSet<Clean>,
    /// Queries that were asked and brought none.
    pub absent: BTreeSet<Clean>,
    /// Whether it was cancelled; what came before is kept.
    pub cancelled: bool,
    /// What the reader should know.
    pub warnings: Vec<Clean>,
}

/// How one step ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Data came, perhaps with remarks.
    Found(Vec<Clean>),
    /// An answer without data.
    Empty(Vec<Clean>),
    /// A probe found no data.
    Absent,
    /// No answer.
    Failed(SourceError),
}

/// Counts steps while they end, and tells progress.
pub struct Tally<'a> {
    progress: &'a dyn Progress,
    done: usize,
    total: usize,
    succeeded_here: usize,
    failed_here: usize,
    succeeded: usize,
    requests_failed: usize,
    failures: BTreeMap<Clean, (usize, SourceError)>,
    first: Option<(Clean, SourceError)>,
    remarks: BTreeSet<Clean>,
    report: FetchReport,
}

impl<'a> Tally<'a> {
    /// Nothing done yet.
    pub fn new(progress: &'a dyn Progress) -> Self {
        Self {
            progress,
            done: 0,
            total: 0,
            succeeded_here: 0,
            failed_here: 0,
            succeeded: 0,
            requests_failed: 0,
            failures: BTreeMap::new(),
            first: None,
            remarks: BTreeSet::new(),
            report: FetchReport::default(),
        }
    }

    /// Announces `steps` steps.
    pub fn plan(&mut self, steps: usize) {
        self.total += steps;
        if self.total > 0 {
            self.progress.report(Stage::Fetch, self.done as u64, self.total as u64, "");
        }
    }

    /// Starts counting failures in a row afresh: another backend's turn.
    pub fn begin_source(&mut self) {
        (self.succeeded_here, self.failed_here) = (0, 0);
    }

    /// Whether the present backend has answered nothing at all so far, too often to go on.
    pub fn hopeless(&self) -> bool {
        self.succeeded_here == 0 && self.failed_here >= GIVE_UP
    }

    /// Whether to stop; remembers it.
    pub fn cancelled(&mut self) -> bool {
        self.report.cancelled |= self.progress.cancelled();
        self.report.cancelled
    }

    /// A probe failed, which may be the probe's own fault or the backend's.
    pub fn doubt(&mut self, label: &Clean, error: SourceError) {
        self.failed_here += 1;
        self.requests_failed += 1;
        self.first.get_or_insert_with(|| (label.clone(), error));
    }

    /// `steps` steps of `label` ended.
    pub fn add(&mut self, label: &Clean, steps: usize, outcome: Outcome) {
        self.done += steps;
        self.total = self.total.max(self.done);
        self.progress.report(Stage::Fetch, self.done as u64, self.total as u64, label.as_str());
        let remarks = match outcome {
            Outcome::Failed(error) => {
                self.doubt(label, error.clone());
                self.report.failed += steps;
                self.failures.entry(label.clone()).or_insert((0, error)).0 += steps;
                return;
            }
            Outcome::Found(remarks) => {
                self.report.fetched += steps;
                self.report.present.insert(label.clone());
                remarks
            }
            Outcome::Empty(remarks) => {
                self.report.fetched += steps;
                self.report.absent.insert(label.clone());
                remarks
            }
            Outcome::Absent => {
                self.report.absent.insert(label.clone());
                Vec::new()
            }
        };
        self.succeeded_here += 1;
        self.succeeded += 1;
        let named = remarks.into_iter().map(|remark| Clean::new(&format!("{label}: {remark}")));
        self.remarks.extend(named);
    }

    /// The report.
    ///
    /// # Errors
    /// If there were failures and nothing else.
    pub fn finish(mut self) -> Result<FetchReport, Error> {
        if let (0, Some((what, first))) = (self.succeeded, self.first) {
            return Err(Error::AllFailed { failed: self.requests_failed, what, first });
        }
        if !self.report.cancelled && self.total > 0 {
            // Steps that turned out to be needless, such as searches for windows that metrics cover.
            self.progress.report(Stage::Fetch, self.total as u64, self.total as u64, "");
        }
        self.report.absent = &self.report.absent - &self.report.present;
        for (label, (pieces, error)) in self.failures {
            let warning = format!("{label}: {pieces} piece(s) of history could not be fetched: {error}");
            self.report.warnings.push(Clean::new(&warning));
        }
        self.report.warnings.extend(self.remarks.into_iter().take(MAX_REMARKS));
        Ok(self.report)
    }
}
