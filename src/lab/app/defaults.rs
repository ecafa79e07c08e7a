//! What a service of a kind is like when its file does not say.
//!
//! Threads, workers and pool sizes are the defaults of the software that the kind stands for; memory
//! limits and sensitivities are assumptions of ours, chosen so that caches and stores mind the
//! memory system more than application code does, and all of them mind the CPU most (as Luo et al.,
//! SoCC'21, report of Alibaba's services).

use super::file::{BytesFile, DiskFile, Limit, Settings, read};
use super::{Kind, Transport};

/// Cores of a machine of the lab: what software that starts a thread a core starts.
const CORES: u32 = 8;

/// Settings of a kind. All are set but `cpu_limit`, which follows from the load.
pub fn settings(kind: Kind) -> Settings {
    // nginx starts a worker process a core; goroutines and threads a connection are not limited.
    let base = Settings {
        replicas: Some(1),
        workers: Some(Limit::Unlimited),
        threads: Some(CORES),
        cpu_limit: None,
        memory_mib: Some(256),
        connections: Some(Limit::Of(512)),
        connection_wait_ms: Some(10_000.0),
        hit_ratio: Some(1.0),
        cache_sensitivity: Some(0.3),
        memory_bandwidth_sensitivity: Some(0.4),
    };
    match kind {
        Kind::Frontend => base,
        Kind::Stateless => base,
        // memcached runs four threads and holds 64 MB of items.
        Kind::Cache => Settings {
            threads: Some(4),
            memory_mib: Some(128),
            hit_ratio: Some(0.97),
            cache_sensitivity: Some(0.7),
            memory_bandwidth_sensitivity: Some(0.8),
            ..base
        },
        // One thread executes Redis' commands.
        Kind::Redis => Settings {
            threads: Some(1),
            hit_ratio: Some(0.97),
            cache_sensitivity: Some(0.7),
            memory_bandwidth_sensitivity: Some(0.6),
            ..base
        },
        // WiredTiger lets 128 operations run at once.
        Kind::Database => Settings {
            workers: Some(Limit::Of(128)),
            memory_mib: Some(1024),
            cache_sensitivity: Some(0.5),
            memory_bandwidth_sensitivity: Some(0.6),
            ..base
        },
    }
}

/// How a service of this kind is called, if the kind decides it.
pub fn transport(kind: Kind) -> Option<Transport> {
    match kind {
        Kind::Frontend | Kind::Stateless => None,
        Kind::Cache => Some(Transport::Memcached),
        Kind::Redis => Some(Transport::Redis),
        Kind::Database => Some(Transport::Mongo),
    }
}

/// Disk access of a call of this kind. One call in a hundred: uqSim's artefact has 5 ms an access;
/// how often it happens is an assumption.
pub fn disk(kind: Kind) -> Option<DiskFile> {
    (kind == Kind::Database).then(|| DiskFile {
        probability: 0.01,
        mean_us: read::disk_mean_us(),
        bytes: read::disk_bytes(),
    })
}

/// Sizes of a typical call, assumed: a page, a message, ten short documents.
pub fn bytes(transport: Transport) -> BytesFile {
    let (request, response) = match transport {
        Transport::Http => (600, 8_000),
        Transport::Thrift => (600, 1_500),
        Transport::Grpc => (300, 1_200),
        Transport::Memcached => (120, 2_000),
        Transport::Redis => (150, 600),
        Transport::Mongo => (400, 4_000),
        Transport::Local => (0, 0),
    };
    BytesFile { request, response }
}
