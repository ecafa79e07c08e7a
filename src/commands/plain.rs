//! `--plain`: a statement a line, without columns, signs or drawings, for pipes and for screen readers.

use std::collections::VecDeque;
use std::io::{self, Write};

use crate::causal::CallGraph;
use crate::domain::{ServiceName, SloStatus, duration};

/// How the objectives stand.
pub fn status(slos: &[SloStatus], out: &mut impl Write) -> io::Result<()> {
    for slo in slos {
        let observed = slo.observed_ms.map_or_else(|| "no data".to_owned(), |ms| format!("{ms:.0} ms"));
        write!(out, "{} is {}: {observed}, at most {:.0} ms", slo.name, slo.state, slo.objective_ms)?;
        let rates =
            slo.burn.iter().filter_map(|burn| Some(format!("{:.1} over {}", burn.rate?, burn.window)));
        let rates: Vec<_> = rates.collect();
        if !rates.is_empty() {
            write!(out, ", burn rate {}", rates.join(", "))?;
        }
        if let Some(left) = slo.budget_left {
            write!(out, ", {:.0} percent of the budget left", 100.0 * left)?;
        }
        match slo.newest_sample_age_s.and_then(|age| std::time::Duration::try_from_secs_f64(age.round()).ok())
        {
            Some(age) => writeln!(out, ", newest sample {} old.", duration::format(age))?,
            None => writeln!(out, ", no sample.")?,
        }
    }
    Ok(())
}

/// Who calls whom: callers before those they call, then in one line each who calls nothing, and whom nobody calls.
pub fn graph(graph: &CallGraph, out: &mut impl Write) -> io::Result<()> {
    let calls = |service: &&ServiceName| !graph.callees(service).is_empty();
    let called = |service: &&ServiceName| !graph.callers(service).is_empty();
    let services = graph.services();
    // From those that nobody calls; what is only in a cycle comes last.
    let (starts, rest): (Vec<_>, Vec<_>) = services.iter().copied().partition(|service| !called(service));
    let mut order: Vec<&ServiceName> = Vec::new();
    let mut waiting: VecDeque<&ServiceName> = starts.into_iter().chain(rest).collect();
    let mut next: VecDeque<&ServiceName> = VecDeque::new();
    while let Some(service) = next.pop_front().or_else(|| waiting.pop_front()) {
        if !order.contains(&service) {
            order.push(service);
            next.extend(graph.callees(service));
        }
    }
    for service in order.iter().filter(|service| calls(service)) {
        writeln!(out, "{service} calls {}.", list(&graph.callees(service)))?;
    }
    let (ends, alone): (Vec<_>, Vec<_>) =
        order.into_iter().filter(|service| !calls(service)).partition(|service| called(service));
    if !ends.is_empty() {
        writeln!(out, "These call nothing: {}.", list(&ends))?;
    }
    if !alone.is_empty() {
        writeln!(out, "These neither call nor are called: {}.", list(&alone))?;
    }
    Ok(())
}

fn list(services: &[&ServiceName]) -> String {
    services.iter().map(|service| service.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::causal::EdgeOrigin;
    use crate::domain::{Burn, Clean, SloState};

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_objective_is_a_sentence() {
        let mut slo = SloStatus {
            name: Clean::new("checkout-p95"),
            state: SloState::Burning,
            observed_ms: Some(288.4),
            objective_ms: 300.0,
            burn: vec![
                Burn { window: Clean::new("5m"), rate: Some(3.42) },
                Burn { window: Clean::new("1h"), rate: None },
            ],
            budget_left: Some(0.31),
            newest_sample_age_s: Some(4.2),
            recent_ms: Vec::new(),
            at: "2026-03-02T03:12:40Z".parse().unwrap(),
        };
        assert_eq!(
            text(|out| status(std::slice::from_ref(&slo), out)),
            "checkout-p95 is BURNING: 288 ms, at most 300 ms, burn rate 3.4 over 5m, 31 percent of the budget left, \
             newest sample 4s old.\n"
        );
        (slo.state, slo.observed_ms, slo.budget_left) = (SloState::Unknown, None, None);
        (slo.burn, slo.newest_sample_age_s) = (Vec::new(), None);
        assert_eq!(
            text(|out| status(&[slo], out)),
            "checkout-p95 is UNKNOWN: no data, at most 300 ms, no sample.\n"
        );
    }

    fn said(edges: &[(&str, &str)], alone: &[&str]) -> String {
        let (mut calls, name) = (CallGraph::default(), ServiceName::new);
        for (caller, callee) in edges {
            calls.add_edge(&name(caller), &name(callee), EdgeOrigin::Spans, 10);
        }
        for service in alone {
            calls.add_service(&name(service), true);
        }
        text(|out| graph(&calls, out))
    }

    #[test]
    fn a_caller_is_a_sentence_and_comes_before_whom_it_calls() {
        let edges = [("cart", "redis"), ("web", "cart"), ("web", "ads"), ("ads", "redis")];
        assert_eq!(
            said(&edges, &["cron"]),
            "web calls ads, cart.\nads calls redis.\ncart calls redis.\nThese call nothing: redis.\n\
             These neither call nor are called: cron.\n"
        );
        assert_eq!(said(&[("b", "a"), ("a", "b")], &[]), "a calls b.\nb calls a.\n");
        assert_eq!(said(&[], &[]), "");
    }
}
