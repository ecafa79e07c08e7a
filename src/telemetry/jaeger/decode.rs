//! What the two span formats share: the state of a decoder, key-value pairs, lenient numbers.

use std::io::Read;

use serde::Deserialize;
use serde::de::MapAccess;

use super::TraceStats;
use crate::domain::Clean;
use crate::telemetry::http::{Emit, Undecodable};
use crate::telemetry::json::{Any, Entries, Object, Slot, skip};
use crate::telemetry::names::Names;
use crate::telemetry::types::Span;

/// No real span is shorter than this in JSON: bounds what a flood of empty ones can occupy.
const MIN_SPAN_BYTES: u64 = 192;
/// Small traces are handed over together: waking the other side costs more than reading one.
const BATCH: usize = 512;

/// What a search's answer held besides the spans.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Counts and warnings; `truncated` is for the caller, who knows the limit.
    pub(super) stats: TraceStats,
    /// Errors of the backend in the envelope.
    pub(super) errors: Vec<Clean>,
    /// Whether the member that holds the traces was there.
    pub(super) is_search: bool,
}

/// State of a decoder.
pub(super) struct Decoder<'e> {
    pub(super) names: Names,
    pub(super) pair: Pair,
    pub(super) slot: Slot,
    pub(super) outcome: Outcome,
    emit: Emit<'e, Vec<Span>>,
    /// Complete traces, one after the other.
    batch: Vec<Span>,
    /// Spans that may still be kept at once.
    room: usize,
    too_much: bool,
    skipped: usize,
}

impl<'e> Decoder<'e> {
    /// `limit` bounds the JSON's bytes and thereby the spans kept at once.
    pub(super) fn new(limit: u64, emit: Emit<'e, Vec<Span>>) -> Self {
        Self {
            names: Names::default(),
            pair: Pair::default(),
            slot: Slot::default(),
            outcome: Outcome::default(),
            emit,
            batch: Vec::new(),
            room: usize::try_from(limit / MIN_SPAN_BYTES).unwrap_or(usize::MAX),
            too_much: false,
            skipped: 0,
        }
    }

    /// Runs over the objects of `source`: one, or several where a gateway streams them.
    pub(super) fn run<R: Read>(
        mut self,
        source: R,
        mut object: impl FnMut(
            &mut Self,
            &mut serde_json::Deserializer<serde_json::de::IoRead<R>>,
        ) -> serde_json::Result<()>,
        finish: impl FnOnce(&mut Self) -> serde_json::Result<()>,
    ) -> Result<Outcome, Undecodable> {
        let mut json = serde_json::Deserializer::from_reader(source);
        let mut outcome = object(&mut self, &mut json);
        while outcome.is_ok() && json.end().is_err() {
            outcome = object(&mut self, &mut json);
        }
        let outcome = outcome.and_then(|()| finish(&mut self)).and_then(|()| self.hand_over());
        if self.skipped > 0 {
            let text = format!("{} spans without a valid id were skipped", self.skipped);
            self.outcome.stats.warnings.push(Clean::new(&text));
        }
        match outcome {
            _ if self.too_much => Err(Undecodable::TooMuch),
            Err(e) => Err(e.into()),
            Ok(()) => Ok(self.outcome),
        }
    }

    /// Makes room for one more span, or refuses.
    pub(super) fn reserve<E: serde::de::Error>(&mut self) -> Result<(), E> {
        match self.room.checked_sub(1) {
            Some(room) => {
                self.room = room;
                Ok(())
            }
            None => {
                self.too_much = true;
                Err(E::custom("too many spans"))
            }
        }
    }

    /// Notes a span that cannot be used, because nothing could refer to it.
    pub(super) fn skip(&mut self) {
        self.skipped += 1;
    }

    /// Takes the spans of a complete trace, to be handed over with its neighbours.
    pub(super) fn complete<E: serde::de::Error>(&mut self, trace: Vec<Span>) -> Result<(), E> {
        let stats = &mut self.outcome.stats;
        stats.traces += usize::from(!trace.is_empty());
        stats.spans += trace.len();
        stats.warned += trace.iter().filter(|span| span.warned).count();
        if self.batch.is_empty() {
            self.batch = trace;
        } else {
            self.batch.extend(trace);
        }
        if self.batch.len() < BATCH { Ok(()) } else { self.hand_over() }
    }

    /// Hands over what is complete.
    fn hand_over<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.room += self.batch.len();
        let batch = std::mem::take(&mut self.batch);
        if (self.emit)(batch) { Ok(()) } else { Err(E::custom("nobody listens any more")) }
    }
}

/// A tag: both halves are read before either is looked at, so their order does not matter.
#[derive(Debug, Default)]
pub(super) struct Pair {
    pub(super) key: Slot,
    pub(super) value: Slot,
}

/// Reads OTLP's `AnyValue`.
pub(super) struct AnyValue<'s>(pub(super) &'s mut Slot);

impl Entries for AnyValue<'_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"stringValue" | b"boolValue" | b"intValue" | b"doubleValue" => {
                map.next_value_seed(Any(self.0))?
            }
            b"arrayValue" => map.next_value_seed(Object(ArrayValue(self.0)))?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

struct ArrayValue<'s>(&'s mut Slot);

impl Entries for ArrayValue<'_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"values" => map.next_value_seed(Any(self.0))?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

/// An error in an envelope: legacy `{"code", "msg"}`, v3 `{"httpCode", "message"}`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ApiError {
    #[serde(default, alias = "msg")]
    pub(super) message: Option<Clean>,
}

/// The message of a refusal's body, in either API's form; `None` if `body` is something else.
pub(super) fn refusal_message(body: &[u8]) -> Option<Clean> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    ["/error/message", "/errors/0/msg", "/message", "/error"]
        .iter()
        .find_map(|at| body.pointer(at)?.as_str())
        .map(Clean::new)
}
