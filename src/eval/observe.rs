//! What monitoring shows of a scenario: one row a quarter of a minute, one column per service and
//! signal, made from the scraped samples as a dashboard would make them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::baselines::table::{CPU, SERVER, Signal, Table};
use crate::lab::app::Application;
use crate::lab::cluster::Cluster;
use crate::lab::fault::Fault;
use crate::lab::measure::Measurement;
use crate::lab::measure::metric as m;
use crate::lab::sim::{SECOND, Settings, SimError};
use crate::lab::tsdb::{METRIC_NAME, Series, Tsdb, is_stale};
use crate::lab::world::World;

/// Time between two scrapes in seconds.
const SCRAPE_S: f64 = 5.0;
/// Length of a row in seconds.
pub const ROW_S: f64 = 15.0;

/// Mean time from request sent to response received, in seconds.
const CLIENT: &str = "client latency";

/// Counters of containers, shown as rates.
const COUNTERS: [&str; 15] = [
    m::CPU_USAGE.name,
    m::CPU_THROTTLED_PERIODS.name,
    m::CPU_THROTTLED.name,
    m::CPU_WAITING.name,
    m::MEMORY_FAILURES.name,
    m::MEMORY_WAITING.name,
    m::IO_WAITING.name,
    m::FS_READS.name,
    m::FS_WRITES.name,
    m::FS_IO_TIME.name,
    m::NET_RECEIVED.name,
    m::NET_SENT.name,
    m::NET_RECEIVE_DROPS.name,
    m::NET_SEND_DROPS.name,
    m::MEMORY_BANDWIDTH.name,
];
/// Gauges of containers.
const GAUGES: [&str; 3] = [m::WORKING_SET.name, m::THREADS.name, m::LLC.name];

/// Simulates up to the last of `rows` (their starts in seconds) and reads what was scraped.
///
/// # Errors
/// Application, cluster and faults do not fit together.
pub fn observe(
    app: &Arc<Application>,
    cluster: &Cluster,
    settings: &Settings,
    faults: &[Fault],
    rows: &[f64],
) -> Result<Table, SimError> {
    let measurement = Measurement {
        seed: settings.seed,
        scrape_s: SCRAPE_S,
        trace_sampling: 0.0,
        ..Measurement::default()
    };
    let mut world = World::new(
        app.clone(),
        cluster.clone(),
        settings.clone(),
        faults.to_vec(),
        measurement,
        Duration::from_secs(1),
    )?;
    let end = rows.iter().copied().fold(0.0, f64::max) + ROW_S;
    world.advance((end * SECOND as f64) as u64);
    let stores = world.stores();
    let samples = stores.samples.read().unwrap_or_else(PoisonError::into_inner);
    Ok(Reader { app, samples: &samples, rows }.table())
}

struct Reader<'a> {
    app: &'a Application,
    samples: &'a Tsdb,
    rows: &'a [f64],
}

impl Reader<'_> {
    fn table(&self) -> Table {
        let mut sums: BTreeMap<Signal, Vec<f64>> = BTreeMap::new();
        let mut counts: BTreeMap<Signal, Vec<f64>> = BTreeMap::new();
        let mut add = |signal: Signal, values: Vec<f64>, into_counts: bool| {
            let into = if into_counts { &mut counts } else { &mut sums };
            let all = into.entry(signal).or_insert_with(|| vec![f64::NAN; values.len()]);
            for (all, value) in all.iter_mut().zip(values).filter(|(_, value)| value.is_finite()) {
                *all = if all.is_finite() { *all + value } else { value };
            }
        };
        for series in self.samples.all() {
            let name = series.labels.get(METRIC_NAME);
            let known = |names: &[&'static str]| names.iter().copied().find(|known| *known == name);
            if let (Some(counter), Some(service)) = (known(&COUNTERS), self.owner(series)) {
                let signal = if counter == m::CPU_USAGE.name { CPU } else { counter };
                add((service, signal.into()), self.rates(series), false);
            } else if let (Some(signal), Some(service)) = (known(&GAUGES), self.owner(series)) {
                add((service, signal.into()), self.means(series), false);
            } else if name == m::PROBE_ICMP.name && series.labels.get("phase") == "rtt" {
                let target = series.labels.get("target").to_owned();
                add((target, m::PROBE_ICMP.name.into()), self.means(series), false);
            } else if let Some((signal, is_count)) = latency(name) {
                let service = ["server", "service"].iter().map(|label| series.labels.get(label));
                let service = service.filter(|service| !service.is_empty()).map(str::to_owned).next();
                if let Some(service) = service {
                    add((service, signal.into()), self.rates(series), is_count);
                }
            }
        }
        for (signal, counts) in &counts {
            for (sum, count) in sums.entry(signal.clone()).or_default().iter_mut().zip(counts) {
                *sum = if *count > 0.0 { *sum / count } else { f64::NAN };
            }
        }
        Table { columns: sums }
    }

    /// The service of a container's series: by container, or by the pod's name.
    fn owner(&self, series: &Series) -> Option<String> {
        let (container, pod) = (series.labels.get("container"), series.labels.get("pod"));
        if !container.is_empty() {
            return Some(container.to_owned());
        }
        let is_of = |name: &&str| pod.strip_prefix(*name).is_some_and(|rest| rest.starts_with('-'));
        let names = self.app.services.iter().map(|service| &*service.name).filter(is_of);
        names.max_by_key(|name| name.len()).map(str::to_owned)
    }

    /// A counter's increase over each row per second, resets counted from zero.
    fn rates(&self, series: &Series) -> Vec<f64> {
        let samples = series.samples(i64::MIN, i64::MAX);
        let known = samples.times.iter().zip(&samples.values).filter(|(_, value)| !is_stale(**value));
        let (mut total, mut last) = (0.0, None);
        let summed = known.map(|(time, value)| {
            let before = last.replace(*value).unwrap_or(*value);
            total += if *value >= before { value - before } else { *value };
            (*time as f64 / 1e3, total)
        });
        let summed = Vec::from_iter(summed);
        let at = |time: f64| summed.get(summed.partition_point(|(at, _)| *at <= time).checked_sub(1)?);
        let rate = |from: &f64| {
            let (start, end) = (at(*from)?, at(from + ROW_S)?);
            (end.0 > start.0).then(|| (end.1 - start.1) / (end.0 - start.0))
        };
        self.rows.iter().map(|from| rate(from).unwrap_or(f64::NAN)).collect()
    }

    /// A gauge's mean over each row.
    fn means(&self, series: &Series) -> Vec<f64> {
        let mean = |from: &f64| {
            let samples = series.samples((from * 1e3) as i64, ((from + ROW_S) * 1e3) as i64);
            let values = samples.values.iter().filter(|value| value.is_finite());
            let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
            sum / count
        };
        self.rows.iter().map(mean).collect()
    }
}

/// Which latency a histogram's series is part of, and whether it counts.
fn latency(name: &str) -> Option<(&'static str, bool)> {
    let (metric, part) = name.rsplit_once('_')?;
    let is_count = match part {
        "sum" => false,
        "count" => true,
        _ => return None,
    };
    if metric == m::EDGE_SERVER.name || metric == m::HTTP_DURATION.name {
        Some((SERVER, is_count))
    } else if metric == m::EDGE_CLIENT.name {
        Some((CLIENT, is_count))
    } else {
        None
    }
}
