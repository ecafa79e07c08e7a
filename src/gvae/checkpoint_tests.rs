//! Tests of the model cache: what is written comes back exactly, and nothing else is accepted.

#![allow(clippy::unwrap_used)]

use std::sync::OnceLock;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::gvae::testbed::{App, Episode};
use crate::gvae::{Batch, Inputs};
use crate::windows::Frame;

/// What stands in for the diagnosis' part.
type Extra = Vec<f64>;

struct Fixture {
    frame: Frame,
    model: Gvae,
    manifest: Manifest<Extra>,
    weights: Vec<u8>,
    text: Vec<u8>,
}

fn fixture() -> &'static Fixture {
    static ONCE: OnceLock<Fixture> = OnceLock::new();
    ONCE.get_or_init(|| {
        let app = App::chain();
        let frame = app.run(&Episode::quiet(1, 30));
        let cbn = app.cbn(&frame);
        let settings = TrainSettings { hidden: 4, latent: 2, ..TrainSettings::default() };
        let normaliser = Normaliser::fit(&cbn, &frame);
        let manifest = Manifest {
            format: FORMAT,
            fingerprint: fingerprint(&cbn, &settings, &"more"),
            sha256: String::new(),
            cbn: cbn.clone(),
            normaliser: normaliser.clone(),
            trained_from: frame.ends[0],
            trained_until: frame.ends[29],
            windows: 30,
            extra: vec![0.1 + 0.2, 1e-300, -7.25],
            settings: settings.clone(),
        };
        let model = Gvae::new(cbn, normaliser, &settings).unwrap();
        let dir = TempDir::new().unwrap();
        save(dir.path(), "m", &model, manifest.clone()).unwrap();
        let (text, weights) = paths(dir.path(), "m");
        let (text, weights) = (fs::read(text).unwrap(), fs::read(weights).unwrap());
        Fixture { frame, model, manifest, weights, text }
    })
}

fn print() -> &'static str {
    &fixture().manifest.fingerprint
}

/// Loads the pair of files with these contents.
fn loaded(text: &[u8], weights: &[u8]) -> Result<(Gvae, Manifest<Extra>), CheckpointError> {
    let dir = TempDir::new().unwrap();
    let (text_path, weights_path) = paths(dir.path(), "m");
    fs::write(text_path, text).unwrap();
    fs::write(weights_path, weights).unwrap();
    load(dir.path(), "m", print())
}

/// Saves doctored tensors or a doctored manifest with right digests, and loads them.
fn resaved(
    doctor: impl FnOnce(&mut Vec<(String, Tensor)>, &mut Manifest<Extra>),
) -> Result<(Gvae, Manifest<Extra>), CheckpointError> {
    let mut manifest = fixture().manifest.clone();
    let vars = fixture().model.vars();
    let mut tensors = vars.into_iter().map(|(n, v)| (n, v.as_tensor().clone())).collect();
    doctor(&mut tensors, &mut manifest);
    let dir = TempDir::new().unwrap();
    write(dir.path(), "m", &tensors, manifest).unwrap();
    load(dir.path(), "m", print())
}

fn is_damaged<T>(result: &Result<T, CheckpointError>) -> bool {
    matches!(result, Err(CheckpointError::Damaged { .. }))
}

#[track_caller]
fn damaged<T>(result: Result<T, CheckpointError>, why: &str) {
    match result.map(|_| ()) {
        Err(CheckpointError::Damaged { reason, .. }) => assert!(reason.contains(why), "{reason}"),
        other => panic!("not damaged: {other:?}"),
    }
}

#[test]
fn what_is_written_comes_back_exactly() {
    let Fixture { frame, model, manifest, .. } = fixture();
    let (again, kept) = loaded(&fixture().text, &fixture().weights).unwrap();
    assert_eq!(Manifest { sha256: String::new(), ..kept }, *manifest);
    for ((name, a), (other, b)) in model.vars().iter().zip(again.vars()) {
        assert_eq!(*name, other);
        let bits = |v: &candle_core::Var| -> Vec<u32> {
            v.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|f| f.to_bits()).collect()
        };
        assert_eq!(bits(a), bits(&b), "{name}");
    }
    let answers = |model: &Gvae| {
        let inputs = Inputs::read(&model.cbn, &model.normaliser, frame);
        let batch = Batch::new(&inputs, &model.normaliser).unwrap();
        let q = model.posterior(0, &batch).unwrap().unwrap();
        q.mean.to_vec2::<f32>().unwrap()
    };
    assert_eq!(answers(model), answers(&again));
}

#[test]
fn writing_twice_gives_the_same_bytes() {
    let dir = TempDir::new().unwrap();
    for _ in 0..2 {
        save(dir.path(), "m", &fixture().model, fixture().manifest.clone()).unwrap();
        let (text, weights) = paths(dir.path(), "m");
        assert_eq!(fs::read(weights).unwrap(), fixture().weights);
        assert_eq!(fs::read(text).unwrap(), fixture().text);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no part is left behind");
}

#[test]
fn an_absent_model_is_missing_and_half_a_model_is_damaged() {
    let dir = TempDir::new().unwrap();
    let nothing = load::<Extra>(dir.path(), "m", print());
    assert!(matches!(nothing, Err(CheckpointError::Missing)));
    let (text, weights) = paths(dir.path(), "m");
    fs::write(&weights, &fixture().weights).unwrap();
    let orphan = load::<Extra>(dir.path(), "m", print());
    assert!(matches!(orphan, Err(CheckpointError::Missing)), "weights without manifest");
    fs::write(text, &fixture().text).unwrap();
    fs::remove_file(weights).unwrap();
    damaged(load::<Extra>(dir.path(), "m", print()), "");
}

#[test]
fn files_cut_short_are_damaged() {
    let Fixture { text, weights, .. } = fixture();
    for eighth in 0..8 {
        damaged(loaded(&text[..text.len() * eighth / 8], weights), "");
        damaged(loaded(text, &weights[..weights.len() * eighth / 8]), "SHA-256");
    }
    damaged(loaded(&text[..text.len() - 1], weights), "SHA-256");
    damaged(loaded(text, &weights[..weights.len() - 1]), "SHA-256");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn one_flipped_bit_is_noticed(at in 0.0..1.0f64, bit in 0u8..8) {
        let flipped = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let i = (at * bytes.len() as f64) as usize;
            bytes[i] ^= 1 << bit;
            bytes
        };
        let Fixture { text, weights, .. } = fixture();
        prop_assert!(is_damaged(&loaded(text, &flipped(weights))));
        let told = loaded(&flipped(text), weights);
        let foreign = matches!(told, Err(CheckpointError::Foreign { .. }));
        let right = foreign || is_damaged(&told);
        prop_assert!(right, "{:?}", told.map(|_| ()));
    }

    #[test]
    fn garbage_is_damaged(text in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(is_damaged(&loaded(&text, &text)));
    }
}

#[test]
fn models_for_something_else_are_foreign() {
    let foreign = |doctor: fn(&mut Manifest<Extra>), why: &str| match resaved(|_, m| doctor(m)) {
        Err(CheckpointError::Foreign { reason, .. }) => assert!(reason.contains(why), "{reason}"),
        other => panic!("{why}: {:?}", other.map(|_| ())),
    };
    foreign(|m| m.format = FORMAT + 1, &format!("format {} instead of {FORMAT}", FORMAT + 1));
    foreign(|m| m.fingerprint = "0".repeat(64), "another application");
    // Files of the first format ended with the manifest.
    let old = br#"{"format":1,"fingerprint":"x","sha256":"y"}"#;
    assert!(matches!(loaded(old, b""), Err(CheckpointError::Foreign { .. })));
}

#[test]
fn the_fingerprint_tells_apart_what_matters() {
    let Manifest { cbn, settings, .. } = &fixture().manifest;
    let print = fingerprint(cbn, settings, &"more");
    assert_eq!(print, fingerprint(&cbn.clone(), &settings.clone(), &"more"));
    let seeded = TrainSettings { seed: 9, ..settings.clone() };
    let mut smaller = cbn.clone();
    smaller.latencies.pop();
    assert_ne!(print, fingerprint(cbn, &seeded, &"more"));
    assert_ne!(print, fingerprint(&smaller, settings, &"more"));
    assert_ne!(print, fingerprint(cbn, settings, &"less"));
}

#[test]
fn weights_that_are_no_weights_are_damaged() {
    let filled = |value: f32, t: &Tensor| Tensor::full(value, t.shape(), &Device::Cpu).unwrap();
    for value in [f32::NAN, f32::INFINITY] {
        damaged(resaved(|t, _| t[3].1 = filled(value, &t[3].1)), "not finite");
    }
    damaged(resaved(|t, _| t.truncate(t.len() - 1)), "is missing");
    damaged(resaved(|t, _| t.push(("intruder".to_owned(), t[0].1.clone()))), "intruder is unknown");
    damaged(resaved(|t, _| t[0].1 = t[0].1.t().unwrap().contiguous().unwrap()), "");
    damaged(resaved(|t, _| t[0].1 = t[0].1.to_dtype(candle_core::DType::F64).unwrap()), "");
    damaged(resaved(|t, _| t.clear()), "is missing");
}

#[test]
fn a_manifest_that_contradicts_itself_is_damaged() {
    damaged(resaved(|_, m| m.normaliser.y.truncate(1)), "do not belong together");
    damaged(resaved(|_, m| m.normaliser.x[0].clear()), "do not belong together");
    damaged(resaved(|_, m| m.settings.hidden += 1), "");
}

#[test]
fn oversized_files_are_not_read() {
    let dir = TempDir::new().unwrap();
    let (text, weights) = paths(dir.path(), "m");
    fs::write(&text, &fixture().text).unwrap();
    // Holes take no room on the disk; read, they would take memory.
    fs::File::create(&weights).unwrap().set_len(MAX_WEIGHTS + 1).unwrap();
    damaged(load::<Extra>(dir.path(), "m", print()), "larger than 1024 MiB");
    fs::File::create(&text).unwrap().set_len(MAX_MANIFEST + 1).unwrap();
    damaged(load::<Extra>(dir.path(), "m", print()), "larger than 64 MiB");
}

#[test]
fn what_cannot_be_written_says_where() {
    let dir = TempDir::new().unwrap();
    let blocked = dir.path().join("file");
    fs::write(&blocked, "in the way").unwrap();
    let error = save(&blocked, "m", &fixture().model, fixture().manifest.clone()).unwrap_err();
    assert!(matches!(&error, CheckpointError::Write { path, .. } if *path == blocked), "{error}");
    assert!(error.to_string().starts_with("cannot write the model to "), "{error}");
}
