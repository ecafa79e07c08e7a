//! Paints a drawing: legend, panels, axes, and what is in them.

use plotters::backend::DrawingBackend;

use super::axis::{Axis, number, steps};
use super::canvas::{Canvas, Hold, Ink, width};
use super::{Content, Drawing, Estimate, Panel, PlotError, colours};

/// Width of a figure in pixels.
const WIDTH: u32 = 1_000;
/// Beside the panels: axis and its title; above and below each.
const LEFT: f64 = 72.0;
const RIGHT: f64 = 18.0;
const ABOVE: f64 = 38.0;
const BELOW: f64 = 30.0;
/// The horizontal axis' title.
const TITLE: f64 = 18.0;
/// Height of a line of the legend, and its swatch.
const LEGEND: f64 = 24.0;
const SWATCH: f64 = 12.0;

const PLAIN: Ink = Ink { size: 12.0, colour: colours::INK, bold: false };
const SMALL: Ink = Ink { size: 10.5, colour: colours::FAINT, bold: false };
const HEAVY: Ink = Ink { size: 13.0, colour: colours::INK, bold: true };

/// The part of a panel within its axes.
#[derive(Clone, Copy, Debug)]
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    fn x(&self, share: f64) -> f64 {
        self.left + share * (self.right - self.left)
    }

    fn y(&self, share: f64) -> f64 {
        self.bottom - share * (self.bottom - self.top)
    }
}

/// Width and height in pixels.
pub fn size(drawing: &Drawing) -> (u32, u32) {
    let legend = legend(&drawing.legend).last().map_or(0.0, |(_, y)| y + LEGEND);
    let rows = drawing.panels.chunks(drawing.columns.max(1)).map(|row| height(drawing, row));
    (WIDTH, (legend + rows.sum::<f64>()).ceil() as u32)
}

/// Height of a row of panels.
fn height(drawing: &Drawing, row: &[Panel]) -> f64 {
    let title = if row.iter().any(|panel| !panel.x.is_empty()) { TITLE } else { 0.0 };
    ABOVE + f64::from(drawing.height) + BELOW + title
}

/// Where each entry of the legend begins.
fn legend(names: &[String]) -> Vec<(f64, f64)> {
    let (mut x, mut y) = (LEFT, 6.0);
    let place = |name: &String| {
        let wide = SWATCH + 6.0 + width(name, PLAIN) + 22.0;
        if x + wide > f64::from(WIDTH) - RIGHT && x > LEFT {
            (x, y) = (LEFT, y + LEGEND);
        }
        let here = (x, y);
        x += wide;
        here
    };
    names.iter().map(place).collect()
}

/// Paints all of it.
pub fn paint<B: DrawingBackend>(drawing: &Drawing, canvas: &Canvas<'_, B>) -> Result<(), PlotError> {
    let places = legend(&drawing.legend);
    for (series, (name, (x, y))) in drawing.legend.iter().zip(&places).enumerate() {
        let middle = y + LEGEND / 2.0;
        let corner = (*x, middle - SWATCH / 2.0);
        canvas.block(corner, (x + SWATCH, corner.1 + SWATCH), colours::of(series))?;
        canvas.words(name, (x + SWATCH + 6.0, middle), Hold::Left, PLAIN)?;
    }
    let mut top = places.last().map_or(0.0, |(_, y)| y + LEGEND);
    let columns = drawing.columns.max(1);
    let wide = f64::from(WIDTH) / columns as f64;
    for row in drawing.panels.chunks(columns) {
        for (column, panel) in row.iter().enumerate() {
            let left = column as f64 * wide;
            let frame = Frame {
                left: left + LEFT,
                right: left + wide - RIGHT,
                top: top + ABOVE,
                bottom: top + ABOVE + f64::from(drawing.height),
            };
            paint_panel(panel, frame, canvas)?;
        }
        top += height(drawing, row);
    }
    Ok(())
}

fn paint_panel<B: DrawingBackend>(
    panel: &Panel,
    frame: Frame,
    canvas: &Canvas<'_, B>,
) -> Result<(), PlotError> {
    let axis = Axis::new(&panel.y, panel.content.values());
    // Above the words of the shades, if there are any.
    let lift = if matches!(&panel.content, Content::Lines { shades, .. } if !shades.is_empty()) {
        24.0
    } else {
        16.0
    };
    canvas.words(&panel.title, (frame.left, frame.top - lift), Hold::Left, HEAVY)?;
    if let Content::Lines { range, shades, .. } = &panel.content {
        for (from, until, word) in shades {
            let at = |x: f64| frame.x(((x - range.0) / (range.1 - range.0)).clamp(0.0, 1.0));
            canvas.block((at(*from), frame.top), (at(*until), frame.bottom), colours::SHADE)?;
            let middle = 0.5 * (at(*from) + at(*until));
            canvas.words(word, (middle, frame.top - 8.0), Hold::Middle, Ink { size: 9.5, ..SMALL })?;
        }
    }
    for (value, word) in &axis.ticks {
        let y = frame.y(axis.at(*value));
        canvas.line(&[(frame.left, y), (frame.right, y)], colours::GRID, 1.0)?;
        canvas.words(word, (frame.left - 6.0, y), Hold::Right, SMALL)?;
    }
    let middle = 0.5 * (frame.top + frame.bottom);
    canvas.upright(&panel.y.label, (frame.left - 54.0, middle), PLAIN)?;
    canvas.words(&panel.x, (0.5 * (frame.left + frame.right), frame.bottom + 38.0), Hold::Middle, PLAIN)?;
    match &panel.content {
        Content::Bars { groups, values, published } => {
            bars(groups, values, published, &axis, frame, canvas)?;
        }
        Content::Lines { range, lines, marks, .. } => {
            across(*range, frame, number, canvas)?;
            for (series, points) in lines {
                let place = |(x, y): &(f64, f64)| {
                    let x = frame.x((x - range.0) / (range.1 - range.0));
                    y.is_finite().then(|| (x, frame.y(axis.at(*y))))
                };
                let places = Vec::from_iter(points.iter().map(place));
                for run in places.split(Option::is_none) {
                    let run = Vec::from_iter(run.iter().copied().flatten());
                    canvas.line(&run, colours::of(*series), 2.0)?;
                }
            }
            for mark in marks {
                let x = frame.x((mark - range.0) / (range.1 - range.0));
                let foot = frame.bottom;
                let corners = [(x, foot - 9.0), (x - 4.5, foot), (x + 4.5, foot)];
                canvas.polygon(&corners, colours::INK)?;
            }
        }
        Content::Reliability { points } => reliability(points, &axis, frame, canvas)?,
    }
    if let Some((limit, word)) = &panel.y.limit {
        let y = frame.y(axis.at(*limit));
        dashes((frame.left, y), (frame.right, y), canvas)?;
        // What the line is stands beside the title, where nothing is drawn.
        let (ink, y) = (Ink { colour: colours::LIMIT, ..SMALL }, frame.top - lift);
        let left = frame.right - width(word, ink);
        canvas.words(word, (left, y), Hold::Left, ink)?;
        dashes((left - 34.0, y), (left - 6.0, y), canvas)?;
    }
    canvas.line(&[(frame.left, frame.bottom), (frame.right, frame.bottom)], colours::INK, 1.0)
}

/// The horizontal axis' numbers.
fn across<B: DrawingBackend>(
    range: (f64, f64),
    frame: Frame,
    word: impl Fn(f64) -> String,
    canvas: &Canvas<'_, B>,
) -> Result<(), PlotError> {
    for value in steps(range.0, range.1) {
        let x = frame.x((value - range.0) / (range.1 - range.0));
        canvas.line(&[(x, frame.bottom), (x, frame.bottom + 4.0)], colours::INK, 1.0)?;
        canvas.words(&word(value), (x, frame.bottom + 14.0), Hold::Middle, SMALL)?;
    }
    Ok(())
}

fn dashes<B: DrawingBackend>(
    from: (f64, f64),
    to: (f64, f64),
    canvas: &Canvas<'_, B>,
) -> Result<(), PlotError> {
    let (wide, high) = (to.0 - from.0, to.1 - from.1);
    let pieces = (wide.hypot(high) / 9.0).max(1.0) as usize;
    let at = |share: f64| (from.0 + share * wide, from.1 + share * high);
    (0..pieces).try_for_each(|piece| {
        let [start, end] = [piece as f64, piece as f64 + 0.6].map(|at| at / pieces as f64);
        canvas.line(&[at(start), at(end)], colours::LIMIT, 1.4)
    })
}

/// An interval as a line with caps.
fn whisker<B: DrawingBackend>(
    x: f64,
    (low, high): (f64, f64),
    canvas: &Canvas<'_, B>,
) -> Result<(), PlotError> {
    canvas.line(&[(x, low), (x, high)], colours::INK, 1.0)?;
    let cap = |y: f64| canvas.line(&[(x - 2.5, y), (x + 2.5, y)], colours::INK, 1.0);
    cap(low)?;
    cap(high)
}

fn bars<B: DrawingBackend>(
    groups: &[String],
    values: &[Vec<Option<Estimate>>],
    published: &[Vec<Option<f64>>],
    axis: &Axis,
    frame: Frame,
    canvas: &Canvas<'_, B>,
) -> Result<(), PlotError> {
    let group = (frame.right - frame.left) / groups.len().max(1) as f64;
    for (index, name) in groups.iter().enumerate() {
        let left = frame.left + index as f64 * group;
        for (line, words) in wrap(name, group - 6.0).iter().enumerate() {
            let y = frame.bottom + 12.0 + 13.0 * line as f64;
            canvas.words(words, (left + 0.5 * group, y), Hold::Middle, Ink { size: 11.0, ..PLAIN })?;
        }
        let of_group = values.get(index).map(Vec::as_slice).unwrap_or_default();
        let bar = (0.86 * group / of_group.len().max(1) as f64).min(46.0);
        let first = left + 0.5 * (group - bar * of_group.len() as f64);
        for (series, value) in of_group.iter().enumerate() {
            let (from, until) = (first + bar * series as f64, first + bar * (series as f64 + 1.0));
            let middle = 0.5 * (from + until);
            if let Some(value) = value {
                let top = frame.y(axis.at(value.value)).min(frame.bottom - 1.0);
                let gap = 0.06 * bar;
                canvas.block((from + gap, top), (until - gap, frame.bottom), colours::of(series))?;
                if value.high > value.low {
                    let ends = (frame.y(axis.at(value.low)), frame.y(axis.at(value.high)));
                    whisker(middle, ends, canvas)?;
                }
            }
            if let Some(Some(value)) = published.get(index).and_then(|group| group.get(series)) {
                let (y, half) = (frame.y(axis.at(*value)), (0.4 * bar).min(6.0));
                let corners =
                    [(middle, y - half), (middle + half, y), (middle, y + half), (middle - half, y)];
                canvas.polygon(&corners, colours::INK)?;
                let inner = corners.map(|(x, at)| (middle + 0.55 * (x - middle), y + 0.55 * (at - y)));
                canvas.polygon(&inner, plotters::style::WHITE)?;
            }
        }
    }
    Ok(())
}

fn reliability<B: DrawingBackend>(
    points: &[(f64, Estimate, usize)],
    axis: &Axis,
    frame: Frame,
    canvas: &Canvas<'_, B>,
) -> Result<(), PlotError> {
    across((0.0, 1.0), frame, |value| format!("{:.0} %", 100.0 * value), canvas)?;
    dashes((frame.left, frame.bottom), (frame.right, frame.top), canvas)?;
    let places = points.iter().map(|(x, y, _)| (frame.x(*x), frame.y(axis.at(y.value))));
    canvas.line(&Vec::from_iter(places), colours::of(0), 1.5)?;
    for (predicted, truly, count) in points {
        let (x, y) = (frame.x(*predicted), frame.y(axis.at(truly.value)));
        whisker(x, (frame.y(axis.at(truly.low)), frame.y(axis.at(truly.high))), canvas)?;
        canvas.disc((x, y), 4.5, colours::of(0))?;
        let hold = match *predicted {
            ..0.1 => Hold::Left,
            0.9.. => Hold::Right,
            _ => Hold::Middle,
        };
        // Above the interval, where nothing else is.
        let above = (frame.y(axis.at(truly.high)) - 9.0).max(frame.top + 6.0);
        let aside = if above > frame.top + 6.0 { 0.0 } else { -8.0 };
        canvas.words(&format!("n = {count}"), (x + aside, above), hold, SMALL)?;
    }
    Ok(())
}

/// Breaks a name into at most two lines where it does not fit.
fn wrap(name: &str, wide: f64) -> Vec<&str> {
    let ink = Ink { size: 11.0, ..PLAIN };
    if width(name, ink) <= wide {
        return vec![name];
    }
    let breaks = name.match_indices(['-', ' ']).map(|(at, found)| at + found.len());
    let middle = breaks.min_by_key(|at| at.abs_diff(name.len() / 2));
    middle.and_then(|at| name.split_at_checked(at)).map_or(vec![name], |(a, b)| vec![a.trim_end(), b])
}

impl Content {
    /// All that the vertical axis has to reach.
    pub(super) fn values(&self) -> Vec<f64> {
        match self {
            Self::Bars { values, published, .. } => {
                let ends = values.iter().flatten().flatten().flat_map(|value| [value.value, value.high]);
                ends.chain(published.iter().flatten().flatten().copied()).collect()
            }
            Self::Lines { lines, .. } => lines.iter().flat_map(|(_, line)| line).map(|(_, y)| *y).collect(),
            Self::Reliability { points } => points.iter().map(|(_, y, _)| y.high).collect(),
        }
    }
}
