//! Scraping: each target at its own phase, early or late by a little, sometimes not at all; what has
//! gone is marked stale.

use std::collections::HashMap;

use super::exporters::{Exporters, LabelList, Readings, Sink, Target};
use super::metric::{Metric, Type};
use super::noise::unit;
use super::{Measurement, Red};
use crate::lab::app::Name;
use crate::lab::sim::Nanos;
use crate::lab::tsdb::{Labels, STALE, SeriesId, Tsdb};

/// How often cAdvisor looks at a container; between two looks it shows the same, with the look's time.
const HOUSEKEEPING_NS: u64 = 10_000_000_000;

/// A target's series in the order of its page.
#[derive(Debug, Default)]
struct Page {
    /// Tells whether the page has the same samples as the last.
    shape: u64,
    series: Vec<SeriesId>,
}

/// A scrape to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scrape {
    /// When the readings are taken.
    pub read_at: Nanos,
    /// When Prometheus comes.
    pub due: Nanos,
    /// Index of the target.
    pub target: usize,
}

/// Writes pages into the samples.
#[derive(Debug)]
pub struct Scraper {
    settings: Measurement,
    exporters: Exporters,
    targets: Vec<Target>,
    pages: HashMap<Target, Page>,
    up: Vec<SeriesId>,
    /// How often each target was due.
    rounds: Vec<u64>,
}

impl Scraper {
    /// Of all targets.
    pub fn new(exporters: Exporters, settings: Measurement, tsdb: &mut Tsdb) -> Self {
        let targets = Target::all(exporters.cluster());
        let up = targets.iter().map(|target| {
            let mut labels = target_labels(*target, &exporters);
            labels.push(("__name__".into(), "up".into()));
            labels.sort();
            tsdb.series(Labels(labels))
        });
        let up = up.collect();
        Self { settings, exporters, rounds: vec![0; targets.len()], targets, pages: HashMap::new(), up }
    }

    /// The exporters.
    pub fn exporters(&self) -> &Exporters {
        &self.exporters
    }

    /// The next scrape, in the order of the readings.
    pub fn next(&self) -> Scrape {
        let scrape = |target: usize| {
            let due = self.due(target, self.rounds[target]);
            Scrape { read_at: self.read_at(due, target), due, target }
        };
        let none = Scrape { read_at: Nanos::MAX, due: Nanos::MAX, target: 0 };
        (0..self.targets.len()).map(scrape).min().unwrap_or(none)
    }

    fn due(&self, target: usize, round: u64) -> Nanos {
        let interval = self.settings.scrape_s * 1e9;
        let phase = unit(&[self.settings.seed, 11, target as u64]);
        let jitter =
            (unit(&[self.settings.seed, 12, target as u64, round]) - 0.5) * 2.0 * self.settings.jitter;
        ((round as f64 + phase + jitter).max(0.0) * interval) as Nanos
    }

    /// When the readings of a scrape are taken: at its time, but for cAdvisor at its last look.
    fn read_at(&self, due: Nanos, target: usize) -> Nanos {
        match self.targets[target] {
            Target::Cadvisor(_) => {
                let phase =
                    (unit(&[self.settings.seed, 13, target as u64]) * HOUSEKEEPING_NS as f64) as Nanos;
                (due.saturating_sub(phase) / HOUSEKEEPING_NS * HOUSEKEEPING_NS + phase).min(due)
            }
            _ => due,
        }
    }

    /// Writes a scrape with the readings of its [`Scrape::read_at`].
    pub fn scrape(&mut self, scrape: Scrape, readings: &Readings, red: &Red, tsdb: &mut Tsdb) {
        let Scrape { read_at, due, target } = scrape;
        let round = self.rounds[target];
        self.rounds[target] += 1;
        let which = self.targets[target];
        let at_ms = |at: Nanos| (self.settings.epoch_ns + at.cast_signed()).div_euclid(1_000_000);
        let time = at_ms(due);
        let lost = unit(&[self.settings.seed, 14, target as u64, round]) < self.settings.lost_scrapes;
        tsdb.append(self.up[target], time, f64::from(u8::from(!lost)));
        let page = self.pages.entry(which).or_default();
        if lost {
            for series in &page.series {
                tsdb.append(*series, time, STALE);
            }
            return;
        }
        let shape = shape(readings);
        let known = page.shape == shape && !page.series.is_empty();
        let mut writer = Writer {
            known: if known { Some(&page.series) } else { None },
            series: Vec::new(),
            next: 0,
            target: (!known).then(|| target_labels(which, &self.exporters)),
            time: at_ms(read_at),
            tsdb,
        };
        self.exporters.page(which, readings, red, &mut writer);
        if !known {
            let series = writer.series;
            let mut kept = series.clone();
            kept.sort_unstable();
            for old in page.series.iter().filter(|old| kept.binary_search(old).is_err()) {
                tsdb.append(*old, time, STALE);
            }
            *page = Page { shape, series };
        }
    }
}

/// What decides which samples the pages have: the replicas and their limits.
fn shape(readings: &Readings) -> u64 {
    let replicas = readings.replicas.iter().map(|reading| {
        let limited = u64::from(reading.cpu_limit > 0.0);
        super::noise::bits(&[
            reading.service as u64,
            u64::from(reading.replica),
            reading.node as u64,
            limited,
        ])
    });
    replicas.fold(readings.probes.len() as u64 + 1, |all, one| super::noise::bits(&[all, one]))
}

/// `job` and `instance`.
fn target_labels(target: Target, exporters: &Exporters) -> Vec<(Name, Name)> {
    vec![
        ("instance".into(), target.instance(exporters.cluster()).into()),
        ("job".into(), target.job().into()),
    ]
}

/// Appends the samples of a page.
struct Writer<'a> {
    known: Option<&'a [SeriesId]>,
    series: Vec<SeriesId>,
    next: usize,
    target: Option<Vec<(Name, Name)>>,
    time: i64,
    tsdb: &'a mut Tsdb,
}

impl Sink for Writer<'_> {
    fn sample(
        &mut self,
        metric: &'static Metric,
        suffix: &'static str,
        labels: &dyn Fn() -> LabelList,
        value: f64,
    ) {
        let id = match self.known {
            Some(known) => known.get(self.next).copied(),
            None => {
                let mut all = self.target.clone().unwrap_or_default();
                all.extend(labels().into_iter().map(|(name, value)| (Name::from(name), value)));
                all.push(("__name__".into(), format!("{}{suffix}", metric.name).into()));
                all.sort();
                let id = self.tsdb.series(Labels(all));
                self.series.push(id);
                Some(id)
            }
        };
        self.next += 1;
        if let Some(id) = id {
            self.tsdb.append(id, self.time, value);
        }
    }
}

/// A page in the text exposition format 0.0.4.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    /// Samples by metric: the format wants each metric's together.
    order: Vec<(&'static str, &'static Metric, String)>,
}

impl Exposition {
    /// The page.
    pub fn finish(mut self) -> String {
        for (name, metric, lines) in self.order {
            let kind = match metric.kind {
                Type::Histogram => "histogram",
                kind => kind.word(),
            };
            self.text.push_str(&format!("# HELP {name} {}\n# TYPE {name} {kind}\n{lines}", metric.help));
        }
        self.text
    }
}

impl Sink for Exposition {
    fn sample(
        &mut self,
        metric: &'static Metric,
        suffix: &'static str,
        labels: &dyn Fn() -> LabelList,
        value: f64,
    ) {
        use std::fmt::Write as _;
        let slot = match self.order.iter().position(|(name, ..)| *name == metric.name) {
            Some(slot) => slot,
            None => {
                self.order.push((metric.name, metric, String::new()));
                self.order.len() - 1
            }
        };
        let lines = &mut self.order[slot].2;
        let labels = labels();
        let pairs = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value)));
        let pairs = Vec::from_iter(pairs).join(",");
        let braces = if pairs.is_empty() { String::new() } else { format!("{{{pairs}}}") };
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{}{suffix}{braces} {value}", metric.name);
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}
