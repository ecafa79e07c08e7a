//! The screens as a user meets them: events and keys in, cells out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod approval;
mod changes;
mod cost;
mod doctor;
mod driver;
mod every_action;
mod fixture;
mod fuzz;
mod guide;
mod inspect;
mod keys;
mod monkey;
mod numbers;
mod pacing;
mod pictures;
mod pty;
mod remedies;
mod remedy_screens;
mod screens;
mod services;
mod timeline;
