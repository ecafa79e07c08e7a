//! An estimate of the latency of a healthy application, without simulating it.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Exp1, LogNormal};

use super::load::{self, CFS_PERIOD_S, Utilisation, offered};
use super::{Application, Call, Chance, Name, Repeat, Transport};

/// Fewest and most requests that are drawn, and how many calls are enough.
const REQUESTS: (f64, f64) = (200.0, 4000.0);
const CALLS: f64 = 400_000.0;
/// Propagation and network stacks of one direction, in microseconds.
const WIRE_US: f64 = 50.0;

/// Latency in milliseconds below which the share `quantile` of all requests stays at the mean rate,
/// estimated: each call's demand is drawn, and it waits for the rest of a CFS period as often as the
/// limit is expected to be used up, but calls do not share processors otherwise. Good for a first
/// objective; what the simulation measures is the truth. The same application gives the same value.
pub fn healthy_tail_ms(app: &Application, quantile: f64) -> f64 {
    let loads = offered(app);
    let throttled = app.services.iter().zip(&loads).map(|(service, load)| {
        let replicas = f64::from(service.replicas);
        service.cpu_limit.map_or(0.0, |limit| exceeds(load, replicas, limit))
    });
    let mut draw = Draw {
        app,
        throttled: throttled.collect(),
        random: StdRng::seed_from_u64(0),
        shared: BTreeMap::new(),
        arrived: BTreeMap::new(),
    };
    let calls: f64 = loads.iter().map(|load| load.calls).sum::<f64>() / app.rate;
    let requests = whole((CALLS / calls).clamp(REQUESTS.0, REQUESTS.1));
    let mut latencies: Vec<f64> = (0..requests).map(|_| draw.request()).collect();
    latencies.sort_by(f64::total_cmp);
    let last = f64::from(requests.saturating_sub(1));
    latencies.get(whole(quantile.clamp(0.0, 1.0) * last) as usize).map_or(0.0, |us| us / 1e3)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 4000")]
fn whole(value: f64) -> u32 {
    value.round() as u32
}

/// Probability that a CFS period's demand of a replica exceeds its quota, were demands normal.
fn exceeds(load: &Utilisation, replicas: f64, limit: f64) -> f64 {
    let spread = (load.variance / replicas / CFS_PERIOD_S).sqrt();
    if spread == 0.0 {
        return 0.0;
    }
    let z = (limit - load.cpu / replicas) / spread;
    // The logistic approximation of the normal tail: within 0.01.
    1.0 / (1.0 + (1.702 * z).exp())
}

struct Draw<'a> {
    app: &'a Application,
    /// By service: probability that a call meets a throttled period.
    throttled: Vec<f64>,
    random: StdRng,
    /// The request's shared draws, uniform.
    shared: BTreeMap<&'a Name, f64>,
    /// How many have arrived at the request's meeting points.
    arrived: BTreeMap<&'a Name, u32>,
}

impl<'a> Draw<'a> {
    fn request(&mut self) -> f64 {
        self.shared.clear();
        self.arrived.clear();
        let (app, mut at) = (self.app, self.random.random::<f64>());
        for flow in &app.flows {
            at -= flow.share;
            if at <= 0.0 {
                return self.call(&flow.root);
            }
        }
        app.flows.last().map_or(0.0, |flow| self.call(&flow.root))
    }

    /// Duration of a call in microseconds as its caller sees it, 0 if it does not happen.
    fn call(&mut self, call: &'a Call) -> f64 {
        if !self.happens(&call.chance) {
            return 0.0;
        }
        match call.repeat {
            Repeat::Once => self.once(call),
            Repeat::Sequential(from, to) => {
                let times = self.random.random_range(from..=to);
                (0..times).map(|_| self.once(call)).sum()
            }
            Repeat::Parallel(from, to) => {
                let times = self.random.random_range(from..=to);
                (0..times).map(|_| self.once(call)).fold(0.0, f64::max)
            }
        }
    }

    fn once(&mut self, call: &'a Call) -> f64 {
        let wire = if call.transport == Transport::Local { 0.0 } else { 2.0 * WIRE_US };
        let mut total = wire + self.work(call);
        for stage in &call.stages {
            // All are drawn, so that shared draws do not depend on who waits.
            let calls = stage.iter().map(|call| (call.awaited, self.call(call)));
            total += calls.filter(|(awaited, _)| *awaited).map(|(_, us)| us).fold(0.0, f64::max);
        }
        call.timeout_ms.map_or(total, |limit| total.min(limit * 1e3))
    }

    fn work(&mut self, call: &Call) -> f64 {
        let random = &mut self.random;
        // mean = exp(mu + sigma²/2), cv² = exp(sigma²) - 1
        let sigma2 = call.cpu.cv.powi(2).ln_1p();
        let cpu = LogNormal::new(call.cpu.mean_us.ln() - sigma2 / 2.0, sigma2.sqrt())
            .map_or(call.cpu.mean_us, |demand| demand.sample(random));
        let disk = match call.disk {
            Some(disk) if random.random_bool(disk.probability) => {
                disk.mean_us * random.sample::<f64, _>(Exp1)
            }
            _ => 0.0,
        };
        let throttled = self.throttled.get(call.service).copied().unwrap_or(0.0);
        let wait = if random.random_bool(throttled) {
            CFS_PERIOD_S / 2.0 * 1e6 * random.random::<f64>()
        } else {
            0.0
        };
        cpu + disk + wait
    }

    fn happens(&mut self, chance: &'a Chance) -> bool {
        match chance {
            Chance::Always => true,
            Chance::Probability(probability) => self.random.random::<f64>() < *probability,
            Chance::Shared { draw, probability } => self.share(draw) < *probability,
            Chance::MissOf { draw, .. } => self.share(draw) < load::probability(self.app, chance),
            Chance::LastOf { group, of } => {
                let arrived = self.arrived.entry(group).or_default();
                *arrived += 1;
                *arrived == *of
            }
        }
    }

    fn share(&mut self, draw: &'a Name) -> f64 {
        let random = &mut self.random;
        *self.shared.entry(draw).or_insert_with(|| random.random())
    }
}
