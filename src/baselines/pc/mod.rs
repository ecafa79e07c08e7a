//! The PC algorithm: a causal graph from observations alone (Spirtes, Glymour and Scheines, *Causation,
//! Prediction, and Search*, 2000).
//!
//! The skeleton is the stable one of Colombo and Maathuis (2014): within a level, adjacencies are those of
//! its start, so neither the order of the columns nor that of the tests matters, and the pairs of a level are
//! tested in parallel. What collides is decided by the majority of all sets that separate a pair (the same
//! paper), since a single one may separate by chance. So the result does not depend on the columns' order,
//! but for exact ties.

mod columns;
mod orient;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

pub use columns::{Columns, prepare};
pub use orient::Cpdag;

/// How independence is tested.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Level of Fisher's z test of a partial correlation.
    pub alpha: f64,
    /// Most variables conditioned on.
    pub most: usize,
}

impl Default for Settings {
    /// α = 0.05 as is usual; more than three conditions rarely separate what fewer do not.
    fn default() -> Self {
        Self { alpha: 0.05, most: 3 }
    }
}

/// Correlations of columns.
#[derive(Clone, Debug)]
pub struct Correlations {
    /// Symmetric, row by row.
    pub matrix: Vec<Vec<f64>>,
    /// Observations they were computed from.
    pub rows: usize,
}

/// What is known beforehand: arrows (from, to) that cannot be. A pair with both forbidden is not adjacent.
#[derive(Clone, Debug, Default)]
pub struct Background {
    /// By index of the columns.
    pub forbidden: BTreeSet<(usize, usize)>,
}

impl Background {
    fn forbids(&self, from: usize, to: usize) -> bool {
        self.forbidden.contains(&(from, to))
    }
}

/// The sets that separate pairs (the smaller index first).
type Separators = BTreeMap<(usize, usize), Vec<Vec<usize>>>;

/// The pattern of the data: everything that holds in all graphs that explain the same independences.
pub fn pc(correlations: &Correlations, background: &Background, settings: Settings) -> Cpdag {
    let (adjacent, found) = skeleton(correlations, background, settings);
    let separators = separators(correlations, &adjacent, found, settings);
    orient::orient(&adjacent, &separators, background)
}

/// A pair and a set that separates it.
type Separated = ((usize, usize), Vec<usize>);

/// Who is adjacent to whom, and what first separated the others.
fn skeleton(
    correlations: &Correlations,
    background: &Background,
    settings: Settings,
) -> (Vec<BTreeSet<usize>>, Vec<Separated>) {
    let n = correlations.matrix.len();
    let may = |i: usize, j: usize| !(background.forbids(i, j) && background.forbids(j, i));
    let others = |i: usize| (0..n).filter(move |j| *j != i && may(i, *j)).collect();
    let mut adjacent: Vec<BTreeSet<usize>> = (0..n).map(others).collect();
    let mut found = Vec::new();
    for size in 0..=settings.most {
        let pairs = (0..n).flat_map(|i| adjacent[i].iter().filter(move |j| **j > i).map(move |j| (i, *j)));
        let pairs: Vec<(usize, usize)> = pairs.collect();
        if !pairs.iter().any(|(i, j)| adjacent[*i].len().max(adjacent[*j].len()) > size) {
            break;
        }
        let separated: Vec<_> = pairs
            .par_iter()
            .filter_map(|(i, j)| {
                let set = separator(correlations, &adjacent, (*i, *j), size, settings.alpha)?;
                Some(((*i, *j), set))
            })
            .collect();
        for ((i, j), _) in &separated {
            adjacent[*i].remove(j);
            adjacent[*j].remove(i);
        }
        found.extend(separated);
    }
    (adjacent, found)
}

/// All sets of neighbours in the skeleton that separate pairs with a common neighbour; where there is none,
/// the one that was found on the way.
fn separators(
    correlations: &Correlations,
    adjacent: &[BTreeSet<usize>],
    found: Vec<Separated>,
    settings: Settings,
) -> Separators {
    let all = |((i, j), first): Separated| {
        let mut sets = BTreeSet::new();
        for neighbours in [&adjacent[i], &adjacent[j]].map(|set| Vec::from_iter(set.iter().copied())) {
            for size in 0..=settings.most {
                each_subset(&neighbours, size, &mut |set| {
                    if independence(correlations, i, j, set) > settings.alpha {
                        sets.insert(set.to_vec());
                    }
                });
            }
        }
        if sets.is_empty() {
            sets.insert(first);
        }
        ((i, j), Vec::from_iter(sets))
    };
    let matter = |(pair, _): &Separated| !adjacent[pair.0].is_disjoint(&adjacent[pair.1]);
    found.into_par_iter().filter(matter).map(all).collect()
}

/// Of the sets of `size` neighbours of either that make a pair independent, the one that does so most.
fn separator(
    correlations: &Correlations,
    adjacent: &[BTreeSet<usize>],
    (i, j): (usize, usize),
    size: usize,
    alpha: f64,
) -> Option<Vec<usize>> {
    let around = |a: usize, b: usize| Vec::from_iter(adjacent[a].iter().copied().filter(|k| *k != b));
    let mut best: Option<(f64, Vec<usize>)> = None;
    for neighbours in [around(i, j), around(j, i)] {
        each_subset(&neighbours, size, &mut |set| {
            let p = independence(correlations, i, j, set);
            if p > alpha && best.as_ref().is_none_or(|(known, _)| p > *known) {
                best = Some((p, set.to_vec()));
            }
        });
    }
    best.map(|(_, set)| set)
}

/// Calls `see` with every subset of `size` of `all`.
fn each_subset(all: &[usize], size: usize, see: &mut impl FnMut(&[usize])) {
    fn grow(all: &[usize], size: usize, set: &mut Vec<usize>, see: &mut impl FnMut(&[usize])) {
        if set.len() == size {
            return see(set);
        }
        for (at, next) in all.iter().enumerate() {
            if all.len() - at < size - set.len() {
                return;
            }
            set.push(*next);
            grow(&all[at + 1..], size, set, see);
            set.pop();
        }
    }
    grow(all, size, &mut Vec::with_capacity(size), see);
}

/// P-value of Fisher's z test that `i` and `j` are uncorrelated given `set`; 0 where nothing can be told,
/// for want of rows or because the set determines one of them.
pub fn independence(correlations: &Correlations, i: usize, j: usize, set: &[usize]) -> f64 {
    let Some(r) = partial(&correlations.matrix, i, j, set) else { return 0.0 };
    let freedom = correlations.rows as f64 - set.len() as f64 - 3.0;
    if freedom <= 0.0 {
        return 0.0;
    }
    let z = r.clamp(-1.0 + 1e-12, 1.0 - 1e-12).atanh().abs() * freedom.sqrt();
    libm::erfc(z / std::f64::consts::SQRT_2)
}

/// Partial correlation by the Schur complement of the set's correlations; `None` if they are singular.
fn partial(matrix: &[Vec<f64>], i: usize, j: usize, set: &[usize]) -> Option<f64> {
    let order = Vec::from_iter(set.iter().copied().chain([i, j]));
    let mut a = Vec::from_iter(order.iter().map(|r| Vec::from_iter(order.iter().map(|c| matrix[*r][*c]))));
    for pivot in 0..set.len() {
        if a[pivot][pivot] < 1e-9 {
            return None;
        }
        let (above, below) = a.split_at_mut(pivot + 1);
        let of = &above[pivot];
        for row in below {
            let factor = row[pivot] / of[pivot];
            row.iter_mut().zip(of).skip(pivot).for_each(|(value, of)| *value -= factor * of);
        }
    }
    let (x, y) = (order.len() - 2, order.len() - 1);
    (a[x][x] > 1e-9 && a[y][y] > 1e-9).then(|| a[x][y] / (a[x][x] * a[y][y]).sqrt())
}
