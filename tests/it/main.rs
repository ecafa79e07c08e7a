//! Integration tests, one binary so that they are linked once.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod catalogue_queries;
mod cli;
mod cli_data;
mod cli_data_faults;
mod conditions;
mod config_files;
mod config_load;
mod house;
mod http_bombs;
mod http_clients;
mod http_faults;
mod lab_export;
mod lab_jaeger;
mod lab_jaeger_wire;
mod lab_kubectl;
mod lab_operators;
mod lab_program;
mod lab_promql;
mod lab_ssh;
mod licences;
mod machine_output;
mod program;
mod remedy_node;
mod rooms;
mod synthetic;
mod tiny_server;
mod tui;
mod verdict;
mod verdict_cache;
mod verdict_schema;
mod verdict_time;
mod verdict_traces;
mod windows;
