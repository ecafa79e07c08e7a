//! The API's own errors, and what to do about each.

use super::decode::Reply;
use crate::domain::Clean;
use crate::telemetry::Error;

/// The error an answer holds, if it is one.
pub(super) fn error_of(reply: &Reply, host: Clean, status: u16) -> Option<Error> {
    if reply.status != "error" {
        return None;
    }
    let kind = reply.error_type.clone().unwrap_or_else(|| Clean::new("error"));
    let message = reply.error.clone().unwrap_or_else(|| Clean::new("no message"));
    let hint = hint(kind.as_str(), message.as_str());
    Some(Error::Backend { host, status, kind, message, hint })
}

fn hint(kind: &str, message: &str) -> &'static str {
    let message = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|w| message.contains(w));
    match kind {
        "bad_data" if says(&["maximum resolution"]) => "use a larger step or a shorter window",
        "bad_data" => "check the query",
        "execution" if says(&["too many samples", "limit", "exceed"]) => {
            "narrow the window or add label matchers"
        }
        "execution" if says(&["agent"]) => "this Prometheus runs in agent mode: ask the one it writes to",
        "execution" => "check the query",
        "timeout" => "shorten the window, simplify the query, or raise `timeout`",
        "canceled" => "the server gave up on it: try again",
        "unavailable" | "internal" => "the backend's storage has trouble: try again, then ask its owners",
        "not_found" => "this backend lacks that endpoint: check the url's path prefix",
        "not_acceptable" => "a proxy may have changed the request: check the url",
        _ => "",
    }
}
