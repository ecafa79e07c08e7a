//! The lab as a whole: the simulation, its measuring, and the stores that the servers read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::app::{Application, ServiceId, Transport, sites};
use super::cluster::Cluster;
use super::export::Exporter;
use super::fault::Fault;
use super::measure::exporters::{Exporters, Probe};
use super::measure::noise::unit;
use super::measure::{Measurement, Readings, Red, Scraper, SpanWriter};
use super::sim::{Change, ChangeError, Nanos, Observer, Request, Settings, SimError, Simulation};
use super::traces::{SharedTraces, TraceStore};
use super::tsdb::{SharedTsdb, Tsdb};

/// Spans are handed to the store this often, in simulated time: collectors work in batches.
const BATCH: Nanos = 1_000_000_000;

/// What the servers read. One thread writes, any number read.
#[derive(Debug)]
pub struct Stores {
    /// Samples.
    pub samples: SharedTsdb,
    /// Spans.
    pub traces: SharedTraces,
    /// What the exporters would show now.
    pub now: RwLock<Option<Shown>>,
    /// What is broken, was or will be, in the order in which the lab got to know of it.
    pub faults: RwLock<Vec<Known>>,
    /// The lab's clock, in milliseconds since the epoch.
    clock_ms: AtomicI64,
}

/// A fault of the simulation.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The fault; its times are in seconds of simulated time.
    pub fault: Fault,
    /// When it was injected into the running cluster; `None` for those it was started with.
    pub injected: Option<Nanos>,
}

/// The state of the exporters at one moment, for a Prometheus that scrapes them itself.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Readings.
    pub readings: Readings,
    /// Request metrics.
    pub red: Red,
}

impl Stores {
    /// The lab's clock, in milliseconds since the epoch.
    pub fn clock_ms(&self) -> i64 {
        self.clock_ms.load(Ordering::Acquire)
    }
}

/// A simulated cluster with its monitoring.
#[derive(Debug)]
pub struct World {
    sim: Simulation,
    seen: Seen,
    scraper: Scraper,
    /// Callers and callees, for the probes.
    channels: Vec<(ServiceId, ServiceId)>,
    app: Arc<Application>,
    epoch_ns: i64,
    /// Keys which probes get lost, apart from the other noise of measuring.
    probe_seed: u64,
    stores: Arc<Stores>,
    collectors: Vec<Arc<Exporter>>,
}

/// What observes the requests.
#[derive(Debug)]
struct Seen {
    red: Red,
    spans: SpanWriter,
}

impl Observer for Seen {
    fn request(&mut self, request: &Request<'_>) {
        self.red.request(request);
        self.spans.request(request);
    }
}

impl World {
    /// A cluster at simulated time 0. Samples and spans older than `retention` are forgotten.
    ///
    /// # Errors
    /// Application, cluster and faults do not fit together.
    pub fn new(
        app: Arc<Application>,
        cluster: Cluster,
        settings: Settings,
        faults: Vec<Fault>,
        measurement: Measurement,
        retention: Duration,
    ) -> Result<Self, SimError> {
        let (epoch_ns, probe_seed) = (measurement.epoch_ns, measurement.seed);
        let known = faults.iter().map(|fault| Known { fault: fault.clone(), injected: None }).collect();
        let sim = Simulation::new(app.clone(), cluster.clone(), settings, faults)?;
        let seen = Seen {
            red: Red::new(&app, &measurement),
            spans: SpanWriter::new(app.clone(), &cluster, measurement.clone()),
        };
        let mut tsdb = Tsdb::default();
        let scraper = Scraper::new(Exporters::new(app.clone(), cluster, epoch_ns), measurement, &mut tsdb);
        let stores = Stores {
            samples: Arc::new(RwLock::new(tsdb)),
            traces: Arc::new(RwLock::new(TraceStore::new(retention))),
            now: RwLock::new(None),
            faults: RwLock::new(known),
            clock_ms: AtomicI64::new(epoch_ns.div_euclid(1_000_000)),
        };
        Ok(Self {
            sim,
            seen,
            scraper,
            channels: channels(&app),
            app,
            epoch_ns,
            probe_seed,
            stores: Arc::new(stores),
            collectors: Vec::new(),
        })
    }

    /// What the servers read.
    pub fn stores(&self) -> Arc<Stores> {
        self.stores.clone()
    }

    /// The simulation.
    pub fn simulation(&self) -> &Simulation {
        &self.sim
    }

    /// Lets the cluster live until `until` and measures it.
    pub fn advance(&mut self, until: Nanos) {
        while self.sim.now() < until {
            let scrape = self.scraper.next();
            let batch = (self.sim.now() / BATCH + 1) * BATCH;
            let stop = scrape.read_at.min(batch).min(until);
            self.sim.run_until(stop, &mut self.seen);
            if scrape.read_at <= stop {
                let readings = self.readings();
                self.seen.spans.place(&readings.replicas);
                let mut samples = self.stores.samples.write().unwrap_or_else(PoisonError::into_inner);
                self.scraper.scrape(scrape, &readings, &self.seen.red, &mut samples);
            }
            self.file_spans();
            let now_ms = (self.epoch_ns + self.sim.now().cast_signed()).div_euclid(1_000_000);
            self.stores.clock_ms.store(now_ms, Ordering::Release);
        }
    }

    /// From now on, spans go to these collectors as well.
    pub fn export(&mut self, collectors: Vec<Arc<Exporter>>) {
        self.collectors = collectors;
    }

    /// Brings what the exporters show up to date.
    pub fn show(&mut self) {
        let shown = Shown { readings: self.readings(), red: self.seen.red.clone() };
        *self.stores.now.write().unwrap_or_else(PoisonError::into_inner) = Some(shown);
    }

    /// Makes the exporters' pages.
    pub fn exporters(&self) -> &Exporters {
        self.scraper.exporters()
    }

    /// Breaks something.
    ///
    /// # Errors
    /// The fault's place does not exist.
    pub fn inject(&mut self, fault: Fault) -> Result<(), SimError> {
        let known = Known { fault: fault.clone(), injected: Some(self.sim.now()) };
        self.sim.inject(fault)?;
        self.stores.faults.write().unwrap_or_else(PoisonError::into_inner).push(known);
        Ok(())
    }

    /// Changes the cluster as an operator does.
    ///
    /// # Errors
    /// The change is not possible.
    pub fn change(&mut self, change: Change) -> Result<(), ChangeError> {
        self.sim.change(change)
    }

    fn readings(&self) -> Readings {
        let name = |id: ServiceId| self.app.services.get(id).map(|service| service.name.clone());
        let probes = self.channels.iter().filter_map(|(source, target)| {
            let (rtt, loss) = self.sim.probe(*target);
            let keys = [self.probe_seed, self.sim.now(), *source as u64, *target as u64];
            let lost = unit(&keys) < loss;
            let rtt_s = (!lost).then_some(rtt / 1e9);
            Some(Probe { source: name(*source)?, target: name(*target)?, rtt_s })
        });
        Readings { probes: probes.collect(), replicas: self.sim.replicas(), nodes: self.sim.nodes() }
    }

    fn file_spans(&mut self) {
        let spans = self.seen.spans.take();
        if spans.is_empty() {
            return;
        }
        let mut traces = self.stores.traces.write().unwrap_or_else(PoisonError::into_inner);
        for span in spans {
            for collector in &self.collectors {
                collector.offer(span.clone());
            }
            traces.push(span);
        }
    }
}

/// Which service calls which over the network.
fn channels(app: &Application) -> Vec<(ServiceId, ServiceId)> {
    let mut channels = BTreeSet::new();
    for flow in &app.flows {
        let table = sites(flow);
        for site in table.iter().filter(|site| site.call.transport != Transport::Local) {
            let caller = site.parent.and_then(|parent| table.get(parent as usize));
            channels.extend(caller.map(|caller| (caller.call.service, site.call.service)));
        }
    }
    channels.into_iter().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::lab::app::named;
    use crate::lab::fault::FaultKind;
    use crate::lab::sim::SECOND;

    fn world(simulation: u64, measuring: u64) -> World {
        let app = Arc::new(named("chain-3").unwrap());
        let cluster = Cluster::for_application(&app, 2);
        let loss = FaultKind::NetworkLoss { service: "chain-2".to_owned() };
        let fault = Fault { id: 1, kind: loss, from_s: 0.0, until_s: 1e4, intensity: 1.0 };
        let settings = Settings { seed: simulation, ..Settings::default() };
        let measurement = Measurement { seed: measuring, ..Measurement::default() };
        World::new(app, cluster, settings, vec![fault], measurement, Duration::from_secs(60)).unwrap()
    }

    /// Which of a hundred probes of the lossy service got lost.
    fn lost(mut world: World) -> Vec<bool> {
        let mut lost = Vec::new();
        for second in 1..=100 {
            world.sim.run_until(second * SECOND, &mut world.seen);
            let probe =
                world.readings().probes.into_iter().find(|probe| &*probe.target == "chain-2").unwrap();
            lost.push(probe.rtt_s.is_none());
        }
        lost
    }

    #[test]
    fn which_probes_get_lost_depends_on_the_seed() {
        let first = lost(world(1, 1));
        let count = first.iter().filter(|lost| **lost).count();
        assert!((20..=52).contains(&count), "{count} of 100, at 36 %");
        assert_eq!(first, lost(world(1, 1)));
        assert_ne!(first, lost(world(1, 2)), "another measurement of the same cluster");
    }
}
