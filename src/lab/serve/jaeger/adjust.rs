//! What Jaeger remarks on a trace that is not asked for raw (`adjuster/clockskew.go`).
//!
//! It guesses from a child outside of its parent how far the clocks of their hosts are apart. Moving the
//! child is off by default (`max_clock_skew_adjust` is 0), so that all that is left of it is the warning.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::go;
use crate::lab::traces::{Hex, SpanRef, Text};

/// The warnings of each span of a trace.
pub(super) fn warnings(spans: &[SpanRef<'_>]) -> Vec<Vec<String>> {
    let mut warnings = vec![Vec::new(); spans.len()];
    let mut by_id = HashMap::new();
    for (i, span) in spans.iter().enumerate() {
        match by_id.entry(span.id) {
            Entry::Vacant(free) => {
                free.insert(i);
            }
            Entry::Occupied(_) => {
                warnings[i].push("duplicate span IDs; skipping clock skew adjustment".to_owned());
            }
        }
    }
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    let mut ahead = Vec::new();
    for &i in by_id.values() {
        let root = Visit { span: i, parent: None, host: spans[i].host, delta_ns: 0 };
        match spans[i].parent.map(|id| (id, by_id.get(&id))) {
            None => ahead.push(root),
            Some((_, Some(parent))) => children[*parent].push(i),
            Some((id, None)) => {
                let id = Hex::<16>(id.into());
                warnings[i]
                    .push(format!("parent span ID={id} is not in the trace; skipping clock skew adjustment"));
                ahead.push(root);
            }
        }
    }
    while let Some(mut visit) = ahead.pop() {
        let span = &spans[visit.span];
        // Spans on one host share the skew of the first.
        if let Some(parent) = visit.parent
            && (span.host != visit.host || span.host.is_empty())
        {
            (visit.host, visit.delta_ns) = (span.host, skew_ns(span, &spans[parent]));
        }
        if visit.delta_ns != 0 {
            let delta = go::format_duration(visit.delta_ns);
            let remark = "clock skew adjustment disabled; not applying calculated delta of";
            warnings[visit.span].push(format!("{remark} {delta}"));
        }
        let below = children[visit.span].iter();
        ahead.extend(below.map(|&child| Visit { span: child, parent: Some(visit.span), ..visit }));
    }
    warnings
}

/// A span still to be looked at, with the skew of the one above.
#[derive(Clone, Copy)]
struct Visit<'s> {
    span: usize,
    parent: Option<usize>,
    host: &'s Text,
    delta_ns: i64,
}

/// By how much a child would have to be moved, in nanoseconds.
fn skew_ns(child: &SpanRef<'_>, parent: &SpanRef<'_>) -> i64 {
    let behind_us = parent.start_us.saturating_sub(child.start_us);
    let spare_us = parent.duration_us.saturating_sub(child.duration_us);
    if spare_us < 0 {
        // It went on without its parent: it should just not begin before it.
        return behind_us.max(0).saturating_mul(1000);
    }
    if behind_us <= 0 && behind_us.saturating_neg() <= spare_us {
        return 0;
    }
    // As if the way there took as long as the way back.
    behind_us.saturating_mul(1000).saturating_add(spare_us.saturating_mul(1000) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::traces::Span;

    /// Id, parent, host, start and duration in microseconds.
    fn span((id, parent, host, start_us, duration_us): (u64, u64, &str, i64, i64)) -> Span {
        Span {
            trace: 1,
            id,
            parent: (parent > 0).then_some(parent),
            service: "s".into(),
            operation: "o".into(),
            host: host.into(),
            start_us,
            duration_us,
            kind: None,
            error: false,
            tags: Vec::new(),
            received_ms: 0,
        }
    }

    #[track_caller]
    fn check(spans: &[(u64, u64, &str, i64, i64)], expected: &[&[&str]]) {
        let spans: Vec<Span> = spans.iter().copied().map(span).collect();
        let spans: Vec<SpanRef<'_>> = spans.iter().map(SpanRef::from).collect();
        assert_eq!(warnings(&spans), expected);
    }

    #[test]
    fn children_outside_of_their_parents_are_remarked_on() {
        let early = "clock skew adjustment disabled; not applying calculated delta of 15µs";
        let late = "clock skew adjustment disabled; not applying calculated delta of -55.5µs";
        check(
            &[
                (1, 0, "a", 100, 50),
                (2, 1, "b", 110, 30),
                // (50 - 40) / 2 after the parent's start.
                (3, 1, "c", 90, 40),
                // Everything on that host is off by as much.
                (4, 3, "c", 0, 1),
                // (50 - 41) / 2 after the parent's start, which is 60 before it.
                (5, 1, "d", 160, 41),
                // The same host has the same clock.
                (6, 1, "a", 0, 1),
            ],
            &[&[], &[], &[early], &[early], &[late], &[]],
        );
        let begins_before = "clock skew adjustment disabled; not applying calculated delta of 1.5ms";
        check(
            &[(1, 0, "a", 2000, 50), (2, 1, "b", 500, 60), (3, 1, "b", 2001, 60)],
            &[&[], &[begins_before], &[]],
        );
    }

    #[test]
    fn what_is_no_tree_is_remarked_on() {
        check(
            &[(1, 9, "a", 0, 1), (1, 0, "a", 0, 1), (2, 3, "a", 0, 1), (3, 2, "b", 0, 1)],
            &[
                &["parent span ID=0000000000000009 is not in the trace; skipping clock skew adjustment"],
                &["duplicate span IDs; skipping clock skew adjustment"],
                // Two that call each other hang on nothing.
                &[],
                &[],
            ],
        );
    }
}
