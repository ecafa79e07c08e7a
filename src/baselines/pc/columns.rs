//! Which columns can be tested, and their correlations.

use super::Correlations;
use crate::baselines::stats::{correlation, known};

/// Columns with fewer distinct values are states rather than measurements.
const DISTINCT: usize = 10;
/// Columns that go together more closely than this are the same thing twice.
const SAME: f64 = 0.99;
/// Columns that miss more than this share of their values are left out.
const MISSING: f64 = 0.2;

/// What is left of some columns.
#[derive(Clone, Debug)]
pub struct Columns {
    /// Their places among those that were given.
    pub kept: Vec<usize>,
    /// Correlations of the kept ones, over the rows that all of them have.
    pub correlations: Correlations,
}

/// Leaves out columns that hardly vary, miss much, or repeat one before them, which would make
/// correlations singular.
pub fn prepare(columns: &[&[f64]]) -> Columns {
    let fit = |values: &[f64]| {
        let mut sorted = Vec::from_iter(known(values));
        let enough = sorted.len() as f64 >= (1.0 - MISSING) * values.len() as f64;
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        enough && sorted.len() >= DISTINCT
    };
    let mut kept: Vec<usize> = Vec::new();
    for (at, values) in columns.iter().enumerate().filter(|(_, values)| fit(values)) {
        let same = |other: &usize| correlation(columns[*other], values).is_none_or(|r| r.abs() > SAME);
        if !kept.iter().any(same) {
            kept.push(at);
        }
    }
    let rows = columns.iter().map(|values| values.len()).min().unwrap_or(0);
    let complete =
        Vec::from_iter((0..rows).filter(|row| kept.iter().all(|at| columns[*at][*row].is_finite())));
    let cut = kept.iter().map(|at| Vec::from_iter(complete.iter().map(|row| columns[*at][*row])));
    let cut: Vec<Vec<f64>> = cut.collect();
    let n = kept.len();
    let mut matrix = vec![vec![1.0; n]; n];
    for i in 0..n {
        for j in 0..i {
            // What stands still over the complete rows tells nothing.
            let r = correlation(&cut[i], &cut[j]).unwrap_or(0.0);
            (matrix[i][j], matrix[j][i]) = (r, r);
        }
    }
    Columns { kept, correlations: Correlations { matrix, rows: complete.len() } }
}
