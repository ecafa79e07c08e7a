//! The conditions a replica works under at a moment: all effects on it taken together.

use super::Nanos;
use super::effects::{Effect, Impact};

/// Conditions. The default is a healthy replica's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Env {
    pub hog: f64,
    pub demand: f64,
    pub quota: Option<f64>,
    pub neighbour: bool,
    pub llc: f64,
    pub memory_bandwidth: f64,
    pub memory: f64,
    pub leak: f64,
    pub disk: f64,
    pub delay: f64,
    pub loss: f64,
    pub link: Option<f64>,
    pub pool: Option<(u32, f64)>,
    pub hits: f64,
    pub pauses: Option<Pauses>,
    pub latent: f64,
}

/// Stop-the-world pauses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pauses {
    pub fault: u64,
    /// Means in nanoseconds.
    pub gap: f64,
    pub length: f64,
}

impl Default for Env {
    fn default() -> Self {
        Self {
            hog: 0.0,
            demand: 1.0,
            quota: None,
            neighbour: false,
            llc: 0.0,
            memory_bandwidth: 0.0,
            memory: 0.0,
            leak: 0.0,
            disk: 0.0,
            delay: 0.0,
            loss: 0.0,
            link: None,
            pool: None,
            hits: 1.0,
            pauses: None,
            latent: 0.0,
        }
    }
}

impl Env {
    /// Conditions of a replica of `service` on `node`.
    pub(super) fn at(effects: &[Effect], service: usize, node: usize, now: Nanos) -> Self {
        let mut env = Self::default();
        let active = effects.iter().filter(|effect| effect.service == service);
        for effect in active.filter(|effect| (effect.from..effect.until).contains(&now)) {
            env.add(effect.impact, node);
        }
        env
    }

    fn add(&mut self, impact: Impact, here: usize) {
        match impact {
            Impact::Hog(threads) => self.hog += threads,
            Impact::Demand(factor) => self.demand *= factor,
            Impact::Quota(cores) => self.quota = Some(self.quota.map_or(cores, |quota| quota.min(cores))),
            Impact::Neighbour { node } => self.neighbour |= node == here,
            Impact::Llc { node, pressure } if node == here => self.llc += pressure,
            Impact::Bandwidth { node, pressure } if node == here => self.memory_bandwidth += pressure,
            Impact::Llc { .. } | Impact::Bandwidth { .. } => {}
            Impact::Memory(bytes) => self.memory += bytes,
            Impact::Leak(rate) => self.leak += rate,
            Impact::Disk(load) => self.disk += load,
            Impact::Delay(mean) => self.delay += mean,
            Impact::Loss(probability) => self.loss = 1.0 - (1.0 - self.loss) * (1.0 - probability),
            Impact::Link(rate) => self.link = Some(self.link.map_or(rate, |link| link.min(rate))),
            Impact::Pool { limit, hold } => {
                self.pool =
                    Some(self.pool.map_or((limit, hold), |(least, held)| (least.min(limit), held + hold)));
            }
            Impact::Hits(factor) => self.hits *= factor,
            Impact::Pauses { fault, gap, length } => self.pauses = Some(Pauses { fault, gap, length }),
            Impact::Latent(mean) => self.latent += mean,
        }
    }
}
