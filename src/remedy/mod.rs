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

pub mod kind;
pub mod names;
pub mod node;
pub mod operation;
pub mod plan;
pub mod proposal;
pub mod settings;
pub mod talk;
pub mod target;

pub use kind::{ActionKind, Risk};
pub use operation::{Operation, OperationId, Outcome, Phase, Verification};
pub use plan::{Approval, Confirmation, Digest, Plan, Step};
pub use proposal::{Change, Obstacle, Proposal, ProposalId, Weight};
pub use settings::RemedySettings;
pub use talk::{Ask, CommandRecord, Told};
pub use target::{NodeTarget, ObjectKind, ObjectTarget, Target};
