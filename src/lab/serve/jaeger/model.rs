//! Traces as the legacy JSON has them (`internal/uimodel`): spans with a table of their processes.

use indexmap::IndexMap;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::Remarked;
use crate::lab::traces::{Hex, Tag, Text, TraceId};

/// Largest integer that a script in a browser holds exactly; beyond it, the API sends text.
const MAX_SAFE: u64 = 1 << 53;

/// A trace.
#[derive(Serialize)]
pub(super) struct Trace<'s> {
    #[serde(rename = "traceID")]
    trace_id: TraceId,
    spans: Vec<Span<'s>>,
    processes: Processes<'s>,
    warnings: (),
}

/// Service and host of a process, and its number.
struct Processes<'s>(IndexMap<(&'s Text, &'s Text), Process<'s>>);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Process<'s> {
    service_name: &'s str,
    tags: [KeyValue<'s>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'s> {
    #[serde(rename = "traceID")]
    trace_id: TraceId,
    #[serde(rename = "spanID")]
    span_id: Hex<16>,
    flags: u8,
    operation_name: &'s str,
    references: Vec<Reference>,
    start_time: i64,
    duration: i64,
    tags: Vec<KeyValue<'s>>,
    logs: [(); 0],
    #[serde(rename = "processID")]
    process_id: ProcessId,
    warnings: Option<&'s [String]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    ref_type: &'static str,
    #[serde(rename = "traceID")]
    trace_id: TraceId,
    #[serde(rename = "spanID")]
    span_id: Hex<16>,
}

/// `p1`, `p2` ... by its place in the table.
struct ProcessId(usize);

impl Serialize for ProcessId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("p{}", self.0 + 1))
    }
}

impl Serialize for Processes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (place, process) in self.0.values().enumerate() {
            map.serialize_entry(&ProcessId(place), process)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct KeyValue<'s> {
    key: &'s str,
    r#type: &'static str,
    value: Value<'s>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value<'s> {
    Text(&'s str),
    Written(String),
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl<'s> KeyValue<'s> {
    fn text(key: &'s str, text: &'s str) -> Self {
        Self { key, r#type: "string", value: Value::Text(text) }
    }

    fn of((key, tag): &'s (Text, Tag)) -> Self {
        let (r#type, value) = match tag {
            Tag::Text(text) => ("string", Value::Text(text)),
            Tag::Int(n) if n.unsigned_abs() > MAX_SAFE => ("int64", Value::Written(n.to_string())),
            Tag::Int(n) => ("int64", Value::Int(*n)),
            Tag::Float(x) if !x.is_finite() => ("float64", Value::Written(x.to_string())),
            Tag::Float(x) => ("float64", Value::Float(*x)),
            Tag::Bool(b) => ("bool", Value::Bool(*b)),
        };
        Self { key, r#type, value }
    }
}

impl<'s> Trace<'s> {
    /// The trace that `spans` are.
    pub(super) fn of(spans: &'s [Remarked<'s>]) -> Self {
        let mut processes = IndexMap::new();
        let spans_of = |remarked: &'s Remarked<'s>| {
            let span = &remarked.span;
            let entry = processes.entry((span.service, span.host));
            let process_id = ProcessId(entry.index());
            entry.or_insert_with(|| Process {
                service_name: span.service,
                tags: [KeyValue::text("hostname", span.host)],
            });
            Span::of(remarked, process_id)
        };
        Self {
            trace_id: TraceId(spans.first().map_or(0, |first| first.span.trace)),
            spans: spans.iter().map(spans_of).collect(),
            processes: Processes(processes),
            warnings: (),
        }
    }
}

impl<'s> Span<'s> {
    fn of(Remarked { span, warnings }: &'s Remarked<'s>, process_id: ProcessId) -> Self {
        let reference = |parent: u64| Reference {
            ref_type: "CHILD_OF",
            trace_id: TraceId(span.trace),
            span_id: Hex(parent.into()),
        };
        let kind = span.kind.map(|kind| KeyValue::text("span.kind", kind.word()));
        let error = span.error.then_some(KeyValue { key: "error", r#type: "bool", value: Value::Bool(true) });
        Self {
            trace_id: TraceId(span.trace),
            span_id: Hex(span.id.into()),
            // Sampled.
            flags: 1,
            operation_name: span.operation,
            references: span.parent.map(reference).into_iter().collect(),
            start_time: span.start_us,
            duration: span.duration_us,
            tags: span.tags.iter().map(KeyValue::of).chain(kind).chain(error).collect(),
            logs: [],
            process_id,
            warnings: (!warnings.is_empty()).then_some(warnings.as_slice()),
        }
    }
}
