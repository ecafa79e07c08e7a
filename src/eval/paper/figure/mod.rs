//! A figure: its tables, its data, and how it is drawn.
//!
//! ```text
//!              ┌→ markdown   tables in documents
//!              ├→ csv        one value a line, for other programs
//!  Figure ─────┤
//!              ├→ plot       SVG and PNG
//!              └→ text       in a terminal
//! ```
//!
//! What is measured becomes a [`Figure`] in its own file; nothing here knows what it is about.

mod axis;
mod canvas;
mod colours;
mod paint;
mod picture;
mod table;
mod text;

pub use picture::{PlotError, png, svg};
pub use table::{Table, cell};
pub use text::text;

use crate::eval::model::share::wilson;

/// A value with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Estimate {
    /// A share with its interval by Wilson (1927); `None` of none.
    pub fn share(right: usize, of: usize) -> Option<Self> {
        let (value, low, high) = wilson(right, of);
        (of > 0).then_some(Self { value, low, high })
    }

    /// A mean with its interval by Student's t; of a single value the interval is that value.
    pub fn mean(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let value = (n > 0.0).then(|| values.iter().sum::<f64>() / n)?;
        let spread = values.iter().map(|v| (v - value).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let half = student(values.len()) * (spread / n).sqrt();
        Some(Self { value, low: value - half, high: value + half })
    }
}

/// The 97.5 % quantile of Student's t with `n` − 1 degrees of freedom.
fn student(n: usize) -> f64 {
    const T: [f64; 11] = [0.0, 0.0, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
    match (T.get(n), n) {
        (Some(t), _) => *t,
        (None, ..=20) => 2.228,
        (None, ..=30) => 2.086,
        _ => 1.96,
    }
}

/// A figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Name of its files.
    pub name: &'static str,
    /// One line.
    pub title: String,
    /// For people.
    pub tables: Vec<Table>,
    /// The same for programs: one value a line.
    pub data: Table,
    /// How it is drawn.
    pub drawing: Drawing,
}

/// Panels beside and below each other, with one legend.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// Panels in a row.
    pub columns: usize,
    /// Height of a panel in pixels.
    pub height: u32,
    /// Names of the series, in the order of their colours.
    pub legend: Vec<String>,
    /// The panels, row by row.
    pub panels: Vec<Panel>,
}

/// One system of axes.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Above it.
    pub title: String,
    /// Below the horizontal axis.
    pub x: String,
    /// Beside the vertical axis.
    pub y: Scale,
    /// What is in it.
    pub content: Content,
}

/// The vertical axis.
#[derive(Clone, Debug)]
pub struct Scale {
    /// What it measures, with its unit.
    pub label: String,
    /// From where to where; without it, as far as the values reach from 0.
    pub range: Option<(f64, f64)>,
    /// Whether equal ratios are equally far apart.
    pub log: bool,
    /// Whether shares are shown as per cent.
    pub percent: bool,
    /// A line across, and what it is called.
    pub limit: Option<(f64, String)>,
}

impl Scale {
    /// From 0 to 100 %.
    pub fn percent(label: &str) -> Self {
        Self { label: label.to_owned(), range: Some((0.0, 1.0)), log: false, percent: true, limit: None }
    }

    /// From 0 on.
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), range: None, log: false, percent: false, limit: None }
    }
}

/// What a panel shows.
#[derive(Clone, Debug)]
pub enum Content {
    /// Groups of bars with their intervals: by group, then by series.
    Bars {
        /// What each group is called.
        groups: Vec<String>,
        /// `None` leaves a gap.
        values: Vec<Vec<Option<Estimate>>>,
        /// Values published elsewhere, drawn as a mark at the bar: by group, then by series.
        published: Vec<Vec<Option<f64>>>,
    },
    /// Lines over a common axis.
    Lines {
        /// From where to where the axis goes.
        range: (f64, f64),
        /// Points of each, with the series whose colour it has; NaN is a gap.
        lines: Vec<(usize, Vec<(f64, f64)>)>,
        /// Stretches with a shade, and a word for each.
        shades: Vec<(f64, f64, String)>,
        /// Moments with a mark at the axis.
        marks: Vec<f64>,
    },
    /// Predicted against true shares, with the diagonal.
    Reliability {
        /// Prediction, and what was true of so many.
        points: Vec<(f64, Estimate, usize)>,
    },
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A figure with a panel of each kind.
    pub fn example() -> Figure {
        let half = Estimate::share(8, 16);
        let bars = Content::Bars {
            groups: vec!["chain".into(), "fan-out".into()],
            values: vec![vec![half, Estimate::share(16, 16)], vec![None, Estimate::share(2, 16)]],
            published: vec![vec![Some(0.955), None], vec![None, None]],
        };
        let wave = (0..60).map(|x| (f64::from(x), 40.0 + 30.0 * (f64::from(x) / 8.0).sin()));
        let lines = Content::Lines {
            range: (0.0, 60.0),
            lines: vec![(1, wave.collect())],
            shades: vec![(10.0, 20.0, "cpu".into())],
            marks: vec![12.0],
        };
        let reliability = Content::Reliability {
            points: vec![(0.05, Estimate::share(1, 30).unwrap(), 30), (0.8, half.unwrap(), 16)],
        };
        let panel = |title: &str, y: Scale, content: Content| Panel {
            title: title.into(),
            x: "minute".into(),
            y,
            content,
        };
        let mut tail = Scale { log: true, ..Scale::linear("p99 (ms)") };
        tail.limit = Some((50.0, "objective".into()));
        let mut table = Table::new(&["application", "exact"]);
        table.row([cell("chain, small"), cell(0.5)]);
        Figure {
            name: "example",
            title: "An example".into(),
            tables: vec![table.clone()],
            data: table,
            drawing: Drawing {
                columns: 2,
                height: 220,
                legend: vec!["sagetop".into(), "autoscaling 50 %".into()],
                panels: vec![
                    panel("exactly right", Scale::percent("share of incidents"), bars),
                    panel("tail", tail, lines),
                    panel("reliability", Scale::percent("truly met"), reliability),
                ],
            },
        }
    }

    #[test]
    fn intervals_of_means_are_students() {
        // Mean 2, standard deviation 1, three values: half a width of 4.303 / √3.
        let mean = Estimate::mean(&[1.0, 2.0, 3.0]).unwrap();
        assert!((mean.value - 2.0).abs() < 1e-12 && (mean.high - 4.484).abs() < 1e-3, "{mean:?}");
        assert_eq!(Estimate::mean(&[5.0]).map(|m| (m.low, m.high)), Some((5.0, 5.0)));
        assert_eq!((Estimate::mean(&[]), Estimate::share(0, 0)), (None, None));
    }
}
