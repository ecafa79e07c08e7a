//! The simulation: its state, and the loop that makes events happen.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::effects::{Effect, Neighbour};
use super::error::SimError;
use super::load::Source;
use super::net::stack;
use super::node::Claim;
use super::queue::{CallRef, Event, Queue, What};
use super::random::{Key, LogNormal};
use super::replica::{Link, NodeCounters, NodeState, Others, Replica, ServiceState};
use super::requests::Requests;
use super::settings::Settings;
use super::tables::Tables;
use super::{Env, Nanos, Observer, memory};
use crate::lab::app::{Application, Edge, ServiceId, Utilisation, edges, offered};
use crate::lab::cluster::Cluster;
use crate::lab::fault::Fault;

/// Keys the load apart from the requests.
const LOAD: u64 = u64::MAX;

/// A running cluster.
#[derive(Debug)]
pub struct Simulation {
    pub(super) app: Arc<Application>,
    pub(super) cluster: Cluster,
    pub(super) settings: Settings,
    pub(super) tables: Tables,
    /// What each service needs at the mean load.
    pub(super) needs: Vec<Utilisation>,
    pub(super) edges: Vec<Edge>,
    /// Services at which requests enter.
    pub(super) entries: BTreeSet<ServiceId>,
    pub(super) key: Key,
    pub(super) load_key: Key,
    pub(super) now: Nanos,
    pub(super) queue: Queue,
    pub(super) events: u64,
    pub(super) sources: Vec<Source>,
    pub(super) requests: Requests,
    /// Calls with a timeout, by site and due time.
    pub(super) timeouts: Vec<VecDeque<(Nanos, CallRef)>>,
    pub(super) services: Vec<ServiceState>,
    pub(super) replicas: Vec<Replica>,
    pub(super) nodes: Vec<NodeState>,
    pub(super) effects: Vec<Effect>,
    pub(super) neighbours: Vec<Neighbour>,
    pub(super) stack: LogNormal,
    /// Requests that have ended in this event.
    pub(super) finished: Vec<u32>,
    // Room that is used again and again.
    pub(super) ended: Vec<CallRef>,
    pub(super) claims: Vec<Claim>,
    pub(super) spared: Vec<f64>,
}

impl Simulation {
    /// A cluster at time 0, with faults to come.
    pub fn new(
        app: Arc<Application>,
        cluster: Cluster,
        settings: Settings,
        faults: Vec<Fault>,
    ) -> Result<Self, SimError> {
        check(&app, &cluster, &settings)?;
        let tables = Tables::new(&app)?;
        let key = Key::new(settings.seed);
        let load_key = key.with(LOAD);
        let timeouts = vec![VecDeque::new(); tables.sites.len()];
        let (needs, edges) = (offered(&app), edges(&app));
        let mut simulation = Self {
            entries: app.flows.iter().map(|flow| flow.root.service).collect(),
            services: app.services.iter().map(ServiceState::new).collect(),
            nodes: cluster.nodes.iter().map(NodeState::new).collect(),
            app,
            cluster,
            settings,
            tables,
            needs,
            edges,
            key,
            load_key,
            now: 0,
            queue: Queue::default(),
            events: 0,
            sources: Vec::new(),
            requests: Requests::default(),
            timeouts,
            replicas: Vec::new(),
            effects: Vec::new(),
            neighbours: Vec::new(),
            stack: stack(),
            finished: Vec::new(),
            ended: Vec::new(),
            claims: Vec::new(),
            spared: Vec::new(),
        };
        for service in 0..simulation.services.len() {
            for replica in 0..simulation.cluster.placement[service].len() {
                let node = simulation.cluster.placement[service][replica];
                simulation.create(service, node, true);
            }
        }
        for fault in &faults {
            simulation.add_fault(fault)?;
        }
        simulation.refresh();
        let (profile, start) = (&simulation.settings.load, simulation.settings.start);
        let mut usual = Source::usual(&simulation.app, profile, load_key, start);
        usual.keep(vec![(simulation.settings.quiet_until, Nanos::MAX)]);
        simulation.add_source(usual);
        simulation.queue.push(memory::TICK, 0, What::Tick);
        Ok(simulation)
    }

    /// Simulated time.
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The application that runs.
    pub fn application(&self) -> &Arc<Application> {
        &self.app
    }

    /// The cluster it runs on. The placement is that of the start.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// How it runs.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Requests that have not ended.
    pub fn under_way(&self) -> usize {
        self.requests.under_way()
    }

    /// Requests of those sent from `window.0` to before `window.1` that have not ended.
    pub fn under_way_since(&self, window: (Nanos, Nanos)) -> usize {
        let open = self.requests.slots.iter().filter(|slot| !slot.calls.is_empty());
        open.filter(|slot| (window.0..window.1).contains(&slot.sent)).count()
    }

    /// Makes everything happen up to `until`, that moment included.
    pub fn run_until<O: Observer>(&mut self, until: Nanos, observer: &mut O) {
        while let Some(event) = self.queue.pop(until) {
            self.now = event.time;
            self.happen(event);
            while let Some(slot) = self.finished.pop() {
                observer.request(&self.requests.slots[slot as usize].finished());
                self.requests.end(slot);
            }
        }
        self.now = self.now.max(until);
    }

    fn happen(&mut self, event: Event) {
        self.events += 1;
        match event.what {
            What::Arrival { source } => self.arrival(source),
            What::Cpu { replica, version } => {
                // Counted there: one that comes too early is none.
                self.events -= 1;
                self.cpu_event(replica, version);
            }
            What::Arrive { call, queued } => self.arrive(call, queued),
            What::Return { call, queued } => self.returned(call, queued),
            What::Resume { call } => self.resume(call),
            What::Timeout { site } => self.time_out(site),
            What::PoolWait { call } => self.no_connection(call),
            What::PoolRelease { replica, target } => self.release(replica, target),
            What::Effects => self.refresh(),
            What::Tick => self.tick(),
            What::Pause { replica, begins, version } => self.pause(replica, begins, version),
            What::Lifecycle { replica, version } => self.lifecycle(replica, version),
        }
    }

    /// Adds a source of requests.
    pub(super) fn add_source(&mut self, source: Source) {
        let index = self.sources.len() as u32;
        if let Some(next) = source.next {
            self.queue.push(next.at, index, What::Arrival { source: index });
        }
        self.sources.push(source);
    }

    fn arrival(&mut self, index: u32) {
        let source = &mut self.sources[index as usize];
        let Some(arrival) = source.next else { return };
        source.advance();
        if let Some(next) = source.next {
            self.queue.push(next.at, index, What::Arrival { source: index });
        }
        self.enter(arrival.id, arrival.flow);
    }
}

impl ServiceState {
    fn new(service: &crate::lab::app::Service) -> Self {
        Self {
            ready: Vec::new(),
            next_number: 0,
            cpu_limit: service.cpu_limit,
            limit_renewed: false,
            memory_limit: service.memory_limit as f64,
            bandwidth: (None, None),
            cache_ways: None,
            to_replace: VecDeque::new(),
            env: Env::default(),
        }
    }
}

impl NodeState {
    fn new(node: &crate::lab::cluster::Node) -> Self {
        let cost = Simulation::byte_cost(Some(node.nic));
        Self {
            cores: f64::from(node.cores),
            replicas: Vec::new(),
            wishing: Vec::new(),
            tasks: 0,
            with_others: 0,
            neighbour: (0.0, 0.0),
            neighbour_granted: 0.0,
            shared_at: 0,
            full: false,
            level: f64::INFINITY,
            spares: false,
            others: Others::default(),
            link: Link { out_cost: cost, in_cost: cost, out_free: 0, in_free: 0 },
            disk_free: 0,
            disk_slow: 1.0,
            counters: NodeCounters::default(),
        }
    }
}

/// What the event loop takes for granted.
fn check(app: &Application, cluster: &Cluster, settings: &Settings) -> Result<(), SimError> {
    let services = app.services.len();
    if cluster.placement.len() != services {
        return Err(SimError::Placement { placed: cluster.placement.len(), services });
    }
    let nodes = cluster.nodes.len();
    for (service, placement) in app.services.iter().zip(&cluster.placement) {
        if let Some(node) = placement.iter().find(|node| **node >= nodes) {
            return Err(SimError::NoSuchNode { service: service.name.to_string(), node: *node, nodes });
        }
        above(service.memory_limit as f64, || format!("the memory limit of `{}`", service.name))?;
        if let Some(limit) = service.cpu_limit {
            above(limit, || format!("the CPU limit of `{}`", service.name))?;
        }
    }
    for node in &cluster.nodes {
        above(f64::from(node.cores), || format!("the number of cores of `{}`", node.name))?;
        above(node.nic, || format!("the network bandwidth of `{}`", node.name))?;
        above(node.disk, || format!("the disk bandwidth of `{}`", node.name))?;
    }
    if !app.flows.iter().any(|flow| flow.share > 0.0) {
        return Err(SimError::NoFlows);
    }
    for value in [app.rate, settings.load.scale] {
        if !(value.is_finite() && value >= 0.0) {
            let what = "the request rate".to_owned();
            return Err(SimError::Number { what, value, must: "a number that is not negative" });
        }
    }
    Ok(())
}

fn above(value: f64, what: impl FnOnce() -> String) -> Result<(), SimError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(SimError::Number { what: what(), value, must: "above 0" })
}
