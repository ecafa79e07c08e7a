//! The state of replicas, of the services they belong to, and of the nodes they stand on.

use std::collections::VecDeque;

use super::Nanos;
use super::cpu::Cpu;
use super::env::Env;
use super::node::Wish;
use super::queue::CallRef;

/// Where a replica is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It refuses connections until it is up.
    Starting,
    Ready,
    /// It takes nothing new and ends when it is empty.
    Draining,
    Gone,
}

/// A container.
#[derive(Debug)]
pub(super) struct Replica {
    pub service: u32,
    pub number: u32,
    pub node: u32,
    pub life: Life,
    /// Guards lifecycle events against a life that has changed meanwhile.
    pub life_version: u32,
    pub started: Nanos,
    /// When it went.
    pub gone: Nanos,
    pub restarts: u32,
    pub cpu: Cpu,
    /// A CPU limit of its own, instead of the service's.
    pub cpu_limit: Option<Option<f64>>,
    /// What the node knows of its wish for cores.
    pub wish: Wish,
    /// When the CPU needs an event next, where that is known.
    pub cpu_due: Option<Nanos>,
    /// Time of the CPU event under way, and its version.
    pub cpu_event: Nanos,
    pub cpu_version: u32,
    pub busy_workers: u32,
    pub waiting: VecDeque<CallRef>,
    /// Calls in it, waiting or worked on.
    pub in_flight: u32,
    /// Connections to each service that it calls.
    pub pools: Vec<Pool>,
    pub link: Link,
    pub env: Env,
    pub memory: Memory,
    pub pause_version: u32,
    /// Pauses so far in this fault, and when the last one ended.
    pub pauses: u64,
    pub paused_at: Nanos,
    pub counters: Counters,
}

/// Connections from a replica to a service.
#[derive(Debug, Default)]
pub(super) struct Pool {
    pub busy: u32,
    pub waiting: VecDeque<CallRef>,
}

/// A network interface: two queues, known by when they will be empty.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Link {
    /// Nanoseconds per byte; 0 has no limit.
    pub out_cost: f64,
    pub in_cost: f64,
    pub out_free: Nanos,
    pub in_free: Nanos,
}

impl Link {
    /// When `bytes` handed over at `at` have left.
    pub(super) fn send(&mut self, at: Nanos, bytes: f64) -> Nanos {
        if self.out_cost == 0.0 {
            return at;
        }
        self.out_free = self.out_free.max(at) + (bytes * self.out_cost) as Nanos;
        self.out_free
    }

    /// When `bytes` whose last arrives at `at` have been taken in.
    pub(super) fn receive(&mut self, at: Nanos, bytes: f64) -> Nanos {
        if self.in_cost == 0.0 {
            return at;
        }
        let time = (bytes * self.in_cost) as Nanos;
        self.in_free = (self.in_free + time).max(at);
        self.in_free
    }
}

/// A container's memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    pub limit: f64,
    /// Bytes leaked since the start.
    pub leaked: f64,
    /// Bytes wanted at the last tick.
    pub wanted: f64,
    /// Share of the limit by which the wish exceeds what can be had without reclaim.
    pub excess: f64,
}

/// Counters since the container started, besides those of the CPU. Times in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub major_faults: f64,
    pub memory_waiting: Waiting,
    pub io_waiting: Waiting,
    pub disk_read: f64,
    pub disk_written: f64,
    pub disk_reads: f64,
    pub disk_writes: f64,
    pub disk_busy: f64,
    pub received: f64,
    pub sent: f64,
    pub packets_received: f64,
    pub packets_sent: f64,
    pub dropped: f64,
}

/// A service as it runs.
#[derive(Debug)]
pub(super) struct ServiceState {
    /// Replicas that take requests.
    pub ready: Vec<u32>,
    pub next_number: u32,
    pub cpu_limit: Option<f64>,
    /// Whether the limit was set anew: containers are started with it, and a quota that somebody had cut is
    /// no more.
    pub limit_renewed: bool,
    pub memory_limit: f64,
    /// Bytes a second from and to each replica.
    pub bandwidth: (Option<f64>, Option<f64>),
    pub cache_ways: Option<u32>,
    /// Replicas that a restart has yet to replace, and the fresh one that is coming up.
    pub to_replace: VecDeque<u32>,
    /// Conditions that hold for the service wherever it stands.
    pub env: Env,
}

/// What an operator leaves to everything on a machine that is not the application.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Others {
    /// Cores; `None` is all they want.
    pub cpu: Option<f64>,
    /// Ways of the last-level cache; `None` is all.
    pub cache_ways: Option<u32>,
    /// Share of the memory bandwidth.
    pub memory_bandwidth: f64,
    /// Disk bandwidth in bytes a second; `None` is all they want.
    pub disk: Option<f64>,
}

impl Default for Others {
    fn default() -> Self {
        Self { cpu: None, cache_ways: None, memory_bandwidth: 1.0, disk: None }
    }
}

/// A machine as it runs.
#[derive(Debug)]
pub(super) struct NodeState {
    pub cores: f64,
    pub replicas: Vec<u32>,
    /// Those of them that wish for cores, in the order of their indices.
    pub wishing: Vec<u32>,
    /// Tasks that want a core, over all replicas.
    pub tasks: u32,
    /// Replicas that want cores for something else than the application.
    pub with_others: u32,
    /// Cores wanted by a neighbour, its weight, and what it is granted.
    pub neighbour: (f64, f64),
    pub neighbour_granted: f64,
    /// When the cores were last divided.
    pub shared_at: Nanos,
    /// More cores are wanted than there are.
    pub full: bool,
    /// Then: cores for each unit of weight of those who want more than they get.
    pub level: f64,
    /// Someone who wishes for cores is to be spared the neighbour.
    pub spares: bool,
    /// What holds back everything that is not the application.
    pub others: Others,
    pub link: Link,
    pub disk_free: Nanos,
    /// Factor on the time of a disk access.
    pub disk_slow: f64,
    pub counters: NodeCounters,
}

/// Counters of a machine. Times in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NodeCounters {
    /// CPU time of replicas that are gone or have been restarted, and of neighbours.
    pub other_cpu: f64,
    pub disk_busy: f64,
    pub disk_read: f64,
    pub disk_written: f64,
    pub received: f64,
    pub sent: f64,
    pub retransmitted: f64,
    pub load1: f64,
    pub cpu_waiting: f64,
    pub memory_waiting: Waiting,
    pub io_waiting: Waiting,
}

/// Time in which at least one wait was under way: the union of intervals whose ends are known when
/// they begin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waiting {
    total: f64,
    until: Nanos,
}

impl Waiting {
    /// A wait from `now` to `until`. Waits are added in order of their beginning.
    pub(super) fn add(&mut self, now: Nanos, until: Nanos) {
        let from = now.max(self.until);
        if until > from {
            self.total += (until - from) as f64;
            self.until = until;
        }
    }

    /// Time up to `now`.
    pub(super) fn total(&self, now: Nanos) -> f64 {
        self.total - self.until.saturating_sub(now) as f64
    }
}
