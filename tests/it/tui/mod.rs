//! The screens as a user meets them: events and keys in, cells out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod approval;
mod changes;
mod colours;
mod driver;
mod every_action;
mod fixture;
mod fuzz;
mod guide;
mod keymaps;
mod keys;
mod link;
mod looks;
mod monkey;
mod numbers;
mod pacing;
mod palette;
mod pictures;
mod pseudo;
mod pty;
mod pty_monkey;
mod remedies;
mod remedy_screens;
mod screens;
