//! What stands in the cluster: read through kubectl, never guessed.

pub mod find;
pub mod object;
pub mod owners;
pub mod rights;
pub mod rollout;
pub mod room;
pub mod view;

pub use find::{Found, Workload, find};
pub use object::Object;
pub use owners::{Owners, owners};
pub use view::View;
