//! Parameters of a search, in the words of each API.

use std::time::Duration;

use super::TraceQuery;
use crate::domain::Timestamp;

type Params = Vec<(&'static str, String)>;

/// Parameters of `/api/traces`: microseconds, both ends inclusive. `raw` keeps the server from moving
/// spans by guesses about clocks.
pub(super) fn legacy(query: &TraceQuery, limit: usize) -> Params {
    let mut params = vec![
        ("service", query.service.to_string()),
        ("start", microseconds_up(query.start).to_string()),
        ("end", (microseconds_up(query.end) - 1).to_string()),
        ("limit", limit.to_string()),
        ("raw", "true".to_owned()),
    ];
    if let Some(operation) = &query.operation {
        params.push(("operation", operation.to_string()));
    }
    if let Some(min) = query.min_duration {
        params.push(("minDuration", go_duration(min)));
    }
    params
}

/// Parameters of `/api/v3/traces`: end exclusive. Every parameter goes in both spellings, since servers
/// differ in which they know and ignore the other.
pub(super) fn v3(query: &TraceQuery, limit: usize) -> Params {
    let mut params = Params::new();
    let mut both = |spellings: &[&'static str], value: String| {
        params.extend(spellings.iter().map(|spelling| (*spelling, value.clone())));
    };
    both(&["query.serviceName", "query.service_name"], query.service.to_string());
    both(&["query.startTimeMin", "query.start_time_min"], query.start.to_string());
    both(&["query.startTimeMax", "query.start_time_max"], query.end.to_string());
    both(&["query.searchDepth", "query.search_depth", "query.num_traces"], limit.to_string());
    both(&["query.rawTraces", "query.raw_traces"], "true".to_owned());
    if let Some(operation) = &query.operation {
        both(&["query.operationName", "query.operation_name"], operation.to_string());
    }
    if let Some(min) = query.min_duration {
        both(&["query.durationMin", "query.duration_min"], go_duration(min));
    }
    params
}

/// Rounded up, so that half-open ranges that touch share no microsecond.
fn microseconds_up(at: Timestamp) -> i128 {
    at.as_nanosecond().div_euclid(1000) + i128::from(at.as_nanosecond().rem_euclid(1000) != 0)
}

/// As Go parses durations.
fn go_duration(duration: Duration) -> String {
    format!("{}us", duration.as_micros())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::domain::{Clean, ServiceName};

    fn query() -> TraceQuery {
        TraceQuery {
            service: ServiceName::new("front end"),
            operation: Some(Clean::new("GET /x")),
            start: "2026-11-22T03:00:00.0000005Z".parse().unwrap(),
            end: "2026-11-22T03:05:00Z".parse().unwrap(),
            min_duration: Some(Duration::from_millis(1500)),
            limit: 200,
        }
    }

    fn value<'p>(params: &'p Params, name: &str) -> &'p str {
        params.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str()).unwrap()
    }

    #[test]
    fn legacy_counts_microseconds_and_excludes_the_end() {
        let params = legacy(&query(), 200);
        assert_eq!(value(&params, "start"), "1795316400000001");
        assert_eq!(value(&params, "end"), "1795316699999999");
        assert_eq!(value(&params, "minDuration"), "1500000us");
        assert_eq!(value(&params, "operation"), "GET /x");
        assert_eq!(value(&params, "raw"), "true");
        assert_eq!(value(&params, "limit"), "200");
    }

    #[test]
    fn v3_sends_both_spellings_of_everything() {
        let params = v3(&query(), 200);
        for (camel, snake) in [
            ("query.serviceName", "query.service_name"),
            ("query.operationName", "query.operation_name"),
            ("query.startTimeMin", "query.start_time_min"),
            ("query.startTimeMax", "query.start_time_max"),
            ("query.durationMin", "query.duration_min"),
            ("query.searchDepth", "query.num_traces"),
            ("query.rawTraces", "query.raw_traces"),
        ] {
            assert_eq!(value(&params, camel), value(&params, snake));
        }
        assert_eq!(value(&params, "query.startTimeMax"), "2026-11-22T03:05:00Z");
        assert_eq!(value(&params, "query.startTimeMin"), "2026-11-22T03:00:00.0000005Z");
    }
}
