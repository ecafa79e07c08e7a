//! What a monitoring stack sees of the simulation: scraped metrics and sampled spans, with the
//! flaws that they have in life.
//!
//! ```text
//!  Request ──→ spans ──→ TraceStore           head sampling, lost and late spans, clock skew, µs
//!     │
//!     └──────→ red ──┐
//!  Readings ─────────┴→ exporters ──→ Page ──→ Scraper ──→ Tsdb      interval, jitter, lost scrapes
//!                                       └────→ text exposition, for a real Prometheus
//! ```

pub mod exporters;
pub mod metric;
pub mod noise;
pub mod red;
pub mod scrape;
pub mod spans;

pub use exporters::{Readings, Target};
pub use red::Red;
pub use scrape::Scraper;
pub use spans::SpanWriter;

/// How well the cluster is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Keys the noise of measuring, which is independent of the simulation's.
    pub seed: u64,
    /// The wall-clock time of the simulation's start, in nanoseconds since the epoch.
    pub epoch_ns: i64,
    /// Seconds between two scrapes of a target.
    pub scrape_s: f64,
    /// Scrapes are early or late by up to this share of the interval.
    pub jitter: f64,
    /// Share of scrapes that fail.
    pub lost_scrapes: f64,
    /// Share of traces kept; decided at the root.
    pub trace_sampling: f64,
    /// Share of the kept traces' spans that get lost.
    pub lost_spans: f64,
    /// Share of spans that reach the collector up to half a minute late.
    pub late_spans: f64,
    /// Largest difference of a node's clock to the truth, in milliseconds.
    pub clock_skew_ms: f64,
    /// Which calls the metrics of call edges count.
    pub edges: EdgeMetrics,
}

/// Which calls are in `traces_service_graph_…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeMetrics {
    /// Every call, as an agent in the kernel sees them.
    All,
    /// Calls with a client span: what can be derived from traces.
    Traced,
}

impl Default for Measurement {
    fn default() -> Self {
        Self {
            seed: 1,
            epoch_ns: 0,
            scrape_s: 15.0,
            jitter: 0.02,
            lost_scrapes: 0.001,
            trace_sampling: 0.05,
            lost_spans: 0.001,
            late_spans: 0.01,
            clock_skew_ms: 1.0,
            edges: EdgeMetrics::All,
        }
    }
}

#[cfg(test)]
mod tests;
