//! Tests of verdicts on episodes whose truth is known.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::diagnosis::testbed::{SPAN, bed};
use crate::gvae::testbed::Fault;

#[test]
fn explore() {
    let t = std::time::Instant::now();
    let bed = bed();
    eprintln!("trained {:?} objective {}", t.elapsed(), bed.slo.objective_ms);
    let mut cases: Vec<(String, Vec<Fault>)> = Vec::new();
    for s in 0..6 {
        let n = bed.app.services[s].name;
        cases.push((format!("cpu {n}"), vec![Fault::Cpu(s, 0.9)]));
        cases.push((format!("memory {n}"), vec![Fault::Memory(s, 2.7)]));
        cases.push((format!("latent {n}"), vec![Fault::Latent(s, 3.0)]));
    }
    for c in 0..6 {
        let call = &bed.app.calls[c];
        cases.push((format!("channel {}->{}", bed.app.services[call.caller].name, bed.app.services[call.callee].name), vec![Fault::Channel(c, 40.0)]));
    }
    for n in 0..3 {
        cases.push((format!("node {}", bed.app.nodes[n]), vec![Fault::Node(n, 0.75)]));
    }
    for l in [1.8, 2.0, 2.4] {
        cases.push((format!("load {l}"), vec![Fault::Load(l)]));
    }
    for (a, b) in [(1, 4), (2, 4), (3, 5)] {
        cases.push((format!("two cpu {a} latent {b}"), vec![Fault::Cpu(a, 0.9), Fault::Latent(b, 3.0)]));
    }
    for _ in 0..4 { cases.push(("healthy".into(), vec![])); }
    for (i, (name, faults)) in cases.iter().enumerate() {
        let frame = bed.broken(i as u64, faults);
        let t = std::time::Instant::now();
        let v = bed.ask(&frame);
        let el = t.elapsed();
        let mut line = format!("{name:24} {:10} tail {:6.1} ", v.kind.word(), bed.tail_ms(&frame));
        for c in &v.culprits {
            let cf = c.counterfactual.as_ref().unwrap();
            line += &format!("| {} {:?} {:.0} [{:.0} {:.0}] p{:.2} {}={:.1} ", c.service, c.node.as_ref().map(|n| n.to_string()), cf.quantile_ms, cf.low_ms, cf.high_ms, cf.p_slo_met, c.resources[0].resource, c.resources[0].surprise);
        }
        line += " rank:";
        for r in v.ranking.iter().take(3) { line += &format!(" {} {:.1}", r.service, r.score); }
        for w in &v.warnings { line += &format!(" ! {w}"); }
        eprintln!("{line} {el:?}");
    }
    let _ = SPAN;
}
