//! Tests of counterfactuals, where possible against the true ones.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::diagnosis::tail::Tail;
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
    let target = bed.target();
    world.outcome(intervention, (target.node, target.quantile), bed.slo.objective_ms).unwrap().unwrap()
}

/// Log-latencies of node `j`, quantile by quantile, each in all rows.
fn ln(world: &World, prediction: &Prediction, j: usize) -> Vec<Vec<f32>> {
    (0..world.model.normaliser.y[j].len()).map(|q| world.quantile(prediction, j, q).collect()).collect()
}

fn largest_difference(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    assert!(a.iter().map(Vec::len).eq(b.iter().map(Vec::len)));
    a.iter().flatten().zip(b.iter().flatten()).fold(0.0, |most, (a, b)| (a - b).abs().max(most))
}

fn average_difference(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    let n = pairs.clone().count();
    pairs.map(|(a, b)| (a - b).abs()).sum::<f32>() / n as f32
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
        for j in 0..inputs.y.len() {
            let got = ln(&world, &untouched, j);
            let got = (0..SPAN).flat_map(|row| got.iter().map(move |q| q[row]));
            let known = got.zip(&inputs.y[j]).zip(&inputs.weight[j]).filter(|(_, w)| **w > 0.0);
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
    for j in 0..bed.model.cbn.latencies.len() {
        assert!(largest_difference(&ln(&world, &before, j), &ln(&world, &after, j)) < 1e-4);
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
            assert_eq!(largest_difference(&ln(&world, &before, j), &ln(&world, &after, j)), 0.0);
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
        for j in 0..bed.model.cbn.latencies.len() {
            assert!(ln(&world, &prediction, j).iter().flatten().all(|v| v.is_finite()));
        }
        assert!((0.0..=1.0).contains(&world.explained(&prediction).unwrap()));
    }
}

/// The diagnosed rows of an episode.
const WORLD: std::ops::Range<usize> = 40..45;

#[test]
fn summaries_count_what_is_known() {
    assert_eq!(summary(Vec::new(), 10.0, 10.0), None);
    assert_eq!(summary(vec![f32::NAN, f32::INFINITY], 10.0, 10.0), None);
    let all: Vec<f32> = (1..=101).map(|i| i as f32).chain([f32::NAN]).collect();
    let of = summary(all.clone(), 51.0, 25.5).unwrap();
    assert_eq!(of.quantile_ms, 51.0);
    assert!((3.0..6.5).contains(&of.low_ms) && (96.0..115.0).contains(&of.high_ms), "{of:?}");
    assert!((of.p_slo_met - 25.0 / 101.0).abs() < 0.02, "{of:?}");
    // What is far from what was observed is known less well.
    let far = summary(all, 200.0, 25.5).unwrap();
    assert_eq!(far.quantile_ms, 51.0);
    assert!(far.low_ms < of.low_ms && far.high_ms > of.high_ms, "{far:?}");
}

/// Answers of both paths to a few questions, the last one asked twice; gives how many latencies were
/// decoded.
///
/// What is drawn afresh has the factor √(1 − s²) with s, a quotient of scales, near 1: there, the last
/// bit of s is the fourth digit of the root. So all else is compared to 4e-5 (what callees account for is
/// the difference of two latencies, which leaves a digit less), and with that on the average.
#[track_caller]
fn agree(model: &Gvae, reference: &Reference, kinds: &FeatureKinds, frame: &Frame, samples: usize) -> usize {
    let settings = DiagnosisSettings { samples, seed: 3, ..DiagnosisSettings::default() };
    let mut fast = World::abduct(model, reference, kinds, frame, &settings).unwrap();
    let mut slow = plain::Plain::abduct(model, reference, kinds, frame, &settings).unwrap();
    let compared = close(&fast, &slow, average_difference, 1e-4);
    fast.tiles.iter_mut().for_each(|tile| tile.fresh.numbers_mut().fill(0.0));
    slow.fresh.iter_mut().for_each(|fresh| *fresh = fresh.zeros_like().unwrap());
    assert_eq!(compared, close(&fast, &slow, largest_difference, 4e-5));
    compared
}

/// How far two answers lie apart.
type Difference = fn(&[Vec<f32>], &[Vec<f32>]) -> f32;

#[track_caller]
fn close(fast: &World, slow: &plain::Plain, difference: Difference, tolerance: f32) -> usize {
    let model = fast.model;
    let entities = model.cbn.entities.len();
    let reset = |e: usize| match e % 4 {
        0 => Reset { resources: Some(vec![Resource::Cpu]), share: 0.4 },
        1 => Reset { resources: Some(Vec::new()), share: 1.0 },
        _ => Reset::all(),
    };
    let mut questions: Vec<Intervention> = (0..entities).map(|e| [(e, reset(e))].into()).collect();
    questions.push((0..entities).step_by(2).map(|e| (e, reset(e))).collect());
    questions.push([(0, Reset::all())].into());
    questions.push([(0, Reset::all())].into());
    let mut compared = 0;
    for question in &questions {
        let (fast_answer, slow_answer) = (fast.predict(question).unwrap(), slow.predict(question).unwrap());
        assert_eq!(fast_answer.touched, slow_answer.touched);
        for (j, slow) in slow_answer.y.ln.iter().enumerate() {
            let slow = slow.t().unwrap().to_vec2::<f32>().unwrap();
            let most = slow.iter().flatten().fold(1.0f32, |m, v| m.max(v.abs()));
            let apart = difference(&ln(fast, &fast_answer, j), &slow);
            assert!(
                apart <= tolerance * most,
                "{apart} of {most} at {}: {question:?}",
                model.cbn.latencies[j].rpc
            );
            compared += usize::from(slow_answer.touched[j]);
        }
    }
    compared
}

#[test]
fn answers_are_those_of_the_reference() {
    let bed = bed();
    for (seed, faults) in
        [(31, vec![]), (32, vec![Fault::Latent(5, 6.0)]), (33, vec![Fault::Channel(1, 90.0)])]
    {
        let frame = bed.broken(seed, &faults);
        let compared = agree(&bed.model, &bed.reference, &bed.kinds, &frame, bed.settings.samples);
        assert!(compared > 50, "{compared}");
    }
}

/// What a service takes by itself stays, whatever happens to its callees.
#[test]
fn own_time_beyond_doubt_stays() {
    let bed = bed();
    let frame = bed.broken(33, &[Fault::Channel(1, 90.0)]);
    let mut reference = bed.reference.clone();
    for own in reference.own_times.iter_mut().flatten() {
        // As if nothing of it were usual.
        own.usual.iter_mut().for_each(|usual| *usual = (-1e3, 1.0));
        own.tail = Tail { threshold: 1e-3, excess: 1e-3 };
    }
    agree(&bed.model, &reference, &bed.kinds, &frame, bed.settings.samples);
    let callee = normal(bed, bed.app.calls[1].callee);
    let tails = [&bed.reference, &reference].map(|reference| {
        let world = World::abduct(&bed.model, reference, &bed.kinds, &frame, &bed.settings).unwrap();
        let prediction = world.predict(&callee).unwrap();
        let touched = (0..prediction.touched.len()).filter(|j| prediction.touched[*j]);
        touched
            .map(|j| f64::from(median(&mut world.quantile_ms(&prediction, j, 0).unwrap()).unwrap()))
            .sum::<f64>()
    });
    assert!(tails[1] > 1.02 * tails[0], "{tails:?}");
}

#[test]
fn answers_are_those_of_the_reference_whatever_the_network() {
    use crate::gvae::fast::random::Random;
    let kinds = FeatureKinds::of(&crate::gvae::testbed::kinds());
    for seed in 0..20 {
        let Random { model, frame } = Random::new(seed, 40);
        let reference = Reference::learn(&model, &kinds, &frame, SPAN).unwrap();
        let compared = agree(&model, &reference, &kinds, &frame, 16);
        assert!(compared > 0, "{seed}");
    }
}
