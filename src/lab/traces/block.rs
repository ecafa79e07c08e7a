//! A run of spans in the order in which they were pushed: what differs from span to span is packed into
//! one cache line, what many share is stored once.
//!
//! A block keeps its own table of shared parts, so dropping an old block frees everything it held.

use std::hash::{Hash, Hasher};

use indexmap::{Equivalent, IndexMap};

use super::{Span, SpanKind, SpanRef, Tag, Text};

/// Spans of a block: about ten minutes of an application that reports 25 spans a second, which is how
/// finely old spans are dropped and how much a search of a short range reads.
pub(super) const BLOCK_SPANS: usize = 16_384;

/// What is a span's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) trace: u128,
    id: u64,
    /// 0 at the root: it is no valid id.
    parent: u64,
    pub(super) start_us: i64,
    pub(super) duration_us: i64,
    pub(super) received_ms: i64,
    /// Index into the block's heads.
    pub(super) head: u32,
    /// How many rows back the trace's previous span is, 0 if this is the first.
    pub(super) back: u32,
}

/// What spans of the same operation on the same host share.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) service: Text,
    pub(super) operation: Text,
    pub(super) host: Text,
    pub(super) kind: Option<SpanKind>,
    pub(super) error: bool,
    pub(super) tags: Box<[(Text, Tag)]>,
}

impl Head {
    fn of(span: &Span) -> Self {
        Self {
            service: span.service.clone(),
            operation: span.operation.clone(),
            host: span.host.clone(),
            kind: span.kind,
            error: span.error,
            tags: span.tags.as_slice().into(),
        }
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            service: &self.service,
            operation: &self.operation,
            host: &self.host,
            kind: self.kind,
            error: self.error,
            tags: &self.tags,
        }
    }
}

/// A head before it is known whether the table has it.
struct Parts<'s> {
    service: &'s str,
    operation: &'s str,
    host: &'s str,
    kind: Option<SpanKind>,
    error: bool,
    tags: &'s [(Text, Tag)],
}

impl<'s> Parts<'s> {
    fn of(span: &'s Span) -> Self {
        Self {
            service: &span.service,
            operation: &span.operation,
            host: &span.host,
            kind: span.kind,
            error: span.error,
            tags: &span.tags,
        }
    }
}

impl Hash for Parts<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.service, self.operation, self.host, self.kind, self.error).hash(state);
        for (key, value) in self.tags {
            key.hash(state);
            match value {
                Tag::Text(text) => text.hash(state),
                Tag::Int(n) => n.hash(state),
                Tag::Float(x) => x.to_bits().hash(state),
                Tag::Bool(b) => b.hash(state),
            }
        }
    }
}

impl PartialEq for Parts<'_> {
    fn eq(&self, other: &Self) -> bool {
        // By their bits, since a NaN must find itself again.
        let same = |(a, b): (&(Text, Tag), &(Text, Tag))| {
            a.0 == b.0
                && match (&a.1, &b.1) {
                    (Tag::Float(x), Tag::Float(y)) => x.to_bits() == y.to_bits(),
                    (x, y) => x == y,
                }
        };
        (self.service, self.operation, self.host) == (other.service, other.operation, other.host)
            && (self.kind, self.error) == (other.kind, other.error)
            && self.tags.len() == other.tags.len()
            && self.tags.iter().zip(other.tags).all(same)
    }
}

impl Equivalent<Head> for Parts<'_> {
    fn equivalent(&self, head: &Head) -> bool {
        *self == head.parts()
    }
}

impl Hash for Head {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Head {}

/// A run of spans.
#[derive(Debug)]
pub(super) struct Block {
    rows: Vec<Row>,
    /// Heads, and when the first span of each was received.
    heads: IndexMap<Head, i64>,
    /// Earliest and latest start, in microseconds since the epoch.
    pub(super) starts_us: (i64, i64),
    /// When the first and the last span were received, in milliseconds since the epoch.
    pub(super) received_ms: (i64, i64),
}

impl Block {
    pub(super) fn new() -> Self {
        Self {
            rows: Vec::with_capacity(BLOCK_SPANS),
            heads: IndexMap::new(),
            starts_us: (i64::MAX, i64::MIN),
            received_ms: (i64::MAX, i64::MIN),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() == BLOCK_SPANS
    }

    pub(super) fn push(&mut self, span: &Span, back: u32) {
        let head = match self.heads.get_full_mut(&Parts::of(span)) {
            Some((index, _, seen)) => {
                *seen = span.received_ms.min(*seen);
                index
            }
            None => self.heads.insert_full(Head::of(span), span.received_ms).0,
        };
        let (first, last) = self.starts_us;
        self.starts_us = (first.min(span.start_us), last.max(span.start_us));
        let (first, last) = self.received_ms;
        self.received_ms = (first.min(span.received_ms), last.max(span.received_ms));
        self.rows.push(Row {
            trace: span.trace,
            id: span.id,
            parent: span.parent.unwrap_or(0),
            start_us: span.start_us,
            duration_us: span.duration_us,
            received_ms: span.received_ms,
            // Fewer heads than rows, and rows are bounded.
            head: head as u32,
            back,
        });
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The heads, each with when its first span was received.
    pub(super) fn heads(&self) -> impl Iterator<Item = (&Head, i64)> {
        self.heads.iter().map(|(head, seen)| (head, *seen))
    }

    /// The span of a row of this block.
    pub(super) fn span(&self, row: &Row) -> Option<SpanRef<'_>> {
        let (head, _) = self.heads.get_index(row.head as usize)?;
        Some(SpanRef {
            trace: row.trace,
            id: row.id,
            parent: (row.parent != 0).then_some(row.parent),
            service: &head.service,
            operation: &head.operation,
            host: &head.host,
            start_us: row.start_us,
            duration_us: row.duration_us,
            kind: head.kind,
            error: head.error,
            tags: &head.tags,
            received_ms: row.received_ms,
        })
    }

    /// Bytes on the heap, texts apart (their owners share them).
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let tags: usize = self.heads.keys().map(|head| size_of_val(&*head.tags)).sum();
        // An entry has its hash beside it and an index of eight bytes in the table.
        let entry = size_of::<(Head, i64)>() + 8 + 9;
        self.rows.capacity() * size_of::<Row>() + self.heads.capacity() * entry + tags
    }
}
