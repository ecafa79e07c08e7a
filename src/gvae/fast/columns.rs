//! The data of all windows, column by column, as tiles read it.

use super::plan::Plan;
use crate::gvae::data::{CLIP, Inputs, Normaliser};
use crate::gvae::kernels::{Rows, TILE};

/// One column for each data row of a [`Plan`]'s tiles.
#[derive(Clone, Debug)]
pub struct Columns {
    /// Number of windows.
    pub windows: usize,
    numbers: Vec<f32>,
}

impl Columns {
    /// Of `inputs`, which belong to the planned model.
    pub fn new(plan: &Plan, inputs: &Inputs, normaliser: &Normaliser) -> Self {
        let windows = inputs.rows;
        let mut numbers = vec![0.0; plan.data * windows];
        let mut set = |first: usize, width: usize, values: &mut dyn FnMut(usize, usize) -> f32| {
            for i in 0..width {
                let column = &mut numbers[(first + i) * windows..(first + i + 1) * windows];
                column.iter_mut().enumerate().for_each(|(row, v)| *v = values(row, i));
            }
        };
        for ((first, width), x) in plan.metrics.iter().zip(&inputs.x) {
            set(*first, *width, &mut |row, i| x[row * width + i]);
        }
        for (j, node) in plan.nodes.iter().enumerate() {
            let (y, weight, scales, q) = (&inputs.y[j], &inputs.weight[j], &normaliser.y[j], node.width);
            let [standard, ms, ln, weights] = node.observed;
            let (centre, inverse) = &node.standard;
            set(standard, q, &mut |row, i| ((y[row * q + i] - centre[i]) * inverse[i]).clamp(-CLIP, CLIP));
            set(ms, q, &mut |row, i| scales[i].to_ms(y[row * q + i]));
            set(ln, q, &mut |row, i| y[row * q + i]);
            set(weights, q, &mut |row, i| weight[row * q + i]);
        }
        Self { windows, numbers }
    }

    /// Writes the windows `index`, at most [`TILE`], into the data rows of a tile. Where there are
    /// fewer, the first one fills up with weight 0.
    pub fn load(&self, plan: &Plan, index: &[usize], tile: &mut Rows) {
        let Some(first) = index.first() else { return };
        for (column, row) in self.numbers.chunks_exact(self.windows.max(1)).zip(0..plan.data) {
            let row = tile.row_mut(row);
            for (to, from) in row.iter_mut().zip(index) {
                *to = column[*from];
            }
            row[index.len()..].fill(column[*first]);
        }
        if index.len() < TILE {
            for node in &plan.nodes {
                let weights = tile.span_mut(node.observed[3], node.width);
                weights.chunks_exact_mut(TILE).for_each(|row| row[index.len()..].fill(0.0));
            }
        }
    }
}
