//! A cached model or store that is not what was written costs time, never the verdict.

use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::synthetic::app::CPU_FAULT;
use crate::synthetic::program::{Config, Program, learned};

/// What happens to a file.
type Harm = fn(Vec<u8>) -> Vec<u8>;

fn halve(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() / 2);
    bytes
}

fn flip(mut bytes: Vec<u8>) -> Vec<u8> {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    bytes
}

/// A manifest with another value at `key`, and the digest that belongs to it.
fn with(bytes: &[u8], key: &str, value: Value) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    let (manifest, _) = text.trim_end().rsplit_once('\n').expect("a digest in the last line");
    let mut manifest: Value = serde_json::from_str(manifest).unwrap();
    assert!(!manifest[key].is_null());
    manifest[key] = value;
    let text = manifest.to_string();
    let digest: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{text}\n{digest}").into_bytes()
}

/// Another digit in the middle of a number: still JSON, still a manifest.
fn another_digit(mut bytes: Vec<u8>) -> Vec<u8> {
    let digit = |b: &u8| b.is_ascii_digit();
    let middle = bytes.len() / 2;
    let at = middle + bytes[middle..].windows(3).position(|w| w.iter().all(digit)).unwrap() + 1;
    bytes[at] = if bytes[at] == b'9' { b'1' } else { bytes[at] + 1 };
    bytes
}

fn harm(path: &Path, harm: Harm) {
    let whole = std::fs::read(path).unwrap();
    let harmed = harm(whole.clone());
    assert_ne!(harmed, whole);
    std::fs::write(path, harmed).unwrap();
}

/// The verdict and its warnings apart.
fn ask(program: &Program) -> (Value, Vec<String>) {
    let outcome = program.at(CPU_FAULT, &["diagnose", "--json"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    let mut verdict = outcome.verdict();
    let warnings = serde_json::from_value(verdict["warnings"].take()).unwrap();
    (verdict, warnings)
}

#[test]
fn a_harmed_model_is_trained_again() {
    let Some((server, state)) = learned() else { return };
    let config = Config::metrics(&server.url);
    let (sound, none) = ask(&Program::after(&config, state));
    assert_eq!(none, Vec::<String>::new());
    let cases: [(&str, &str, &str, Harm); 9] = [
        ("truncated weights", "safetensors", "damaged", halve),
        ("a flipped bit", "safetensors", "damaged", flip),
        ("no weights at all", "safetensors", "damaged", |_| Vec::new()),
        ("a truncated manifest", "json", "damaged", halve),
        ("an empty manifest", "json", "damaged", |_| Vec::new()),
        ("another number", "json", "damaged", another_digit),
        ("another program's", "json", "damaged", |_| b"\x7fELF\0\0\0".to_vec()),
        ("a foreign fingerprint", "json", "something else", |b| {
            with(&b, "fingerprint", "0".repeat(64).into())
        }),
        ("another format", "json", "something else", |b| with(&b, "format", 999.into())),
    ];
    for (what, extension, word, how) in cases {
        let program = Program::after(&config, state);
        let models = program.models(extension);
        assert_eq!(models.len(), 1);
        harm(&models[0], how);
        let (verdict, warnings) = ask(&program);
        let told = warnings.iter().any(|w| w.contains(word) && w.contains("will be trained again"));
        assert!(told, "{what}: {warnings:?}");
        assert_eq!(verdict, sound, "{what}");
    }
    let program = Program::after(&config, state);
    std::fs::remove_file(&program.models("safetensors")[0]).unwrap();
    let (verdict, warnings) = ask(&program);
    assert!(warnings.iter().any(|w| w.contains("will be trained again")), "{warnings:?}");
    assert_eq!(verdict, sound);
    assert_eq!(ask(&program), (sound, Vec::new()), "the training mended it");
}

#[test]
fn a_model_that_cannot_be_kept_is_a_warning() {
    let Some((server, state)) = learned() else { return };
    let config = Config::metrics(&server.url);
    let (sound, _) = ask(&Program::after(&config, state));
    let program = Program::after(&config, state);
    // A folder in the file's place: permissions would not stop root.
    let manifest = program.models("json").remove(0);
    std::fs::remove_file(&manifest).unwrap();
    std::fs::create_dir(&manifest).unwrap();
    let (verdict, warnings) = ask(&program);
    assert!(warnings.iter().any(|w| w.contains("cannot write the model")), "{warnings:?}");
    assert_eq!(verdict, sound);
}

#[test]
fn a_damaged_store_is_set_aside_and_filled_again() {
    let Some((server, state)) = learned() else { return };
    let config = Config::metrics(&server.url);
    let (sound, _) = ask(&Program::after(&config, state));
    let program = Program::after(&config, state);
    let store = program.store();
    for leftover in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{leftover}", store.display()));
    }
    harm(&store, |mut bytes| {
        let end = bytes.len();
        bytes[..end.min(8192)].fill(b'x');
        bytes
    });
    let (verdict, warnings) = ask(&program);
    assert!(warnings.iter().any(|w| w.contains("damaged")), "{warnings:?}");
    assert_eq!(verdict, sound);
    assert_eq!(ask(&program), (sound, Vec::new()));
}
