//! What a command's end says about its write. A hint only: what is true is read.

use crate::domain::Clean;
use crate::remedy::child::{Ended, Ending};
use crate::remedy::kubectl::complaint;

/// What a command says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It was done.
    Done,
    /// The server or kubectl itself refused it.
    Refused(Clean),
    /// Nothing that could be relied on: the request may have reached the server.
    Unsure(Clean),
}

/// Words with which a server or kubectl refuses, as real ones of 1.27 to 1.33 say them.
const REFUSALS: [&str; 17] = [
    "Expected replicas to be",
    "Expected resource version to be",
    "(Conflict)",
    "(Forbidden)",
    "(Unauthorized)",
    "You must be logged in to the server",
    "(NotFound)",
    "no objects passed to scale",
    "(BadRequest)",
    "(Invalid)",
    "(MethodNotAllowed)",
    "(UnsupportedMediaType)",
    "The request is invalid",
    "denied the request",
    "(TooManyRequests)",
    "invalid subresource value",
    "error: context ",
];

impl Said {
    /// Of a write that ended so.
    pub fn of(ended: &Ended) -> Self {
        let said = complaint(ended);
        match ended.ending {
            Ending::Exit(0) => Self::Done,
            Ending::Failed(_) => Self::Refused(said),
            Ending::Exit(_) if REFUSALS.iter().any(|words| said.as_str().contains(words)) => {
                Self::Refused(said)
            }
            _ => Self::Unsure(said),
        }
    }

    /// Its words.
    pub fn words(&self) -> &str {
        match self {
            Self::Done => "done",
            Self::Refused(said) | Self::Unsure(said) => said.as_str(),
        }
    }
}
