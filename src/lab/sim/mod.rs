//! The simulation kernel: discrete events in integer nanoseconds, the same for the same seed.

mod call;
mod callee;
mod cfs;
mod changes;
mod conditions;
mod cpu;
mod effects;
mod env;
mod error;
mod lifecycle;
mod load;
mod memory;
mod net;
mod node;
mod queue;
mod random;
mod readings;
mod replica;
mod requests;
mod run;
mod settings;
mod tables;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;

pub use effects::resource_of;
pub use error::{ChangeError, SimError};
pub(in crate::lab) use random::{GOLDEN, mix};
pub use run::Simulation;
pub use settings::{Balancing, Bursts, LoadProfile, Settings};

use crate::lab::app::ServiceId;
use env::Env;

/// Simulated time in nanoseconds since the start.
pub type Nanos = u64;

/// One microsecond.
pub const MICROSECOND: Nanos = 1_000;
/// One millisecond.
pub const MILLISECOND: Nanos = 1_000_000;
/// One second.
pub const SECOND: Nanos = 1_000_000_000;

/// Pressure on a shared resource from which on it slows things down.
const THRESHOLD: f64 = 0.5;

/// Weight of a container in the division of a node's cores: Kubernetes derives `cpu.shares` from the
/// request, which equals the limit when only that is given.
fn weight(cpu_limit: Option<f64>) -> f64 {
    cpu_limit.unwrap_or(1.0)
}

/// Sees what happens while the simulation runs. Statically dispatched: it sits in the hot path.
pub trait Observer {
    /// All calls of a request have ended, also those that nobody waited for.
    fn request(&mut self, request: &Request<'_>);
}

/// A finished request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Number of the request, the same in every re-run.
    pub id: u64,
    /// Index of its flow.
    pub flow: usize,
    /// When it was sent.
    pub sent: Nanos,
    /// When its answer was back.
    pub returned: Nanos,
    /// Whether the answer was an error.
    pub failed: bool,
    /// Its calls; a call stands behind its caller, the root is the first.
    pub calls: &'a [CallRecord],
}

/// One call as it happened. All times are true times, without clock skew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CallRecord {
    /// Number of the call in the flow, depth first, the root is 0 (see
    /// [`crate::lab::app::sites`]).
    pub site: u32,
    /// Index of the caller's record in [`Request::calls`]; the root's is its own.
    pub parent: u32,
    /// Which repetition and which attempt (retries), from 0.
    pub repetition: u16,
    /// Attempt, from 0.
    pub attempt: u16,
    /// The callee's replica that took it, or refused it.
    pub replica: u32,
    /// The caller wants to call (then it may wait for a connection).
    pub asked: Nanos,
    /// The request leaves the caller.
    pub sent: Nanos,
    /// It has arrived at the callee (then it may wait for a worker).
    pub arrived: Nanos,
    /// The callee begins to work on it.
    pub started: Nanos,
    /// The callee sends its answer.
    pub ended: Nanos,
    /// The answer is back at the caller; equal to `asked` plus the timeout when that came first.
    pub returned: Nanos,
    /// How it ended.
    pub outcome: Outcome,
}

impl CallRecord {
    /// Whether the callee worked on it to the end.
    pub fn served(&self) -> bool {
        self.arrived > 0 && self.started >= self.arrived && self.ended >= self.started
    }
}

/// How a call ended for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer.
    Ok,
    /// With an error of the callee, or of something it called.
    Failed,
    /// The caller waited too long.
    TimedOut,
    /// No connection was to be had.
    NoConnection,
}

/// What a container's exporters read, as it has accumulated since the replica started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReplicaReading {
    /// The service.
    pub service: ServiceId,
    /// Replica number within the service; a replaced replica has a new one.
    pub replica: u32,
    /// Index of its node.
    pub node: usize,
    /// When it started.
    pub started: Nanos,
    /// When it went; it can be read for a minute after that.
    pub gone: Option<Nanos>,
    /// It takes requests.
    pub ready: bool,
    /// How often its container was restarted in place.
    pub restarts: u32,
    /// CPU time used, in seconds (a counter that starts at 0 with each restart).
    pub cpu_s: f64,
    /// CFS periods with work, and those in which it was throttled; time throttled in seconds.
    pub cfs: (u64, u64, f64),
    /// CPU limit in cores, 0 if none.
    pub cpu_limit: f64,
    /// Time runnable tasks waited for a CPU (PSI "some"), in seconds.
    pub cpu_waiting_s: f64,
    /// Working set in bytes, and the limit.
    pub memory: (f64, f64),
    /// Major page faults.
    pub major_faults: f64,
    /// Time tasks waited for memory (PSI), in seconds.
    pub memory_waiting_s: f64,
    /// Time tasks waited for the disk (PSI), in seconds.
    pub io_waiting_s: f64,
    /// Bytes read from and written to the disk.
    pub disk_bytes: (f64, f64),
    /// Reads and writes.
    pub disk_ops: (f64, f64),
    /// Time with a disk access under way, in seconds.
    pub disk_busy_s: f64,
    /// Bytes received and sent.
    pub net_bytes: (f64, f64),
    /// Packets received and sent; of these, dropped.
    pub net_packets: (f64, f64),
    /// Packets dropped, both directions.
    pub net_dropped: f64,
    /// Threads: workers busy plus a base.
    pub threads: f64,
    /// Last-level cache occupied, in bytes, and memory traffic in bytes (a counter).
    pub llc: (f64, f64),
}

/// What a machine's exporter reads.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NodeReading {
    /// CPU time over all cores in seconds: user, system, idle, waiting for disk.
    pub cpu_s: (f64, f64, f64, f64),
    /// Running tasks, averaged over a minute.
    pub load1: f64,
    /// Memory available, and total.
    pub memory: (f64, f64),
    /// Time the disk was busy, in seconds; bytes read, bytes written.
    pub disk: (f64, f64, f64),
    /// Bytes received and sent.
    pub net_bytes: (f64, f64),
    /// TCP segments sent again.
    pub retransmitted: f64,
    /// PSI: time some task waited for CPU, memory, disk, in seconds.
    pub waiting_s: (f64, f64, f64),
}

/// A change an operator makes to the running cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Number of replicas of a service.
    Replicas(ServiceId, u32),
    /// CPU limit in cores (`None`: unlimited) of every replica.
    CpuLimit(ServiceId, Option<f64>),
    /// Memory limit in bytes of every replica.
    MemoryLimit(ServiceId, u64),
    /// CPU limit in cores (`None`: unlimited) of one replica, by its number.
    ReplicaCpuLimit(ServiceId, u32, Option<f64>),
    /// Memory limit in bytes of one replica, by its number.
    ReplicaMemoryLimit(ServiceId, u32, u64),
    /// Bandwidth limit in bytes a second (`None`: unlimited) of every replica: from it, to it.
    Bandwidth(ServiceId, Option<f64>, Option<f64>),
    /// Ways of the last-level cache set apart for the service's replicas on a node (`None`: shared).
    CacheWays(ServiceId, Option<u32>),
    /// Share of the memory bandwidth (0 to 1) left to everything on the node that is not the
    /// application.
    MemoryBandwidthOfOthers(usize, f64),
    /// CPU limit in cores (`None`: unlimited) of everything on the node that is not the application.
    CpuOfOthers(usize, Option<f64>),
    /// Ways of the last-level cache (`None`: all) left to everything on the node that is not the
    /// application.
    CacheWaysOfOthers(usize, Option<u32>),
    /// Disk bandwidth in bytes a second (`None`: unlimited) left to everything on the node that is
    /// not the application.
    DiskOfOthers(usize, Option<f64>),
    /// Network bandwidth in bytes a second (`None`: unlimited) left to everything on the node that
    /// is not the application.
    NetworkOfOthers(usize, Option<f64>),
    /// Every replica is replaced by a fresh one, one after the other.
    Restart(ServiceId),
}
