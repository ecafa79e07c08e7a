//! The screens as a user meets them: events and keys in, cells out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod approval;
mod cost;
mod driver;
mod fixture;
mod fuzz;
mod guide;
mod keys;
mod monkey;
mod numbers;
mod pacing;
mod pictures;
mod pty;
mod remedies;
mod remedy_screens;
mod screens;
