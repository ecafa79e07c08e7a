//! Remedies: suggested by the verdict, previewed, approved, run, read back, verified, undone.
//!
//! ```text
//!  verdict ──→ Proposal ──→ Plan ──→ Approval ──→ Operation ──→ undo: a Plan again
//!              sized by     exact argv,  bound to      run, read back, laid beside
//!              what-if      guards,      its digest    the predicted tail
//!                           undo                │
//!                                               └──→ journal (before and after each step)
//! ```
//!
//! Promise: no write without an approval of exactly that command; at most one attempt; nothing is
//! reported as done unless it was read back; always a recorded undo, or the word that there is none.
//! Everything that keeps this promise is here and not in the screens, which only ask ([`Ask`]) and are
//! told ([`Told`]).

pub mod act;
pub mod books;
pub mod catalogue;
pub mod child;
pub mod clock;
pub mod cluster;
pub mod desk;
pub mod digest;
pub mod forecast;
pub mod guard;
pub mod journal;
pub mod kind;
pub mod kubectl;
pub mod log;
pub mod names;
pub mod node;
pub mod operation;
pub mod plan;
pub mod program;
pub mod proposal;
pub mod quantity;
pub mod rbac;
pub mod reading;
pub mod runner;
pub mod settings;
pub mod talk;
pub mod target;
pub mod write;

pub use desk::{Desk, DeskError, Heard, Opening};
pub use forecast::Forecast;
pub use kind::{ActionKind, Risk};
pub use operation::{Operation, OperationId, Outcome, Phase, Verification};
pub use plan::{Approval, Confirmation, Digest, Plan, Step};
pub use proposal::{Change, Obstacle, Proposal, ProposalId, Weight};
pub use reading::{Readings, SloReading};
pub use settings::RemedySettings;
pub use talk::{Ask, CommandRecord, Standing, Told};
pub use target::{NodeTarget, ObjectKind, ObjectTarget, Target};
