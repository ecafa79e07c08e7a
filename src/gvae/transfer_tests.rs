//! Tests of the transfer: what stays is kept, what a change reaches is marked, and nothing else.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::{NoProgress, Rpc, Side};
use crate::gvae::testbed::{App, Episode, service};
use crate::gvae::{Batch, Inputs, train};
use crate::windows::Frame;

fn settings() -> TrainSettings {
    TrainSettings { epochs: 3, hidden: 6, latent: 2, min_windows: 10, ..TrainSettings::default() }
}

fn learned(app: &App) -> (Gvae, Frame) {
    let frame = app.run(&Episode::quiet(1, 60));
    let (model, _) = train(app.cbn(&frame), &frame, &settings(), &NoProgress).unwrap();
    (model, frame)
}

/// The shop after `change`, with the model that is made from the shop's own.
fn changed(change: impl Fn(&mut App), updated: &[&str]) -> (Gvae, Gvae, Affected, Frame) {
    let mut app = App::shop();
    let (old, _) = learned(&app);
    change(&mut app);
    let frame = app.run(&Episode::quiet(2, 60));
    let cbn = app.cbn(&frame);
    let fresh = Normaliser::fit(&cbn, &frame);
    let updated = updated.iter().map(|name| ServiceName::new(name)).collect();
    let (new, affected) = transfer(&old, cbn, fresh, &settings(), &updated).unwrap();
    (old, new, affected, frame)
}

/// What the decoders say of every row without any latent, by (RPC, side).
fn decoded(model: &Gvae, frame: &Frame) -> BTreeMap<(Rpc, Side), Vec<f32>> {
    let batch = Batch::new(&Inputs::read(&model.cbn, &model.normaliser, frame), &model.normaliser).unwrap();
    let zeros =
        || Tensor::zeros((batch.rows, model.latent()), candle_core::DType::F32, &Device::Cpu).unwrap();
    let z: Vec<_> = (0..model.cbn.entities.len()).map(|e| model.has_latent(e).then(zeros)).collect();
    let nodes = model.cbn.latencies.iter().enumerate();
    nodes
        .map(|(j, node)| {
            let mean = model.decode(j, &batch.x, &z, &batch.y).unwrap().mean;
            ((node.rpc.clone(), node.side), mean.flatten_all().unwrap().to_vec1().unwrap())
        })
        .collect()
}

fn names(model: &Gvae, affected: &Affected) -> BTreeSet<String> {
    let nodes = model.cbn.latencies.iter().zip(&affected.latencies).filter(|(_, affected)| **affected);
    nodes.map(|(node, _)| format!("{} {:?}", node.rpc, node.side)).collect()
}

#[test]
fn nothing_changed_and_nothing_is_lost() {
    let (old, new, affected, frame) = changed(|_| (), &[]);
    assert!(affected.is_none(), "{affected:?}");
    assert_eq!(decoded(&old, &frame), decoded(&new, &frame));
}

#[test]
fn a_service_that_goes_leaves_the_others_as_they_were() {
    // `payment` and the call to it are the last of the shop's.
    let (old, new, affected, frame) = changed(
        |app| {
            app.services.swap_remove(4);
            app.calls.retain(|call| call.callee != 4);
            for call in &mut app.calls {
                if call.callee == 5 {
                    call.callee = 4;
                }
            }
        },
        &[],
    );
    let names = names(&new, &affected);
    assert!(names.contains("* → checkout Server") && names.contains("user → web Client"), "{names:?}");
    assert!(!names.contains("* → store Server") && !names.contains("cart → store Client"), "{names:?}");
    let (before, after) = (decoded(&old, &frame), decoded(&new, &frame));
    for (node, affected) in new.cbn.latencies.iter().zip(&affected.latencies) {
        let key = (node.rpc.clone(), node.side);
        assert!(*affected || after[&key] == before[&key], "{key:?}");
    }
    assert!((0.2..0.8).contains(&affected.share()), "{}", affected.share());
}

#[test]
fn an_updated_service_affects_itself_and_what_waits_for_it() {
    let (_, new, affected, _) = changed(|_| (), &["cart"]);
    let names = names(&new, &affected);
    for name in
        ["* → cart Server", "web → cart Client", "* → web Server", "user → web Client", "cart → store Client"]
    {
        assert!(names.contains(name), "{name} of {names:?}");
    }
    for name in ["* → store Server", "catalogue → store Client", "* → catalogue Server", "web → cart Network"]
    {
        assert!(!names.contains(name), "{name} of {names:?}");
    }
    let app = App::shop();
    let entity = |s| new.cbn.entity(&Entity::Service(service(&app, s))).unwrap();
    assert!(affected.entities[entity(1)] && affected.entities[entity(0)] && !affected.entities[entity(4)]);
}

#[test]
fn a_new_call_starts_from_what_is_known_of_the_rest() {
    let (old, new, affected, _) = changed(
        |app| app.calls.push(crate::gvae::testbed::Call { caller: 4, callee: 5, share: 1.0, delay_ms: 1.0 }),
        &[],
    );
    let served = |model: &Gvae| model.cbn.latency(&Rpc::served_by(&"payment".into()), Side::Server).unwrap();
    let (i, j) = (served(&old), served(&new));
    assert!(affected.latencies[j]);
    let first = |model: &Gvae, j: usize| {
        let name = format!("decoder.{j}.0.weight");
        model.vars().into_iter().find(|(n, _)| *n == name).unwrap().1.to_vec2::<f32>().unwrap()
    };
    let (before, after) = (first(&old, i), first(&new, j));
    let inputs = (decoder_inputs(&old, i), decoder_inputs(&new, j));
    assert!(inputs.1.len() > inputs.0.len());
    for (column, input) in inputs.1.iter().enumerate() {
        let known = inputs.0.iter().position(|known| known == input);
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(after[column], known.map_or(0.0, |at| before[at]), "{input:?}");
        }
    }
}
