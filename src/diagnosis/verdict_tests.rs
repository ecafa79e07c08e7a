//! Tests of verdicts on episodes whose truth is known.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::diagnosis::testbed::{SPAN, bed};
use crate::gvae::testbed::{Episode, Fault};

#[test]
fn explore() {
    let bed = bed();
    let mut covered = 0;
    let mut all = 0;
    for s in 0..6 {
        for fault in [Fault::Cpu(s, 1.2), Fault::Memory(s, 2.8), Fault::Latent(s, 4.0), Fault::Channel(s, 50.0)] {
            let frame = bed.broken(100 + s as u64, &[fault]);
            let truth = bed.tail_ms(&bed.broken(100 + s as u64, &[]));
            let tail = bed.tail_ms(&frame);
            let v = bed.ask(&frame);
            let top = &v.suspects[0];
            let cf = top.counterfactual.as_ref().unwrap();
            let inside = cf.low_ms <= truth && truth <= cf.high_ms;
            covered += usize::from(inside);
            all += 1;
            eprintln!("{fault:?} {} truth {truth:.1} tail {tail:.1} {} cf {:.1} [{:.1} {:.1}] {inside} err {:.1}% removed {:.2}", v.kind.word(), top.service, cf.quantile_ms, cf.low_ms, cf.high_ms, 100.0*(cf.quantile_ms/truth-1.0), (tail-cf.quantile_ms)/(tail-truth));
        }
    }
    eprintln!("covered {covered} of {all}");
    for (i, l) in [1.2, 1.35, 1.5, 1.7].into_iter().enumerate() {
        let frame = bed.broken(200 + i as u64, &[Fault::Load(l)]);
        let v = bed.ask(&frame);
        eprintln!("load {l} {} tail {} {:?}", v.kind.word(), bed.tail_ms(&frame), v.warnings);
        let e = evidence::collect(&bed.model, &bed.reference, &bed.kinds, &frame, 7.0).unwrap();
        for (what, map) in [("x", &e.metrics), ("y", &e.latencies), ("n", &e.channels)] {
            for f in map.values().flatten().filter(|f| f.surprise > 5.0) {
                eprintln!("   {what} {} {} {:.1}  obs {:?} normal {:?}", f.entity, f.what, f.surprise, f.observed, f.normal);
            }
        }
    }
    let _ = (SPAN, Episode::quiet(1, 1));
}
