//! Streaming decoder of query answers: vector, matrix and scalar results into [`Series`].

use std::io::Read;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::domain::Clean;
use crate::telemetry::http::Undecodable;
use crate::telemetry::json::{
    Any, Dictionary, Elements, Entries, Items, Key, List, Name, Object, Remarks, Slot, Value, skip,
};
use crate::telemetry::names::Names;
use crate::telemetry::types::Series;

/// Roughly what is occupied by a series, by a label, and by a sample.
const SERIES_BYTES: u64 = 512;
const LABEL_BYTES: u64 = 64;
const SAMPLE_BYTES: u64 = 16;
/// What is kept may be so many times larger than the JSON may be: no real answer comes near, a flood of
/// empty series does.
const MOST_KEPT: u64 = 3;

/// Everything an answer says.
#[derive(Debug, Default)]
pub(super) struct Reply {
    /// `success` or `error`; empty if the answer is not this API's.
    pub(super) status: String,
    /// The API's word for what went wrong.
    pub(super) error_type: Option<Clean>,
    /// What went wrong.
    pub(super) error: Option<Clean>,
    /// The series that have float samples.
    pub(super) series: Vec<Series>,
    /// How many series have native histograms only.
    pub(super) native_only: usize,
    /// `warnings` and `infos`.
    pub(super) warnings: Vec<Clean>,
}

/// Decodes an answer of `query` or `query_range`. `limit` bounds the JSON's bytes, and with them what is kept.
pub(super) fn reply<R: Read>(source: R, limit: u64) -> Result<Reply, Undecodable> {
    let mut decoder = Decoder {
        names: Names::default(),
        slot: Slot::default(),
        reply: Reply::default(),
        room: limit.saturating_mul(MOST_KEPT),
        too_much: false,
    };
    let mut json = serde_json::Deserializer::from_reader(source);
    let outcome = Object(Envelope(&mut decoder)).deserialize(&mut json).and_then(|()| json.end());
    match outcome {
        _ if decoder.too_much => Err(Undecodable::TooMuch),
        Err(e) => Err(e.into()),
        Ok(()) => Ok(decoder.reply),
    }
}

struct Decoder {
    names: Names,
    slot: Slot,
    reply: Reply,
    /// Bytes that may still be kept.
    room: u64,
    too_much: bool,
}

struct Envelope<'d>(&'d mut Decoder);

impl Entries for Envelope<'_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        let reply = &mut self.0.reply;
        match key {
            b"status" => reply.status = map.next_value::<Clean>()?.to_string(),
            b"errorType" => reply.error_type = map.next_value()?,
            b"error" => reply.error = map.next_value()?,
            b"warnings" | b"infos" => {
                map.next_value_seed(List(Remarks(&mut reply.warnings)))?;
            }
            b"data" => map.next_value_seed(Object(Data(self.0)))?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

/// The items tell themselves what they are, so `resultType` is not needed.
struct Data<'d>(&'d mut Decoder);

impl Entries for Data<'_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"result" => {
                map.next_value_seed(List(Results { decoder: self.0, scalar_at: None }))?;
            }
            _ => skip(map)?,
        }
        Ok(())
    }
}

/// Either series (objects), or the two halves of a scalar: time and value.
struct Results<'d> {
    decoder: &'d mut Decoder,
    scalar_at: Option<f64>,
}

impl Elements for Results<'_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let mut raw = RawSeries::default();
        let item = Item { names: &mut self.decoder.names, slot: &mut self.decoder.slot, raw: &mut raw };
        let Some(is_series) = seq.next_element_seed(item)? else { return Ok(false) };
        if !is_series {
            let value = self.decoder.slot.value();
            match self.scalar_at {
                None => self.scalar_at = seconds(value),
                Some(at) => raw.points.extend(number(value).map(|x| (milliseconds(at), x))),
            }
        }
        if raw.points.is_empty() {
            self.decoder.reply.native_only += usize::from(raw.native);
            return Ok(true);
        }
        let (labels, samples) = (raw.labels.len() as u64, raw.points.len() as u64);
        let cost = SERIES_BYTES + labels * LABEL_BYTES + samples * SAMPLE_BYTES;
        let Some(room) = self.decoder.room.checked_sub(cost) else {
            self.decoder.too_much = true;
            return Err(A::Error::custom("too many series"));
        };
        self.decoder.room = room;
        if !raw.points.is_sorted_by_key(|(at, _)| *at) {
            raw.points.sort_by_key(|(at, _)| *at);
        }
        let labels = raw.labels.into_iter().collect();
        self.decoder.reply.series.push(Series { labels, points: raw.points });
        Ok(true)
    }
}

#[derive(Default)]
struct RawSeries {
    labels: Vec<(Clean, Clean)>,
    points: Vec<(i64, f64)>,
    native: bool,
}

/// Reads an object as a series (true), or anything else into the slot (false).
struct Item<'d> {
    names: &'d mut Names,
    slot: &'d mut Slot,
    raw: &'d mut RawSeries,
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = bool;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a series or a scalar")
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<bool, E> {
        Any(self.slot).visit_str(text).map(|()| false)
    }
    fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<bool, E> {
        Any(self.slot).visit_i64(n).map(|()| false)
    }
    fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<bool, E> {
        Any(self.slot).visit_u64(n).map(|()| false)
    }
    fn visit_f64<E: serde::de::Error>(self, x: f64) -> Result<bool, E> {
        Any(self.slot).visit_f64(x).map(|()| false)
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<bool, A::Error> {
        let mut key = Key::default();
        while map.next_key_seed(&mut key)?.is_some() {
            self.entry(key.bytes(), &mut map)?;
        }
        Ok(true)
    }
}

impl Entries for Item<'_> {
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"metric" => {
                map.next_value_seed(Dictionary(Labels { names: self.names, labels: &mut self.raw.labels }))?;
            }
            b"value" => {
                self.raw.points.reserve_exact(1);
                map.next_value_seed(List(Sample::new(self.slot, &mut self.raw.points)))?;
            }
            b"values" => {
                map.next_value_seed(List(Samples { slot: self.slot, points: &mut self.raw.points }))?;
            }
            b"histogram" | b"histograms" => {
                map.next_value::<IgnoredAny>()?;
                self.raw.native = true;
            }
            _ => skip(map)?,
        }
        Ok(())
    }
}

struct Labels<'d> {
    names: &'d mut Names,
    labels: &'d mut Vec<(Clean, Clean)>,
}

impl Items for Labels<'_> {
    fn item<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<bool, A::Error> {
        let Some(name) = map.next_key_seed(Name(self.names))? else { return Ok(false) };
        let value = map.next_value_seed(Name(self.names))?;
        self.labels.push((name, value));
        Ok(true)
    }
}

struct Samples<'d> {
    slot: &'d mut Slot,
    points: &'d mut Vec<(i64, f64)>,
}

impl Elements for Samples<'_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        Ok(seq.next_element_seed(List(Sample::new(self.slot, self.points)))?.is_some())
    }
}

/// `[seconds, "value"]`.
struct Sample<'d> {
    slot: &'d mut Slot,
    points: &'d mut Vec<(i64, f64)>,
    at: Option<f64>,
}

impl<'d> Sample<'d> {
    fn new(slot: &'d mut Slot, points: &'d mut Vec<(i64, f64)>) -> Self {
        Self { slot, points, at: None }
    }
}

impl Elements for Sample<'_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        if seq.next_element_seed(Any(self.slot))?.is_none() {
            return Ok(false);
        }
        let value = self.slot.value();
        match self.at {
            None => {
                let at = seconds(value).ok_or_else(|| A::Error::custom("a sample's time is not a number"))?;
                self.at = Some(at);
            }
            Some(at) => {
                let value =
                    number(value).ok_or_else(|| A::Error::custom("a sample's value is not a number"))?;
                self.points.push((milliseconds(at), value));
            }
        }
        Ok(true)
    }
}

fn seconds(value: Value<'_>) -> Option<f64> {
    number(value).filter(|at| at.is_finite())
}

/// Values are strings, `NaN`, `+Inf` and `-Inf` among them; some clones send plain numbers.
fn number(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Text(text) => text.parse().ok(),
        Value::Int(n) => Some(n as f64),
        Value::Float(x) => Some(x),
        _ => None,
    }
}

fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}
