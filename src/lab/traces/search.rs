//! Questions about many traces: search and dependencies.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

use indexmap::IndexSet;

use super::block::{Block, Head};
use super::{SpanRef, Tag, Text, TraceStore};

/// How often one service called another: by caller and callee.
pub type Edges = BTreeMap<(Text, Text), u64>;

/// A search. As in Jaeger, one span must meet all of it for its trace to be found.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Service that reported the span.
    pub service: Text,
    /// Operation of the span.
    pub operation: Option<Text>,
    /// Tags of the span or its process, compared as text; `span.kind` and `error` count as tags where
    /// the span has them.
    pub tags: Vec<(Text, Text)>,
    /// Start of the span in microseconds since the epoch.
    pub start_us: RangeInclusive<i64>,
    /// Duration of the span in microseconds.
    pub duration_us: RangeInclusive<i64>,
    /// Most traces.
    pub limit: usize,
}

impl Query {
    fn wants(&self, head: &Head) -> bool {
        head.service == self.service
            && self.operation.as_ref().is_none_or(|operation| head.operation == *operation)
            && self.tags.iter().all(|(key, value)| has_tag(head, key, value))
    }
}

fn has_tag(head: &Head, key: &str, value: &str) -> bool {
    let own = || head.tags.iter().any(|(name, tag)| &**name == key && is_text(tag, value));
    match key {
        "span.kind" => head.kind.is_some_and(|kind| kind.word() == value) || own(),
        "error" => (head.error && value == "true") || own(),
        "hostname" | "host.name" => &*head.host == value || own(),
        _ => own(),
    }
}

fn is_text(tag: &Tag, text: &str) -> bool {
    match tag {
        Tag::Text(own) => &**own == text,
        Tag::Int(n) => text.parse() == Ok(*n),
        Tag::Float(x) => text.parse() == Ok(*x),
        Tag::Bool(b) => text.parse() == Ok(*b),
    }
}

impl TraceStore {
    /// Ids of the traces that match at `now_ms` (milliseconds since the epoch), newest first, as Jaeger's
    /// in-memory storage lists them: by arrival, not by start.
    pub fn search(&self, query: &Query, now_ms: i64) -> Vec<u128> {
        let mut found = IndexSet::new();
        for block in self.blocks.iter().rev().filter(|block| may_hold(block, query, now_ms)) {
            let wanted: Vec<bool> = block.heads().map(|(head, _)| query.wants(head)).collect();
            if !wanted.contains(&true) {
                continue;
            }
            for row in block.rows().iter().rev() {
                if found.len() >= query.limit {
                    return found.into_iter().collect();
                }
                if wanted.get(row.head as usize) == Some(&true)
                    && row.received_ms <= now_ms
                    && query.start_us.contains(&row.start_us)
                    && query.duration_us.contains(&row.duration_us)
                {
                    found.insert(row.trace);
                }
            }
        }
        found.into_iter().collect()
    }

    /// Calls between services in the traces that lie within `range_us` (microseconds since the epoch), as
    /// seen at `now_ms`. A span counts as a call by its parent's service, if the parent is in the trace;
    /// within one service too, as Jaeger's in-memory storage counts.
    pub fn dependencies(&self, range_us: RangeInclusive<i64>, now_ms: i64) -> Edges {
        let mut newest: Vec<u64> = self.newest.values().copied().collect();
        // In order of arrival, so that memory is read in one sweep.
        newest.sort_unstable();
        let mut edges = Edges::new();
        for spans in newest.into_iter().map(|row| self.chain(row, now_ms)) {
            let inside = |span: &SpanRef<'_>| {
                *range_us.start() <= span.start_us
                    && span.start_us.saturating_add(span.duration_us) <= *range_us.end()
            };
            if !spans.iter().all(inside) {
                continue;
            }
            let services: HashMap<u64, &Text> = spans.iter().map(|span| (span.id, span.service)).collect();
            for span in &spans {
                if let Some(parent) = span.parent.and_then(|id| services.get(&id)) {
                    *edges.entry(((*parent).clone(), span.service.clone())).or_default() += 1;
                }
            }
        }
        edges
    }
}

fn may_hold(block: &Block, query: &Query, now_ms: i64) -> bool {
    block.received_ms.0 <= now_ms
        && block.starts_us.0 <= *query.start_us.end()
        && *query.start_us.start() <= block.starts_us.1
}
