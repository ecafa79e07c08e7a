//! Replicas come and go: start-up, readiness, draining, the out-of-memory killer.

use std::collections::VecDeque;

use super::cpu::{Cpu, CpuTotals};
use super::node::Wish;
use super::queue::{CallRef, What};
use super::random::Purpose;
use super::replica::{Counters, Life, Link, Memory, Pool, Replica};
use super::requests::Stage;
use super::{Env, Nanos, SECOND, Simulation};

/// How long a replica that is to go may take for what it has begun (Kubernetes' default).
const GRACE: Nanos = 30 * SECOND;
/// How long a replica that is gone can still be read.
pub(super) const REMEMBERED: Nanos = 60 * SECOND;

impl Simulation {
    /// A new replica on a node; `ready` at once, or after the start-up time.
    pub(super) fn create(&mut self, service: usize, node: usize, ready: bool) -> u32 {
        let index = self.replicas.len() as u32;
        let number = self.services[service].next_number;
        self.services[service].next_number += 1;
        let key = self.key.with(Purpose::Phase as u64).with(service as u64).with(u64::from(number));
        let limit = self.services[service].cpu_limit;
        let pools = self.tables.targets[service].len();
        self.replicas.push(Replica {
            service: service as u32,
            number,
            node: node as u32,
            life: if ready { Life::Ready } else { Life::Starting },
            life_version: 0,
            started: self.now,
            gone: 0,
            restarts: 0,
            cpu: Cpu::new(self.app.services[service].threads, limit, key.0, self.now),
            cpu_limit: None,
            wish: Wish::default(),
            cpu_due: None,
            cpu_event: Nanos::MAX,
            cpu_version: 0,
            busy_workers: 0,
            waiting: VecDeque::new(),
            in_flight: 0,
            pools: std::iter::repeat_with(Pool::default).take(pools).collect(),
            link: Link::default(),
            env: Env::default(),
            memory: Memory { limit: self.services[service].memory_limit, ..Memory::default() },
            pause_version: 0,
            pauses: 0,
            paused_at: self.now,
            counters: Counters::default(),
        });
        self.nodes[node].replicas.push(index);
        if ready {
            self.services[service].ready.push(index);
        } else {
            self.queue.push(
                self.now + self.settings.startup,
                index,
                What::Lifecycle { replica: index, version: 0 },
            );
        }
        self.refresh_replica(index);
        index
    }

    /// A replica is up, or its grace is over.
    pub(super) fn lifecycle(&mut self, index: u32, version: u32) {
        let replica = &mut self.replicas[index as usize];
        if replica.life_version != version {
            return;
        }
        match replica.life {
            Life::Starting => {
                replica.life = Life::Ready;
                let service = replica.service as usize;
                let ready = &mut self.services[service].ready;
                let place = ready.partition_point(|other| *other < index);
                ready.insert(place, index);
                if let Some(old) = self.services[service].to_replace.pop_front() {
                    self.drain(old);
                    self.replace_next(service);
                }
            }
            Life::Draining => {
                self.drop_calls(index);
                self.remove(index);
            }
            Life::Ready | Life::Gone => {}
        }
    }

    /// Starts the fresh replica for the next one that a restart replaces.
    pub(super) fn replace_next(&mut self, service: usize) {
        if let Some(old) = self.services[service].to_replace.front() {
            let node = self.replicas[*old as usize].node as usize;
            self.create(service, node, false);
        }
    }

    /// A replica takes nothing new.
    pub(super) fn drain(&mut self, index: u32) {
        let replica = &mut self.replicas[index as usize];
        if matches!(replica.life, Life::Gone | Life::Draining) {
            return;
        }
        replica.life = Life::Draining;
        replica.life_version += 1;
        let version = replica.life_version;
        let service = &mut self.services[replica.service as usize];
        service.ready.retain(|other| *other != index);
        self.queue.push(self.now + GRACE, index, What::Lifecycle { replica: index, version });
        self.drained(index);
    }

    /// Removes a draining replica once it is empty.
    pub(super) fn drained(&mut self, index: u32) {
        let replica = &self.replicas[index as usize];
        if replica.life == Life::Draining && replica.in_flight == 0 {
            self.remove(index);
        }
    }

    fn remove(&mut self, index: u32) {
        let now = self.now;
        let replica = &mut self.replicas[index as usize];
        replica.cpu.advance(now);
        replica.cpu.configure(1.0, 0.0, replica.cpu.limit());
        // A pause does not outlive its process.
        replica.cpu.freeze(false);
        replica.life = Life::Gone;
        replica.gone = now;
        replica.env = Env::default();
        self.settle(index);
        let replica = &mut self.replicas[index as usize];
        let used = replica.cpu.totals(now).used;
        let node = &mut self.nodes[replica.node as usize];
        node.counters.other_cpu += used;
        node.replicas.retain(|other| *other != index);
    }

    /// The container is killed for want of memory and starts anew in place.
    pub(super) fn kill(&mut self, index: u32) {
        let now = self.now;
        self.drop_calls(index);
        let replica = &mut self.replicas[index as usize];
        let service = replica.service as usize;
        self.services[service].ready.retain(|other| *other != index);
        replica.cpu.advance(now);
        let CpuTotals { used, .. } = replica.cpu.totals(now);
        self.nodes[replica.node as usize].counters.other_cpu += used;
        replica.cpu.reset_totals();
        replica.counters = Counters::default();
        replica.memory.leaked = 0.0;
        replica.memory.excess = 0.0;
        replica.restarts += 1;
        replica.started = now;
        replica.life_version += 1;
        let version = replica.life_version;
        let starts = replica.life != Life::Draining;
        if starts {
            replica.life = Life::Starting;
            self.queue.push(now + self.settings.startup, index, What::Lifecycle { replica: index, version });
        }
        self.settle(index);
        if starts {
            self.configure(index);
        } else {
            self.remove(index);
        }
    }

    /// Everything in a replica fails at once: its callers see the connections close.
    fn drop_calls(&mut self, index: u32) {
        let mut dropped = Vec::new();
        for (slot, request) in self.requests.slots.iter().enumerate() {
            for (call, frame) in request.frames.iter().enumerate() {
                if frame.replica == index && matches!(frame.stage, Stage::Queued | Stage::Working) {
                    dropped.push(self.requests.reference(slot as u32, call as u32));
                }
            }
        }
        let now = self.now;
        let replica = &mut self.replicas[index as usize];
        replica.cpu.advance(now);
        replica.cpu.clear();
        replica.waiting.clear();
        replica.busy_workers = 0;
        replica.in_flight = 0;
        for pool in &mut replica.pools {
            pool.waiting.clear();
        }
        self.settle(index);
        // All of them first: an answer may let another of them go on.
        for call in &dropped {
            self.requests.record_mut(*call).ended = now;
            let frame = self.requests.frame_mut(*call);
            (frame.stage, frame.failed, frame.worker) = (Stage::Answered, true, false);
        }
        self.abandon_asking(index);
        for call in dropped {
            self.answer(call);
        }
    }

    /// Calls that a killed replica was about to make are never made.
    fn abandon_asking(&mut self, index: u32) {
        let mut asking: Vec<CallRef> = Vec::new();
        for (slot, request) in self.requests.slots.iter().enumerate() {
            for (call, frame) in request.frames.iter().enumerate() {
                let reference = self.requests.reference(slot as u32, call as u32);
                let caller = self.requests.caller(reference);
                let ours = caller.is_some_and(|caller| self.requests.frame(caller).replica == index);
                if ours && frame.stage == Stage::Asking && !frame.told {
                    asking.push(reference);
                }
            }
        }
        for call in asking {
            self.give_up_asking(call, super::Outcome::Failed);
        }
    }
}
