//! How often which verdict is given for which fault, on episodes with all that happens in a day
//! besides: load that drifts, work beside the requests.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::*;
use crate::diagnosis::testbed::{Bed, bed};
use crate::gvae::testbed::{Fault, service};

/// What came out for one kind of fault.
#[derive(Debug, Default)]
struct Row {
    asked: usize,
    verdicts: BTreeMap<&'static str, usize>,
    /// The first of the ranking is true.
    first: usize,
    /// The blamed set is exactly the true one.
    exact: usize,
    /// The true tail without the fault lies in the 90 % interval of the culprit's.
    covered: usize,
    /// Of how many.
    intervals: usize,
}

struct Table<'a> {
    bed: &'a Bed,
    rows: BTreeMap<&'static str, Row>,
    seed: u64,
}

impl Table<'_> {
    /// Asks about the mildest of some sizes of `fault` that breaks the objective, if one does;
    /// `truth` are the services that may be blamed for it: one of them, or nobody if empty.
    fn ask(&mut self, kind: &'static str, truth: &[usize], fault: impl Fn(f64) -> Fault) {
        self.seed += 1;
        let bed = self.bed;
        let quiet = bed.tail_ms(&bed.restless(self.seed, 1.0, &[]));
        if quiet > bed.slo.objective_ms {
            return;
        }
        let frames = [1.0, 1.5, 2.0, 3.0].map(|size| bed.restless(self.seed, 1.0, &[fault(size)]));
        let mut breaking = frames.into_iter().filter(|frame| bed.tail_ms(frame) > bed.slo.objective_ms);
        let Some(frame) = breaking.next() else { return };
        let verdict = bed.ask(&frame);
        let row = self.rows.entry(kind).or_default();
        row.asked += 1;
        *row.verdicts.entry(verdict.kind.word()).or_default() += 1;
        let names: Vec<ServiceName> = truth.iter().map(|s| service(&bed.app, *s)).collect();
        row.first += usize::from(names.contains(&verdict.ranking[0].service));
        row.exact += usize::from(match names.is_empty() {
            true => verdict.culprits.is_empty(),
            false => verdict.culprits.len() == 1 && names.contains(&verdict.culprits[0].service),
        });
        let of = verdict.suspects.iter().find(|s| names.first() == Some(&s.service));
        if let (1, Some(had)) = (names.len(), of.and_then(|s| s.counterfactual)) {
            row.intervals += 1;
            row.covered += usize::from(had.low_ms <= quiet && quiet <= had.high_ms);
        }
    }
}

#[test]
#[ignore = "takes a minute or two; run it to measure"]
fn confusion() {
    let bed = bed();
    let mut table = Table { bed, rows: BTreeMap::new(), seed: 5000 };
    for _ in 0..2 {
        for s in 0..6 {
            table.ask("cpu", &[s], |size| Fault::Cpu(s, 0.7 * size));
            table.ask("memory", &[s], |size| Fault::Memory(s, 2.0 + size));
            table.ask("latent", &[s], |size| Fault::Latent(s, 1.0 + 2.0 * size));
            let callee = bed.app.calls[s].callee;
            table.ask("channel", &[callee], |size| Fault::Channel(s, 40.0 * size));
            table.ask("load", &[], |size| Fault::Load(1.0 + 0.4 * size));
            let node = s % 3;
            let here = |s: &usize| bed.app.services[*s].node == node;
            let victims: Vec<usize> = (0..6).filter(here).collect();
            table.ask("node", &victims, |size| Fault::Node(node, 0.5 + 0.15 * size));
        }
    }
    let (mut asked, mut first, mut exact, mut covered, mut intervals) = (0, 0, 0, 0, 0);
    for (kind, row) in &table.rows {
        println!("{kind:<8} {row:?}");
        if *kind != "load" {
            asked += row.asked;
            first += row.first;
            exact += row.exact;
            covered += row.covered;
            intervals += row.intervals;
        }
    }
    println!("of {asked}: first {first}, exact {exact}; {covered} of {intervals} intervals cover");
    assert!(first * 100 >= 90 * asked && exact * 100 >= 80 * asked);
}
