//! A metric's recent course over the whole width: its scale left, what is normal as a line, the time
//! below, and under it the windows in which the objective was violated.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::paint;
use crate::domain::Timestamp;
use crate::tui::symbols::Symbols;
use crate::tui::theme::{Role, Theme};

/// Cells for the numbers left of it.
const SCALE: u16 = 10;
/// Fewest rows that tell anything.
pub(super) const LEAST: u16 = 5;

/// What is drawn.
pub(super) struct Course<'a> {
    /// One value a window, newest last; `None` is a gap.
    pub(super) values: &'a [Option<f64>],
    /// What is normal.
    pub(super) normal: Option<f64>,
    /// For each window: whether the objective was violated; may be empty.
    pub(super) violated: &'a [bool],
    /// How many of the newest windows count as now.
    pub(super) now: usize,
    /// End of the newest window.
    pub(super) until: Option<Timestamp>,
    /// Length of a window.
    pub(super) window: std::time::Duration,
}

/// Draws `course` into `area`; `label` words a value.
pub(super) fn draw(
    course: &Course<'_>,
    label: impl Fn(f64) -> String,
    symbols: &Symbols,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let plot = paint::indent(area, SCALE + 1);
    let Some(rows) = usize::from(area.height).checked_sub(2).filter(|rows| *rows >= 2) else { return };
    let skip = course.values.len().saturating_sub(usize::from(plot.width));
    let shown = &course.values[skip..];
    let finite = |v: &Option<f64>| v.filter(|v| v.is_finite() && *v >= 0.0);
    let normal = course.normal.filter(|v| v.is_finite() && *v >= 0.0);
    let highest = shown.iter().filter_map(finite).chain(normal).fold(0.0, f64::max);
    let top = if highest > 0.0 { highest } else { 1.0 };
    // The newest window stands at the right end.
    let lead = usize::from(plot.width) - shown.len();
    let x = |i: usize| u16::try_from(lead + i).unwrap_or(u16::MAX);
    let eighths = |v: f64| ((v / top) * (rows * 8) as f64).round() as usize;
    let line = normal.map(|v| (rows - 1).saturating_sub(eighths(v).saturating_sub(1) / 8));
    for row in 0..rows {
        let text = match row {
            0 => label(top),
            r if Some(r) == line => normal.map(&label).unwrap_or_default(),
            r if r + 1 == rows => "0".to_owned(),
            _ => String::new(),
        };
        let role = if Some(row) == line { Role::Text } else { Role::Muted };
        paint::text(buf, area, row, 0, SCALE, &format!("{text:>9}"), theme.style(role));
        if Some(row) == line {
            let rule = symbols.rule.repeat(usize::from(plot.width));
            paint::text(buf, plot, row, 0, plot.width, &rule, theme.style(Role::Guide));
        }
        let below = (rows - 1 - row) * 8;
        for (i, value) in shown.iter().enumerate() {
            let Some(v) = finite(value) else { continue };
            // Whatever was measured is seen, however small.
            let filled = eighths(v).max(1).saturating_sub(below).min(8);
            if filled > 0 {
                let role = if i + course.now >= shown.len() { Role::Over } else { Role::Bar };
                paint::text(buf, plot, row, x(i), 1, symbols.spark[filled - 1], theme.style(role));
            }
        }
    }
    for (i, _) in violations(course, skip) {
        paint::text(buf, plot, rows, x(i), 1, symbols.interval, theme.style(Role::Over));
    }
    times(course, shown.len(), x(0), theme, paint::rows(plot, area.height - 1, 1), buf);
}

/// The windows shown in which the objective was violated.
fn violations<'c>(course: &'c Course<'_>, skip: usize) -> impl Iterator<Item = (usize, &'c bool)> {
    course.violated.iter().skip(skip).enumerate().filter(|(_, violated)| **violated)
}

/// When the first and the last window shown end, and what the mark above means.
fn times(course: &Course<'_>, shown: usize, left: u16, theme: &Theme, row: Rect, buf: &mut Buffer) {
    let Some(until) = course.until else { return };
    let back = course.window * u32::try_from(shown.saturating_sub(1)).unwrap_or(u32::MAX);
    let from = until.checked_sub(back).unwrap_or(until);
    let [from, to] = [from, until].map(|at| at.strftime("%H:%M").to_string());
    let muted = theme.style(Role::Muted);
    let right = row.width.saturating_sub(5);
    if left + 6 < right {
        paint::text(buf, row, 0, left, 5, &from, muted);
    }
    paint::text(buf, row, 0, right, 5, &to, muted);
    let words = "SLO violated: marked above";
    let room = right.saturating_sub(left + 6);
    if course.violated.iter().any(|v| *v) && usize::from(room) > words.len() + 2 {
        let at = left + 6 + (room - words.len() as u16) / 2;
        paint::text(buf, row, 0, at, room, words, theme.style(Role::Over));
    }
}
