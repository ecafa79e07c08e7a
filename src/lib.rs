//! sagetop: find the root cause of an SLO violation from Jaeger and Prometheus.
//!
//! Data flows one way; a room imports only from the rooms before it, and the lab from `domain`
//! alone (`tests/it/rooms.rs` fails otherwise):
//!
//! ```text
//!  Jaeger, Prometheus
//!        │ HTTP
//!        ▼
//!  domain ← telemetry ← windows ← slo ← causal ← gvae ← diagnosis ← baselines ← remedy ← config ← engine ← tui ← lab ← eval ← cli ← commands
//!  nouns    clients,    one row   burn  call     model  root        rankings    guarded  files,   fetch →   screens   a cluster  how often
//!           catalogue   a window  rate  graph,          causes      to beat     actions  secrets  learn →            that is    an answer
//!                       + store         CBN                                                       diagnose            simulated  is right
//! ```

pub mod baselines;
pub mod causal;
pub mod cli;
pub mod commands;
pub mod config;
pub mod diagnosis;
pub mod domain;
pub mod engine;
pub mod eval;
pub mod gvae;
pub mod lab;
pub mod remedy;
pub mod slo;
pub mod telemetry;
pub mod tui;
pub mod windows;
