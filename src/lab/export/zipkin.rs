//! Spans as Zipkin's API v2 takes them (`zipkin2-api.yaml`).

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::lab::traces::{Hex, SpanKind, SpanRef, Tag, TraceId};

/// A span.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span<'s> {
    trace_id: TraceId,
    id: Hex<16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<Hex<16>>,
    name: &'s str,
    /// Work within a service has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// Microseconds since the epoch; 0 would mean that it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<i64>,
    /// Microseconds, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<i64>,
    local_endpoint: Endpoint<'s>,
    tags: BTreeMap<&'s str, Text<'s>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint<'s> {
    service_name: &'s str,
}

/// A tag's value: always text.
#[derive(Debug)]
enum Text<'s> {
    Plain(&'s str),
    Of(&'s Tag),
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(text) => serializer.serialize_str(text),
            Self::Of(Tag::Text(text)) => serializer.serialize_str(text),
            Self::Of(Tag::Int(n)) => serializer.collect_str(n),
            Self::Of(Tag::Float(x)) => serializer.collect_str(x),
            Self::Of(Tag::Bool(b)) => serializer.collect_str(b),
        }
    }
}

impl<'s> Span<'s> {
    /// The span in Zipkin's words. Names keep their case, although Zipkin shows them in lower case:
    /// Jaeger, which takes this format too, does not.
    pub(super) fn of(span: SpanRef<'s>) -> Self {
        let mut tags: BTreeMap<&str, Text<'_>> =
            span.tags.iter().map(|(key, tag)| (&**key, Text::Of(tag))).collect();
        tags.insert("host.name", Text::Plain(span.host));
        if span.error {
            // Its presence is what counts.
            tags.entry("error").or_insert(Text::Plain("true"));
        }
        Self {
            trace_id: TraceId(span.trace),
            id: Hex(span.id.into()),
            parent_id: span.parent.map(|parent| Hex(parent.into())),
            name: span.operation,
            kind: match span.kind {
                Some(SpanKind::Client) => Some("CLIENT"),
                Some(SpanKind::Server) => Some("SERVER"),
                Some(SpanKind::Internal) | None => None,
            },
            timestamp: (span.start_us > 0).then_some(span.start_us),
            // Shorter than a microsecond is rounded up.
            duration: (span.duration_us >= 0).then_some(span.duration_us.max(1)),
            local_endpoint: Endpoint { service_name: span.service },
            tags,
        }
    }
}
