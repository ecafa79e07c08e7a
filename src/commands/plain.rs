//! `--plain`: a statement a line, without columns, signs or drawings, for pipes and for screen readers.

use std::io::{self, Write};

use crate::causal::CallGraph;
use crate::domain::{SloStatus, duration};

/// How the objectives stand.
pub fn status(slos: &[SloStatus], out: &mut impl Write) -> io::Result<()> {
    for slo in slos {
        let observed = slo.observed_ms.map_or_else(|| "no data".to_owned(), |ms| format!("{ms:.0} ms"));
        write!(out, "{} is {}: {observed}, at most {:.0} ms", slo.name, slo.state, slo.objective_ms)?;
        for burn in &slo.burn {
            if let Some(rate) = burn.rate {
                write!(out, ", burn rate over {} {rate:.1}", burn.window)?;
            }
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

/// Who calls whom.
pub fn graph(graph: &CallGraph, out: &mut impl Write) -> io::Result<()> {
    for service in graph.services() {
        let callees: Vec<_> = graph.callees(service).iter().map(|callee| callee.as_str()).collect();
        match callees.as_slice() {
            [] => writeln!(out, "{service} calls nothing.")?,
            callees => writeln!(out, "{service} calls {}.", callees.join(", "))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::causal::EdgeOrigin;
    use crate::domain::{Burn, Clean, ServiceName, SloState};

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
            "checkout-p95 is BURNING: 288 ms, at most 300 ms, burn rate over 5m 3.4, 31 percent of the budget left, \
             newest sample 4s old.\n"
        );
        (slo.state, slo.observed_ms, slo.budget_left) = (SloState::Unknown, None, None);
        (slo.burn, slo.newest_sample_age_s) = (Vec::new(), None);
        assert_eq!(
            text(|out| status(&[slo], out)),
            "checkout-p95 is UNKNOWN: no data, at most 300 ms, no sample.\n"
        );
    }

    #[test]
    fn a_service_is_a_sentence() {
        let (mut calls, name) = (CallGraph::default(), ServiceName::new);
        for callee in ["cart", "ads"] {
            calls.add_edge(&name("frontend"), &name(callee), EdgeOrigin::Spans, 10);
        }
        let said = text(|out| graph(&calls, out));
        let mut lines: Vec<_> = said.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines[..2], ["ads calls nothing.", "cart calls nothing."]);
        assert!(["frontend calls ads, cart.", "frontend calls cart, ads."].contains(&lines[2]), "{said}");
    }
}
