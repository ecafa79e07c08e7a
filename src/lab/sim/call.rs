//! The caller's side of a call: a replica to call, a connection, the way there and back, giving up,
//! trying again.

use super::net::Message;
use super::queue::{CallRef, What};
use super::random::{Key, Purpose, bucket};
use super::replica::Life;
use super::requests::{Frame, NOWHERE, Stage};
use super::settings::Balancing;
use super::{CallRecord, MILLISECOND, Nanos, Outcome, Simulation};

/// What makes a call out of a site: which repetition of how many, and which attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub repetition: u16,
    pub repetitions: u16,
    pub attempt: u16,
}

impl Turn {
    const ONLY: Self = Self { repetition: 0, repetitions: 1, attempt: 0 };
}

impl Simulation {
    /// A request enters the application.
    pub(super) fn enter(&mut self, id: u64, flow: usize) {
        let table = &self.tables.flows[flow];
        let (root, draws, groups) = (table.root, table.draws, table.groups);
        let key = self.key.with(id);
        let slot = self.requests.begin(id, flow as u32, key, self.now, draws, groups);
        self.call(slot, None, root, Turn::ONLY);
    }

    /// Makes a call: `parent` is the caller's place in the request.
    pub(super) fn call(&mut self, slot: u32, parent: Option<u32>, site_index: u32, turn: Turn) {
        let request = &self.requests.slots[slot as usize];
        let (caller, caller_key) = match parent {
            Some(parent) => {
                let frame = &request.frames[parent as usize];
                (frame.replica, frame.key)
            }
            None => (NOWHERE, Key(request.key)),
        };
        let site = &self.tables.sites[site_index as usize];
        let turn_bits = u64::from(turn.repetition) << 16 | u64::from(turn.attempt);
        let key = caller_key.with(u64::from(site.number) << 32 | turn_bits);
        let replica = if site.local { caller } else { self.choose(site.service as usize, key) };
        let replica_number = self.replicas.get(replica as usize).map_or(0, |replica| replica.number);
        let request = &mut self.requests.slots[slot as usize];
        let index = request.calls.len() as u32;
        let now = self.now;
        request.calls.push(CallRecord {
            site: site.number,
            parent: parent.unwrap_or(index),
            repetition: turn.repetition,
            attempt: turn.attempt,
            replica: replica_number,
            asked: now,
            sent: now,
            arrived: now,
            started: now,
            ended: now,
            returned: now,
            outcome: Outcome::Failed,
        });
        request.frames.push(Frame {
            key,
            site: site_index,
            replica,
            incarnation: 0,
            repetitions: turn.repetitions,
            next_stage: 0,
            pending: 0,
            segment: 0.0,
            stage: Stage::Asking,
            step: 0,
            told: false,
            failed: false,
            connection: false,
            worker: false,
        });
        request.open += 1;
        let call = CallRef { slot, generation: request.generation, call: index };
        if let Some(timeout) = site.timeout {
            let queue = &mut self.timeouts[site_index as usize];
            queue.push_back((now + timeout, call));
            if queue.len() == 1 {
                self.queue.push(now + timeout, site_index, What::Timeout { site: site_index });
            }
        }
        if site.local || caller == NOWHERE {
            return self.send(call);
        }
        self.connect(call, caller, site.pool, site.service as usize);
    }

    /// The replica for a call: among those that are up, or one that will refuse it.
    fn choose(&self, service: usize, key: Key) -> u32 {
        let ready = &self.services[service].ready;
        match (ready.len(), self.settings.balancing) {
            (0, _) => self.refusing(service),
            (1, _) => ready[0],
            (count, Balancing::Hash) => ready[bucket(key.bits(Purpose::Replica), count)],
            (_, Balancing::LeastRequests) => {
                let busy = |replica: &&u32| self.replicas[**replica as usize].in_flight;
                ready.iter().min_by_key(busy).copied().unwrap_or(NOWHERE)
            }
        }
    }

    fn refusing(&self, service: usize) -> u32 {
        let starting = self.replicas.iter().position(|replica| {
            replica.service == service as u32 && matches!(replica.life, Life::Starting | Life::Draining)
        });
        starting.map_or(NOWHERE, |replica| replica as u32)
    }

    /// Takes a connection, or waits for one.
    fn connect(&mut self, call: CallRef, caller: u32, pool: u32, service: usize) {
        let limit = self.pool_limit(service);
        let pool = &mut self.replicas[caller as usize].pools[pool as usize];
        if pool.busy < limit {
            pool.busy += 1;
            self.requests.frame_mut(call).connection = true;
            return self.send(call);
        }
        pool.waiting.push_back(call);
        let order = self.requests.frame(call).key.0 as u32;
        let wait = (self.app.services[service].connections.wait_ms.max(0.0) * MILLISECOND as f64) as Nanos;
        self.queue.push(self.now + wait, order, What::PoolWait { call });
    }

    /// A call has waited long enough for a connection.
    pub(super) fn no_connection(&mut self, call: CallRef) {
        if self.asks(call) {
            self.give_up_asking(call, Outcome::NoConnection);
        }
    }

    /// Whether a call still waits for a connection.
    fn asks(&self, call: CallRef) -> bool {
        self.requests.is_live(call) && {
            let frame = self.requests.frame(call);
            frame.stage == Stage::Asking && !frame.told
        }
    }

    /// A call ends before it has left its caller.
    pub(super) fn give_up_asking(&mut self, call: CallRef, outcome: Outcome) {
        let now = self.now;
        let record = self.requests.record_mut(call);
        (record.sent, record.arrived, record.started, record.ended) = (now, now, now, now);
        self.requests.frame_mut(call).stage = Stage::Answered;
        self.tell(call, outcome);
        self.close(call);
    }

    /// Gives a connection back, after holding it when a fault says so.
    fn disconnect(&mut self, call: CallRef) {
        let frame = self.requests.frame_mut(call);
        if !std::mem::take(&mut frame.connection) {
            return;
        }
        let (key, site) = (frame.key, &self.tables.sites[frame.site as usize]);
        let Some(caller) = self.requests.caller(call) else { return };
        let replica = self.requests.frame(caller).replica;
        let target = site.pool;
        match self.services[site.service as usize].env.pool {
            Some((_, hold)) if hold > 0.0 => {
                let after = (key.exponential(Purpose::Hold) * hold) as Nanos;
                self.queue.push(self.now + after, key.0 as u32, What::PoolRelease { replica, target });
            }
            _ => self.release(replica, target),
        }
    }

    /// A connection is free: the next in the line gets it.
    pub(super) fn release(&mut self, replica: u32, target: u32) {
        let pool = &mut self.replicas[replica as usize].pools[target as usize];
        pool.busy = pool.busy.saturating_sub(1);
        self.admit(replica, target);
    }

    /// Connections that a replica of a caller may have to a service.
    fn pool_limit(&self, service: usize) -> u32 {
        let cut = self.services[service].env.pool;
        cut.map(|(limit, _)| limit).or(self.app.services[service].connections.limit).unwrap_or(u32::MAX)
    }

    /// Those who wait for a connection get one as long as there is one.
    fn admit(&mut self, replica: u32, target: u32) {
        let service = self.tables.targets[self.replicas[replica as usize].service as usize][target as usize];
        let limit = self.pool_limit(service as usize);
        loop {
            let pool = &mut self.replicas[replica as usize].pools[target as usize];
            if pool.busy >= limit {
                return;
            }
            let Some(call) = pool.waiting.pop_front() else { return };
            if self.asks(call) {
                self.replicas[replica as usize].pools[target as usize].busy += 1;
                self.requests.frame_mut(call).connection = true;
                self.send(call);
            }
        }
    }

    /// The limit on connections to a service has changed.
    pub(super) fn admit_waiting(&mut self, service: usize) {
        for replica in 0..self.replicas.len() {
            let targets = &self.tables.targets[self.replicas[replica].service as usize];
            if let Some(target) = targets.iter().position(|target| *target == service as u32) {
                self.admit(replica as u32, target as u32);
            }
        }
    }

    pub(super) fn message(&self, call: CallRef, response: bool) -> Message {
        let frame = self.requests.frame(call);
        let site = &self.tables.sites[frame.site as usize];
        let caller = self.requests.caller(call).map_or(NOWHERE, |caller| self.requests.frame(caller).replica);
        let (from, to, bytes) = if response {
            (frame.replica, caller, site.bytes.1)
        } else {
            (caller, frame.replica, site.bytes.0)
        };
        Message { from, to, bytes, key: frame.key, response }
    }

    /// The request leaves the caller.
    fn send(&mut self, call: CallRef) {
        self.requests.record_mut(call).sent = self.now;
        let frame = self.requests.frame_mut(call);
        frame.stage = Stage::Travelling;
        let (order, local) = (frame.key.0 as u32, self.tables.sites[frame.site as usize].local);
        if local {
            return self.arrive(call, true);
        }
        let at = self.transmit(self.message(call, false));
        self.queue.push(at, order, What::Arrive { call, queued: false });
    }

    /// The answer is back.
    pub(super) fn returned(&mut self, call: CallRef, queued: bool) {
        if !queued {
            let at = self.receive(self.message(call, true));
            if at > self.now {
                let order = self.requests.frame(call).key.0 as u32;
                return self.queue.push(at, order, What::Return { call, queued: true });
            }
        }
        let frame = self.requests.frame(call);
        if !frame.told {
            let outcome = if frame.failed { Outcome::Failed } else { Outcome::Ok };
            self.tell(call, outcome);
        }
        self.close(call);
    }

    /// Calls of a site that have waited too long are given up; the callees go on working.
    pub(super) fn time_out(&mut self, site: u32) {
        while let Some((due, call)) = self.timeouts[site as usize].front().copied() {
            let over = !self.requests.is_live(call) || self.requests.frame(call).told;
            if !over && due > self.now {
                self.queue.push(due, site, What::Timeout { site });
                return;
            }
            self.timeouts[site as usize].pop_front();
            if !over {
                if self.requests.frame(call).stage == Stage::Asking {
                    self.give_up_asking(call, Outcome::TimedOut);
                } else {
                    self.tell(call, Outcome::TimedOut);
                }
            }
        }
    }

    /// The caller knows how the call ended: it tries again, goes on, or fails.
    fn tell(&mut self, call: CallRef, outcome: Outcome) {
        let now = self.now;
        let record = self.requests.record_mut(call);
        (record.returned, record.outcome) = (now, outcome);
        let (repetition, attempt) = (record.repetition, record.attempt);
        let frame = self.requests.frame_mut(call);
        frame.told = true;
        let (site_index, repetitions) = (frame.site, frame.repetitions);
        self.disconnect(call);
        let Some(caller) = self.requests.caller(call) else { return };
        let site = &self.tables.sites[site_index as usize];
        if site.awaited && self.requests.frame(caller).stage != Stage::Working {
            return;
        }
        if outcome != Outcome::Ok && attempt < site.retries {
            let turn = Turn { repetition, repetitions, attempt: attempt + 1 };
            return self.call(call.slot, Some(caller.call), site_index, turn);
        }
        let failed = outcome != Outcome::Ok;
        if !failed && repetition + 1 < repetitions {
            let turn = Turn { repetition: repetition + 1, repetitions, attempt: 0 };
            return self.call(call.slot, Some(caller.call), site_index, turn);
        }
        if site.awaited {
            if site.optional {
                self.requests.slots[call.slot as usize].degraded |= failed;
            } else {
                self.requests.frame_mut(caller).failed |= failed;
            }
            self.one_less(caller);
        }
    }

    /// A call is over for both sides; after the last the request is.
    pub(super) fn close(&mut self, call: CallRef) {
        let request = &mut self.requests.slots[call.slot as usize];
        request.open -= 1;
        if request.open == 0 {
            self.finished.push(call.slot);
        }
    }
}
