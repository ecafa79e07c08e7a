//! Signals by service, as a dashboard lists them: what the naive rules look at.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::domain::{Column, Entity, Party, Pool, Quantile, ServiceName, Side, Stat};
use crate::windows::Frame;

/// Time from the start to the end of the work on calls: a mean or a median.
pub const SERVER: &str = "server latency";
/// CPU usage in cores.
pub const CPU: &str = "cpu_usage";
/// Median latencies stand for mean ones.
const MEDIAN: Quantile = Quantile(500);

/// Of which service, and what.
pub type Signal = (String, Cow<'static, str>);

/// Signals over rows; NaN where nothing is known.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Values by signal, one a row.
    pub columns: BTreeMap<Signal, Vec<f64>>,
}

impl Table {
    /// The signals of windows: a service's metrics, its latencies, and what is measured on the channels to
    /// it.
    pub fn of(frame: &Frame) -> Self {
        let mut table = Self::default();
        for (column, values) in &frame.columns {
            if let Some((service, signal)) = signal(column) {
                let values = values.iter().map(|value| f64::from(*value));
                // Of several callers' views the first one counts.
                let column = table.columns.entry((service.as_str().to_owned(), signal.into()));
                column.or_insert_with(|| values.collect());
            }
        }
        table
    }

    /// The column of a service's signal.
    pub fn column(&self, service: &str, signal: &str) -> Option<&[f64]> {
        self.columns.get(&(service.to_owned(), Cow::Owned(signal.to_owned()))).map(Vec::as_slice)
    }

    /// Some of the rows.
    pub fn rows(&self, range: Range<usize>) -> Self {
        let cut = |values: &Vec<f64>| values.get(range.clone()).unwrap_or_default().to_vec();
        Self { columns: self.columns.iter().map(|(signal, values)| (signal.clone(), cut(values))).collect() }
    }

    /// The first rows.
    pub fn first(&self, rows: usize) -> Self {
        let first = |values: &Vec<f64>| values.iter().copied().take(rows).collect();
        Self {
            columns: self.columns.iter().map(|(signal, values)| (signal.clone(), first(values))).collect(),
        }
    }

    /// These rows of all columns behind the rows that are there.
    pub fn extend(&mut self, other: &Self) {
        for (signal, values) in &other.columns {
            self.columns.entry(signal.clone()).or_default().extend(values);
        }
    }
}

/// Whose signal a column is, and which.
fn signal(column: &Column) -> Option<(&ServiceName, String)> {
    match column {
        Column::Metric { entity: Entity::Service(service), feature, pool: Pool::Mean } => {
            Some((service, feature.as_str().to_owned()))
        }
        Column::Metric { entity: Entity::Channel { caller, callee }, feature, .. } => {
            Some((callee, format!("{feature} from {caller}")))
        }
        Column::Latency { rpc, side: Side::Server, stat: Stat::Quantile(MEDIAN) } => {
            Some((rpc.callee.service()?, SERVER.to_owned()))
        }
        Column::Latency { rpc, side: Side::Client, stat: Stat::Quantile(MEDIAN) } => match &rpc.caller {
            Party::Service(caller) => Some((rpc.callee.service()?, format!("client latency of {caller}"))),
            // The users' latency is the entry's own.
            Party::User => Some((rpc.callee.service()?, SERVER.to_owned())),
            Party::Any => None,
        },
        _ => None,
    }
}
