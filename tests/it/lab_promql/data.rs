//! Random samples with everything that makes them hard: jitter, gaps, resets, ends, odd values, ties.

use std::collections::BTreeMap;

use rand::{Rng as _, rngs::StdRng};
use sagetop::lab::tsdb::STALE;

use crate::catalogue_queries;

/// 2026-11-22T01:00:07Z, and two hours later. A head of less than three hours is never compacted.
pub const START: i64 = 1_795_309_207_000;
pub const END: i64 = START + 7_200_000;
const SCRAPE: i64 = 15_000;

/// A series; labels are sorted by name.
pub struct Series {
    pub labels: Vec<(String, String)>,
    pub samples: Vec<(i64, f64)>,
}

/// How the values of a series go on.
#[derive(Clone, Copy)]
enum Kind {
    /// Events; now and then it starts anew.
    Events,
    /// Seconds or bytes: not whole.
    Amount,
    Level,
    /// Few different values.
    Small,
    /// NaN and infinities among the rest.
    Odd,
    Still(f64),
}

/// All series, in the order of their labels.
pub fn series(random: &mut StdRng) -> Vec<Series> {
    let mut all = Vec::new();
    let mut add = |name: &str, labels: &[(&str, &str)], kind: Kind, random: &mut StdRng| {
        let samples = samples(kind, random);
        push(&mut all, name, labels, samples);
    };
    for job in ["api", "web"] {
        for instance in ["1", "2", "3"] {
            let at = [("job", job), ("instance", instance)];
            for code in ["200", "404", "500"] {
                add("requests_total", &[at[0], at[1], ("code", code)], Kind::Events, random);
            }
            for zone in ["a", "b"] {
                add("level", &[at[0], at[1], ("zone", zone)], Kind::Level, random);
            }
            add("cpu_seconds_total", &at, Kind::Amount, random);
            add("replicas", &at, Kind::Small, random);
            add("up", &at, Kind::Still(1.0), random);
            add("odd", &at, Kind::Odd, random);
        }
        add("owner", &[("job", job), ("team", &job.to_uppercase())], Kind::Still(1.0), random);
    }
    add("constant", &[], Kind::Still(42.0), random);
    add("Capital", &[("Upper", "X"), ("lower", "y")], Kind::Level, random);
    versions(&mut all);
    for (job, instance) in [("api", "1"), ("api", "2"), ("web", "1")] {
        histogram(&mut all, job, instance, random);
    }
    exporters(&mut all, random);
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    all
}

fn push(all: &mut Vec<Series>, name: &str, labels: &[(&str, &str)], samples: Vec<(i64, f64)>) {
    let labels = labels.iter().copied().chain([("__name__", name)]);
    let labels: BTreeMap<String, String> = labels.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    all.push(Series { labels: labels.into_iter().collect(), samples });
}

/// When a target is scraped: with jitter, now and then not at all, and some targets are gone for a while,
/// which half of them have told (a staleness marker).
fn scrapes(random: &mut StdRng) -> Vec<(i64, bool)> {
    let offset = random.random_range(0..SCRAPE);
    let exact = random.random_bool(0.5);
    let gap = random.random_bool(0.4).then(|| {
        let start = random.random_range(START..END);
        (start..start + random.random_range(60_000..1_500_000), random.random_bool(0.5))
    });
    let mut times = Vec::new();
    let mut is_gone = false;
    for i in 0..(END - START) / SCRAPE {
        let jitter = if exact { 0 } else { random.random_range(0..200) };
        let at = if exact { START + i * SCRAPE } else { START + i * SCRAPE + offset + jitter };
        if let Some((gap, told)) = gap.as_ref().filter(|(gap, _)| gap.contains(&at)) {
            debug_assert!(!gap.is_empty());
            if *told && !is_gone {
                times.push((at, true));
            }
            is_gone = true;
        } else if random.random_bool(0.98) {
            is_gone = false;
            times.push((at, false));
        }
    }
    times
}

fn samples(kind: Kind, random: &mut StdRng) -> Vec<(i64, f64)> {
    let mut value: f64 = match kind {
        Kind::Events => f64::from(random.random_range(0..20)),
        Kind::Still(value) => value,
        _ => random.random_range(-5.0..50.0),
    };
    let pace = random.random_range(0.1..40.0);
    let mut next = |random: &mut StdRng| {
        let reset = random.random_bool(0.01);
        match kind {
            Kind::Events => value = if reset { 0.0 } else { value } + (random.random::<f64>() * pace).floor(),
            Kind::Amount => {
                value = if reset { 0.0 } else { value.abs() } + random.random::<f64>() * pace / 7.0
            }
            Kind::Level => value += random.random_range(-1.0..1.0) * pace,
            Kind::Small => value = f64::from(random.random_range(0..5)),
            Kind::Still(_) => {}
            Kind::Odd => {
                let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e300, 1e-300];
                value = match random.random_bool(0.02) {
                    true => odd[random.random_range(0..odd.len())],
                    false => random.random_range(-10.0..10.0),
                };
            }
        }
        value
    };
    scrapes(random).into_iter().map(|(at, is_end)| (at, if is_end { STALE } else { next(random) })).collect()
}

/// A label that changes: one series ends where the next begins.
fn versions(all: &mut Vec<Series>) {
    for (version, from, to) in [("1", 0, 3_000_000), ("2", 3_000_000, 5_000_000), ("3", 5_000_000, 7_200_000)]
    {
        let mut samples: Vec<_> = (from / SCRAPE..to / SCRAPE).map(|i| (START + i * SCRAPE, 1.0)).collect();
        if to < 7_200_000 {
            samples.push((START + to, STALE));
        }
        push(all, "version_info", &[("job", "api"), ("version", version)], samples);
    }
}

fn histogram(all: &mut Vec<Series>, job: &str, instance: &str, random: &mut StdRng) {
    const BOUNDS: [&str; 6] = ["0.005", "0.05", "0.25", "1", "2.5", "+Inf"];
    let mut counts = [0.0; BOUNDS.len()];
    let mut buckets = vec![Vec::new(); BOUNDS.len()];
    let mut sums = Vec::new();
    let mut total = 0.0;
    for (at, is_end) in scrapes(random) {
        for (i, samples) in buckets.iter_mut().enumerate() {
            samples.push((at, if is_end { STALE } else { counts[i] }));
        }
        sums.push((at, if is_end { STALE } else { total }));
        if random.random_bool(0.005) {
            (counts, total) = ([0.0; BOUNDS.len()], 0.0);
        }
        for _ in 0..random.random_range(0..30) {
            let seconds: f64 = random.random::<f64>().powi(4) * 4.0;
            total += seconds;
            for (count, bound) in counts.iter_mut().zip(BOUNDS) {
                *count += f64::from(u8::from(seconds <= bound.parse().unwrap()));
            }
        }
    }
    let at = [("job", job), ("instance", instance)];
    for (samples, bound) in buckets.into_iter().zip(BOUNDS) {
        push(all, "latency_seconds_bucket", &[at[0], at[1], ("le", bound)], samples);
    }
    push(all, "latency_seconds_sum", &at, sums);
}

/// The series the catalogue asks for, with values of their own.
fn exporters(all: &mut Vec<Series>, random: &mut StdRng) {
    let text = catalogue_queries::samples(END / 1000);
    let mut known: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once("} ")?.0)).collect();
    known.dedup();
    for series in known {
        let (name, labels) = series.split_once('{').unwrap();
        let labels: Vec<(&str, &str)> = labels
            .split("\",")
            .map(|pair| pair.split_once("=\"").map(|(n, v)| (n, v.trim_end_matches('"'))).unwrap())
            .collect();
        let samples = samples(Kind::Amount, random);
        push(all, name, &labels, samples);
    }
}
