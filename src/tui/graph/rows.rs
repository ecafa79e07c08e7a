//! In which row every place of a layered graph stands: in the order of its layer, as straight right of its
//! caller as there is room for, and so that no line runs into a box that it does not belong to.

use super::{BOX_ROWS, port};
use crate::causal::layers::{Layers, Place};

/// How often all layers are drawn towards their neighbours.
const SWEEPS: usize = 8;

/// Rows that all of it takes, for places at `tops`.
pub(super) fn height(layers: &Layers, tops: &[usize]) -> usize {
    let rows = |place: &Place| if matches!(place, Place::Service(_)) { BOX_ROWS } else { 1 };
    layers.places.iter().zip(tops).map(|(place, top)| top + rows(place)).max().unwrap_or(0)
}

/// The top row of every place, boxes at least `air` rows apart from what stands below them.
pub(super) fn tops(layers: &Layers, air: usize) -> Vec<usize> {
    let rows = |place: usize| match layers.places[place] {
        Place::Service(_) => BOX_ROWS + air,
        Place::Passage(_) => 1,
    };
    let mut tops: Vec<f64> = vec![0.0; layers.places.len()];
    for places in &layers.order {
        let mut y = 0;
        for place in places {
            tops[*place] = y as f64;
            y += rows(*place);
        }
    }
    let (mut left, mut right) =
        (vec![Vec::new(); layers.places.len()], vec![Vec::new(); layers.places.len()]);
    for link in &layers.links {
        let shift = port(layers, link.net, link.from) as f64 - port(layers, link.net, link.to) as f64;
        left[link.to].push((link.from, shift));
        right[link.from].push((link.to, -shift));
    }
    let last = layers.order.len();
    for sweep in 0..2 * SWEEPS {
        let rightwards = sweep % 2 == 1;
        for step in 0..last {
            let layer = if rightwards { step } else { last - 1 - step };
            let neighbours = if rightwards { &left } else { &right };
            let wanted: Vec<f64> = layers.order[layer]
                .iter()
                .map(|place| {
                    let mut at: Vec<f64> = neighbours[*place].iter().map(|(n, by)| tops[*n] + by).collect();
                    at.sort_by(f64::total_cmp);
                    // A neighbour's very row, so that a line runs straight.
                    at.get(at.len().saturating_sub(1) / 2).copied().unwrap_or(tops[*place])
                })
                .collect();
            let heights: Vec<f64> = layers.order[layer].iter().map(|p| rows(*p) as f64).collect();
            for (place, top) in layers.order[layer].iter().zip(spaced(&wanted, &heights)) {
                tops[*place] = top;
            }
        }
    }
    settled(layers, &tops, rows)
}

/// The tops nearest to those `wanted`, by their squares, at which what is `heights` high does not overlap:
/// isotonic regression, pooling adjacent violators.
fn spaced(wanted: &[f64], heights: &[f64]) -> Vec<f64> {
    let mut above = 0.0;
    // Sum and number of what was pooled.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (want, height) in wanted.iter().zip(heights) {
        pools.push((want - above, 1));
        above += height;
        while let [.., (a, n), (b, m)] = pools[..]
            && a / n as f64 > b / m as f64
        {
            pools.truncate(pools.len() - 2);
            pools.push((a + b, n + m));
        }
    }
    let flat = pools.into_iter().flat_map(|(sum, n)| std::iter::repeat_n(sum / n as f64, n));
    let mut above = 0.0;
    flat.zip(heights)
        .map(|(free, height)| {
            let top = free + above;
            above += height;
            top
        })
        .collect()
}

/// Rows that the layer with the most takes at least, boxes `air` rows apart.
pub(super) fn least(layers: &Layers, air: usize) -> usize {
    let rows = |place: &usize| match layers.places[*place] {
        Place::Service(_) => BOX_ROWS + air,
        Place::Passage(_) => 1,
    };
    layers
        .order
        .iter()
        .map(|places| places.iter().map(rows).sum::<usize>())
        .max()
        .unwrap_or(0)
        .saturating_sub(air)
}

/// Whole rows from 0 on. A place is moved down while its row is that of a line which would look like one that
/// leads there, or like one with those that do.
fn settled(layers: &Layers, tops: &[f64], rows: impl Fn(usize) -> usize) -> Vec<usize> {
    let least = tops.iter().copied().fold(f64::INFINITY, f64::min);
    let least = if least.is_finite() { least } else { 0.0 };
    let mut out = vec![0usize; tops.len()];
    let mut leaving: Vec<Leaving> = Vec::new();
    let (mut arriving, mut starting) = (vec![Vec::new(); tops.len()], vec![Vec::new(); tops.len()]);
    for link in &layers.links {
        arriving[link.to].push((link.net, port(layers, link.net, link.to)));
        starting[link.from].push(link.net);
    }
    for places in &layers.order {
        let mut free = 0;
        for place in places {
            let mut top = ((tops[*place] - least).round().max(0.0) as usize).max(free);
            while leaving.iter().any(|line| line.clashes(top, &arriving[*place])) {
                top += 1;
            }
            out[*place] = top;
            free = top + rows(*place);
        }
        leaving.clear();
        for (place, net) in
            places.iter().flat_map(|place| starting[*place].iter().map(move |net| (*place, *net)))
        {
            let row = out[place] + port(layers, net, place);
            match leaving.iter_mut().find(|line| line.net == net) {
                Some(line) => line.branches = true,
                None => leaving.push(Leaving { net, row, branches: false }),
            }
        }
    }
    out
}

/// A line at the right end of a layer.
struct Leaving {
    net: usize,
    row: usize,
    /// Whether it leads to more than one place of the next layer.
    branches: bool,
}

impl Leaving {
    /// Whether a place at `top`, at whose ports other nets are `arriving`, must not stand there: in the row of
    /// this line, others would run along it, unless it leads nowhere but there as well.
    fn clashes(&self, top: usize, arriving: &[(usize, usize)]) -> bool {
        let others = arriving.iter().any(|(net, port)| *net != self.net && top + port == self.row);
        let straight = arriving.iter().any(|(net, port)| *net == self.net && top + port == self.row);
        others && (self.branches || !straight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_spread_around_its_middle() {
        assert_eq!(spaced(&[0.0, 0.0, 0.0], &[3.0, 3.0, 3.0]), [-3.0, 0.0, 3.0]);
        assert_eq!(spaced(&[0.0, 9.0, 10.0], &[3.0, 3.0, 3.0]), [0.0, 8.0, 11.0]);
        assert_eq!(spaced(&[], &[]), Vec::<f64>::new());
    }
}
