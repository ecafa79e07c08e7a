//! Why a query has no answer.

use crate::lab::tsdb::Labels;

/// Why a query has no answer. The words of the first group are Prometheus' own, as clients look for them.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The text is not PromQL.
    #[error("parse error: {0}")]
    Parse(String),
    /// The result cannot be asked for over a range.
    #[error("invalid expression type {kind:?} for range query, must be Scalar or instant Vector")]
    NoRange {
        /// What the expression is.
        kind: String,
    },
    /// More than [`super::Options::max_samples`].
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// Not done by [`super::Options::deadline`].
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// Two series of the result cannot be told apart.
    #[error("vector cannot contain metrics with the same labelset: {0}")]
    SameLabels(Labels),
    /// The side that must be unique is not.
    #[error(
        "found duplicate series for the match group {group} on the {side} hand-side of the operation: \
         [{first}, {second}];many-to-many matching not allowed: matching labels must be unique on one side"
    )]
    ManyToMany {
        /// The labels that match.
        group: Box<Labels>,
        /// `left` or `right`.
        side: &'static str,
        /// A series.
        first: Box<Labels>,
        /// Another.
        second: Box<Labels>,
    },
    /// Several series on the other side, and no `group_left` or `group_right`.
    #[error("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")]
    ManyToOne,
    /// The labels of `group_left` or `group_right` do not tell the results apart.
    #[error("multiple matches for labels: grouping labels must ensure unique matches")]
    NotUnique,
    /// Not a label's name.
    #[error("invalid label name {0:?}")]
    LabelName(String),
    /// Not a regular expression.
    #[error("invalid regular expression in label_replace(): {0}")]
    Regex(String),
    /// Not a number of series.
    #[error("Scalar value {0} overflows int64")]
    Overflow(f64),

    /// PromQL, but not of this evaluator.
    #[error("{0} is not supported by the lab: docs/lab/promql.md lists what is")]
    Unsupported(String),
    /// The text is longer than any sensible query.
    #[error("the query is longer than {limit} bytes")]
    TooLong {
        /// Bytes.
        limit: usize,
    },
    /// More brackets than any sensible query has.
    #[error("the query is nested more than {limit} levels deep")]
    TooDeep {
        /// Levels.
        limit: usize,
    },
}

impl Error {
    /// Whether the query itself is wrong, whatever the data.
    pub fn is_bad_query(&self) -> bool {
        matches!(self, Self::Parse(_) | Self::NoRange { .. } | Self::TooLong { .. } | Self::TooDeep { .. })
    }
}
