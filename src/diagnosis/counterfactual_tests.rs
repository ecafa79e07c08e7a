//! Tests of counterfactuals, where possible against the true ones.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::diagnosis::testbed::{Bed, SPAN, bed};
use crate::domain::{Entity, Party, Side};
use crate::gvae::testbed::{Fault, call_rpc, service};

/// The intervention "service `s` and the channels to it are normal".
fn normal(bed: &Bed, s: usize) -> Intervention {
    let name = service(&bed.app, s);
    let touched = |entity: &Entity| match entity {
        Entity::Service(service) => *service == name,
        Entity::Channel { callee, .. } => *callee == name,
        Entity::Node(_) => false,
    };
    let entities = bed.model.cbn.entities.iter().enumerate();
    entities.filter(|(_, e)| touched(&e.entity)).map(|(i, _)| (i, Reset::all())).collect()
}

/// The users' p90 had `intervention` been in force.
fn tail(bed: &Bed, world: &World, intervention: &Intervention) -> Counterfactual {
    let prediction = world.predict(intervention).unwrap();
    let target = bed.target();
    summary(world.quantile_ms(&prediction, target.node, target.quantile).unwrap(), bed.slo.objective_ms)
        .unwrap()
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    let difference = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
    difference.to_vec1::<f32>().unwrap().into_iter().fold(0.0, f32::max)
}

#[test]
fn without_an_intervention_the_observation_comes_back() {
    let bed = bed();
    for (seed, faults) in [(1, vec![]), (2, vec![Fault::Cpu(5, 0.9)]), (3, vec![Fault::Channel(1, 60.0)])] {
        let frame = bed.broken(seed, &faults);
        let world = bed.world(&frame);
        let untouched = world.predict(&Intervention::new()).unwrap();
        assert!(untouched.touched.iter().all(|t| !t));
        assert_eq!(world.explained(&untouched).unwrap(), 0.0);
        let observed = tail(bed, &world, &Intervention::new());
        // Lost values stand at their decoded ones, and the SLO's median skips them.
        let truth = bed.tail_ms(&frame);
        assert!((observed.quantile_ms / truth - 1.0).abs() < 0.05, "{} {truth}", observed.quantile_ms);
        let inputs = Inputs::read(&bed.model.cbn, &bed.model.normaliser, &frame.rows(40..45));
        for (j, y) in untouched.y.ln.iter().enumerate() {
            let got = y.narrow(0, 0, SPAN).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let known = got.iter().zip(&inputs.y[j]).zip(&inputs.weight[j]).filter(|(_, w)| **w > 0.0);
            known.for_each(|((got, seen), _)| assert!((got - seen).abs() < 1e-5, "{got} {seen}"));
        }
    }
}

#[test]
fn an_intervention_that_changes_nothing_changes_nothing() {
    let bed = bed();
    let world = bed.world(&bed.broken(4, &[Fault::Latent(5, 3.0)]));
    let before = world.predict(&Intervention::new()).unwrap();
    let nothing = Reset { resources: Some(Vec::new()), share: 0.0 };
    let all: Intervention = (0..bed.model.cbn.entities.len()).map(|e| (e, nothing.clone())).collect();
    let after = world.predict(&all).unwrap();
    assert!(after.touched.iter().all(|t| *t));
    for (a, b) in before.y.ln.iter().zip(&after.y.ln) {
        assert!(largest_difference(a, b) < 1e-4);
    }
}

#[test]
fn only_what_descends_from_it_is_touched() {
    let bed = bed();
    let frame = bed.broken(5, &[]);
    let world = bed.world(&frame);
    let before = world.predict(&Intervention::new()).unwrap();
    let payment = bed.model.cbn.entity(&Entity::Service(service(&bed.app, 4))).unwrap();
    let after = world.predict(&Intervention::from([(payment, Reset::all())])).unwrap();
    let upstream = ["payment", "checkout", "web"];
    for (j, node) in bed.model.cbn.latencies.iter().enumerate() {
        let descends = node.side != Side::Network
            && node.rpc.callee.service().is_some_and(|s| upstream.contains(&s.as_str()))
            && !matches!(&node.rpc.caller, Party::Service(s) if s.as_str() == "web" && node.rpc.callee != Party::Service(service(&bed.app, 3)));
        assert_eq!(after.touched[j], descends, "{} {:?}", node.rpc, node.side);
        if !descends {
            assert_eq!(largest_difference(&before.y.ln[j], &after.y.ln[j]), 0.0);
        }
    }
}

#[test]
fn in_ordinary_times_nothing_is_there_to_gain() {
    let bed = bed();
    let frame = bed.broken(6, &[]);
    let (world, truth) = (bed.world(&frame), bed.tail_ms(&frame));
    for s in 0..6 {
        let gained = 1.0 - tail(bed, &world, &normal(bed, s)).quantile_ms / truth;
        assert!(gained.abs() < 0.06, "{}: {gained}", bed.app.services[s].name);
    }
}

/// A fault of every kind at every service or channel, with the service that is to blame.
fn faults(bed: &Bed) -> Vec<(Fault, usize)> {
    (0..6)
        .flat_map(|s| [(Fault::Cpu(s, 1.2), s), (Fault::Memory(s, 3.5), s), (Fault::Latent(s, 4.0), s)])
        .chain((0..6).map(|c| (Fault::Channel(c, 50.0), bed.app.calls[c].callee)))
        .collect()
}

#[test]
fn the_culprit_back_to_normal_restores_the_tail() {
    let bed = bed();
    let (mut covered, mut errors, mut shares) = (0, Vec::new(), Vec::new());
    for (i, (fault, culprit)) in faults(bed).into_iter().enumerate() {
        let seed = 20 + i as u64;
        let frame = bed.broken(seed, &[fault]);
        // The same noise without the fault: the true counterfactual.
        let (observed, truth) = (bed.tail_ms(&frame), bed.tail_ms(&bed.broken(seed, &[])));
        let world = bed.world(&frame);
        let had = tail(bed, &world, &normal(bed, culprit));
        covered += usize::from(had.low_ms <= truth && truth <= had.high_ms);
        errors.push((had.quantile_ms / truth).ln().abs());
        shares.push((observed - had.quantile_ms) / (observed - truth));
        let innocent = tail(bed, &world, &normal(bed, if culprit == 4 { 2 } else { 4 }));
        let by_innocent = (observed - innocent.quantile_ms) / (observed - truth);
        println!("{fault:?}: {observed:.1} ms, {had:?}, true {truth:.1} ms, innocent {by_innocent:.2}");
        assert!(shares[i] > 0.5, "{fault:?} at {culprit}: only {:.2} of the excess is gone", shares[i]);
        assert!(by_innocent.abs() < 0.35, "{fault:?}: resetting an innocent removes {by_innocent:.2}");
    }
    let n = errors.len();
    errors.sort_by(f64::total_cmp);
    shares.sort_by(f64::total_cmp);
    println!(
        "{covered} of {n} true tails in the 90 % interval; error {:.3} (median), {:.3} (most); \
         excess removed {:.2} (least), {:.2} (median)",
        errors[n / 2],
        errors[n - 1],
        shares[0],
        shares[n / 2]
    );
    assert!(errors[n / 2] < 0.10 && errors[n - 1] < 0.20);
    assert!(shares[n / 2] > 0.8);
}

#[test]
fn a_share_goes_a_part_of_the_way() {
    let bed = bed();
    let world = bed.world(&bed.broken(7, &[Fault::Latent(5, 4.0)]));
    let part = |share: f64| {
        let reset = Reset { resources: Some(Vec::new()), share };
        let all = normal(bed, 5).into_keys().map(|e| (e, reset.clone())).collect();
        tail(bed, &world, &all).quantile_ms
    };
    let ms = [0.0, 0.5, 1.0].map(part);
    assert!(ms[0] > 1.05 * ms[1] && ms[1] > 1.05 * ms[2], "{ms:?}");
}

#[test]
fn the_same_question_has_the_same_answer() {
    let bed = bed();
    let frame = bed.broken(8, &[Fault::Cpu(2, 0.9)]);
    let answer = || tail(bed, &bed.world(&frame), &normal(bed, 2));
    assert_eq!(answer(), answer());
}

#[test]
fn gaps_do_not_spread() {
    let bed = bed();
    let mut frame = bed.broken(9, &[Fault::Channel(4, 50.0)]);
    let lost = call_rpc(&bed.app, 4);
    for (column, values) in &mut frame.columns {
        let gone = match column {
            crate::domain::Column::Latency { rpc, .. } => *rpc == lost,
            crate::domain::Column::Metric { feature, .. } => feature.as_str() == "memory_working_set",
        };
        values[WORLD].iter_mut().filter(|_| gone).for_each(|v| *v = f32::NAN);
    }
    let world = bed.world(&frame);
    for s in 0..6 {
        let prediction = world.predict(&normal(bed, s)).unwrap();
        for y in &prediction.y.ln {
            assert!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().all(|v| v.is_finite()));
        }
        assert!((0.0..=1.0).contains(&world.explained(&prediction).unwrap()));
    }
}

/// The diagnosed rows of an episode.
const WORLD: std::ops::Range<usize> = 40..45;

#[test]
fn summaries_count_what_is_known() {
    assert_eq!(summary(Vec::new(), 10.0), None);
    assert_eq!(summary(vec![f32::NAN, f32::INFINITY], 10.0), None);
    let of = summary((1..=101).map(|i| i as f32).chain([f32::NAN]).collect(), 25.5).unwrap();
    assert_eq!((of.low_ms, of.quantile_ms, of.high_ms), (6.0, 51.0, 96.0));
    assert!((of.p_slo_met - 25.0 / 101.0).abs() < 1e-12);
}
