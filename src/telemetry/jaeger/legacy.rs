//! Streaming decoder of the legacy JSON (`/api/traces`): a list of traces, each with its processes.

use std::collections::HashMap;
use std::io::Read;

use serde::de::{DeserializeSeed as _, MapAccess, SeqAccess};

use super::decode::{ApiError, Decoder, Outcome, Pair};
use super::ids;
use super::tags::{Resource, SpanTags};
use crate::domain::{Clean, ServiceName};
use crate::telemetry::http::{Emit, Undecodable};
use crate::telemetry::json::{
    Any, Dictionary, Elements, Entries, Items, List, Name, Object, Remarks, Slot, Value, skip,
};
use crate::telemetry::names::Names;
use crate::telemetry::types::{Span, SpanId, TraceId};

/// Decodes the answer of a search; each trace is handed over as soon as it is read.
pub(super) fn traces<R: Read>(
    source: R,
    limit: u64,
    emit: Emit<'_, Vec<Span>>,
) -> Result<Outcome, Undecodable> {
    let decoder = Decoder::new(limit, emit);
    decoder.run(source, |decoder, json| Object(Envelope(decoder)).deserialize(json), |_| Ok(()))
}

struct Envelope<'d, 'e>(&'d mut Decoder<'e>);

impl Entries for Envelope<'_, '_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"data" => {
                self.0.outcome.is_search = true;
                map.next_value_seed(List(Traces(self.0)))?;
            }
            b"errors" => {
                let errors: Option<Vec<ApiError>> = map.next_value()?;
                let messages = errors.unwrap_or_default().into_iter().filter_map(|e| e.message);
                self.0.outcome.errors.extend(messages);
            }
            _ => skip(map)?,
        }
        Ok(())
    }
}

struct Traces<'d, 'e>(&'d mut Decoder<'e>);

impl Elements for Traces<'_, '_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let mut trace = RawTrace::default();
        let entries = Trace { decoder: self.0, trace: &mut trace };
        if seq.next_element_seed(Object(entries))?.is_none() {
            return Ok(false);
        }
        let spans = trace.resolve(&mut self.0.names);
        self.0.complete(spans)?;
        Ok(true)
    }
}

/// A trace whose spans do not know their services yet: the processes come after them.
#[derive(Default)]
struct RawTrace {
    spans: Vec<RawSpan>,
    processes: HashMap<Clean, Resource>,
}

struct RawSpan {
    span: Span,
    process: Option<Clean>,
    /// Some stores embed the process.
    embedded: Option<Box<Resource>>,
}

impl RawTrace {
    fn resolve(self, names: &mut Names) -> Vec<Span> {
        let unknown = Resource::default();
        let complete = |raw: RawSpan| {
            let named = raw.process.and_then(|id| self.processes.get(&id));
            let process = raw.embedded.as_deref().or(named).unwrap_or(&unknown);
            let service = process.service(names);
            Span { service, host: process.host(), node: process.node.clone(), ..raw.span }
        };
        self.spans.into_iter().map(complete).collect()
    }
}

struct Trace<'t, 'e> {
    decoder: &'t mut Decoder<'e>,
    trace: &'t mut RawTrace,
}

impl Entries for Trace<'_, '_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"spans" => {
                map.next_value_seed(List(Spans { decoder: self.decoder, spans: &mut self.trace.spans }))?;
            }
            b"processes" => {
                let (names, pair) = (&mut self.decoder.names, &mut self.decoder.pair);
                let processes = &mut self.trace.processes;
                map.next_value_seed(Dictionary(Processes { names, pair, processes }))?;
            }
            b"warnings" => {
                map.next_value_seed(List(Remarks(&mut self.decoder.outcome.stats.warnings)))?;
            }
            _ => skip(map)?,
        }
        Ok(())
    }
}

struct Processes<'t> {
    names: &'t mut Names,
    pair: &'t mut Pair,
    processes: &'t mut HashMap<Clean, Resource>,
}

impl Items for Processes<'_> {
    fn item<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<bool, A::Error> {
        let Some(id) = map.next_key_seed(Name(self.names))? else { return Ok(false) };
        let mut process = Resource::default();
        map.next_value_seed(Object(Process { names: self.names, pair: self.pair, process: &mut process }))?;
        self.processes.insert(id, process);
        Ok(true)
    }
}

struct Process<'t> {
    names: &'t mut Names,
    pair: &'t mut Pair,
    process: &'t mut Resource,
}

impl Entries for Process<'_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"serviceName" => {
                self.process.service = Some(map.next_value_seed(Name(self.names))?);
            }
            b"tags" => {
                let (names, process) = (&mut *self.names, &mut *self.process);
                let each = |key: &str, value: Value<'_>| process.absorb(key, value, names);
                map.next_value_seed(List(Tags { pair: self.pair, each }))?;
            }
            _ => skip(map)?,
        }
        Ok(())
    }
}

struct Tags<'t, F> {
    pair: &'t mut Pair,
    each: F,
}

impl<F: FnMut(&str, Value<'_>)> Elements for Tags<'_, F> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        self.pair.key.clear();
        self.pair.value.clear();
        if seq.next_element_seed(Object(Tag(self.pair)))?.is_none() {
            return Ok(false);
        }
        if let Value::Text(key) = self.pair.key.value() {
            (self.each)(key, self.pair.value.value());
        }
        Ok(true)
    }
}

struct Tag<'t>(&'t mut Pair);

impl Entries for Tag<'_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"key" => map.next_value_seed(Any(&mut self.0.key))?,
            b"value" => map.next_value_seed(Any(&mut self.0.value))?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

struct Spans<'t, 'e> {
    decoder: &'t mut Decoder<'e>,
    spans: &'t mut Vec<RawSpan>,
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
    /// Deprecated, but all that some clones send.
    parent: Option<SpanId>,
    references: Vec<Reference>,
    operation: Option<Clean>,
    start_us: Option<i64>,
    duration_us: Option<i64>,
    tags: SpanTags,
    process: Option<Clean>,
    embedded: Option<Box<Resource>>,
}

impl SpanFields {
    /// The span without its service; `None` without valid ids.
    fn finish(self, names: &mut Names) -> Option<RawSpan> {
        let (trace, id) = (self.trace?, self.id?);
        let to = |follows: bool| {
            let mut same = self.references.iter().filter(|r| r.follows == follows && r.trace == Some(trace));
            same.find_map(|r| r.span)
        };
        let child_of = to(false).or(self.parent);
        let (parent, follows) = match child_of {
            Some(parent) => (Some(parent), false),
            None => (to(true), to(true).is_some()),
        };
        let kind = self.tags.kind();
        let (start, duration) = (self.start_us.unwrap_or(0), self.duration_us.unwrap_or(0));
        let span = Span {
            trace,
            id,
            parent,
            follows,
            // Filled in once the processes are known.
            service: ServiceName(names.get("")),
            operation: self.operation.unwrap_or_else(|| names.get("")),
            kind,
            start_ns: nanoseconds(start),
            duration_ns: nanoseconds(duration),
            host: None,
            node: None,
            peer: self.tags.peer(kind, names),
            error: self.tags.is_error(kind),
            warned: self.tags.warned || start < 0 || duration < 0,
        };
        Some(RawSpan { span, process: self.process, embedded: self.embedded })
    }
}

fn nanoseconds(us: i64) -> u64 {
    u64::try_from(us).unwrap_or(0).saturating_mul(1000)
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
            b"traceID" => fields.trace = text(map, slot, ids::trace_id)?,
            b"spanID" => fields.id = text(map, slot, ids::span_id)?,
            b"parentSpanID" => fields.parent = text(map, slot, ids::span_id)?,
            b"operationName" => fields.operation = Some(map.next_value_seed(Name(names))?),
            b"references" => {
                map.next_value_seed(List(References { slot, references: &mut fields.references }))?;
            }
            b"startTime" => {
                map.next_value_seed(Any(slot))?;
                fields.start_us = slot.value().as_int();
            }
            b"duration" => {
                map.next_value_seed(Any(slot))?;
                fields.duration_us = slot.value().as_int();
            }
            b"tags" => {
                let tags = &mut fields.tags;
                let each = |key: &str, value: Value<'_>| tags.absorb(key, value, names);
                map.next_value_seed(List(Tags { pair, each }))?;
            }
            b"processID" => fields.process = Some(map.next_value_seed(Name(names))?),
            b"process" => {
                let mut process = Resource::default();
                map.next_value_seed(Object(Process { names, pair, process: &mut process }))?;
                fields.embedded = process.service.is_some().then(|| Box::new(process));
            }
            b"warnings" => {
                map.next_value_seed(Any(slot))?;
                fields.tags.warned |= matches!(slot.value(), Value::Items(1..));
            }
            _ => skip(map)?,
        }
        Ok(())
    }
}

/// Reads a value and parses it if it is text.
fn text<'de, A: MapAccess<'de>, T>(
    map: &mut A,
    slot: &mut Slot,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, A::Error> {
    map.next_value_seed(Any(slot))?;
    Ok(match slot.value() {
        Value::Text(text) => parse(text),
        _ => None,
    })
}

#[derive(Default)]
struct Reference {
    follows: bool,
    trace: Option<TraceId>,
    span: Option<SpanId>,
}

struct References<'t> {
    slot: &'t mut Slot,
    references: &'t mut Vec<Reference>,
}

impl Elements for References<'_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let mut reference = Reference::default();
        let entries = ReferenceEntries { slot: self.slot, reference: &mut reference };
        if seq.next_element_seed(Object(entries))?.is_none() {
            return Ok(false);
        }
        self.references.push(reference);
        Ok(true)
    }
}

struct ReferenceEntries<'t> {
    slot: &'t mut Slot,
    reference: &'t mut Reference,
}

impl Entries for ReferenceEntries<'_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"refType" => {
                map.next_value_seed(Any(self.slot))?;
                self.reference.follows = self.slot.value() == Value::Text("FOLLOWS_FROM");
            }
            b"traceID" => self.reference.trace = text(map, self.slot, ids::trace_id)?,
            b"spanID" => self.reference.span = text(map, self.slot, ids::span_id)?,
            _ => skip(map)?,
        }
        Ok(())
    }
}
