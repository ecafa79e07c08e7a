//! A predicted tail on a scale: its interval, the objective, and what is measured.

use ratatui::text::Span;

use super::pane::Pane;
use crate::domain::Counterfactual;
use crate::tui::theme::Role;

/// Where latencies stand on a line of cells. The objective always stands at the same place, so that
/// the lines below one another can be compared: left of it the scale is linear, right of it every
/// cell multiplies, up to the highest value there is.
struct Scale {
    objective: f64,
    /// Cell of the objective.
    at: usize,
    /// Cells.
    cells: usize,
    /// How many objectives the last cell stands for.
    highest: f64,
}

impl Scale {
    fn new(objective: f64, highest: f64, cells: usize) -> Self {
        // The right part must mean something, even where nothing is over the objective.
        let highest = (highest / objective).clamp(2.0, 1e6);
        Self { objective, at: cells * 3 / 5, cells, highest }
    }

    fn cell(&self, ms: f64) -> usize {
        let ratio = (ms / self.objective).max(0.0);
        if ratio <= 1.0 {
            return (ratio * self.at as f64) as usize;
        }
        let right = self.cells.saturating_sub(self.at + 1);
        let share = (ratio.ln() / self.highest.ln()).clamp(0.0, 1.0);
        // What is over the objective stands right of it, however little.
        self.at + ((share * right as f64).round() as usize).clamp(1, right.max(1))
    }
}

/// The line of `cells` cells; `measured` is the tail now, or after the change.
pub(super) fn bar(
    c: &Pane<'_>,
    forecast: Option<&Counterfactual>,
    objective: f64,
    measured: Option<f64>,
    cells: usize,
) -> Vec<Span<'static>> {
    let known = objective.is_finite() && objective > 0.0;
    if cells < 8 || !known {
        return Vec::new();
    }
    let measured = measured.filter(|v| v.is_finite());
    let forecast = forecast.filter(|f| [f.low_ms, f.quantile_ms, f.high_ms].iter().all(|v| v.is_finite()));
    let highest = measured.into_iter().chain(forecast.map(|f| f.high_ms)).fold(objective, f64::max);
    let scale = Scale::new(objective, highest, cells);
    let mut line = vec![(c.symbols.rule, Role::Guide); cells];
    let mut put = |at: usize, sign: &'static str, role: Role| {
        if let Some(cell) = line.get_mut(at) {
            *cell = (sign, role);
        }
    };
    let role = |ms: f64| if ms > objective { Role::Over } else { Role::Ok };
    if let Some(f) = forecast {
        for at in scale.cell(f.low_ms)..=scale.cell(f.high_ms) {
            put(at, c.symbols.interval, if at > scale.at { Role::Over } else { Role::Ok });
        }
    }
    put(scale.at, c.symbols.wall, Role::Text);
    if let Some(f) = forecast {
        put(scale.cell(f.quantile_ms), c.symbols.middle, role(f.quantile_ms));
    }
    if let Some(ms) = measured {
        put(scale.cell(ms), c.symbols.measured, if ms > objective { Role::Breached } else { Role::Ok });
    }
    line.into_iter().map(|(sign, role)| Span::styled(sign, plain(c, role))).collect()
}

/// A sign on a scale is never in reverse video: it would look like a block.
fn plain(c: &Pane<'_>, role: Role) -> ratatui::style::Style {
    c.style(role).remove_modifier(ratatui::style::Modifier::REVERSED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_objective_stands_still_and_what_is_over_it_stands_right_of_it() {
        for highest in [100.0, 400.0, 1e6] {
            let scale = Scale::new(300.0, highest, 40);
            assert_eq!(scale.cell(300.0), 24);
            assert_eq!(scale.cell(0.0), 0);
            assert_eq!(scale.cell(150.0), 12);
            assert!(scale.cell(300.1) > 24 && scale.cell(1e9) < 40);
        }
        assert_eq!(Scale::new(300.0, 1e6, 40).cell(1e6), 39);
    }
}
