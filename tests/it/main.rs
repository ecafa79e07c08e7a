//! Integration tests, one binary so that they are linked once.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod catalogue_queries;
mod cli;
mod conditions;
mod config_files;
mod config_load;
mod house;
mod http_bombs;
mod http_clients;
mod http_faults;
mod licences;
mod rooms;
mod tiny_server;
mod tui;
mod windows;
