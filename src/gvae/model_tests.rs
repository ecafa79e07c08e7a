//! Tests of the model: what its parts say, and that all of it can learn.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;
use crate::gvae::Inputs;
use crate::gvae::loss::{Parents, elbo, kl, noise};
use crate::gvae::testbed::{App, Episode};
use crate::windows::Frame;

fn settings() -> TrainSettings {
    TrainSettings { hidden: 8, latent: 2, ..TrainSettings::default() }
}

fn model(app: &App, seed: u64) -> (Gvae, Frame, Batch) {
    let frame = app.run(&Episode::quiet(seed, 24));
    let cbn = app.cbn(&frame);
    let normaliser = Normaliser::fit(&cbn, &frame);
    let inputs = Inputs::read(&cbn, &normaliser, &frame);
    let model = Gvae::new(cbn, normaliser, &settings()).unwrap();
    let batch = Batch::new(&inputs, &model.normaliser).unwrap();
    (model, frame, batch)
}

fn prior_means(model: &Gvae, batch: &Batch) -> Vec<Option<Tensor>> {
    (0..model.cbn.entities.len())
        .map(|e| {
            let prior = || model.prior(e, batch.x[e].as_ref(), batch.rows).unwrap().mean;
            model.has_latent(e).then(prior)
        })
        .collect()
}

fn decode_all(model: &Gvae, batch: &Batch, parents: Parents) -> Latencies {
    let z = prior_means(model, batch);
    let (mut y, mut out) = (batch.y.clone(), batch.y.clone());
    for j in 0..model.cbn.latencies.len() {
        let mean = model.decode(j, &batch.x, &z, &y).unwrap().mean;
        if parents == Parents::Decoded {
            y.set(j, mean.clone(), &model.normaliser).unwrap();
        }
        out.set(j, mean, &model.normaliser).unwrap();
    }
    out
}

fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn gradients_reach_every_variable() {
    for app in [App::chain(), App::shop()] {
        let (model, _, batch) = model(&app, 3);
        let mut rng = StdRng::seed_from_u64(1);
        let mut reached = BTreeSet::new();
        // Training takes both in turns.
        for (parents, prior_weight) in [(Parents::Observed, 0.5), (Parents::Decoded, 0.0)] {
            let loss = elbo(&model, &batch, parents, 0.5, prior_weight, &mut rng).unwrap();
            let gradients = loss.total.backward().unwrap();
            for (name, var) in model.vars() {
                let Some(gradient) = gradients.get(var.as_tensor()) else { continue };
                let gradient = values(gradient);
                assert!(gradient.iter().all(|g| g.is_finite()), "{name}");
                if gradient.iter().any(|g| *g != 0.0) {
                    reached.insert(name);
                }
            }
        }
        let all: BTreeSet<_> = model.vars().into_iter().map(|(name, _)| name).collect();
        assert_eq!(all.difference(&reached).collect::<Vec<_>>(), Vec::<&String>::new());
        for kind in ["encoder.", "prior.", "decoder.", ".share"] {
            assert!(all.iter().any(|name| name.contains(kind)), "{kind}");
        }
    }
}

#[test]
fn names_of_variables_are_unique() {
    let (model, ..) = model(&App::shop(), 1);
    let names: BTreeSet<_> = model.vars().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), model.vars().len());
}

/// Where the observation is what free running decodes, teacher forcing decodes the same.
#[test]
fn free_running_and_teacher_forcing_agree_on_what_was_decoded() {
    for app in [App::chain(), App::shop()] {
        let (model, _, mut batch) = model(&app, 5);
        let free = decode_all(&model, &batch, Parents::Decoded);
        let forced = decode_all(&model, &batch, Parents::Observed);
        let (mut roots, mut others) = (0, 0);
        for (j, node) in model.cbn.latencies.iter().enumerate() {
            let same = values(&free.ln[j]) == values(&forced.ln[j]);
            assert_eq!(same, node.parents.is_empty(), "{}", node.rpc);
            if same { roots += 1 } else { others += 1 }
        }
        assert!(roots > 0 && others > 0);
        batch.y = free.clone();
        let forced = decode_all(&model, &batch, Parents::Observed);
        for j in 0..model.cbn.latencies.len() {
            assert_eq!(values(&free.ln[j]), values(&forced.ln[j]), "{}", model.cbn.latencies[j].rpc);
        }
    }
}

#[test]
fn an_untrained_model_starts_near_the_usual_latencies() {
    let (model, _, batch) = model(&App::shop(), 2);
    let decoded = decode_all(&model, &batch, Parents::Decoded);
    for (j, node) in model.cbn.latencies.iter().enumerate() {
        for z in values(&decoded.standard[j]) {
            assert!(z.abs() < CLIP, "{} {:?}: {z}", node.rpc, node.side);
        }
    }
}

#[test]
fn the_client_side_is_the_sum_of_its_parts() {
    let (model, _, batch) = model(&App::chain(), 2);
    let sums: Vec<usize> = (0..model.cbn.latencies.len()).filter(|j| is_sum(&model.cbn, *j)).collect();
    assert_eq!(sums.len(), 2, "one for each call");
    let decoded = decode_all(&model, &batch, Parents::Observed);
    for j in sums {
        let ms = |p: usize, row: usize, q: usize| {
            let ln = batch.y.ln[p].to_vec2::<f32>().unwrap()[row][q];
            model.normaliser.y[p][q].to_ms(ln)
        };
        let got = decoded.ln[j].to_vec2::<f32>().unwrap();
        for (row, got) in got.iter().enumerate() {
            for (q, ln) in got.iter().enumerate() {
                let parts: f32 = model.cbn.latencies[j].parents.iter().map(|p| ms(*p, row, q)).sum();
                let got = model.normaliser.y[j][q].to_ms(*ln);
                assert!((got / parts).ln().abs() < 0.3, "untrained, the factor is near 1: {got} {parts}");
            }
        }
    }
}

#[test]
fn divergence_is_never_negative() {
    let mut rng = StdRng::seed_from_u64(11);
    for spread in [1e-3, 0.3, 3.0] {
        let mut any = || {
            let head = noise(200, 8, &mut rng).unwrap().affine(spread, 0.0).unwrap();
            Gaussian::from_head(&head, 4).unwrap()
        };
        let divergence = values(&kl(&any(), &any()).unwrap());
        assert!(divergence.iter().all(|d| *d > -1e-5), "{spread}: {divergence:?}");
        let q = any();
        assert!(values(&kl(&q, &q).unwrap()).iter().all(|d| d.abs() < 1e-5));
    }
}

#[test]
fn samples_have_the_moments_of_their_distribution() {
    let head = Tensor::new(&[[1.5f32, -2.0, 0.0, (0.25f32).ln()]], &Device::Cpu).unwrap();
    let head = head.repeat((20_000, 1)).unwrap();
    let q = Gaussian::from_head(&head, 2).unwrap();
    let mut rng = StdRng::seed_from_u64(4);
    let drawn = q.sample(&noise(20_000, 2, &mut rng).unwrap()).unwrap().to_vec2::<f32>().unwrap();
    for (d, (mean, sd)) in [(1.5, 1.0), (-2.0, 0.5)].into_iter().enumerate() {
        let n = drawn.len() as f64;
        let m = drawn.iter().map(|r| f64::from(r[d])).sum::<f64>() / n;
        let v = drawn.iter().map(|r| (f64::from(r[d]) - m).powi(2)).sum::<f64>() / n;
        assert!((m - mean).abs() < 0.03 && (v.sqrt() - sd).abs() < 0.02, "{m} {}", v.sqrt());
    }
}

#[test]
fn widening_leaves_the_range_of_training_alone() {
    let (model, ..) = model(&App::chain(), 6);
    let usual = |j: usize| row(model.normaliser.y[j].iter().map(|s| s.ln.centre).collect()).unwrap();
    let parents =
        Latencies::new((0..model.normaliser.y.len()).map(usual).collect(), &model.normaliser).unwrap();
    for (j, scales) in model.normaliser.y.iter().enumerate() {
        let scale_at = |distance: f32| {
            let mean = row(scales.iter().map(|s| s.ln.centre + distance * s.ln.scale).collect()).unwrap();
            let ln_scale = Tensor::full(LN_SCALE_START as f32, mean.shape(), &Device::Cpu).unwrap();
            let decoded = Decoded { mean, ln_scale };
            let unmeasured = model.unmeasured(j, &decoded, &parents).unwrap();
            values(&model.widened(&decoded, &unmeasured).unwrap())
        };
        let narrow = (LN_SCALE_START as f32).exp();
        for within in [-0.9 * CLIP, 0.0, 0.9 * CLIP] {
            assert!(scale_at(within).iter().all(|s| (s - narrow).abs() < 1e-4));
        }
        let (far, farther) = (scale_at(2.0 * CLIP), scale_at(200.0 * CLIP));
        assert!(far.iter().zip(&farther).all(|(a, b)| narrow < *a && a < b));
        assert!(farther.iter().all(|s| *s <= narrow + UNMEASURED as f32 + 1e-4));
    }
}

#[test]
fn a_parent_slower_than_ever_is_unmeasured_unless_it_is_part_of_a_sum() {
    let (model, ..) = model(&App::chain(), 6);
    let usual = |j: usize| row(model.normaliser.y[j].iter().map(|s| s.ln.centre).collect()).unwrap();
    let count = model.normaliser.y.len();
    for (j, node) in model.cbn.latencies.iter().enumerate().filter(|(_, n)| !n.parents.is_empty()) {
        let mut y = Latencies::new((0..count).map(usual).collect(), &model.normaliser).unwrap();
        let decoded = Decoded { mean: usual(j), ln_scale: usual(j) };
        let before = values(&model.unmeasured(j, &decoded, &y).unwrap());
        assert!(before.iter().all(|u| *u < 1e-5), "{}", node.rpc);
        let slow = usual(node.parents[0]).affine(1.0, 5.0).unwrap();
        y.set(node.parents[0], slow, &model.normaliser).unwrap();
        let after = values(&model.unmeasured(j, &decoded, &y).unwrap());
        assert!(after.iter().all(|u| (*u > 0.1) != is_sum(&model.cbn, j)), "{} {after:?}", node.rpc);
    }
}

#[test]
fn quantiles_are_matched_to_the_nearest_of_a_parent() {
    let app = App::chain();
    let mut frame = app.run(&Episode::quiet(1, 12));
    // The entry has p90 and p99 only, as where an SLO adds a quantile of its own.
    frame.columns.retain(|column, _| {
        !matches!(column, crate::domain::Column::Latency { rpc, stat: crate::domain::Stat::Quantile(q), .. }
            if rpc.caller == crate::domain::Party::User && q.0 == 500)
    });
    let cbn = app.cbn(&frame);
    let normaliser = Normaliser::fit(&cbn, &frame);
    let inputs = Inputs::read(&cbn, &normaliser, &frame);
    let model = Gvae::new(cbn, normaliser, &settings()).unwrap();
    let batch = Batch::new(&inputs, &model.normaliser).unwrap();
    let decoded = decode_all(&model, &batch, Parents::Decoded);
    let entry = model.cbn.latencies.iter().position(|n| n.rpc.caller == crate::domain::Party::User).unwrap();
    assert_eq!(decoded.ln[entry].dims(), [12, 2]);
    let cart = model.cbn.latencies[entry].parents[0];
    let nearest: Vec<usize> = (0..2).map(|i| super::nearest(&model.cbn, entry, i, cart)).collect();
    let wanted = if model.cbn.latencies[cart].quantiles.len() == 3 { [1, 2] } else { [0, 1] };
    assert_eq!(nearest, wanted);
}
