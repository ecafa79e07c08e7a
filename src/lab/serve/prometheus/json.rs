//! Answers and errors as JSON. Samples are written by hand: there may be a million of them.

use std::fmt::Write as _;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::lab::promql::{Answer, Error, number};
use crate::lab::tsdb::Labels;

/// An answer with data.
#[derive(Debug)]
pub(super) struct Reply {
    /// JSON.
    data: String,
    warnings: Vec<String>,
}

impl Reply {
    pub(super) fn data(value: Value) -> Self {
        Self { data: value.to_string(), warnings: Vec::new() }
    }

    pub(super) fn answer(answer: &Answer) -> Self {
        Self { data: text(answer), warnings: Vec::new() }
    }

    /// Says that a limit has cut off results.
    pub(super) fn truncated(mut self, truncated: bool) -> Self {
        if truncated {
            self.warnings.push("results truncated due to limit".to_owned());
        }
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut body = format!(r#"{{"status":"success","data":{}"#, self.data);
        if !self.warnings.is_empty() {
            // Writing to a text does not fail.
            let _ = write!(body, r#","warnings":{}"#, Value::from(self.warnings));
        }
        body.push('}');
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

/// An answer without.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl Failure {
    pub(super) fn bad_data(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "bad_data", message: message.into() }
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "internal", message: message.into() }
    }

    pub(super) fn parameter(name: &str, message: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {name:?}: {message}"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (status, kind) = match &error {
            Error::Parse(_) => return Self::parameter("query", error),
            Error::Timeout => (StatusCode::SERVICE_UNAVAILABLE, "timeout"),
            error if error.is_bad_query() => (StatusCode::BAD_REQUEST, "bad_data"),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
        };
        Self { status, kind, message: error.to_string() }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({ "status": "error", "errorType": self.kind, "error": self.message });
        (self.status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
    }
}

/// Labels as an object.
pub(super) fn labels(labels: &Labels) -> Value {
    labels.0.iter().map(|(name, value)| (name.to_string(), Value::from(&**value))).collect()
}

fn text(answer: &Answer) -> String {
    let mut out = String::new();
    match answer {
        Answer::Scalar(time, value) => {
            out.push_str(r#"{"resultType":"scalar","result":"#);
            sample(&mut out, *time, *value);
        }
        Answer::Text(time, text) => {
            let _ = write!(
                out,
                r#"{{"resultType":"string","result":[{},{}]"#,
                Seconds(*time),
                Value::from(text.as_str())
            );
        }
        Answer::Vector(time, rows) => {
            out.push_str(r#"{"resultType":"vector","result":["#);
            for (i, (series, value)) in rows.iter().enumerate() {
                let _ = write!(out, r#"{}{{"metric":{},"value":"#, comma(i), labels(series));
                sample(&mut out, *time, *value);
                out.push('}');
            }
            out.push(']');
        }
        Answer::Matrix(rows) => {
            out.reserve(rows.iter().map(|(_, samples)| 100 + 36 * samples.len()).sum());
            out.push_str(r#"{"resultType":"matrix","result":["#);
            for (i, (series, samples)) in rows.iter().enumerate() {
                let _ = write!(out, r#"{}{{"metric":{},"values":["#, comma(i), labels(series));
                for (j, (time, value)) in samples.iter().enumerate() {
                    out.push_str(comma(j));
                    sample(&mut out, *time, *value);
                }
                out.push_str("]}");
            }
            out.push(']');
        }
    }
    out.push('}');
    out
}

fn comma(i: usize) -> &'static str {
    if i == 0 { "" } else { "," }
}

fn sample(out: &mut String, time: i64, value: f64) {
    let _ = write!(out, r#"[{},"{}"]"#, Seconds(time), number(value));
}

/// Milliseconds, written as seconds.
struct Seconds(i64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let millis = self.0.unsigned_abs();
        match millis % 1000 {
            0 => write!(f, "{sign}{}", millis / 1000),
            rest => write!(f, "{sign}{}.{rest:03}", millis / 1000),
        }
    }
}
