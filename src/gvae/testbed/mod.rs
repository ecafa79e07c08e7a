//! A small application whose causal truth is known, for tests of learning and diagnosis.
//!
//! It is a structural causal model, run request by request: a service's time is its own work
//! plus a share of every call it issues; own work grows when CPU, memory or the machine get
//! scarce; calls wait for the network. All randomness is drawn in the same order whatever
//! happens, so that the same episode without one of its faults is the true counterfactual.

mod table;

use std::ops::Range;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;

pub use table::{call_rpc, kinds, service};

use crate::causal::{CallGraph, Cbn, EdgeOrigin};
use crate::windows::Frame;

/// Requests of users a second in ordinary times.
const USUAL_LOAD: f64 = 100.0;
/// Share of a core (or of a machine, or of the memory limit) above which work slows down.
const KNEE: f64 = 0.6;
/// How much slower work gets per unit above the knee.
const SLOPE: f64 = 4.0;

/// One service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// Index of the machine it runs on.
    pub node: usize,
    /// Copies that share its load.
    pub replicas: usize,
    /// Median of its own work, milliseconds.
    pub work_ms: f64,
    /// Cores that one replica uses in ordinary times.
    pub cores: f64,
}

/// One call edge.
#[derive(Clone, Debug)]
pub struct Call {
    /// Index of the caller.
    pub caller: usize,
    /// Index of the callee.
    pub callee: usize,
    /// Part of the call's time that the caller waits for it; less than 1 where calls overlap.
    pub share: f64,
    /// Median time on the way, milliseconds.
    pub delay_ms: f64,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Something in every replica of a service eats so many cores.
    Cpu(usize, f64),
    /// The memory of a service grows by this factor.
    Memory(usize, f64),
    /// A service's own work takes this many times as long, for no reason that is measured.
    Latent(usize, f64),
    /// A call takes so many milliseconds longer on the way.
    Channel(usize, f64),
    /// A neighbour takes this share of a machine.
    Node(usize, f64),
    /// Users send this many times as many requests.
    Load(f64),
}

/// The application. Services are in calling order: callers before callees.
#[derive(Clone, Debug)]
pub struct App {
    /// Services; the first one is the entry.
    pub services: Vec<Service>,
    /// Calls between them.
    pub calls: Vec<Call>,
    /// Names of the machines.
    pub nodes: Vec<&'static str>,
}

/// Some windows of the application's life.
#[derive(Clone, Debug)]
pub struct Episode {
    /// Decides about all noise.
    pub seed: u64,
    /// How many windows.
    pub windows: usize,
    /// Share of values that get lost.
    pub missing: f64,
    /// How much happens that is no fault: load that drifts, work beside the requests. 1 as over
    /// a day; less where the question is about the faults alone.
    pub restless: f64,
    /// Faults, and the windows in which they are active.
    pub faults: Vec<(Fault, Range<usize>)>,
}

impl Episode {
    /// Ordinary times.
    pub fn quiet(seed: u64, windows: usize) -> Self {
        Self { seed, windows, missing: 0.01, restless: 1.0, faults: Vec::new() }
    }

    /// `faults` in the last `span` windows.
    pub fn ending_in(seed: u64, windows: usize, span: usize, faults: &[Fault]) -> Self {
        let active = windows - span..windows;
        Self { faults: faults.iter().map(|f| (*f, active.clone())).collect(), ..Self::quiet(seed, windows) }
    }

    /// The same episode had fault number `i` not happened.
    pub fn without(&self, i: usize) -> Self {
        let mut other = self.clone();
        other.faults.remove(i);
        other
    }
}

impl App {
    /// Three services in a row on two machines.
    pub fn chain() -> Self {
        let service = |name, node, work_ms, cores| Service { name, node, replicas: 1, work_ms, cores };
        Self {
            services: vec![
                service("web", 0, 8.0, 0.35),
                service("cart", 0, 12.0, 0.40),
                service("store", 1, 15.0, 0.40),
            ],
            calls: vec![
                Call { caller: 0, callee: 1, share: 1.0, delay_ms: 1.0 },
                Call { caller: 1, callee: 2, share: 1.0, delay_ms: 1.5 },
            ],
            nodes: vec!["alpha", "beta"],
        }
    }

    /// Six services: a fan-out at the entry, a chain, and a back end that two services share.
    pub fn shop() -> Self {
        let service = |name, node, replicas, work_ms, cores| Service { name, node, replicas, work_ms, cores };
        let call = |caller, callee, share, delay_ms| Call { caller, callee, share, delay_ms };
        Self {
            services: vec![
                service("web", 0, 2, 8.0, 0.35),
                service("cart", 0, 1, 12.0, 0.40),
                service("catalogue", 1, 2, 10.0, 0.40),
                service("checkout", 1, 1, 9.0, 0.30),
                service("payment", 2, 1, 14.0, 0.35),
                service("store", 2, 1, 10.0, 0.42),
            ],
            calls: vec![
                call(0, 1, 1.0, 1.0),
                call(0, 2, 0.7, 1.2),
                call(0, 3, 0.6, 0.8),
                call(1, 5, 1.0, 1.5),
                call(2, 5, 1.0, 1.0),
                call(3, 4, 1.0, 2.0),
            ],
            nodes: vec!["alpha", "beta", "gamma"],
        }
    }

    /// What the call graph of its traces would be.
    pub fn graph(&self) -> CallGraph {
        let mut graph = CallGraph::default();
        for call in &self.calls {
            let (caller, callee) = (service(self, call.caller), service(self, call.callee));
            graph.add_edge(&caller, &callee, EdgeOrigin::Spans, 1);
        }
        graph
    }

    /// The network of everything in `frame`.
    pub fn cbn(&self, frame: &Frame) -> Cbn {
        Cbn::build(&self.graph(), frame.columns.keys(), &frame.placement)
    }

    /// What is observed during `episode`.
    pub fn run(&self, episode: &Episode) -> Frame {
        let mut table = table::Table::default();
        let mut drift = 0.0;
        for window in 0..episode.windows {
            let active: Vec<Fault> = episode
                .faults
                .iter()
                .filter_map(|(fault, when)| when.contains(&window).then_some(*fault))
                .collect();
            let mut rng = StdRng::seed_from_u64(episode.seed.wrapping_mul(1_000_003) + window as u64);
            drift = 0.9 * drift + 0.12 * episode.restless * normal(&mut rng);
            let state = self.state(&active, drift, episode.restless, &mut rng);
            table.observe(self, window, &state, &self.requests(&active, &state, &mut rng));
        }
        table.finish(self, episode)
    }

    /// Load, metrics and moods of one window.
    fn state(&self, active: &[Fault], drift: f64, restless: f64, rng: &mut StdRng) -> State {
        let surge: f64 = active.iter().map(|f| if let Fault::Load(by) = f { *by } else { 1.0 }).product();
        let load = surge * drift.exp();
        let mut state = State { load: USUAL_LOAD * load, ..State::default() };
        let mut used = vec![0.0; self.nodes.len()];
        for (s, service) in self.services.iter().enumerate() {
            let eaten: f64 = active.iter().map(|f| f.on_cpu(s)).sum();
            // Now and then something runs beside the requests: CPU is not load alone.
            let (when, cores) = (rng.random::<f64>(), 0.4 * rng.random::<f64>());
            let beside = if when < 0.06 * restless { cores } else { 0.0 };
            let cpu: Vec<f64> = (0..service.replicas)
                .map(|_| service.cores * load * (0.04 * normal(rng)).exp() + beside + eaten)
                .collect();
            used[service.node] += cpu.iter().sum::<f64>();
            state.cpu.push(cpu);
            let growth: f64 = active.iter().map(|f| f.on_memory(s)).product();
            state.memory.push(0.35 * (0.02 * normal(rng)).exp() * growth);
            let latent: f64 = active.iter().map(|f| f.on_work(s)).product();
            state.mood.push(latent * (0.04 * normal(rng)).exp());
        }
        for (n, used) in used.iter().enumerate() {
            let taken: f64 = active.iter().map(|f| f.on_node(n)).sum();
            let share = (used / 8.0) * (0.03 * normal(rng)).exp() + 0.1 * (0.2 * normal(rng)).exp();
            state.node.push((share + taken).min(1.0));
        }
        state.way = self.calls.iter().map(|_| (0.06 * normal(rng)).exp()).collect();
        state
    }

    /// All requests of one window.
    fn requests(&self, active: &[Fault], state: &State, rng: &mut StdRng) -> Requests {
        let mut requests = Requests {
            served: vec![Vec::new(); self.services.len()],
            calls: vec![Times::default(); self.calls.len()],
        };
        let delays: Vec<f64> =
            (0..self.calls.len()).map(|c| active.iter().map(|f| f.on_call(c)).sum()).collect();
        for _ in 0..(1.5 * state.load) as usize {
            self.serve(0, state, &delays, rng, &mut requests);
        }
        requests
    }

    /// One request served by `s`, milliseconds.
    fn serve(&self, s: usize, state: &State, delays: &[f64], rng: &mut StdRng, all: &mut Requests) -> f64 {
        let service = &self.services[s];
        let replica = rng.random_range(0..service.replicas);
        let scarce = |share: f64| 1.0 + SLOPE * (share - KNEE).max(0.0);
        let pressure =
            scarce(state.cpu[s][replica]) * scarce(state.memory[s]) * scarce(state.node[service.node]);
        let mut ms = service.work_ms * state.mood[s] * pressure * (0.35 * normal(rng)).exp();
        for (c, call) in self.calls.iter().enumerate().filter(|(_, call)| call.caller == s) {
            let server = self.serve(call.callee, state, delays, rng, all);
            let way = call.delay_ms * state.way[c] * (0.4 * normal(rng)).exp() + delays[c];
            all.calls[c].server.push(server as f32);
            all.calls[c].way.push(way as f32);
            all.calls[c].client.push((server + way) as f32);
            ms += call.share * (server + way);
        }
        all.served[s].push(ms as f32);
        ms
    }
}

impl Fault {
    fn on_cpu(&self, s: usize) -> f64 {
        if let Self::Cpu(at, cores) = self
            && *at == s
        {
            *cores
        } else {
            0.0
        }
    }

    fn on_memory(&self, s: usize) -> f64 {
        if let Self::Memory(at, by) = self
            && *at == s
        {
            *by
        } else {
            1.0
        }
    }

    fn on_work(&self, s: usize) -> f64 {
        if let Self::Latent(at, by) = self
            && *at == s
        {
            *by
        } else {
            1.0
        }
    }

    fn on_call(&self, c: usize) -> f64 {
        if let Self::Channel(at, ms) = self
            && *at == c
        {
            *ms
        } else {
            0.0
        }
    }

    fn on_node(&self, n: usize) -> f64 {
        if let Self::Node(at, share) = self
            && *at == n
        {
            *share
        } else {
            0.0
        }
    }
}

/// What one window is like.
#[derive(Debug, Default)]
struct State {
    /// Requests of users a second.
    load: f64,
    /// Per service and replica, cores.
    cpu: Vec<Vec<f64>>,
    /// Per service, share of its limit.
    memory: Vec<f64>,
    /// Per machine, share in use.
    node: Vec<f64>,
    /// Per service, factor on its own work that nothing measures.
    mood: Vec<f64>,
    /// Per call, factor on its time on the way that nothing measures.
    way: Vec<f64>,
}

/// Times of one call edge, milliseconds.
#[derive(Clone, Debug, Default)]
struct Times {
    client: Vec<f32>,
    server: Vec<f32>,
    way: Vec<f32>,
}

/// Times of all requests of one window.
#[derive(Debug)]
struct Requests {
    served: Vec<Vec<f32>>,
    calls: Vec<Times>,
}

fn normal(rng: &mut StdRng) -> f64 {
    rng.sample(StandardNormal)
}

#[cfg(test)]
#[path = "../testbed_tests.rs"]
mod tests;
