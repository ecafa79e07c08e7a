//! A plausible small application and its telemetry: real Prometheus blocks, Jaeger's JSON, known faults.
//!
//! `app` says how the application behaves at any second; `openmetrics` and `traces` say what
//! exporters and tracers would have told about it; `prometheus`, `jaeger` and `proxy` serve that; `program`
//! runs the real binary against them.

pub mod app;
pub mod jaeger;
pub mod openmetrics;
pub mod program;
pub mod prometheus;
pub mod proxy;
pub mod traces;
