//! Figures in a terminal: bars of blocks, and lines of dots.

use std::fmt::{self, Write};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::symbols::Marker;
use ratatui::widgets::{Axis as Across, Chart, Dataset, GraphType, Widget};

use super::axis::{Axis, number};
use super::{Content, Drawing, Estimate, Figure, Panel};

/// Columns of a bar, and of a chart.
const BAR: usize = 40;
const WIDTH: u16 = 96;
/// Lines of a chart.
const HEIGHT: u16 = 12;

/// The figure as lines of text.
pub fn text(figure: &Figure) -> impl fmt::Display + '_ {
    fmt::from_fn(|f| {
        writeln!(f, "{}", figure.title)?;
        figure.drawing.panels.iter().try_for_each(|panel| panel_text(panel, &figure.drawing, f))
    })
}

fn panel_text(panel: &Panel, drawing: &Drawing, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "\n{} — {}", panel.title, panel.y.label)?;
    match &panel.content {
        Content::Bars { groups, values, published } => {
            let axis = Axis::new(&panel.y, panel.content.values());
            let names = drawing.legend.iter().map(|name| name.chars().count()).max().unwrap_or(0);
            for (index, group) in groups.iter().enumerate() {
                writeln!(f, "  {group}")?;
                let of_group = values.get(index).into_iter().flatten().enumerate();
                for (series, value) in of_group {
                    let name = drawing.legend.get(series).map_or("", String::as_str);
                    let mark = published.get(index).and_then(|group| group.get(series)).copied().flatten();
                    let Some(value) = value else { continue };
                    write!(f, "    {name:names$} {} ", bar(&axis, value, mark))?;
                    let word = |value| {
                        if panel.y.percent { format!("{:.0} %", 100.0 * value) } else { number(value) }
                    };
                    write!(f, "{} [{}, {}]", word(value.value), word(value.low), word(value.high))?;
                    if let Some(mark) = mark {
                        write!(f, ", published {}", word(mark))?;
                    }
                    writeln!(f)?;
                }
            }
            Ok(())
        }
        Content::Lines { range, lines, marks, .. } => {
            let sets = lines.iter().map(|(_, line)| line.clone());
            let limit = panel.y.limit.iter().map(|(limit, _)| vec![(range.0, *limit), (range.1, *limit)]);
            f.write_str(&chart(panel, *range, sets.chain(limit).collect()))?;
            if !marks.is_empty() {
                let marks = Vec::from_iter(marks.iter().map(|at| number(*at)));
                writeln!(f, "  marks at {}", marks.join(", "))?;
            }
            Ok(())
        }
        Content::Reliability { points } => {
            let line = points.iter().map(|(x, y, _)| (*x, y.value)).collect();
            f.write_str(&chart(panel, (0.0, 1.0), vec![line, vec![(0.0, 0.0), (1.0, 1.0)]]))
        }
    }
}

/// A bar with its interval `├ ┤` and what was published `◆`.
fn bar(axis: &Axis, value: &Estimate, published: Option<f64>) -> String {
    let at = |value: f64| ((axis.at(value) * BAR as f64).round() as usize).min(BAR - 1);
    let full = (axis.at(value.value) * BAR as f64).round() as usize;
    let mut cells = Vec::from_iter((0..BAR).map(|cell| if cell < full { '█' } else { '·' }));
    if value.high > value.low {
        for (end, sign) in [(value.low, '├'), (value.high, '┤')] {
            cells[at(end)] = sign;
        }
    }
    if let Some(published) = published {
        cells[at(published)] = '◆';
    }
    cells.into_iter().collect()
}

/// Lines as ratatui draws them.
fn chart(panel: &Panel, range: (f64, f64), lines: Vec<Vec<(f64, f64)>>) -> String {
    let axis = Axis::new(&panel.y, panel.content.values());
    let place = |line: &Vec<(f64, f64)>| {
        let known = line.iter().filter(|(_, y)| y.is_finite());
        Vec::from_iter(known.map(|(x, y)| (*x, axis.at(*y))))
    };
    let placed = Vec::from_iter(lines.iter().map(place));
    let sets = placed.iter().map(|line| {
        Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line).data(line.as_slice())
    });
    let ends = [0.0, 0.5, 1.0].map(|share| number(range.0 + share * (range.1 - range.0)));
    let nearest = |share: f64| {
        let ticks = axis.ticks.iter().map(|(value, word)| ((axis.at(*value) - share).abs(), word.clone()));
        ticks.min_by(|a, b| a.0.total_cmp(&b.0)).map_or_else(String::new, |(_, word)| word)
    };
    let chart = Chart::new(sets.collect())
        .x_axis(Across::default().bounds([range.0, range.1]).labels(ends))
        .y_axis(Across::default().bounds([0.0, 1.0]).labels([0.0, 0.5, 1.0].map(nearest)));
    let area = Rect::new(0, 0, WIDTH, HEIGHT);
    let mut buffer = Buffer::empty(area);
    chart.render(area, &mut buffer);
    let mut text = String::new();
    for y in 0..HEIGHT {
        let row = (0..WIDTH).filter_map(|x| buffer.cell((x, y))).map(|cell| cell.symbol());
        let row: String = row.collect();
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {}", row.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::*;

    #[test]
    fn a_terminal_shows_every_panel() {
        let shown = text(&example()).to_string();
        for word in
            ["An example", "exactly right — share of incidents", "50 % [28 %, 72 %]", "◆", "marks at 12"]
        {
            assert!(shown.contains(word), "{word} in\n{shown}");
        }
        assert!(shown.contains('⠉') || shown.contains('⡠'), "a line of dots in\n{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 110), "{shown}");
    }
}
