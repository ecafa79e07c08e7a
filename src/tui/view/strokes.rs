//! Lines in cells: which arms meet in a cell, and whose line is above where two cross.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::tui::symbols::Symbols;

/// Arms of a line in a cell, as bits.
const UP: u8 = 1;
const RIGHT: u8 = 2;
const DOWN: u8 = 4;
const LEFT: u8 = 8;

/// How a line is drawn; of pieces that lie on one another the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stroke {
    /// Broken.
    Broken,
    /// Thin.
    Thin,
    /// Thick.
    Thick,
}

/// What a line is drawn with: its stroke, and its rank among styles.
pub(super) type Ink = (Stroke, usize);

#[derive(Clone, Copy)]
struct Piece {
    net: usize,
    arms: u8,
    ink: Ink,
}

/// The cells of a view on a drawing. In a cell at most two nets show.
pub(super) struct Canvas {
    columns: usize,
    rows: usize,
    /// Column and row of the drawing in its upper left corner.
    from: (usize, usize),
    cells: Vec<[Option<Piece>; 2]>,
}

impl Canvas {
    /// An empty one of the size of `area`.
    pub(super) fn new(area: Rect, from: (usize, usize)) -> Self {
        let (columns, rows) = (usize::from(area.width), usize::from(area.height));
        Self { columns, rows, from, cells: vec![[None; 2]; columns * rows] }
    }

    /// Where a point of the drawing stands in the view.
    pub(super) fn at(&self, (x, y): (usize, usize)) -> Option<(usize, usize)> {
        let (x, y) = (x.checked_sub(self.from.0)?, y.checked_sub(self.from.1)?);
        (x < self.columns && y < self.rows).then_some((x, y))
    }

    /// Adds the line of `net` through `points`, which comes in from the left and goes out to the right.
    pub(super) fn line(&mut self, net: usize, points: &[(usize, usize)], ink: Ink) {
        for pair in points.windows(2) {
            let ((x, y), (to_x, to_y)) = (pair[0], pair[1]);
            if y == to_y {
                let (left, right) = (x.min(to_x), x.max(to_x));
                for x in self.visible(left, right, self.from.0, self.columns) {
                    let arms = if x > left { LEFT } else { 0 } | if x < right { RIGHT } else { 0 };
                    self.add((x, y), net, arms, ink);
                }
            } else {
                let (top, bottom) = (y.min(to_y), y.max(to_y));
                for y in self.visible(top, bottom, self.from.1, self.rows) {
                    let arms = if y > top { UP } else { 0 } | if y < bottom { DOWN } else { 0 };
                    self.add((x, y), net, arms, ink);
                }
            }
        }
        for (point, arm) in [(points.first(), LEFT), (points.last(), RIGHT)] {
            if let Some(point) = point {
                self.add(*point, net, arm, ink);
            }
        }
    }

    fn visible(&self, from: usize, to: usize, offset: usize, page: usize) -> std::ops::Range<usize> {
        from.max(offset)..(to + 1).min(offset + page)
    }

    fn add(&mut self, point: (usize, usize), net: usize, arms: u8, ink: Ink) {
        let Some((x, y)) = self.at(point) else { return };
        let cell = &mut self.cells[y * self.columns + x];
        for slot in cell {
            match slot {
                Some(piece) if piece.net == net => {
                    (piece.arms, piece.ink) = (piece.arms | arms, over(piece.ink, ink));
                    return;
                }
                Some(_) => {}
                None => {
                    *slot = Some(Piece { net, arms, ink });
                    return;
                }
            }
        }
    }

    /// Draws all of it; `style` tells what a rank looks like.
    pub(super) fn draw(
        &self,
        area: Rect,
        buf: &mut Buffer,
        symbols: &Symbols,
        style: impl Fn(usize) -> Style,
    ) {
        for (i, cell) in self.cells.iter().enumerate() {
            let (arms, (stroke, rank)) = match *cell {
                [Some(a), Some(b)] => together(a, b),
                [Some(a), None] => (a.arms, a.ink),
                _ => continue,
            };
            let sign = match (stroke, arms) {
                (Stroke::Broken, 8 | 2 | 10) => symbols.broken[0],
                (Stroke::Broken, 1 | 4 | 5) => symbols.broken[1],
                (Stroke::Thick, _) => symbols.lines[1][usize::from(arms & 15)],
                _ => symbols.lines[0][usize::from(arms & 15)],
            };
            let (x, y) = ((i % self.columns) as u16, (i / self.columns) as u16);
            if let Some(cell) = buf.cell_mut((area.x + x, area.y + y)) {
                cell.set_symbol(sign).set_style(style(rank));
            }
        }
    }
}

fn over(a: Ink, b: Ink) -> Ink {
    (a.0.max(b.0), a.1.max(b.1))
}

/// Two nets in a cell. They are joined where both go on to the right, which they only do to the same box;
/// else one passes below the other, and the upright one is drawn.
fn together(a: Piece, b: Piece) -> (u8, Ink) {
    if a.arms & b.arms & RIGHT != 0 {
        return (a.arms | b.arms, over(a.ink, b.ink));
    }
    let upright = if a.arms & (UP | DOWN) != 0 { a } else { b };
    (upright.arms, upright.ink)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Line<'a> = (usize, &'a [(usize, usize)], Stroke);

    fn drawn(lines: &[Line<'_>], from: (usize, usize)) -> Vec<String> {
        let area = Rect::new(0, 0, 7, 3);
        let mut canvas = Canvas::new(area, from);
        for (net, points, stroke) in lines {
            canvas.line(*net, points, (*stroke, 0));
        }
        let mut buf = Buffer::empty(area);
        canvas.draw(area, &mut buf, &Symbols::UNICODE, |_| Style::new());
        (0..3).map(|y| (0..7).map(|x| buf[(x, y)].symbol()).collect()).collect()
    }

    #[test]
    fn a_caller_s_line_branches_and_a_stranger_s_passes_below() {
        let one: [&[(usize, usize)]; 2] = [&[(0, 0), (6, 0)], &[(0, 0), (2, 0), (2, 2), (6, 2)]];
        let other: &[(usize, usize)] = &[(0, 1), (6, 1)];
        let all = [(0, one[0], Stroke::Thin), (0, one[1], Stroke::Thin), (1, other, Stroke::Thin)];
        assert_eq!(drawn(&all, (0, 0)), ["──┬────", "──│────", "  └────"]);
    }

    #[test]
    fn lines_to_one_box_are_joined_and_the_thickest_counts() {
        let straight: &[(usize, usize)] = &[(0, 0), (6, 0)];
        let bent: &[(usize, usize)] = &[(0, 2), (3, 2), (3, 0), (6, 0)];
        assert_eq!(
            drawn(&[(0, straight, Stroke::Broken), (1, bent, Stroke::Thick)], (0, 0)),
            ["╌╌╌┳━━━", "   ┃   ", "━━━┛   "]
        );
        // A view on a part of it shows that part.
        assert_eq!(drawn(&[(1, bent, Stroke::Thick)], (2, 1))[..2], [" ┃     ", "━┛     "]);
    }
}
