//! Spans as OTLP's JSON: what collectors take at `/v1/traces` and what Jaeger's v3 API answers.
//!
//! The form is protobuf's JSON mapping of `opentelemetry/proto/trace/v1/trace.proto` with OTLP's changes
//! (OTLP specification, "JSON Protobuf Encoding"): ids as hex, enums as numbers, 64-bit integers as
//! decimal strings, what has its default left out.

use std::fmt;

use indexmap::IndexMap;
use serde::{Serialize, Serializer};

use super::traces::{Hex, SpanKind, SpanRef, Tag, Text};

/// The spans one process reported.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceSpans<'s> {
    resource: Resource<'s>,
    scope_spans: [ScopeSpans<'s>; 1],
}

#[derive(Debug, Serialize)]
struct Resource<'s> {
    attributes: [Attribute<'s>; 2],
}

#[derive(Debug, Serialize)]
struct ScopeSpans<'s> {
    scope: Scope,
    spans: Vec<Span<'s>>,
}

/// Instrumentation that does not say its name, as that of OpenTracing's clients.
#[derive(Debug, Serialize)]
struct Scope {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'s> {
    trace_id: Hex<32>,
    span_id: Hex<16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<Hex<16>>,
    name: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<u8>,
    start_time_unix_nano: Decimal<i128>,
    end_time_unix_nano: Decimal<i128>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<Attribute<'s>>,
    status: Status,
}

#[derive(Debug, Serialize)]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
}

#[derive(Debug, Serialize)]
struct Attribute<'s> {
    key: &'s str,
    value: Value<'s>,
}

#[derive(Debug, Serialize)]
enum Value<'s> {
    #[serde(rename = "stringValue")]
    Text(&'s str),
    #[serde(rename = "boolValue")]
    Bool(bool),
    #[serde(rename = "intValue")]
    Int(Decimal<i64>),
    #[serde(rename = "doubleValue")]
    Double(Double),
    #[serde(rename = "arrayValue")]
    Array { values: Vec<Value<'s>> },
}

/// A 64-bit integer, which JSON's numbers cannot carry.
#[derive(Debug)]
struct Decimal<N>(N);

impl<N: fmt::Display> Serialize for Decimal<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A double, where those that JSON does not know are words.
#[derive(Debug)]
struct Double(f64);

impl Serialize for Double {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            x if x.is_finite() => serializer.serialize_f64(x),
            x if x.is_nan() => serializer.serialize_str("NaN"),
            x if x > 0.0 => serializer.serialize_str("Infinity"),
            _ => serializer.serialize_str("-Infinity"),
        }
    }
}

/// `Span.SpanKind` and `Status.StatusCode` of the protocol.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const ERROR: u8 = 2;

impl<'s> Span<'s> {
    fn of(span: &SpanRef<'s>, warnings: &'s [String]) -> Self {
        // Times are unsigned on the wire.
        let start_us = i128::from(span.start_us.max(0));
        let end_us = (start_us + i128::from(span.duration_us)).max(0);
        Self {
            trace_id: Hex(span.trace),
            span_id: Hex(span.id.into()),
            parent_span_id: span.parent.map(|parent| Hex(parent.into())),
            name: span.operation,
            kind: span.kind.map(|kind| match kind {
                SpanKind::Internal => INTERNAL,
                SpanKind::Server => SERVER,
                SpanKind::Client => CLIENT,
            }),
            start_time_unix_nano: Decimal(start_us * 1000),
            end_time_unix_nano: Decimal(end_us * 1000),
            attributes: span.tags.iter().map(Attribute::of).chain(Attribute::warnings(warnings)).collect(),
            status: Status { code: span.error.then_some(ERROR) },
        }
    }
}

impl<'s> Attribute<'s> {
    fn text(key: &'s str, text: &'s str) -> Self {
        Self { key, value: Value::Text(text) }
    }

    fn warnings(warnings: &'s [String]) -> Option<Self> {
        let values = warnings.iter().map(|text| Value::Text(text)).collect();
        let value = Value::Array { values };
        (!warnings.is_empty()).then_some(Self { key: "@jaeger@warnings", value })
    }

    fn of((key, tag): &'s (Text, Tag)) -> Self {
        let value = match tag {
            Tag::Text(text) => Value::Text(text),
            Tag::Int(n) => Value::Int(Decimal(*n)),
            Tag::Float(x) => Value::Double(Double(*x)),
            Tag::Bool(b) => Value::Bool(*b),
        };
        Self { key, value }
    }
}

/// Groups spans by the process that reported them; processes and spans stay in order. The texts are
/// Jaeger's warnings about a span, which travel as an attribute.
pub fn resource_spans<'s>(
    spans: impl IntoIterator<Item = (SpanRef<'s>, &'s [String])>,
) -> Vec<ResourceSpans<'s>> {
    let mut processes: IndexMap<(&Text, &Text), Vec<Span<'s>>> = IndexMap::new();
    for (span, warnings) in spans {
        processes.entry((span.service, span.host)).or_default().push(Span::of(&span, warnings));
    }
    let together = |((service, host), spans): ((&'s Text, &'s Text), _)| ResourceSpans {
        resource: Resource {
            attributes: [Attribute::text("service.name", service), Attribute::text("host.name", host)],
        },
        scope_spans: [ScopeSpans { scope: Scope {}, spans }],
    };
    processes.into_iter().map(together).collect()
}
