//! The application: web → {cart → db, catalogue}, with waves of load, noise, and faults at known times.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Midnight of the day of the recording, unix seconds: 2024-03-05.
const DAY: i64 = 1_709_596_800;

/// Hours and minutes of that day as unix seconds.
pub const fn clock(hours: i64, minutes: i64) -> i64 {
    DAY + hours * 3600 + minutes * 60
}

/// When the recording starts.
pub const START: i64 = clock(3, 0);
/// When it ends.
pub const END: i64 = clock(8, 10);
/// Prometheus was down from here …
pub const GAP: std::ops::Range<i64> = clock(4, 30)..clock(4, 34);
/// … and one scrape of db's pod failed here.
pub const MISSED: i64 = clock(5, 10) + 30;
/// The catalogue's pod is replaced: a new name, and counters that start at 0.
pub const REPLACED: i64 = clock(5, 20);

/// How steep the distribution of a duration is (log-logistic): p99 is 2.15 times the median.
pub const SHAPE: f64 = 6.0;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Something else burns this many of the service's cores.
    Cpu(&'static str, f64),
    /// Calls from one service to another are underway for so many milliseconds longer.
    Channel(&'static str, &'static str, f64),
    /// So many times the requests.
    Surge(f64),
    /// The service needs so many milliseconds longer, and no metric tells why.
    Latent(&'static str, f64),
}

/// Faults and their times, ends exclusive.
pub const FAULTS: [(std::ops::Range<i64>, Fault); 4] = [
    (clock(6, 10)..clock(6, 20), Fault::Cpu("db", 0.55)),
    (clock(6, 40)..clock(6, 50), Fault::Channel("web", "cart", 60.0)),
    (clock(7, 5)..clock(7, 15), Fault::Surge(2.4)),
    (clock(7, 30)..clock(7, 40), Fault::Latent("catalogue", 60.0)),
];

/// Moments of questions: before the first fault, and six minutes into each.
pub const CPU_FAULT: i64 = clock(6, 16);
pub const CHANNEL_FAULT: i64 = clock(6, 46);
pub const SURGE: i64 = clock(7, 11);
pub const LATENT_FAULT: i64 = clock(7, 36);
pub const HEALTHY: i64 = clock(6, 5);
/// After a further training.
pub const LATER: i64 = clock(8, 6);

/// A service as it is deployed.
#[derive(Debug)]
pub struct Service {
    pub name: &'static str,
    /// Time of its own, without load, in milliseconds.
    own_ms: f64,
    /// CPU seconds a request.
    cost: f64,
    /// Cores of one pod.
    pub limit: f64,
    /// Pods and the nodes they run on.
    pub pods: &'static [(&'static str, &'static str)],
}

/// In the order in which they can be computed: callees first.
pub const SERVICES: [Service; 4] = [
    Service { name: "db", own_ms: 6.0, cost: 0.004, limit: 1.0, pods: &[("db-0", "worker-2")] },
    Service {
        name: "catalogue",
        own_ms: 8.0,
        cost: 0.003,
        limit: 0.8,
        pods: &[("catalogue-668d5f85fb-wckp8", "worker-1")],
    },
    Service {
        name: "cart",
        own_ms: 4.0,
        cost: 0.003,
        limit: 0.8,
        pods: &[("cart-579f59597d-wc2lz", "worker-1")],
    },
    Service {
        name: "web",
        own_ms: 5.0,
        cost: 0.005,
        limit: 0.5,
        pods: &[("web-6d4cf56db6-xkz2v", "worker-1"), ("web-6d4cf56db6-b8k4m", "worker-2")],
    },
];

/// The catalogue's second pod.
pub const REPLACEMENT: &str = "catalogue-668d5f85fb-q5x7d";

/// Who calls whom, and for which share of the caller's requests.
pub const EDGES: [(&str, &str, f64); 3] =
    [("cart", "db", 1.0), ("web", "catalogue", 1.0), ("web", "cart", 0.8)];

/// A service at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Doing {
    /// Requests a second.
    pub rate: f64,
    /// Cores in use, over all pods.
    pub cores: f64,
    /// Share of its limit that is in use.
    pub busy: f64,
    /// Median time of its own, milliseconds.
    pub own_ms: f64,
    /// Median time from request to response.
    pub server_ms: f64,
}

/// The application at a moment; in the order of [`SERVICES`] and [`EDGES`].
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    pub services: [Doing; 4],
    /// Median time underway per call, there and back, milliseconds.
    pub underway_ms: [f64; 3],
}

impl State {
    /// How it is at a unix second: the same whenever and however often one asks.
    pub fn at(second: i64) -> Self {
        let fault = FAULTS.iter().find(|(when, _)| when.contains(&second)).map(|(_, fault)| *fault);
        let mut state = Self::default();
        for (e, (caller, callee, _)) in EDGES.iter().enumerate() {
            let delay = match fault {
                Some(Fault::Channel(from, to, ms)) if (from, to) == (*caller, *callee) => ms,
                _ => 0.0,
            };
            state.underway_ms[e] = 1.0 * noisy(20 + e as u64, second, 0.08) + delay;
        }
        for (s, service) in SERVICES.iter().enumerate() {
            let stream = s as u64;
            let rate = rate(service.name, second, fault);
            let limit = service.limit * service.pods.len() as f64;
            let mut cores = 0.03 * limit + service.cost * rate * noisy(stream, second, 0.03);
            let mut extra_ms = 0.0;
            match fault {
                Some(Fault::Cpu(name, burnt)) if name == service.name => cores += burnt,
                Some(Fault::Latent(name, ms)) if name == service.name => extra_ms = ms,
                _ => {}
            }
            let cores = cores.min(0.97 * limit);
            let busy = cores / limit;
            // Requests wait for the processor, the more so the busier it is.
            let wait = 1.5 * busy * busy / (1.0 - busy.min(0.9));
            let own_ms = service.own_ms * (1.0 + wait) * noisy(10 + stream, second, 0.04) + extra_ms;
            let below: f64 = EDGES
                .iter()
                .zip(state.underway_ms)
                .filter(|((caller, ..), _)| *caller == service.name)
                .map(|((_, callee, share), underway)| share * (underway + state.of(callee).server_ms))
                .sum();
            state.services[s] = Doing { rate, cores, busy, own_ms, server_ms: own_ms + below };
        }
        state
    }

    /// A service by name.
    pub fn of(&self, name: &str) -> Doing {
        let index = SERVICES.iter().position(|s| s.name == name).expect("a known service");
        self.services[index]
    }
}

/// Requests a second at a service.
fn rate(service: &str, second: i64, fault: Option<Fault>) -> f64 {
    if service != "web" {
        let calls = EDGES.iter().filter(|(_, callee, _)| *callee == service);
        return calls.map(|(caller, _, share)| share * rate(caller, second, fault)).sum();
    }
    let surge = if let Some(Fault::Surge(times)) = fault { times } else { 1.0 };
    let wave = |hours: f64| (second as f64 / (hours * 3600.0) * std::f64::consts::TAU).sin();
    60.0 * (1.0 + 0.1 * wave(24.0) + 0.3 * wave(2.0)) * noisy(30, second, 0.04) * surge
}

/// 1 on average: half slow wandering, half fresh every 30 s.
fn noisy(stream: u64, second: i64, spread: f64) -> f64 {
    let (knot, within) = (second.div_euclid(600), second.rem_euclid(600) as f64 / 600.0);
    let slow = normal(2 * stream, knot) * (1.0 - within) + normal(2 * stream, knot + 1) * within;
    let fresh = normal(2 * stream + 1, second.div_euclid(30));
    (spread * (slow + fresh) / std::f64::consts::SQRT_2).exp()
}

/// A standard normal number that belongs to a stream and a step of it.
fn normal(stream: u64, step: i64) -> f64 {
    let mut random = StdRng::seed_from_u64(stream << 48 ^ step as u64);
    let (a, b): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}
