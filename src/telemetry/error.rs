//! What can go wrong between us and a backend, in words a tired person can act on.

use crate::domain::Clean;

/// Failure of a request.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Anything; to be refined.
    #[error("{0}")]
    Other(Clean),
}
