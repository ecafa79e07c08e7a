//! Streaming decoder of v3's OTLP JSON (`/api/v3/traces`): spans by resource, regrouped by trace.
//!
//! All traces come merged in one list, so the (reduced) spans are kept to the end of the answer.

use std::cell::RefCell;
use std::io::Read;

use indexmap::IndexSet;
use serde::de::{DeserializeSeed as _, MapAccess, SeqAccess};

use super::decode::{AnyValue, ApiError, Decoder, Outcome, Pair};
use super::ids;
use super::tags::{self, Resource, SpanTags};
use crate::domain::{Clean, ServiceName};
use crate::telemetry::http::{Emit, Undecodable};
use crate::telemetry::json::{Any, Elements, Entries, List, Name, Object, Slot, Value, skip};
use crate::telemetry::names::Names;
use crate::telemetry::types::{Span, SpanId, SpanKind, TraceId};

/// The spans as they came, and the traces in the order in which they turned up.
#[derive(Default)]
struct Traces {
    spans: Vec<Span>,
    order: IndexSet<TraceId>,
}

impl Traces {
    /// Groups the spans by trace; within a trace they stay in order.
    fn hand_over(mut self, decoder: &mut Decoder<'_>) -> serde_json::Result<()> {
        self.spans.sort_by_cached_key(|span| self.order.get_index_of(&span.trace));
        let mut spans = self.spans.into_iter().peekable();
        while let Some(first) = spans.next() {
            let trace = first.trace;
            let mut together = vec![first];
            together.extend(std::iter::from_fn(|| spans.next_if(|span| span.trace == trace)));
            decoder.complete(together)?;
        }
        Ok(())
    }
}

/// Decodes the answer of a search; traces are handed over once all is read.
pub(super) fn traces<R: Read>(
    source: R,
    limit: u64,
    emit: Emit<'_, Vec<Span>>,
) -> Result<Outcome, Undecodable> {
    let traces = RefCell::new(Traces::default());
    Decoder::new(limit, emit).run(
        source,
        |decoder, json| Object(Top { decoder, traces: &mut traces.borrow_mut() }).deserialize(json),
        |decoder| traces.take().hand_over(decoder),
    )
}

/// The envelope, or what is in it where a server leaves the envelope out.
struct Top<'t, 'e> {
    decoder: &'t mut Decoder<'e>,
    traces: &'t mut Traces,
}

impl Entries for Top<'_, '_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        let Self { decoder, traces } = self;
        match key {
            b"result" => {
                decoder.outcome.is_search = true;
                map.next_value_seed(Object(Top { decoder, traces }))?;
            }
            b"resourceSpans" | b"batches" => {
                decoder.outcome.is_search = true;
                map.next_value_seed(List(Resources { decoder, traces }))?;
            }
            b"error" => {
                let error: Option<ApiError> = map.next_value()?;
                decoder.outcome.errors.extend(error.and_then(|e| e.message));
            }
            _ => skip(map)?,
        }
        Ok(())
    }
}

struct Resources<'t, 'e> {
    decoder: &'t mut Decoder<'e>,
    traces: &'t mut Traces,
}

impl Elements for Resources<'_, '_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let (mut resource, mut spans) = (Resource::default(), Vec::new());
        let entries = ResourceSpans { decoder: self.decoder, resource: &mut resource, spans: &mut spans };
        if seq.next_element_seed(Object(entries))?.is_none() {
            return Ok(false);
        }
        let service = resource.service(&mut self.decoder.names);
        for span in spans {
            let (service, host, node) = (service.clone(), resource.host(), resource.node.clone());
            self.traces.order.insert(span.trace);
            self.traces.spans.push(Span { service, host, node, ..span });
        }
        Ok(true)
    }
}

struct ResourceSpans<'t, 'e> {
    decoder: &'t mut Decoder<'e>,
    resource: &'t mut Resource,
    spans: &'t mut Vec<Span>,
}

impl Entries for ResourceSpans<'_, '_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"resource" => {
                let Decoder { names, pair, .. } = &mut *self.decoder;
                let each = |key: &str, value: Value<'_>| self.resource.absorb(key, value, names);
                map.next_value_seed(Object(Attributed { pair, each }))?;
            }
            b"scopeSpans" | b"instrumentationLibrarySpans" => {
                map.next_value_seed(List(Scopes { decoder: self.decoder, spans: self.spans }))?;
            }
            _ => skip(map)?,
        }
        Ok(())
    }
}

/// An object of which only the attributes matter.
struct Attributed<'t, F> {
    pair: &'t mut Pair,
    each: F,
}

impl<F: FnMut(&str, Value<'_>)> Entries for Attributed<'_, F> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"attributes" => {
                map.next_value_seed(List(Attributes { pair: self.pair, each: &mut self.each }))?;
            }
            _ => skip(map)?,
        }
        Ok(())
    }
}

struct Attributes<'t, F> {
    pair: &'t mut Pair,
    each: F,
}

impl<F: FnMut(&str, Value<'_>)> Elements for Attributes<'_, F> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        self.pair.key.clear();
        self.pair.value.clear();
        if seq.next_element_seed(Object(Attribute(self.pair)))?.is_none() {
            return Ok(false);
        }
        if let Value::Text(key) = self.pair.key.value() {
            (self.each)(key, self.pair.value.value());
        }
        Ok(true)
    }
}

struct Attribute<'t>(&'t mut Pair);

impl Entries for Attribute<'_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"key" => map.next_value_seed(Any(&mut self.0.key))?,
            b"value" => map.next_value_seed(Object(AnyValue(&mut self.0.value)))?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

struct Scopes<'t, 'e> {
    decoder: &'t mut Decoder<'e>,
    spans: &'t mut Vec<Span>,
}

impl Elements for Scopes<'_, '_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let scope = Scope { decoder: self.decoder, spans: self.spans };
        Ok(seq.next_element_seed(Object(scope))?.is_some())
    }
}

struct Scope<'t, 'e> {
    decoder: &'t mut Decoder<'e>,
    spans: &'t mut Vec<Span>,
}

impl Entries for Scope<'_, '_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"spans" => {
                map.next_value_seed(List(Spans { decoder: self.decoder, spans: self.spans }))?;
            }
            _ => skip(map)?,
        }
        Ok(())
    }
}

struct Spans<'t, 'e> {
    decoder: &'t mut Decoder<'e>,
    spans: &'t mut Vec<Span>,
}

impl Elements for Spans<'_, '_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let mut fields = SpanFields::default();
        let entries = SpanEntries { decoder: self.decoder, fields: &mut fields };
        if seq.next_element_seed(Object(entries))?.is_none() {
            return Ok(false);
        }
        match fields.finish(&mut self.decoder.names) {
            Some(span) => {
                self.decoder.reserve()?;
                self.spans.push(span);
            }
            None => self.decoder.skip(),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct SpanFields {
    trace: Option<TraceId>,
    id: Option<SpanId>,
    parent: Option<SpanId>,
    links: Vec<Link>,
    operation: Option<Clean>,
    kind: Option<SpanKind>,
    start_ns: Option<i64>,
    end_ns: Option<i64>,
    tags: SpanTags,
    failed: Option<bool>,
}

impl SpanFields {
    /// The span without its service; `None` without valid ids.
    fn finish(mut self, names: &mut Names) -> Option<Span> {
        let (trace, id) = (self.trace?, self.id?);
        let to = |child_of: bool| {
            let mut same = self.links.iter().filter(|l| l.child_of == child_of && l.trace == Some(trace));
            same.find_map(|l| l.span)
        };
        // Jaeger turns OpenTracing's references into links; a link within the trace is a FOLLOWS_FROM.
        let (parent, follows) = match self.parent.or_else(|| to(true)) {
            Some(parent) => (Some(parent), false),
            None => (to(false), to(false).is_some()),
        };
        self.tags.status = self.failed.or(self.tags.status);
        let kind = self.kind.unwrap_or_else(|| self.tags.kind());
        let start = u64::try_from(self.start_ns.unwrap_or(0)).unwrap_or(0);
        let end = u64::try_from(self.end_ns.unwrap_or(0)).unwrap_or(0);
        Some(Span {
            trace,
            id,
            parent,
            follows,
            // Filled in once the resource is known.
            service: ServiceName(names.get("")),
            operation: self.operation.unwrap_or_else(|| names.get("")),
            kind,
            start_ns: start,
            duration_ns: end.saturating_sub(start),
            host: None,
            node: None,
            peer: self.tags.peer(kind, names),
            error: self.tags.is_error(kind),
            warned: self.tags.warned || self.start_ns < Some(0) || end < start,
        })
    }
}

struct SpanEntries<'t, 'e> {
    decoder: &'t mut Decoder<'e>,
    fields: &'t mut SpanFields,
}

impl Entries for SpanEntries<'_, '_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        let Decoder { names, pair, slot, .. } = &mut *self.decoder;
        let fields = &mut *self.fields;
        match key {
            b"traceId" => fields.trace = any(map, slot, |v| id(v, ids::trace_id))?,
            b"spanId" => fields.id = any(map, slot, |v| id(v, ids::span_id))?,
            b"parentSpanId" => fields.parent = any(map, slot, |v| id(v, ids::span_id))?,
            b"name" => fields.operation = Some(map.next_value_seed(Name(names))?),
            b"kind" => fields.kind = any(map, slot, tags::otlp_kind)?,
            b"startTimeUnixNano" => fields.start_ns = any(map, slot, |v| v.as_int())?,
            b"endTimeUnixNano" => fields.end_ns = any(map, slot, |v| v.as_int())?,
            b"attributes" => {
                let tags = &mut fields.tags;
                let each = |key: &str, value: Value<'_>| tags.absorb(key, value, names);
                map.next_value_seed(List(Attributes { pair, each }))?;
            }
            b"links" => {
                map.next_value_seed(List(Links { pair, slot, links: &mut fields.links }))?;
            }
            b"status" => {
                map.next_value_seed(Object(Status { slot, failed: &mut fields.failed }))?;
            }
            _ => skip(map)?,
        }
        Ok(())
    }
}

/// Reads a value of any type and interprets it.
fn any<'de, A: MapAccess<'de>, T>(
    map: &mut A,
    slot: &mut Slot,
    interpret: impl Fn(Value<'_>) -> Option<T>,
) -> Result<Option<T>, A::Error> {
    map.next_value_seed(Any(slot))?;
    Ok(interpret(slot.value()))
}

fn id<T>(value: Value<'_>, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    match value {
        Value::Text(text) => parse(text),
        _ => None,
    }
}

struct Status<'t> {
    slot: &'t mut Slot,
    failed: &'t mut Option<bool>,
}

impl Entries for Status<'_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"code" => *self.failed = any(map, self.slot, tags::otlp_status)?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct Link {
    child_of: bool,
    trace: Option<TraceId>,
    span: Option<SpanId>,
}

struct Links<'t> {
    pair: &'t mut Pair,
    slot: &'t mut Slot,
    links: &'t mut Vec<Link>,
}

impl Elements for Links<'_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let mut link = Link::default();
        let entries = LinkEntries { pair: self.pair, slot: self.slot, link: &mut link };
        if seq.next_element_seed(Object(entries))?.is_none() {
            return Ok(false);
        }
        self.links.push(link);
        Ok(true)
    }
}

struct LinkEntries<'t> {
    pair: &'t mut Pair,
    slot: &'t mut Slot,
    link: &'t mut Link,
}

impl Entries for LinkEntries<'_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"traceId" => self.link.trace = any(map, self.slot, |v| id(v, ids::trace_id))?,
            b"spanId" => self.link.span = any(map, self.slot, |v| id(v, ids::span_id))?,
            b"attributes" => {
                let child_of = &mut self.link.child_of;
                let each = |key: &str, value: Value<'_>| {
                    *child_of |= key == "opentracing.ref_type" && value == Value::Text("child_of");
                };
                map.next_value_seed(List(Attributes { pair: self.pair, each }))?;
            }
            _ => skip(map)?,
        }
        Ok(())
    }
}
