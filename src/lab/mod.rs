//! The lab: a simulated cluster that speaks Jaeger, Prometheus, kubectl and ssh, and knows the truth.
//!
//! ```text
//!  app ─────→ cluster ─────→ sim ──────────→ measure ──────→ tsdb ──→ promql ──→ serve ──→ HTTP
//!  what calls  where it runs  discrete events, scrapes and      samples   queries     Prometheus,
//!  what        (nodes,        faults, actions  sampled spans ──→ traces ────────────→ Jaeger
//!              replicas)        │
//!                               └→ truth: the same events with something made normal
//! ```
//!
//! The rest of the program reaches the lab over HTTP and child processes only, as it would reach a
//! real cluster. Nothing of the lab may import another room except `domain`.

pub mod app;
pub mod calibrate;
pub mod cluster;
pub mod export;
pub mod fault;
pub mod folder;
pub mod incident;
pub mod live;
pub mod measure;
pub mod otlp;
pub mod promql;
pub mod scenario;
pub mod script;
pub mod serve;
pub mod sim;
pub mod stage;
pub mod standin;
pub mod traces;
pub mod truth;
pub mod tsdb;
pub mod world;
