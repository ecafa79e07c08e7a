//! What the exporters read. Reading changes nothing: how often the cluster is scraped does not alter
//! what happens in it.

use super::lifecycle::REMEMBERED;
use super::memory::{TRAFFIC, wanted};
use super::replica::{Life, NodeState, Replica};
use super::{NodeReading, ReplicaReading, SECOND, Simulation};

/// Threads of a process besides its workers.
const BASE_THREADS: f64 = 4.0;
/// Share of CPU time spent in the kernel, an order of magnitude for network services.
const SYSTEM: f64 = 0.25;
/// Share of the last-level cache that a service fills when it can.
const CACHE_SHARE: f64 = 0.15;
/// What the system itself uses of a node's memory.
const SYSTEM_MEMORY: f64 = 0.06;

fn seconds(nanos: f64) -> f64 {
    nanos / SECOND as f64
}

impl Simulation {
    /// Every container as its exporters read it now, also those that went within the last minute.
    pub fn replicas(&self) -> Vec<ReplicaReading> {
        let recent = |replica: &&Replica| replica.life != Life::Gone || self.now < replica.gone + REMEMBERED;
        self.replicas.iter().filter(recent).map(|replica| self.replica(replica)).collect()
    }

    fn replica(&self, replica: &Replica) -> ReplicaReading {
        let gone = (replica.life == Life::Gone).then_some(replica.gone);
        let now = gone.unwrap_or(self.now);
        let cpu = replica.cpu.totals(now);
        let counters = &replica.counters;
        let service = &self.app.services[replica.service as usize];
        let limit = replica.memory.limit;
        let wanted = wanted(replica, service.kind, service.memory_limit as f64, now);
        let node = &self.cluster.nodes[replica.node as usize];
        let crowded = 1.0 + (replica.env.llc - super::THRESHOLD).max(0.0);
        let ways = self.services[replica.service as usize].cache_ways;
        let share = match ways {
            Some(ways) => (f64::from(ways) / f64::from(node.llc.1.max(1))).min(CACHE_SHARE),
            None => CACHE_SHARE / crowded,
        };
        ReplicaReading {
            service: replica.service as usize,
            replica: replica.number,
            node: replica.node as usize,
            started: replica.started,
            gone,
            ready: replica.life == Life::Ready,
            restarts: replica.restarts,
            cpu_s: seconds(cpu.used),
            cfs: (cpu.periods, cpu.throttled_periods, seconds(cpu.throttled)),
            cpu_limit: replica.cpu.limit().unwrap_or(0.0),
            cpu_waiting_s: seconds(cpu.waiting),
            memory: (wanted.min(limit), limit),
            major_faults: counters.major_faults,
            memory_waiting_s: seconds(counters.memory_waiting.total(now)),
            io_waiting_s: seconds(counters.io_waiting.total(now)),
            disk_bytes: (counters.disk_read, counters.disk_written),
            disk_ops: (counters.disk_reads, counters.disk_writes),
            disk_busy_s: seconds(counters.disk_busy),
            net_bytes: (counters.received, counters.sent),
            net_packets: (counters.packets_received, counters.packets_sent),
            net_dropped: counters.dropped,
            threads: BASE_THREADS + self.threads(replica),
            llc: (share * node.llc.0 as f64, seconds(cpu.used) * TRAFFIC),
        }
    }

    /// Threads busy with calls: one per call where calls hold one.
    fn threads(&self, replica: &Replica) -> f64 {
        let service = &self.app.services[replica.service as usize];
        let busy = replica.in_flight.saturating_sub(replica.waiting.len() as u32);
        match service.kind {
            crate::lab::app::Kind::Stateless | crate::lab::app::Kind::Database => f64::from(busy),
            _ => f64::from(service.threads),
        }
    }

    /// Every machine as its exporter reads it now.
    pub fn nodes(&self) -> Vec<NodeReading> {
        self.nodes.iter().enumerate().map(|(index, node)| self.node(index, node)).collect()
    }

    fn node(&self, index: usize, node: &NodeState) -> NodeReading {
        let counters = &node.counters;
        let hardware = &self.cluster.nodes[index];
        let elapsed = (self.now - node.shared_at) as f64;
        let mut used = counters.other_cpu + node.neighbour_granted * elapsed;
        let cpu_waiting = counters.cpu_waiting + if node.full { elapsed } else { 0.0 };
        let mut memory = SYSTEM_MEMORY * hardware.memory as f64;
        for replica in node.replicas.iter().map(|index| self.replica(&self.replicas[*index as usize])) {
            used += replica.cpu_s * SECOND as f64;
            memory += replica.memory.0;
        }
        let all = node.cores * self.now as f64;
        let idle = (all - used).max(0.0);
        let disk = counters.disk_busy.min(idle);
        NodeReading {
            cpu_s: (
                seconds(used * (1.0 - SYSTEM)),
                seconds(used * SYSTEM),
                seconds(idle - disk),
                seconds(disk),
            ),
            load1: counters.load1,
            memory: ((hardware.memory as f64 - memory).max(0.0), hardware.memory as f64),
            disk: (seconds(counters.disk_busy), counters.disk_read, counters.disk_written),
            net_bytes: (counters.received, counters.sent),
            retransmitted: counters.retransmitted,
            waiting_s: (
                seconds(cpu_waiting),
                seconds(counters.memory_waiting.total(self.now)),
                seconds(counters.io_waiting.total(self.now)),
            ),
        }
    }
}
