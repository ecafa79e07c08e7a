//! Chart of an SLO's recent windows over the whole width, with the objective as a line.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::paint;
use crate::domain::SloStatus;
use crate::tui::format;
use crate::tui::symbols::Symbols;
use crate::tui::theme::{Role, Theme};

/// Cells for the numbers left of it.
const SCALE: u16 = 9;
/// Fewest rows that tell more than the line in the table.
pub(super) const LEAST: u16 = 5;

/// Draws `slo` into `area`; its last row tells how far back it reaches, given the windows' length.
pub(super) fn draw(
    slo: &SloStatus,
    symbols: &Symbols,
    theme: &Theme,
    stale: bool,
    area: Rect,
    buf: &mut Buffer,
) {
    let plot = paint::indent(area, SCALE + 1);
    let rows = usize::from(area.height.saturating_sub(1));
    let wide = usize::from(plot.width) / slo.recent_ms.len().max(1);
    let column = wide.clamp(1, 5);
    let shown = &slo.recent_ms[slo.recent_ms.len().saturating_sub(usize::from(plot.width) / column)..];
    let finite = |v: &Option<f64>| v.filter(|v| v.is_finite() && *v >= 0.0);
    let highest = shown.iter().filter_map(finite).fold(0.0, f64::max);
    if rows < 2 || shown.is_empty() || slo.objective_ms <= 0.0 {
        return;
    }
    let scale = Axis::new(slo.objective_ms, highest, rows);
    let role = |role: Role| theme.style(if stale { Role::Stale } else { role });
    let line = rows - scale.below;
    for row in 0..rows {
        let label = match row {
            r if r == line => format::latency(Some(slo.objective_ms)),
            r if r + 1 == rows => "0".to_owned(),
            r if r < line && (line - r).is_multiple_of(2) => format::latency(Some(scale.value(rows - r))),
            _ => String::new(),
        };
        let style = if row == line { Role::Text } else { Role::Muted };
        paint::text(buf, area, row, 0, SCALE, &format!("{label:>8}"), theme.style(style));
        if row == line {
            let rule = symbols.rule.repeat(usize::from(plot.width));
            paint::text(buf, plot, row, 0, plot.width, &rule, theme.style(Role::Guide));
        }
        let below = (rows - 1 - row) * 8;
        for (i, value) in shown.iter().enumerate() {
            let Some(ms) = finite(value) else { continue };
            // Whatever was measured is seen, however small.
            let filled = scale.eighths(ms).max(1).saturating_sub(below).min(8);
            if filled == 0 {
                continue;
            }
            let over = if ms > slo.objective_ms { Role::Over } else { Role::Bar };
            let x = u16::try_from(i * column).unwrap_or(u16::MAX);
            let bar = symbols.spark[filled - 1].repeat(column.max(2) - 1);
            paint::text(buf, plot, row, x, plot.width - x, &bar, role(over));
        }
    }
    let mut legend = format!("the last {} windows, newest right; the line is the objective", shown.len());
    if legend.len() > usize::from(plot.width) {
        legend.truncate(legend.find(';').unwrap_or(legend.len()));
    }
    paint::text(buf, plot, rows, 0, plot.width, &legend, theme.style(Role::Muted));
}

/// Where values stand: linear up to the objective, which takes the lower rows; above it every row
/// multiplies, so that one spike does not flatten all the rest.
struct Axis {
    objective: f64,
    /// Rows up to the objective.
    below: usize,
    /// Rows above it.
    above: usize,
    /// What a row above the objective multiplies by.
    factor: f64,
}

impl Axis {
    fn new(objective: f64, highest: f64, rows: usize) -> Self {
        let excess = highest / objective;
        let above = if excess > 1.0 { rows / 2 } else { 0 };
        let factor = if above == 0 { 1.0 } else { excess.powf(1.0 / above as f64).max(1.0 + 1e-9) };
        Self { objective, below: rows - above, above, factor }
    }

    /// The value at the upper edge of the `row`th row from below.
    fn value(&self, row: usize) -> f64 {
        match row.checked_sub(self.below) {
            None => self.objective * row as f64 / self.below as f64,
            Some(over) => self.objective * self.factor.powi(i32::try_from(over).unwrap_or(i32::MAX)),
        }
    }

    /// Height of a value in eighths of a row.
    fn eighths(&self, ms: f64) -> usize {
        let rows = if ms <= self.objective {
            ms / self.objective * self.below as f64
        } else {
            let over = ((ms / self.objective).ln() / self.factor.ln()).clamp(0.0, self.above as f64);
            // Whatever is over the objective is over its line.
            self.below as f64 + over.max(0.125)
        };
        (rows * 8.0).round() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_objective_stands_over_its_line() {
        let axis = Axis::new(1000.0, 16_000.0, 8);
        assert_eq!((axis.below, axis.above), (4, 4));
        assert_eq!((axis.eighths(0.0), axis.eighths(500.0), axis.eighths(1000.0)), (0, 16, 32));
        assert_eq!(axis.eighths(1000.1), 33);
        assert_eq!((axis.eighths(4000.0), axis.eighths(16_000.0)), (48, 64));
        assert!((axis.value(6) - 4000.0).abs() < 1e-6 && (axis.value(2) - 500.0).abs() < 1e-6);
    }

    #[test]
    fn where_the_objective_is_met_it_is_the_top() {
        let axis = Axis::new(1000.0, 800.0, 8);
        assert_eq!((axis.below, axis.above), (8, 0));
        assert_eq!(axis.eighths(800.0), 51);
    }
}
