//! Memory and the disk: what a replica holds, reclaim near its limit, page faults, disk accesses.
//!
//! Usage is looked at every tick. Beyond a share of the limit the kernel reclaims page cache and code
//! that is needed again at once: calls stall on major page faults, which read the disk of the node.

use super::queue::What;
use super::random::Purpose;
use super::replica::{Life, Replica};
use super::requests::Frame;
use super::{MICROSECOND, MILLISECOND, Nanos, SECOND, Simulation};
use crate::lab::app::Kind;

/// How often slow state moves on.
pub(super) const TICK: Nanos = 100 * MILLISECOND;
/// Share of the limit from which on the kernel reclaims.
const RECLAIM: f64 = 0.92;
/// Share of the limit by which the wish exceeds it when nothing is left to reclaim: the container is
/// killed.
const KILL: f64 = 1.15;
/// Memory of a call in flight: a stack's touched pages and buffers.
const PER_CALL: f64 = 16.0 * 1024.0;
/// Major faults per call at an excess of 1, quadratic below.
const FAULTS: f64 = 4_000.0;
/// A fault's share of a random read from an SSD, with readahead.
const FAULT_TIME: f64 = 100.0 * MICROSECOND as f64;
const FAULT_BYTES: f64 = 32.0 * 1024.0;
/// Reclaim's own cost: the CPU is slower by this factor at an excess of 1.
const RECLAIM_COST: f64 = 15.0;
/// Share of the limit that allocation adds between two collections, under a fault of the collector.
const SAW_TOOTH: f64 = 0.3;
/// Bytes of memory traffic per second of CPU: an order of magnitude for server code.
pub(super) const TRAFFIC: f64 = 1e9;

/// Share of its memory limit that a healthy service uses.
pub(super) fn usual_share(kind: Kind) -> f64 {
    match kind {
        Kind::Frontend => 0.3,
        Kind::Stateless => 0.35,
        Kind::Redis => 0.5,
        Kind::Cache => 0.6,
        Kind::Database => 0.7,
    }
}

/// Bytes that a replica wants.
pub(super) fn wanted(replica: &Replica, kind: Kind, full: f64, now: Nanos) -> f64 {
    let mut share = usual_share(kind);
    if kind == Kind::Cache {
        // A cache that forgets is emptier.
        share *= 0.4 + 0.6 * replica.env.hits;
    }
    let mut bytes =
        share * full + PER_CALL * f64::from(replica.in_flight) + replica.env.memory + replica.memory.leaked;
    if let Some(pauses) = replica.env.pauses {
        let since = now.saturating_sub(replica.paused_at) as f64 / pauses.gap;
        bytes += SAW_TOOTH * full * since.min(1.0) * 0.7;
    }
    bytes
}

impl Simulation {
    /// Slow state moves on: memory, load averages.
    pub(super) fn tick(&mut self) {
        self.queue.push(self.now + TICK, 0, What::Tick);
        for index in 0..self.replicas.len() as u32 {
            self.tick_replica(index);
        }
        for node in 0..self.nodes.len() {
            self.tick_node(node);
        }
    }

    fn tick_replica(&mut self, index: u32) {
        let now = self.now;
        let replica = &mut self.replicas[index as usize];
        if matches!(replica.life, Life::Gone | Life::Starting) {
            return;
        }
        let seconds = TICK as f64 / SECOND as f64;
        replica.memory.leaked =
            if replica.env.leak > 0.0 { replica.memory.leaked + replica.env.leak * seconds } else { 0.0 };
        let service = &self.app.services[replica.service as usize];
        let wanted = wanted(replica, service.kind, service.memory_limit as f64, now);
        let limit = replica.memory.limit;
        let excess = (wanted / limit - RECLAIM).max(0.0);
        let new = excess != replica.memory.excess;
        (replica.memory.wanted, replica.memory.excess) = (wanted, excess);
        if replica.env.disk > 0.0 {
            // What the container does on the disk besides its work.
            let busy = replica.env.disk / (1.0 + replica.env.disk);
            let disk = self.cluster.nodes[replica.node as usize].disk;
            let (bytes, node) = (busy * disk * seconds, &mut self.nodes[replica.node as usize].counters);
            let counters = &mut replica.counters;
            counters.disk_read += bytes / 2.0;
            counters.disk_written += bytes / 2.0;
            counters.disk_reads += bytes / 2.0 / 65_536.0;
            counters.disk_writes += bytes / 2.0 / 65_536.0;
            counters.disk_busy += busy * TICK as f64;
            counters.io_waiting.add(now, now + (busy * TICK as f64) as Nanos);
            node.disk_busy += busy * TICK as f64;
            node.disk_read += bytes / 2.0;
            node.disk_written += bytes / 2.0;
            node.io_waiting.add(now, now + (busy * TICK as f64) as Nanos);
        }
        if wanted > KILL * limit {
            self.kill(index);
        } else if new {
            self.configure(index);
        }
    }

    fn tick_node(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let mut running = node.neighbour.0;
        for replica in &node.replicas {
            let replica = &self.replicas[*replica as usize];
            let pooled =
                !matches!(self.app.services[replica.service as usize].kind, Kind::Stateless | Kind::Database);
            running += replica.cpu.runnable(pooled);
        }
        // The kernel's load average of one minute.
        let keep = (-(TICK as f64) / (60.0 * SECOND as f64)).exp();
        node.counters.load1 = keep * node.counters.load1 + (1.0 - keep) * running;
    }

    /// Factor on the CPU's speed through reclaim.
    pub(super) fn reclaim_speed(replica: &Replica) -> f64 {
        1.0 / (1.0 + RECLAIM_COST * replica.memory.excess)
    }

    /// Major page faults of a call; returns when they are served.
    pub(super) fn page_faults(&mut self, frame: &Frame) -> Nanos {
        let excess = self.replicas[frame.replica as usize].memory.excess;
        if excess == 0.0 {
            return self.now;
        }
        let faults = (FAULTS * excess * excess * frame.key.exponential(Purpose::Faults)).round();
        if faults == 0.0 {
            return self.now;
        }
        let at = self.disk(frame.replica, faults * FAULT_TIME, faults * FAULT_BYTES, faults, true);
        let replica = &mut self.replicas[frame.replica as usize];
        replica.counters.major_faults += faults;
        replica.counters.memory_waiting.add(self.now, at);
        self.nodes[replica.node as usize].counters.memory_waiting.add(self.now, at);
        at
    }

    /// The disk access of a call, if it needs one; returns when it is served.
    pub(super) fn disk_access(&mut self, frame: &Frame) -> Nanos {
        let Some(disk) = self.tables.sites[frame.site as usize].disk else { return self.now };
        if frame.key.uniform(Purpose::DiskNeeded) >= disk.probability {
            return self.now;
        }
        let time = disk.mean * frame.key.exponential(Purpose::DiskTime);
        let (request, response) = self.tables.sites[frame.site as usize].bytes;
        // Who sends more than it gets back writes.
        self.disk(frame.replica, time, disk.bytes, 1.0, request <= response)
    }

    /// Hands an access to the disk of a replica's node, first come first served; returns when it is
    /// served.
    fn disk(&mut self, replica: u32, time: f64, bytes: f64, accesses: f64, read: bool) -> Nanos {
        let replica = &mut self.replicas[replica as usize];
        let index = replica.node as usize;
        let node = &mut self.nodes[index];
        let own = time + bytes / self.cluster.nodes[index].disk * SECOND as f64;
        let busy = own * node.disk_slow;
        let at = node.disk_free.max(self.now) + (busy as Nanos).max(1);
        node.disk_free = at;
        replica.counters.io_waiting.add(self.now, at);
        replica.counters.disk_busy += own;
        node.counters.disk_busy += own;
        node.counters.io_waiting.add(self.now, at);
        if read {
            replica.counters.disk_read += bytes;
            replica.counters.disk_reads += accesses;
            node.counters.disk_read += bytes;
        } else {
            replica.counters.disk_written += bytes;
            replica.counters.disk_writes += accesses;
            node.counters.disk_written += bytes;
        }
        at
    }
}
