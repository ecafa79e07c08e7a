//! The fast path: the loss of [`loss`](super::loss) and its gradient by hand over one flat
//! parameter vector, on the kernels of [`kernels`](super::kernels). The model in plain candle
//! operations stays the reference, which the tests hold it against.
//!
//! ```text
//!  Gvae ── Plan ──────────────┐ which row and which parameter is what
//!  Inputs ── Columns ── tiles ┤
//!  flat parameters ───────────┴─ Objective (a CustomOp1) ── loss, gradient ── Adam ── flat
//!                              └─ Forward ── answers to questions (diagnosis)
//! ```

pub mod adam;
pub mod columns;
pub mod forward;
pub mod layout;
pub mod objective;
mod pass;
pub mod plan;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod random;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use adam::Adam;
pub use columns::Columns;
pub use forward::{Forward, Scratch};
pub use layout::Layout;
pub use objective::{Objective, Parts, Step};
pub use plan::Plan;
