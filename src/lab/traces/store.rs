//! The store: blocks in order of arrival, and where each trace's newest span is.
//!
//! The spans of a trace are a chain: the index knows the newest, each row knows how far back the one
//! before is. That costs four bytes a span and some forty a trace.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use super::block::{BLOCK_SPANS, Block, Row};
use super::{Span, SpanKind, SpanRef, Text};

/// Spans of the last while. Wrap it in [`super::SharedTraces`] to share it.
#[derive(Debug)]
pub struct TraceStore {
    pub(super) blocks: VecDeque<Block>,
    /// Number of the first row that is still held; rows are numbered from 0 in order of arrival.
    first: u64,
    /// Number of the next row.
    next: u64,
    /// Row number of each trace's newest span.
    pub(super) newest: HashMap<u128, u64>,
    retention_ms: i64,
    /// Latest [`Span::received_ms`].
    received_ms: i64,
}

/// An operation of a service, as Jaeger lists them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// Name.
    pub name: Text,
    /// Kind of its spans, where they say it.
    pub kind: Option<SpanKind>,
}

impl TraceStore {
    /// An empty store that keeps spans for at least `retention`, counted back from the span received
    /// last; they go in blocks of some thousands.
    pub fn new(retention: Duration) -> Self {
        Self {
            blocks: VecDeque::new(),
            first: 0,
            next: 0,
            newest: HashMap::new(),
            retention_ms: i64::try_from(retention.as_millis()).unwrap_or(i64::MAX),
            received_ms: i64::MIN,
        }
    }

    /// Adds a span. Spans may come in any order; a search lists those pushed last first.
    pub fn push(&mut self, span: Span) {
        self.received_ms = self.received_ms.max(span.received_ms);
        if self.blocks.back().is_none_or(Block::is_full) {
            self.expire();
            self.blocks.push_back(Block::new());
        }
        let Some(block) = self.blocks.back_mut() else { return };
        let before = self.newest.insert(span.trace, self.next);
        // A trace that goes on after four thousand million other spans begins anew.
        let back = before.and_then(|row| u32::try_from(self.next - row).ok()).unwrap_or(0);
        block.push(&span, back);
        self.next += 1;
    }

    /// Drops the oldest blocks while all that is in them is too old.
    fn expire(&mut self) {
        let horizon = self.received_ms.saturating_sub(self.retention_ms);
        while self.blocks.front().is_some_and(|block| block.received_ms.1 < horizon) {
            let Some(block) = self.blocks.pop_front() else { return };
            self.first += block.rows().len() as u64;
            for row in block.rows() {
                if self.newest.get(&row.trace).is_some_and(|newest| *newest < self.first) {
                    self.newest.remove(&row.trace);
                }
            }
        }
    }

    /// Number of spans held.
    pub fn len(&self) -> usize {
        (self.next - self.first) as usize
    }

    /// Whether no span is held.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    fn row(&self, number: u64) -> Option<(&Block, &Row)> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let block = self.blocks.get(at / BLOCK_SPANS)?;
        Some((block, block.rows().get(at % BLOCK_SPANS)?))
    }

    /// The spans of a trace that are there at `now_ms` (milliseconds since the epoch), in the order in
    /// which they were pushed; empty if there is no such trace.
    pub fn trace(&self, trace: u128, now_ms: i64) -> Vec<SpanRef<'_>> {
        match self.newest.get(&trace) {
            Some(newest) => self.chain(*newest, now_ms),
            None => Vec::new(),
        }
    }

    /// The spans of the trace whose newest span has this number.
    pub(super) fn chain(&self, newest: u64, now_ms: i64) -> Vec<SpanRef<'_>> {
        let (mut spans, mut at) = (Vec::new(), Some(newest));
        // The chain may lead to rows that have expired: there it ends.
        while let Some((number, (block, row))) = at.and_then(|number| Some((number, self.row(number)?))) {
            if row.received_ms <= now_ms {
                spans.extend(block.span(row));
            }
            at = if row.back == 0 { None } else { number.checked_sub(u64::from(row.back)) };
        }
        spans.reverse();
        spans
    }

    /// Services that had reported a span by `now_ms` (milliseconds since the epoch), sorted.
    pub fn services(&self, now_ms: i64) -> Vec<Text> {
        let heads = self.blocks.iter().flat_map(Block::heads);
        let seen = heads.filter(|(_, received)| *received <= now_ms);
        let services: BTreeSet<&Text> = seen.map(|(head, _)| &head.service).collect();
        services.into_iter().cloned().collect()
    }

    /// Operations of a service that had been reported by `now_ms` (milliseconds since the epoch), sorted.
    pub fn operations(&self, service: &str, now_ms: i64) -> Vec<Operation> {
        let heads = self.blocks.iter().flat_map(Block::heads);
        let seen = heads.filter(|(head, received)| *received <= now_ms && &*head.service == service);
        let operations: BTreeSet<(&Text, Option<SpanKind>)> =
            seen.map(|(head, _)| (&head.operation, head.kind)).collect();
        operations.into_iter().map(|(name, kind)| Operation { name: name.clone(), kind }).collect()
    }

    /// Bytes on the heap, texts apart.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        // The standard map keeps a control byte beside each entry, and an eighth of its buckets free.
        let index = self.newest.capacity() * 8 / 7 * (size_of::<(u128, u64)>() + 1);
        self.blocks.iter().map(Block::bytes).sum::<usize>() + index
    }
}
