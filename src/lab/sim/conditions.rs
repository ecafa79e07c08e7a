//! Faults come and go: the conditions of services, replicas and nodes follow.

use super::effects::{Effect, Scales};
use super::error::SimError;
use super::load::Source;
use super::queue::What;
use super::random::{Key, Purpose};
use super::replica::{Life, Link};
use super::{Env, Nanos, Simulation, THRESHOLD};
use crate::domain::Resource;
use crate::lab::fault::Fault;

/// Share of the last-level cache that a service fills when it can.
const CACHE_NEED: f64 = 0.15;

impl Simulation {
    /// Adds a fault. One that begins in the past begins now.
    pub fn inject(&mut self, fault: Fault) -> Result<(), SimError> {
        self.add_fault(&fault)?;
        self.refresh();
        Ok(())
    }

    pub(super) fn add_fault(&mut self, fault: &Fault) -> Result<(), SimError> {
        let scales =
            Scales { app: &self.app, cluster: &self.cluster, needs: &self.needs, edges: &self.edges };
        let impacts = scales.impacts(fault)?;
        for effect in impacts.effects {
            let normal = self.settings.normal.contains(&(effect.service, effect.resource));
            let spans = if normal {
                self.outside(effect.from, effect.until)
            } else {
                vec![(effect.from, effect.until)]
            };
            for (from, until) in spans {
                self.effects.push(Effect { from, until, ..effect });
                self.at_boundary(from, until);
            }
        }
        for neighbour in impacts.neighbours {
            self.at_boundary(neighbour.from, neighbour.until);
            self.neighbours.push(neighbour);
        }
        if let Some(surge) = impacts.surge {
            let normal =
                self.entries.iter().any(|entry| self.settings.normal.contains(&(*entry, Resource::Load)));
            let spans =
                if normal { self.outside(surge.from, surge.until) } else { vec![(surge.from, surge.until)] };
            self.add_surge(surge.fault, surge.factor, surge.from, surge.until, spans);
        }
        Ok(())
    }

    /// The part of a span that lies outside the window in which things are made normal.
    fn outside(&self, from: Nanos, until: Nanos) -> Vec<(Nanos, Nanos)> {
        let Some((start, end)) = self.settings.normal_window else { return Vec::new() };
        let parts = [(from, until.min(start)), (from.max(end), until)];
        parts.into_iter().filter(|(from, until)| from < until).collect()
    }

    fn at_boundary(&mut self, from: Nanos, until: Nanos) {
        for time in [from, until] {
            if time > self.now && time < Nanos::MAX {
                self.queue.push(time, 0, What::Effects);
            }
        }
    }

    fn add_surge(&mut self, fault: u64, factor: f64, from: Nanos, until: Nanos, kept: Vec<(Nanos, Nanos)>) {
        let now = self.now;
        let kept: Vec<_> = kept
            .into_iter()
            .map(|(from, until)| (from.max(now), until))
            .filter(|(from, until)| from < until)
            .collect();
        if kept.is_empty() {
            return;
        }
        let (load, key) = (&self.settings.load, self.load_key);
        let mut source =
            Source::surge(&self.app, load, key, self.settings.start, fault, (factor, from, until));
        source.keep(kept);
        self.add_source(source);
    }

    /// Works out all conditions anew.
    pub(super) fn refresh(&mut self) {
        let now = self.now;
        for index in 0..self.nodes.len() {
            let mut wish = (0.0, 0.0);
            for neighbour in self.neighbours.iter().filter(|neighbour| neighbour.node == index) {
                if (neighbour.from..neighbour.until).contains(&now) {
                    wish = (wish.0 + neighbour.cores, wish.1 + neighbour.weight);
                }
            }
            let slow = self.disk_slow(index);
            let node = &mut self.nodes[index];
            if let Some(limit) = node.others.cpu {
                wish.0 = wish.0.min(limit);
            }
            node.disk_slow = slow;
            if node.neighbour != wish {
                node.neighbour = wish;
                self.share(index);
            }
        }
        for service in 0..self.services.len() {
            self.refresh_service(service);
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].neighbour.0 > 0.0 {
                self.share(node);
            }
        }
    }

    /// Factor on the time of an access to a node's disk.
    fn disk_slow(&self, node: usize) -> f64 {
        let replicas = self.nodes[node].replicas.iter();
        let load = |index: &u32| {
            Env::at(&self.effects, self.replicas[*index as usize].service as usize, node, self.now).disk
        };
        let (held, of) = (self.nodes[node].others.disk, self.cluster.nodes[node].disk);
        let load = replicas.map(load).sum::<f64>();
        1.0 + held.map_or(load, |held| load * (held / of).min(1.0))
    }

    pub(super) fn refresh_service(&mut self, service: usize) {
        let had = self.services[service].env.pool;
        self.services[service].env = Env::at(&self.effects, service, usize::MAX, self.now);
        for index in 0..self.replicas.len() as u32 {
            let replica = &self.replicas[index as usize];
            if replica.service == service as u32 && replica.life != Life::Gone {
                self.refresh_replica(index);
            }
        }
        if had != self.services[service].env.pool {
            self.admit_waiting(service);
        }
    }

    pub(super) fn refresh_replica(&mut self, index: u32) {
        let replica = &self.replicas[index as usize];
        let env = Env::at(&self.effects, replica.service as usize, replica.node as usize, self.now);
        let pauses = env.pauses != replica.env.pauses;
        self.replicas[index as usize].env = env;
        self.configure(index);
        if pauses {
            self.begin_pauses(index);
        }
    }

    /// Hands a replica's conditions on to its CPU and its network interface.
    pub(super) fn configure(&mut self, index: u32) {
        let now = self.now;
        let speed = self.speed(index);
        let replica = &mut self.replicas[index as usize];
        let service = &self.services[replica.service as usize];
        let cost = |limit: Option<f64>| Self::byte_cost(tighter(limit, replica.env.link));
        let Link { out_free, in_free, .. } = replica.link;
        replica.link = Link {
            out_cost: cost(service.bandwidth.0),
            in_cost: cost(service.bandwidth.1),
            out_free,
            in_free,
        };
        // Whoever sets a limit writes the quota: what it had been cut to counts no longer.
        let limit = match replica.cpu_limit {
            Some(own) => own,
            None if service.limit_renewed => service.cpu_limit,
            None => tighter(service.cpu_limit, replica.env.quota),
        };
        if replica.cpu.needs(speed, replica.env.hog, limit) {
            replica.cpu.advance(now);
            replica.cpu.configure(speed, replica.env.hog, limit);
            self.settle(index);
        }
    }

    /// Speed of a replica's CPU under contention for caches and memory.
    fn speed(&self, index: u32) -> f64 {
        let replica = &self.replicas[index as usize];
        let node = replica.node as usize;
        let sensitivity = self.app.services[replica.service as usize].sensitivity;
        let ways = f64::from(self.cluster.nodes[node].llc.1.max(1));
        let own = self.services[replica.service as usize].cache_ways;
        let llc = match own {
            // Set apart: nobody else gets in, and there is no more than that.
            Some(own) => THRESHOLD + CACHE_NEED * ways / f64::from(own) - 1.0,
            None => {
                // Others that are held to a part of the cache press on no more than that part.
                let held =
                    self.nodes[node].others.cache_ways.map_or(1.0, |held| (f64::from(held) / ways).min(1.0));
                replica.env.llc * held * ways / (ways - self.ways_taken(node)).max(1.0)
            }
        };
        let bandwidth = replica.env.memory_bandwidth * self.nodes[node].others.memory_bandwidth;
        let slow = sensitivity.cache * (llc - THRESHOLD).max(0.0)
            + sensitivity.memory_bandwidth * (bandwidth - THRESHOLD).max(0.0);
        Self::reclaim_speed(replica) / (1.0 + slow)
    }

    /// Cache ways of a node that are set apart.
    fn ways_taken(&self, node: usize) -> f64 {
        let here = |service: usize| {
            let mut replicas = self.nodes[node].replicas.iter();
            replicas.any(|index| self.replicas[*index as usize].service == service as u32)
        };
        let services = self.services.iter().enumerate();
        let taken = services.filter(|(index, service)| service.cache_ways.is_some() && here(*index));
        taken.map(|(_, service)| f64::from(service.cache_ways.unwrap_or(0))).sum()
    }

    /// Begins the pauses of a fault, or ends them.
    fn begin_pauses(&mut self, index: u32) {
        let now = self.now;
        let replica = &mut self.replicas[index as usize];
        replica.pause_version = replica.pause_version.wrapping_add(1);
        replica.pauses = 0;
        replica.paused_at = now;
        replica.cpu.advance(now);
        replica.cpu.freeze(false);
        self.settle(index);
        self.next_pause(index);
    }

    fn next_pause(&mut self, index: u32) {
        let replica = &self.replicas[index as usize];
        let Some(pauses) = replica.env.pauses else { return };
        let jitter = 0.5 + self.pause_key(index, pauses.fault).uniform(Purpose::Gap);
        let at = self.now + (pauses.gap * jitter) as Nanos;
        let version = self.replicas[index as usize].pause_version;
        self.queue.push(at, index, What::Pause { replica: index, begins: true, version });
    }

    fn pause_key(&self, index: u32, fault: u64) -> Key {
        let replica = &self.replicas[index as usize];
        let place = u64::from(replica.service) << 32 | u64::from(replica.number);
        self.key.with(Purpose::Pause as u64).with(fault).with(place).with(replica.pauses)
    }

    /// A stop-the-world pause begins or ends.
    pub(super) fn pause(&mut self, index: u32, begins: bool, version: u32) {
        let now = self.now;
        let replica = &self.replicas[index as usize];
        let (true, Some(pauses)) = (replica.pause_version == version, replica.env.pauses) else { return };
        let jitter = 0.5 + self.pause_key(index, pauses.fault).uniform(Purpose::Pause);
        let replica = &mut self.replicas[index as usize];
        replica.cpu.advance(now);
        replica.cpu.freeze(begins);
        if begins {
            let at = now + (pauses.length * jitter) as Nanos;
            self.queue.push(at, index, What::Pause { replica: index, begins: false, version });
            self.settle(index);
        } else {
            replica.pauses += 1;
            replica.paused_at = now;
            self.settle(index);
            self.next_pause(index);
        }
    }
}

fn tighter(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
