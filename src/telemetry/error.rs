//! What can go wrong between us and a backend, in words a tired person can act on.
//!
//! No variant ever holds a header value, a token or a URL with its query: errors are shown and logged.

use crate::domain::Clean;

/// Failure of a request.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings cannot work; nothing was sent.
    #[error("backend settings: {0}")]
    Settings(Clean),
    /// Name resolution, TCP or TLS failed.
    #[error("cannot connect to {host}: {reason}; check the url, the network and the VPN")]
    Connect {
        /// Host and port.
        host: Clean,
        /// Innermost reason.
        reason: Clean,
    },
    /// Nothing came in time.
    #[error(
        "{host} did not send {awaited} within {seconds:.0} s: narrow the window, or raise `timeout` (30 s at most)"
    )]
    Timeout {
        /// Host and port.
        host: Clean,
        /// What was waited for.
        awaited: &'static str,
        /// How long.
        seconds: f64,
    },
    /// A redirect, which is never followed: credentials would travel with it.
    #[error("{host} redirected to {target}: login page? check url and auth (redirects are not followed)")]
    Redirected {
        /// Host and port.
        host: Clean,
        /// Where to, without user, query and fragment.
        target: Clean,
    },
    /// 401, 403 or 407.
    #[error("{host} refused access ({status}): {hint}")]
    Denied {
        /// Host and port.
        host: Clean,
        /// HTTP status.
        status: u16,
        /// What to check.
        hint: Clean,
    },
    /// 429 even after waiting.
    #[error("{host} asks to slow down (429{}): lower `concurrency`, or wait", .retry_after_s.map(|s| format!(", retry after {s} s")).unwrap_or_default())]
    Throttled {
        /// Host and port.
        host: Clean,
        /// What `Retry-After` said, seconds.
        retry_after_s: Option<u64>,
    },
    /// Any other status that is not a success.
    #[error("{host} answered {status}{}: {start}", if *.attempts > 1 { format!(" {attempts} times") } else { String::new() })]
    Status {
        /// Host and port.
        host: Clean,
        /// HTTP status.
        status: u16,
        /// How often it was tried.
        attempts: u32,
        /// Beginning of the body.
        start: Clean,
    },
    /// A success that is not JSON.
    #[error("{host} sent {what} instead of JSON: check the url's path prefix and auth; it begins: {start}")]
    NotJson {
        /// Host and port.
        host: Clean,
        /// What it looks like.
        what: &'static str,
        /// Beginning of the body.
        start: Clean,
    },
    /// The decoded answer passes the cap.
    #[error(
        "the answer of {host} is too large (more than {limit_mib} MiB decoded): narrow the window or the query, or raise `max_response_mib`"
    )]
    TooLarge {
        /// Host and port.
        host: Clean,
        /// The cap, MiB.
        limit_mib: u64,
    },
    /// The answer ends before it is complete.
    #[error("the answer of {host} broke off after {bytes} bytes: {reason}; try again or narrow the window")]
    Truncated {
        /// Host and port.
        host: Clean,
        /// Decoded bytes that came.
        bytes: u64,
        /// Why.
        reason: Clean,
    },
    /// JSON of another shape than the API's.
    #[error("{host} sent JSON that is not this API's: {reason}; check the url's path prefix")]
    Malformed {
        /// Host and port.
        host: Clean,
        /// Where and what.
        reason: Clean,
    },
    /// The backend understood and says no: a bad query, too many samples, an error of its storage.
    #[error("{host}: {message} ({kind}){}", if .hint.is_empty() { String::new() } else { format!("; {hint}") })]
    Backend {
        /// Host and port.
        host: Clean,
        /// HTTP status; 200 if the error came with a success.
        status: u16,
        /// The API's own word for it, such as `bad_data`.
        kind: Clean,
        /// The backend's message.
        message: Clean,
        /// What to do, or nothing.
        hint: &'static str,
    },
    /// Something inside this program.
    #[error("{0}")]
    Other(Clean),
}

impl Error {
    /// Whether the backend answered at all: what it said is wrong, but it lives.
    pub fn answered(&self) -> bool {
        !matches!(self, Self::Settings(_) | Self::Connect { .. } | Self::Timeout { .. } | Self::Other(_))
    }
}
