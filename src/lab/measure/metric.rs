//! The metrics that the exporters show, by the names of the real exporters.

/// Kind of a metric, as in the exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Only rises, or starts again.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets, sum and count.
    Histogram,
}

impl Type {
    /// The word in `# TYPE`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric's name, kind and help.
#[derive(Debug)]
pub struct Metric {
    /// Name; for histograms without `_bucket`, `_sum`, `_count`.
    pub name: &'static str,
    /// Kind.
    pub kind: Type,
    /// One line.
    pub help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Type::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Type::Gauge, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Type::Histogram, help }
}

macro_rules! metrics {
    ($($id:ident = $kind:ident($name:literal, $help:literal);)*) => {
        $(#[doc = $help] pub static $id: Metric = $kind($name, $help);)*
    };
}

// cAdvisor (google/cadvisor docs/storage/prometheus.md).
metrics! {
    CPU_USAGE = counter("container_cpu_usage_seconds_total", "Cumulative CPU time consumed.");
    CPU_PERIODS = counter("container_cpu_cfs_periods_total", "Elapsed enforcement periods.");
    CPU_THROTTLED_PERIODS = counter("container_cpu_cfs_throttled_periods_total", "Throttled periods.");
    CPU_THROTTLED = counter("container_cpu_cfs_throttled_seconds_total", "Time throttled.");
    CPU_WAITING = counter("container_pressure_cpu_waiting_seconds_total", "Time tasks waited for a CPU.");
    WORKING_SET = gauge("container_memory_working_set_bytes", "Working set.");
    MEMORY_FAILURES = counter("container_memory_failures_total", "Memory allocation failures.");
    MEMORY_WAITING = counter("container_pressure_memory_waiting_seconds_total", "Time tasks waited for memory.");
    IO_WAITING = counter("container_pressure_io_waiting_seconds_total", "Time tasks waited for the disk.");
    FS_READS = counter("container_fs_reads_bytes_total", "Bytes read.");
    FS_WRITES = counter("container_fs_writes_bytes_total", "Bytes written.");
    FS_IO_TIME = counter("container_fs_io_time_seconds_total", "Time spent doing I/O.");
    NET_RECEIVED = counter("container_network_receive_bytes_total", "Bytes received.");
    NET_SENT = counter("container_network_transmit_bytes_total", "Bytes sent.");
    NET_RECEIVE_DROPS = counter("container_network_receive_packets_dropped_total", "Packets dropped while receiving.");
    NET_SEND_DROPS = counter("container_network_transmit_packets_dropped_total", "Packets dropped while sending.");
    THREADS = gauge("container_threads", "Threads running in the container.");
    STARTED = gauge("container_start_time_seconds", "Start time since the epoch.");
    LLC = gauge("container_llc_occupancy_bytes", "Last-level cache occupied.");
    MEMORY_BANDWIDTH = gauge("container_memory_bandwidth_bytes", "Memory traffic, a counter despite its type.");
}

// kube-state-metrics (docs/metrics/workload).
metrics! {
    LIMITS = gauge("kube_pod_container_resource_limits", "Limits of a container.");
    RESTARTS = counter("kube_pod_container_status_restarts_total", "Container restarts.");
    POD_INFO = gauge("kube_pod_info", "Where a pod runs.");
    POD_OWNER = gauge("kube_pod_owner", "Who owns a pod.");
    DEPLOYMENT_REPLICAS = gauge("kube_deployment_spec_replicas", "Desired pods of a deployment.");
    DEPLOYMENT_AVAILABLE = gauge("kube_deployment_status_replicas_available", "Available pods of a deployment.");
    STATEFULSET_REPLICAS = gauge("kube_statefulset_replicas", "Desired pods of a stateful set.");
}

// node_exporter.
metrics! {
    NODE_INFO = gauge("node_uname_info", "The machine's name.");
    NODE_CPU = counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.");
    NODE_LOAD1 = gauge("node_load1", "1m load average.");
    NODE_CPU_WAITING = counter("node_pressure_cpu_waiting_seconds_total", "Time tasks waited for a CPU.");
    NODE_MEMORY_WAITING = counter("node_pressure_memory_waiting_seconds_total", "Time tasks waited for memory.");
    NODE_IO_WAITING = counter("node_pressure_io_waiting_seconds_total", "Time tasks waited for the disk.");
    NODE_MEMORY_AVAILABLE = gauge("node_memory_MemAvailable_bytes", "Memory available.");
    NODE_MEMORY_TOTAL = gauge("node_memory_MemTotal_bytes", "Memory.");
    NODE_MAJOR_FAULTS = counter("node_vmstat_pgmajfault", "Major page faults.");
    NODE_DISK_IO_TIME = counter("node_disk_io_time_seconds_total", "Seconds spent doing I/O.");
    NODE_DISK_IO_WEIGHTED = counter("node_disk_io_time_weighted_seconds_total", "Seconds spent doing I/O, by queue length.");
    NODE_DISK_READ = counter("node_disk_read_bytes_total", "Bytes read.");
    NODE_DISK_WRITTEN = counter("node_disk_written_bytes_total", "Bytes written.");
    NODE_NET_RECEIVED = counter("node_network_receive_bytes_total", "Bytes received.");
    NODE_NET_SENT = counter("node_network_transmit_bytes_total", "Bytes sent.");
    NODE_RETRANSMITS = counter("node_netstat_Tcp_RetransSegs", "TCP segments sent again.");
    NODE_SEGMENTS = counter("node_netstat_Tcp_OutSegs", "TCP segments sent.");
}

// blackbox_exporter.
metrics! {
    PROBE_SUCCESS = gauge("probe_success", "Whether the probe succeeded.");
    PROBE_ICMP = gauge("probe_icmp_duration_seconds", "Duration of the ICMP request by phase.");
}

// An OpenTelemetry collector's span metrics and service graph, and a server's own request histogram.
metrics! {
    CALLS = counter("traces_span_metrics_calls_total", "Calls by service and span.");
    DURATION = histogram("traces_span_metrics_duration_seconds", "Duration by service and span.");
    EDGE_CALLS = counter("traces_service_graph_request_total", "Calls between two services.");
    EDGE_FAILED = counter("traces_service_graph_request_failed_total", "Failed calls between two services.");
    EDGE_CLIENT = histogram("traces_service_graph_request_client_seconds", "Calls as their clients see them.");
    EDGE_SERVER = histogram("traces_service_graph_request_server_seconds", "Calls as their servers see them.");
    HTTP_DURATION = histogram("http_server_request_duration_seconds", "Duration of HTTP requests at the server.");
}
