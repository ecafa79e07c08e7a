//! The recent windows of the selected SLO; on wide terminals those of the others beside it, so that what went
//! bad together shows.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::chart;
use super::paint;
use super::slos;
use crate::domain::SloStatus;
use crate::tui::format;
use crate::tui::state::State;
use crate::tui::theme::{Role, Theme};

/// Fewest columns of one of several charts, and the cells between two.
const LEAST: u16 = 56;
const BETWEEN: u16 = 3;
/// Most rows of a chart on its own.
const ALONE: u16 = 24;
/// Rows of one of several with its title: fewest, enough, and most.
const SMALL: u16 = chart::LEAST + 3;
const GOOD: u16 = 12;
const SEVERAL: u16 = 24;

/// Draws them into `area`, in the order of the table.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let Some(selected) = state.selected_slo() else { return };
    let known = |slo: &&SloStatus| slo.recent_ms.iter().any(Option::is_some);
    let rows = state.slo_rows();
    let charts: Vec<&SloStatus> = rows.iter().copied().filter(known).collect();
    let at = charts.iter().position(|slo| slo.name == selected.name);
    if area.height < chart::LEAST || at.is_none() {
        return;
    }
    let most = (area.width + BETWEEN) / (LEAST + BETWEEN);
    let Some((columns, lines)) = shape(charts.len(), most, area.height) else {
        // At the bottom, beside the words about the same SLO.
        let height = area.height.min(ALONE);
        let area = paint::rows(area, area.height - height, height);
        return chart::draw(selected, state.symbols(), theme, slos::is_stale(state, selected), area, buf);
    };
    let (width, height) = ((area.width + BETWEEN) / columns - BETWEEN, (area.height / lines).min(SEVERAL));
    let room = usize::from(columns * lines);
    // The page of charts with the selected one.
    let first = at.unwrap_or(0) / room * room;
    for (i, slo) in (0u16..).zip(charts.iter().skip(first).take(room)) {
        let column = paint::indent(area, i % columns * (width + BETWEEN));
        let cell = paint::rows(Rect { width, ..column }, i / columns * height, height.saturating_sub(1));
        title(state, theme, slo, slo.name == selected.name, cell, buf);
        let below = paint::rows(cell, 1, cell.height.saturating_sub(1));
        chart::draw(slo, state.symbols(), theme, slos::is_stale(state, slo), below, buf);
    }
}

/// Columns and lines of `count` charts in at most `most` columns: as few columns as leave every chart a good
/// height, else as many as there are. `None` if there is room for one only.
fn shape(count: usize, most: u16, height: u16) -> Option<(u16, u16)> {
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    if count < 2 || most < 2 || height < SMALL {
        return None;
    }
    let good = (2..=most.min(count)).find(|columns| count.div_ceil(*columns) * GOOD <= height);
    let columns = good.unwrap_or(most.min(count));
    let lines = count.div_ceil(columns).min(height / SMALL);
    // No column without a chart.
    Some((columns.min(count.div_ceil(lines)).max(2), lines))
}

/// The SLO's state, name and latency above its chart.
fn title(state: &State, theme: &Theme, slo: &SloStatus, selected: bool, area: Rect, buf: &mut Buffer) {
    let symbols = state.symbols();
    let role = if slos::is_stale(state, slo) { Role::Stale } else { slos::role(slo.state) };
    let sign = format!("{} {}", symbols.slo(slo.state), slo.state.word());
    let now = format!("  {}", format::latency(slo.observed_ms));
    let at = u16::try_from(paint::width(&sign) + 1).unwrap_or(0);
    let room = usize::from(area.width.saturating_sub(at)).saturating_sub(paint::width(&now));
    let name = paint::clip(slo.name.as_str(), room, symbols.ellipsis);
    let after = at + u16::try_from(paint::width(&name)).unwrap_or(0);
    paint::text(buf, area, 0, 0, at, &sign, theme.style(role));
    let role = if selected { Role::Title } else { Role::Text };
    paint::text(buf, area, 0, at, area.width, &name, theme.style(role));
    paint::text(buf, area, 0, after, area.width, &now, theme.style(Role::Muted));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_are_as_large_as_their_number_allows() {
        assert_eq!(shape(4, 2, 41), Some((2, 2)));
        assert_eq!(shape(4, 5, 81), Some((2, 2)));
        assert_eq!(shape(4, 4, 20), Some((4, 1)));
        assert_eq!(shape(4, 2, 20), Some((2, 2)));
        assert_eq!(shape(9, 3, 30), Some((3, 3)));
        assert_eq!(shape(40, 3, 30), Some((3, 3)), "a page of them");
        assert_eq!(shape(3, 2, 40), Some((2, 2)));
        assert_eq!(shape(1, 4, 60), None);
        assert_eq!(shape(4, 1, 60), None);
        assert_eq!(shape(4, 4, 7), None);
    }
}
