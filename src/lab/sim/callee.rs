//! The callee's side of a call: worker, disk, CPU segments and its own calls in between, the answer.

use super::call::Turn;
use super::queue::{CallRef, What};
use super::random::{Key, LogNormal, Purpose};
use super::replica::Life;
use super::requests::Stage;
use super::tables::SiteChance;
use super::{Nanos, Outcome, Simulation};
use crate::lab::app::{Kind, Repeat};

impl Simulation {
    /// The request is at the callee.
    pub(super) fn arrive(&mut self, call: CallRef, queued: bool) {
        let frame = self.requests.frame(call);
        let (replica, order) = (frame.replica, frame.key.0 as u32);
        let site = &self.tables.sites[frame.site as usize];
        let local = site.local;
        if !queued {
            let at = self.receive(self.message(call, false));
            if at > self.now {
                return self.queue.push(at, order, What::Arrive { call, queued: true });
            }
        }
        let now = self.now;
        let record = self.requests.record_mut(call);
        (record.arrived, record.started) = (now, now);
        let Some(callee) = self.replicas.get_mut(replica as usize) else {
            return self.refuse(call);
        };
        if !local && matches!(callee.life, Life::Starting | Life::Gone) {
            return self.refuse(call);
        }
        callee.in_flight += 1;
        let service = &self.app.services[callee.service as usize];
        let frame = self.requests.frame_mut(call);
        frame.incarnation = callee.restarts;
        // A call within the process runs on the worker of its caller.
        if let Some(workers) = service.workers.filter(|_| !local && service.kind != Kind::Frontend) {
            if callee.busy_workers >= workers {
                frame.stage = Stage::Queued;
                return callee.waiting.push_back(call);
            }
            callee.busy_workers += 1;
            frame.worker = true;
        }
        self.start(call);
    }

    /// Nobody is there to take the call.
    fn refuse(&mut self, call: CallRef) {
        let now = self.now;
        self.requests.record_mut(call).ended = now;
        let frame = self.requests.frame_mut(call);
        (frame.stage, frame.failed) = (Stage::Answered, true);
        self.answer(call);
    }

    /// The callee begins.
    pub(super) fn start(&mut self, call: CallRef) {
        let now = self.now;
        self.requests.record_mut(call).started = now;
        let frame = self.requests.frame_mut(call);
        frame.stage = Stage::Working;
        let site = &self.tables.sites[frame.site as usize];
        let demand =
            frame.key.log_normal(Purpose::Cpu, site.cpu) * self.replicas[frame.replica as usize].env.demand;
        frame.segment = demand / f64::from(site.stages.len() as u32 + 1);
        self.resume(call);
    }

    /// Goes on with what comes before the first CPU segment: page faults, the disk, a latent wait.
    pub(super) fn resume(&mut self, call: CallRef) {
        if !self.works(call) {
            return;
        }
        let frame = *self.requests.frame(call);
        for step in frame.step..3 {
            let at = match step {
                0 => self.page_faults(&frame),
                1 => self.disk_access(&frame),
                _ => {
                    let latent = self.replicas[frame.replica as usize].env.latent;
                    let wait = if latent > 0.0 {
                        frame.key.log_normal(Purpose::Latent, LogNormal::new(latent, 0.5)) as Nanos
                    } else {
                        0
                    };
                    self.now + wait
                }
            };
            if at > self.now {
                self.requests.frame_mut(call).step = step + 1;
                return self.queue.push(at, frame.key.0 as u32, What::Resume { call });
            }
        }
        self.segment(call);
    }

    /// Whether the callee still works on a call: its request is under way, its replica has not been
    /// killed since.
    pub(super) fn works(&self, call: CallRef) -> bool {
        self.requests.is_live(call) && self.requests.frame(call).stage == Stage::Working
    }

    /// Runs the next CPU segment.
    fn segment(&mut self, call: CallRef) {
        let frame = self.requests.frame(call);
        let (replica, demand, order) = (frame.replica, frame.segment, frame.key.0 as u32);
        if demand <= 0.0 {
            return self.segment_done(call);
        }
        let cpu = &mut self.replicas[replica as usize].cpu;
        cpu.advance(self.now);
        cpu.add(demand, order, call);
        self.settle(replica);
    }

    /// A CPU segment has ended: the calls of the next stage, or the answer.
    pub(super) fn segment_done(&mut self, call: CallRef) {
        let frame = self.requests.frame_mut(call);
        let stages = &self.tables.sites[frame.site as usize].stages;
        if frame.failed || u32::from(frame.next_stage) >= stages.len() as u32 {
            return self.finish(call);
        }
        let stage = stages.start + u32::from(frame.next_stage);
        frame.next_stage += 1;
        // Held by one until all calls are made: some end at once.
        frame.pending = 1;
        for child in self.tables.stages[stage as usize].clone() {
            let site = self.tables.children[child as usize];
            self.make(call, site);
        }
        self.one_less(call);
    }

    /// Makes the calls of a site, if any.
    fn make(&mut self, caller: CallRef, site: u32) {
        let key = self.requests.frame(caller).key.with(u64::from(self.tables.sites[site as usize].number));
        if !self.happens(caller, site, key) {
            return;
        }
        let (repeat, awaited) = {
            let site = &self.tables.sites[site as usize];
            (site.repeat, site.awaited)
        };
        let draw = |low: u32, high: u32| {
            let span = f64::from(high.max(low) - low + 1);
            (low + (key.uniform(Purpose::Repeat) * span) as u32).min(u32::from(u16::MAX)) as u16
        };
        let (parallel, repetitions) = match repeat {
            Repeat::Once => (1, 1),
            Repeat::Sequential(low, high) => {
                let repetitions = draw(low, high);
                (repetitions.min(1), repetitions)
            }
            Repeat::Parallel(low, high) => (draw(low, high), 1),
        };
        if awaited {
            self.requests.frame_mut(caller).pending += u32::from(parallel);
        }
        for repetition in 0..parallel {
            self.call(caller.slot, Some(caller.call), site, Turn { repetition, repetitions, attempt: 0 });
        }
    }

    /// Whether a call happens.
    fn happens(&mut self, caller: CallRef, site: u32, key: Key) -> bool {
        let (draw, probability) = match self.tables.sites[site as usize].chance {
            SiteChance::Always => return true,
            SiteChance::Probability(probability) => return key.uniform(Purpose::Chance) < probability,
            SiteChance::LastOf { group, of } => {
                let met = &mut self.requests.slots[caller.slot as usize].met[group as usize];
                *met += 1;
                return *met == of;
            }
            SiteChance::Shared { draw, probability } => (draw, probability),
            SiteChance::MissOf { cache, .. } if self.went_without(caller, cache) => return true,
            SiteChance::MissOf { cache, keys, draw } => {
                let hit =
                    self.app.services[cache as usize].hit_ratio * self.services[cache as usize].env.hits;
                (draw, 1.0 - hit.powi(keys as i32))
            }
        };
        let request = &mut self.requests.slots[caller.slot as usize];
        let made = &mut request.draws[draw as usize];
        if *made == 0 {
            let u = Key(request.key).with(u64::from(draw)).uniform(Purpose::Chance);
            *made = 1 + u8::from(u < probability);
        }
        *made == 2
    }

    /// Whether an optional call of `caller` to `service` has failed.
    fn went_without(&self, caller: CallRef, service: u32) -> bool {
        let request = &self.requests.slots[caller.slot as usize];
        request.degraded
            && request.calls.iter().zip(&request.frames).skip(caller.call as usize + 1).any(
                |(call, frame)| {
                    let site = &self.tables.sites[frame.site as usize];
                    let failed = frame.told && call.outcome != Outcome::Ok;
                    call.parent == caller.call && failed && site.optional && site.service == service
                },
            )
    }

    /// One awaited call of the stage less; after the last the callee goes on.
    pub(super) fn one_less(&mut self, call: CallRef) {
        let frame = self.requests.frame_mut(call);
        frame.pending -= 1;
        if frame.pending == 0 && frame.stage == Stage::Working {
            if frame.failed { self.finish(call) } else { self.segment(call) }
        }
    }

    /// The callee is done.
    fn finish(&mut self, call: CallRef) {
        self.requests.record_mut(call).ended = self.now;
        let frame = self.requests.frame_mut(call);
        frame.stage = Stage::Answered;
        let replica = frame.replica;
        let worker = std::mem::take(&mut frame.worker);
        self.replicas[replica as usize].in_flight -= 1;
        if worker {
            self.next_in_line(replica);
        }
        self.drained(replica);
        self.answer(call);
    }

    /// A worker is free: the next in the line gets it.
    pub(super) fn next_in_line(&mut self, replica: u32) {
        let callee = &mut self.replicas[replica as usize];
        match callee.waiting.pop_front() {
            Some(next) => {
                self.requests.frame_mut(next).worker = true;
                self.start(next);
            }
            None => callee.busy_workers -= 1,
        }
    }

    /// The answer leaves for the caller, unless it has given up.
    pub(super) fn answer(&mut self, call: CallRef) {
        let frame = self.requests.frame(call);
        if frame.told {
            return self.close(call);
        }
        if self.tables.sites[frame.site as usize].local {
            return self.returned(call, true);
        }
        let order = frame.key.0 as u32;
        let at = self.transmit(self.message(call, true));
        self.queue.push(at, order, What::Return { call, queued: false });
    }
}
