//! An example of what users waited for: the slowest trace through a service, as a waterfall.

use std::collections::BTreeMap;

use super::EngineError;
use super::core::Engine;
use crate::diagnosis::verdict::minus;
use crate::domain::{Clean, ServiceName, Timestamp};
use crate::telemetry::{Span, SpanId, TraceId, TraceQuery};

/// Traces that are looked at.
const LOOKED_AT: usize = 200;
/// Most spans that are shown; the rest is counted.
const MOST_SPANS: usize = 500;

/// One span of a waterfall.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanView {
    /// Whose it is.
    pub service: ServiceName,
    /// Its operation.
    pub operation: Clean,
    /// Steps below the top.
    pub depth: usize,
    /// From the start of the trace to its own, milliseconds, by the clocks that stamped them.
    pub after_ms: f64,
    /// How long it took, milliseconds.
    pub took_ms: f64,
    /// Whether the call failed.
    pub error: bool,
}

/// One trace, parents before their children.
#[derive(Clone, Debug, PartialEq)]
pub struct Waterfall {
    /// The trace's id, hexadecimal.
    pub trace: Clean,
    /// When it began.
    pub start: Timestamp,
    /// From its first start to its last end, milliseconds.
    pub took_ms: f64,
    /// Its spans.
    pub spans: Vec<SpanView>,
    /// Spans that are not shown.
    pub left_out: usize,
    /// How many traces it is the slowest of.
    pub of: usize,
    /// Whether there were more than were looked at.
    pub truncated: bool,
    /// Where a browser shows it.
    pub link: Clean,
}

impl Engine {
    /// The trace of the diagnosed windows before `at` in which `service` itself took longest; `None` if no
    /// trace passed through it.
    ///
    /// # Errors
    /// There are no traces in this context, or they cannot be had.
    pub async fn waterfall(
        &self,
        service: &ServiceName,
        at: Timestamp,
    ) -> Result<Option<Waterfall>, EngineError> {
        let Some(jaeger) = &self.jaeger else { return Err(EngineError::NoTraces) };
        let names = self.plan.names.in_traces(service);
        let (mut slowest, mut of, mut truncated) = (Slowest::new(names.clone()), 0, false);
        for name in names {
            let query = TraceQuery {
                service: name,
                operation: None,
                start: minus(at, self.diagnosis.window),
                end: at,
                min_duration: None,
                limit: LOOKED_AT,
            };
            let stats = jaeger.traces(&query, &mut |span| slowest.take(span)).await?;
            of += stats.traces;
            truncated |= stats.truncated;
        }
        let base = jaeger.unasked().url;
        Ok(slowest.end().and_then(|spans| waterfall(spans, of, truncated, base.as_str())))
    }
}

/// Keeps the slowest trace of those that pass by, span after span.
struct Slowest {
    names: Vec<ServiceName>,
    current: Vec<Span>,
    best: Option<(u64, Vec<Span>)>,
}

impl Slowest {
    fn new(names: Vec<ServiceName>) -> Self {
        Self { names, current: Vec::new(), best: None }
    }

    fn take(&mut self, span: Span) {
        if self.current.first().is_some_and(|first| first.trace != span.trace) {
            self.judge();
        }
        self.current.push(span);
    }

    fn judge(&mut self) {
        let spans = std::mem::take(&mut self.current);
        let own = spans.iter().filter(|span| self.names.contains(&span.service));
        let Some(longest) = own.map(|span| span.duration_ns).max() else { return };
        if self.best.as_ref().is_none_or(|(best, _)| longest > *best) {
            self.best = Some((longest, spans));
        }
    }

    fn end(mut self) -> Option<Vec<Span>> {
        self.judge();
        self.best.map(|(_, spans)| spans)
    }
}

/// Lays out the spans of one trace.
fn waterfall(mut spans: Vec<Span>, of: usize, truncated: bool, base: &str) -> Option<Waterfall> {
    spans.sort_by_key(|span| (span.start_ns, std::cmp::Reverse(span.duration_ns)));
    let (start_ns, trace) = spans.first().map(|span| (span.start_ns, span.trace))?;
    let end_ns = spans.iter().map(|span| span.start_ns.saturating_add(span.duration_ns)).max()?;
    let ms = |ns: u64| ns as f64 / 1e6;
    let order = depth_first(&spans);
    let shown = order.iter().take(MOST_SPANS).map(|(i, depth)| {
        let span = &spans[*i];
        SpanView {
            service: span.service.clone(),
            operation: span.operation.clone(),
            depth: *depth,
            after_ms: ms(span.start_ns - start_ns),
            took_ms: ms(span.duration_ns),
            error: span.error,
        }
    });
    let TraceId(id) = trace;
    let trace = format!("{id:032x}");
    Some(Waterfall {
        start: Timestamp::from_nanosecond(i128::from(start_ns)).ok()?,
        took_ms: ms(end_ns - start_ns),
        spans: shown.collect(),
        left_out: spans.len().saturating_sub(MOST_SPANS),
        of,
        truncated,
        link: Clean::capped(&format!("{}/trace/{trace}", base.trim_end_matches('/')), 1_000),
        trace: Clean::new(&trace),
    })
}

/// Every span once, with its depth: parents first, siblings by their start. A span whose parent is
/// missing stands at the top, and so does one of a ring.
fn depth_first(spans: &[Span]) -> Vec<(usize, usize)> {
    let by_id: BTreeMap<SpanId, usize> = spans.iter().enumerate().map(|(i, span)| (span.id, i)).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    let mut tops = Vec::new();
    for (i, span) in spans.iter().enumerate() {
        match span.parent.and_then(|id| by_id.get(&id)) {
            Some(parent) if *parent != i => children[*parent].push(i),
            _ => tops.push(i),
        }
    }
    let mut seen = vec![false; spans.len()];
    let mut order = Vec::with_capacity(spans.len());
    for top in tops.into_iter().chain(0..spans.len()) {
        let mut todo = vec![(top, 0)];
        while let Some((i, depth)) = todo.pop() {
            if std::mem::replace(&mut seen[i], true) {
                continue;
            }
            order.push((i, depth));
            todo.extend(children[i].iter().rev().map(|child| (*child, depth + 1)));
        }
    }
    order
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::telemetry::SpanKind;

    fn span(trace: u128, id: u64, parent: Option<u64>, service: &str, start_ms: u64, took_ms: u64) -> Span {
        Span {
            trace: TraceId(trace),
            id: SpanId(id),
            parent: parent.map(SpanId),
            follows: false,
            service: ServiceName::new(service),
            operation: Clean::new("op"),
            kind: SpanKind::Server,
            start_ns: (1_000_000 + start_ms) * 1_000_000,
            duration_ns: took_ms * 1_000_000,
            host: None,
            node: None,
            peer: None,
            error: false,
            warned: false,
        }
    }

    #[test]
    fn the_trace_in_which_the_service_itself_is_slowest_is_kept() {
        let mut slowest = Slowest::new(vec![ServiceName::new("b")]);
        for s in [
            span(1, 1, None, "a", 0, 900),
            span(1, 2, Some(1), "b", 10, 20),
            span(2, 3, None, "a", 0, 300),
            span(2, 4, Some(3), "b", 10, 250),
            span(3, 5, None, "a", 0, 5000),
        ] {
            slowest.take(s);
        }
        let spans = slowest.end().unwrap();
        assert_eq!(spans[0].trace, TraceId(2));
    }

    #[test]
    fn children_stand_below_their_parents_and_rings_end() {
        let spans = vec![
            span(1, 1, None, "a", 0, 100),
            span(1, 3, Some(1), "c", 60, 20),
            span(1, 2, Some(1), "b", 10, 40),
            span(1, 4, Some(2), "d", 20, 10),
            span(1, 5, Some(99), "orphan", 30, 10),
            span(1, 6, Some(7), "ring", 50, 10),
            span(1, 7, Some(6), "ring", 55, 10),
            span(1, 8, Some(8), "itself", 70, 1),
        ];
        let w = waterfall(spans, 3, false, "http://jaeger:16686/").unwrap();
        let rows: Vec<_> = w.spans.iter().map(|s| (s.service.to_string(), s.depth)).collect();
        let expected =
            [("a", 0), ("b", 1), ("d", 2), ("c", 1), ("orphan", 0), ("itself", 0), ("ring", 0), ("ring", 1)];
        assert_eq!(rows, expected.map(|(name, depth)| (name.to_owned(), depth)));
        assert_eq!((w.took_ms, w.spans[1].after_ms), (100.0, 10.0));
        assert_eq!(w.link.as_str(), format!("http://jaeger:16686/trace/{:032x}", 1));
    }
}
