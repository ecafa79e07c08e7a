//! Ids as tracing systems write them.

use std::fmt;

use serde::{Serialize, Serializer};

/// An id as lower-case hex, 32 digits for a trace, 16 for a span.
#[derive(Clone, Copy, Debug)]
pub struct Hex<const DIGITS: usize>(pub u128);

impl<const DIGITS: usize> fmt::Display for Hex<DIGITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$x}", self.0)
    }
}

impl<const DIGITS: usize> Serialize for Hex<DIGITS> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A trace's id: 16 digits where those are enough, as tracers of 64 bits make them, else 32.
#[derive(Clone, Copy, Debug)]
pub struct TraceId(pub u128);

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match u64::try_from(self.0) {
            Ok(id) => Hex::<16>(id.into()).serialize(serializer),
            Err(_) => Hex::<32>(self.0).serialize(serializer),
        }
    }
}
