//! Sparkline of an SLO's latency. Half height is the objective, so that crossing it shows in the
//! shape and not only in the colour.

use ratatui::text::Span;

use crate::tui::symbols::Symbols;
use crate::tui::theme::{Role, Theme};

/// The newest `cells` values against `objective`, oldest first.
pub(super) fn spark(
    recent: &[Option<f64>],
    objective: f64,
    cells: usize,
    symbols: &Symbols,
    theme: &Theme,
) -> Vec<Span<'static>> {
    let shown = &recent[recent.len().saturating_sub(cells)..];
    let finite = |v: &Option<f64>| v.filter(|v| v.is_finite());
    let max = shown.iter().filter_map(finite).fold(objective, f64::max);
    let lead = cells - shown.len();
    let mut spans = vec![Span::raw(" ".repeat(lead))];
    for value in shown {
        let (sign, role) = match finite(value) {
            None => (symbols.gap, Role::Muted),
            Some(v) => {
                let level = level(v, objective, max);
                (symbols.spark[level], if level >= 4 { Role::Over } else { Role::Bar })
            }
        };
        spans.push(Span::styled(sign, theme.style(role)));
    }
    spans
}

/// 0 to 3 within the objective, 4 to 7 over it.
fn level(v: f64, objective: f64, max: f64) -> usize {
    if v <= objective {
        let share = if objective > 0.0 { (v / objective).clamp(0.0, 1.0) } else { 0.0 };
        (share * 3.999) as usize
    } else {
        let share = ((v - objective) / (max - objective)).clamp(0.0, 1.0);
        4 + (share * 3.999) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_objective_is_half_height() {
        assert_eq!(level(300.0, 300.0, 642.0), 3);
        assert_eq!(level(300.1, 300.0, 642.0), 4);
        assert_eq!(level(642.0, 300.0, 642.0), 7);
        assert_eq!(level(0.0, 300.0, 642.0), 0);
        assert_eq!(level(-5.0, 300.0, 642.0), 0);
        assert_eq!(level(1.0, 0.0, 2.0), 5);
    }
}
