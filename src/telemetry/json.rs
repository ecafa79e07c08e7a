//! Seeds shared by the streaming decoders: text through the name table, numbers in all their spellings.
//!
//! The decoders read from a stream, where serde cannot lend text: what is wanted is picked out in
//! visitors, everything else is skipped without an allocation.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::names::Names;
use crate::domain::Clean;

/// Longest text of a tag's value that is looked at.
const MAX_TEXT: usize = 4096;

/// Reads a string (or null, as empty) as an interned name.
pub(super) struct Name<'n>(pub(super) &'n mut Names);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Clean;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Clean, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Clean;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Clean, E> {
        Ok(self.0.get(text))
    }
    fn visit_unit<E: Error>(self) -> Result<Clean, E> {
        Ok(self.0.get(""))
    }
}

/// A value of any type, reduced to what tags need.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// Null, an object, or nothing at all.
    Nothing,
    /// A string.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A list of so many items.
    Items(usize),
}

impl Value<'_> {
    /// As a whole number, also when it is spelled as text; fractions are cut, extremes saturate.
    pub(super) fn as_int(self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(n),
            Self::Float(x) if x.is_finite() => Some(x as i64),
            Self::Text(text) => {
                let text = text.trim();
                text.parse::<i64>()
                    .ok()
                    .or_else(|| text.parse::<f64>().ok().filter(|x| x.is_finite()).map(|x| x as i64))
            }
            _ => None,
        }
    }
}

/// Holds one [`Value`]; its text buffer is reused from value to value.
#[derive(Debug)]
pub(super) struct Slot {
    text: String,
    /// `Text` stands for the buffer.
    value: Value<'static>,
}

impl Default for Slot {
    fn default() -> Self {
        Self { text: String::new(), value: Value::Nothing }
    }
}

impl Slot {
    /// The value held.
    pub(super) fn value(&self) -> Value<'_> {
        match self.value {
            Value::Text(_) => Value::Text(&self.text),
            other => other,
        }
    }

    /// Forgets the value.
    pub(super) fn clear(&mut self) {
        self.value = Value::Nothing;
    }
}

/// Reads any JSON value into a slot.
pub(super) struct Any<'s>(pub(super) &'s mut Slot);

impl<'de> DeserializeSeed<'de> for Any<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.clear();
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let mut end = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.0.text.clear();
        self.0.text.push_str(&text[..end]);
        self.0.value = Value::Text("");
        Ok(())
    }
    fn visit_bool<E: Error>(self, b: bool) -> Result<(), E> {
        self.0.value = Value::Bool(b);
        Ok(())
    }
    fn visit_i64<E: Error>(self, n: i64) -> Result<(), E> {
        self.0.value = Value::Int(n);
        Ok(())
    }
    fn visit_u64<E: Error>(self, n: u64) -> Result<(), E> {
        self.0.value = Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        Ok(())
    }
    fn visit_f64<E: Error>(self, x: f64) -> Result<(), E> {
        self.0.value = Value::Float(x);
        Ok(())
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut items = 0;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            items += 1;
        }
        self.0.value = Value::Items(items);
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// An object read entry by entry: [`Object`] does the rest.
pub(super) trait Entries {
    /// Reads the value of `key`, or [`skip`]s it. A key too long to be known is empty.
    fn entry<'de, A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error>;
}

/// An object whose keys are data: [`Dictionary`] does the rest.
pub(super) trait Items {
    /// Reads one key and its value; false at the end.
    fn item<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<bool, A::Error>;
}

/// A list read element by element: [`List`] does the rest.
pub(super) trait Elements {
    /// Reads one element; false at the end.
    fn element<'de, A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error>;
}

/// Reads an object (or null, as empty) into `E`.
pub(super) struct Object<E>(pub(super) E);

impl<'de, E: Entries> DeserializeSeed<'de> for Object<E> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, E: Entries> Visitor<'de> for Object<E> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_unit<X: Error>(self) -> Result<(), X> {
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut key = Key::default();
        while map.next_key_seed(&mut key)?.is_some() {
            self.0.entry(key.bytes(), &mut map)?;
        }
        Ok(())
    }
}

/// Passes over a value.
pub(super) fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(drop)
}

/// A key on the stack: the stream cannot lend it, and most keys are passed over.
#[derive(Default)]
pub(super) struct Key {
    bytes: [u8; 32],
    len: usize,
}

impl Key {
    /// The key; empty if it was longer than any known one.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl<'de> DeserializeSeed<'de> for &mut Key {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for &mut Key {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.len = 0;
        if let Some(room) = self.bytes.get_mut(..text.len()) {
            room.copy_from_slice(text.as_bytes());
            self.len = text.len();
        }
        Ok(())
    }
}

/// Reads an object with arbitrary keys (or null, as empty) into `I`.
pub(super) struct Dictionary<I>(pub(super) I);

impl<'de, I: Items> DeserializeSeed<'de> for Dictionary<I> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, I: Items> Visitor<'de> for Dictionary<I> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_unit<X: Error>(self) -> Result<(), X> {
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while self.0.item(&mut map)? {}
        Ok(())
    }
}

/// Reads a list (or null, as empty) into `E`.
pub(super) struct List<E>(pub(super) E);

impl<'de, E: Elements> DeserializeSeed<'de> for List<E> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, E: Elements> Visitor<'de> for List<E> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_unit<X: Error>(self) -> Result<(), X> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while self.0.element(&mut seq)? {}
        Ok(())
    }
}

/// Collects a backend's remarks: a list of strings (or null), the first few of them, each once.
pub(super) struct Remarks<'r>(pub(super) &'r mut Vec<Clean>);

/// Most remarks kept of one answer.
pub(super) const MAX_REMARKS: usize = 20;

impl Remarks<'_> {
    /// Keeps `remark` if it is new and there is room.
    pub(super) fn keep(&mut self, remark: Clean) {
        if self.0.len() < MAX_REMARKS && !self.0.contains(&remark) {
            self.0.push(remark);
        }
    }
}

impl Elements for Remarks<'_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let Some(remark) = seq.next_element::<Clean>()? else { return Ok(false) };
        self.keep(remark);
        Ok(true)
    }
}
