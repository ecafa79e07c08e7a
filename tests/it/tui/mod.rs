//! The screens as a user meets them: events and keys in, cells out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod approval;
mod changes;
mod colours;
mod doctor;
pub mod driver;
mod every_action;
pub mod fixture;
mod fuzz;
mod graph;
mod guide;
mod inspect;
mod keymaps;
mod keys;
mod link;
mod looks;
mod monkey;
mod numbers;
mod pacing;
mod palette;
mod pictures;
mod play;
mod pseudo;
mod pty;
mod pty_monkey;
pub mod remedies;
mod remedy_screens;
mod screens;
mod services;
mod styles;
mod timeline;
