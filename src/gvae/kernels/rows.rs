//! Memory of tiles: rows of [`TILE`] numbers, each beginning at a cache line.

use super::TILE;

/// A cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Line([f32; 16]);

const LINES: usize = TILE / 16;

/// Rows of [`TILE`] numbers.
#[derive(Clone, Debug, Default)]
pub struct Rows(Vec<Line>);

impl Rows {
    /// `rows` rows of zeros.
    pub fn new(rows: usize) -> Self {
        Self(vec![Line::default(); rows * LINES])
    }

    /// At least enough aligned memory for `numbers` numbers, zeroed.
    pub fn holding(numbers: usize) -> Self {
        Self::new(numbers.div_ceil(TILE))
    }

    /// All numbers, row by row.
    pub fn numbers(&self) -> &[f32] {
        // SAFETY: `Line` is `repr(C)` around an array of 16 numbers and has no padding (64 bytes,
        // aligned to 64), so n lines are 16 n numbers in a row; the lifetime is that of `self`.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * 16) }
    }

    /// All numbers, row by row.
    pub fn numbers_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * 16) }
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.numbers()[i * TILE..(i + 1) * TILE]
    }

    /// Row `i`.
    pub fn row_mut(&mut self, i: usize) -> &mut [f32] {
        &mut self.numbers_mut()[i * TILE..(i + 1) * TILE]
    }

    /// Rows from `first` on, `count` of them.
    pub fn span(&self, first: usize, count: usize) -> &[f32] {
        &self.numbers()[first * TILE..(first + count) * TILE]
    }

    /// Rows from `first` on, `count` of them.
    pub fn span_mut(&mut self, first: usize, count: usize) -> &mut [f32] {
        &mut self.numbers_mut()[first * TILE..(first + count) * TILE]
    }
}
