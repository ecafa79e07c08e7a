//! Integration tests, one binary so that they are linked once.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cli;
mod config_files;
mod config_load;
mod house;
mod licences;
mod rooms;
mod tui;
mod windows;
