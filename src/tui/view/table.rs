//! Columns that give way: which fit a width, where each stands, and how its cells are aligned.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint;

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// Heading.
    pub(super) title: String,
    /// Cells it needs.
    pub(super) width: u16,
    /// Cells it can make use of.
    pub(super) most: u16,
    /// Columns with a lower number give way first.
    pub(super) weight: u8,
    /// Whether cells are aligned to the right.
    pub(super) right: bool,
}

impl Column {
    /// A column of fixed width, aligned to the left.
    pub(super) fn left(title: &str, width: u16, weight: u8) -> Self {
        Self { title: title.to_owned(), width, most: width, weight, right: false }
    }

    /// A column of fixed width, aligned to the right.
    pub(super) fn right(title: &str, width: u16, weight: u8) -> Self {
        Self { right: true, ..Self::left(title, width, weight) }
    }

    /// The same, growing up to `most` cells when there is room.
    pub(super) fn up_to(self, most: u16) -> Self {
        Self { most, ..self }
    }
}

/// A text of so many cells is read in a line.
const TEXT: u16 = 64;

/// Where the columns stand; `None` for those that do not fit.
pub(super) struct Grid {
    columns: Vec<(Column, Option<(u16, u16)>)>,
}

impl Grid {
    /// Places `columns` in `width` cells, two cells apart where that takes nothing from any but the last.
    pub(super) fn new(columns: Vec<Column>, width: u16) -> Self {
        let mut kept: Vec<bool> = vec![true; columns.len()];
        let need = |kept: &[bool]| -> u16 {
            let widths = columns.iter().zip(kept).filter(|(_, k)| **k).map(|(c, _)| c.width + 1);
            widths.sum::<u16>().saturating_sub(1)
        };
        while need(&kept) > width {
            let weakest = (0..columns.len()).filter(|i| kept[*i]).min_by_key(|i| columns[*i].weight);
            match weakest {
                // The last one stays, cut to what there is.
                Some(i) if kept.iter().filter(|k| **k).count() > 1 => kept[i] = false,
                _ => break,
            }
        }
        let gap = if roomy(&columns, &kept, width) { 2 } else { 1 };
        let count = kept.iter().filter(|k| **k).count();
        let apart = (gap - 1) * u16::try_from(count.saturating_sub(1)).unwrap_or(u16::MAX);
        let mut spare = width.saturating_sub(need(&kept).saturating_add(apart));
        let mut widths: Vec<u16> = columns.iter().map(|c| c.width.min(width)).collect();
        let mut order: Vec<usize> = (0..columns.len()).filter(|i| kept[*i]).collect();
        order.sort_by_key(|i| std::cmp::Reverse(columns[*i].weight));
        for i in order {
            let more = spare.min(columns[i].most.saturating_sub(columns[i].width));
            widths[i] += more;
            spare -= more;
        }
        let mut x = 0;
        let placed = columns.into_iter().zip(kept).zip(widths).map(|((column, kept), w)| {
            let at = kept.then_some((x, w));
            if kept {
                x += w + gap;
            }
            (column, at)
        });
        Self { columns: placed.collect() }
    }

    /// Place of column `i` as (x, width).
    pub(super) fn at(&self, i: usize) -> Option<(u16, u16)> {
        self.columns.get(i).and_then(|(_, at)| *at)
    }

    /// Draws the headings as row `row` of `area`.
    pub(super) fn headings(&self, buf: &mut Buffer, area: Rect, row: usize, style: Style, ellipsis: &str) {
        for (i, (column, _)) in self.columns.iter().enumerate() {
            self.cell(buf, area, row, i, &column.title, style, ellipsis);
        }
    }

    /// Draws a cell of column `i` as row `row` of `area`.
    #[allow(clippy::too_many_arguments, reason = "a cell is a place, a text and a style")]
    pub(super) fn cell(
        &self,
        buf: &mut Buffer,
        area: Rect,
        row: usize,
        i: usize,
        text: &str,
        style: Style,
        ellipsis: &str,
    ) {
        let Some((x, width)) = self.at(i) else { return };
        let shown = paint::clip(text, usize::from(width), ellipsis);
        let pad = if self.columns[i].0.right {
            width.saturating_sub(u16::try_from(paint::width(&shown)).unwrap_or(width))
        } else {
            0
        };
        paint::text(buf, area, row, x + pad, width - pad, &shown, style);
    }
}

/// Whether the `kept` ones of `columns` can be as wide as they can make use of with two cells between; of the
/// last, which may be a text without end, a good part of that is enough.
fn roomy(columns: &[Column], kept: &[bool], width: u16) -> bool {
    let kept: Vec<&Column> = columns.iter().zip(kept).filter(|(_, k)| **k).map(|(c, _)| c).collect();
    let Some((last, others)) = kept.split_last() else { return false };
    let enough = if last.most < TEXT { last.most / 2 } else { TEXT };
    let cells: u32 = others.iter().map(|c| u32::from(c.most) + 2).sum();
    cells + u32::from(last.width.max(enough)) <= u32::from(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(width: u16) -> Vec<Option<(u16, u16)>> {
        let columns = vec![
            Column::left("name", 6, 9).up_to(20),
            Column::right("now", 5, 5),
            Column::right("age", 4, 1),
        ];
        let grid = Grid::new(columns, width);
        (0..3).map(|i| grid.at(i)).collect()
    }

    #[test]
    fn columns_give_way_by_weight_and_share_what_is_left() {
        assert_eq!(grid(40), [Some((0, 20)), Some((22, 5)), Some((29, 4))]);
        assert_eq!(grid(32), [Some((0, 20)), Some((21, 5)), Some((27, 4))]);
        assert_eq!(grid(17), [Some((0, 6)), Some((7, 5)), Some((13, 4))]);
        assert_eq!(grid(16), [Some((0, 10)), Some((11, 5)), None]);
        assert_eq!(grid(8), [Some((0, 8)), None, None]);
        assert_eq!(grid(3), [Some((0, 3)), None, None]);
        assert_eq!(grid(0), [Some((0, 0)), None, None]);
    }
}
