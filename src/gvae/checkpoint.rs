//! The model cache: safetensors for the weights, a JSON manifest beside it for everything else.
//!
//! The manifest is one line of JSON and its own SHA-256 on the next; it holds that of the weights.
//! A file from elsewhere is not trusted: sizes are capped, digests, names, shapes and finiteness
//! are checked, and the fingerprint must be the one that is asked for. Anything wrong is an error
//! with its reason; the caller trains again.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Gvae, Normaliser, TrainSettings};
use crate::causal::Cbn;
use crate::domain::Timestamp;

/// Version of the files; another version is "foreign".
pub const FORMAT: u32 = 5;
/// Largest manifest read.
const MAX_MANIFEST: u64 = 64 << 20;
/// Largest weights file read.
const MAX_WEIGHTS: u64 = 1 << 30;

/// Everything about a trained model but its weights; `E` is what the diagnosis keeps with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest<E> {
    /// Version of the files.
    pub format: u32,
    /// What the model is for; see [`fingerprint`].
    pub fingerprint: String,
    /// SHA-256 of the weights file, hexadecimal.
    pub sha256: String,
    /// Settings of the training.
    pub settings: TrainSettings,
    /// The network.
    pub cbn: Cbn,
    /// Scales of its inputs.
    pub normaliser: Normaliser,
    /// End of the first training window.
    pub trained_from: Timestamp,
    /// End of the last training window.
    pub trained_until: Timestamp,
    /// How many windows.
    pub windows: usize,
    /// What the diagnosis keeps: calibration and normals.
    pub extra: E,
}

/// Why a cached model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// There is none.
    #[error("no cached model")]
    Missing,
    /// It cannot be read or is not what was written.
    #[error("cached model {path} is damaged ({reason}); it will be trained again")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It is of another version, application or setting.
    #[error("cached model {path} is for something else ({reason}); it will be trained again")]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// It cannot be written.
    #[error("cannot write the model to {path}: {reason}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What a model is for: a digest of the network, the settings and whatever else `more` says.
pub fn fingerprint(cbn: &Cbn, settings: &TrainSettings, more: &impl Serialize) -> String {
    let mut hash = Sha256::new();
    // JSON of these types cannot fail: string keys, no foreign serialisers. Should it ever,
    // the empty text only makes models share a name that the manifest's check then refuses.
    for part in [
        serde_json::to_string(cbn).unwrap_or_default(),
        serde_json::to_string(settings).unwrap_or_default(),
        serde_json::to_string(more).unwrap_or_default(),
    ] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.update(FORMAT.to_le_bytes());
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn paths(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    (dir.join(format!("{name}.json")), dir.join(format!("{name}.safetensors")))
}

/// Writes model and manifest as `dir/name.{json,safetensors}`, each at once (write, rename), the
/// manifest last: a torn pair is never taken for a model. Fills in the digest.
pub fn save<E: Serialize>(
    dir: &Path,
    name: &str,
    model: &Gvae,
    manifest: Manifest<E>,
) -> Result<(), CheckpointError> {
    let tensors: Vec<(String, Tensor)> =
        model.vars().into_iter().map(|(n, v)| (n, v.as_tensor().clone())).collect();
    write(dir, name, &tensors, manifest)
}

fn write<E: Serialize>(
    dir: &Path,
    name: &str,
    tensors: &[(String, Tensor)],
    mut manifest: Manifest<E>,
) -> Result<(), CheckpointError> {
    let (manifest_path, weights_path) = paths(dir, name);
    let fail = |path: &Path, e: &dyn std::fmt::Display| CheckpointError::Write {
        path: path.to_owned(),
        reason: e.to_string(),
    };
    fs::create_dir_all(dir).map_err(|e| fail(dir, &e))?;
    let bytes = safetensors::serialize(tensors.iter().map(|(n, t)| (n.as_str(), t)), None)
        .map_err(|e| fail(&weights_path, &e))?;
    manifest.sha256 = hex(&Sha256::digest(&bytes));
    write_whole(&weights_path, &bytes).map_err(|e| fail(&weights_path, &e))?;
    let mut text = serde_json::to_string(&manifest).map_err(|e| fail(&manifest_path, &e))?;
    let digest = hex(&Sha256::digest(&text));
    text.push('\n');
    text.push_str(&digest);
    write_whole(&manifest_path, text.as_bytes()).map_err(|e| fail(&manifest_path, &e))
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // Two processes may train the same model at once: each writes a file of its own.
    let part = path.with_extension(format!("part{}", std::process::id()));
    let mut file = fs::File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)
}

/// Reads the model for `fingerprint`.
pub fn load<E: DeserializeOwned>(
    dir: &Path,
    name: &str,
    fingerprint: &str,
) -> Result<(Gvae, Manifest<E>), CheckpointError> {
    let (manifest_path, weights_path) = paths(dir, name);
    if !manifest_path.exists() {
        return Err(CheckpointError::Missing);
    }
    let damaged = |path: &Path, e: &dyn std::fmt::Display| CheckpointError::Damaged {
        path: path.to_owned(),
        reason: e.to_string(),
    };
    let foreign = |reason: String| CheckpointError::Foreign { path: manifest_path.clone(), reason };
    let file = read_capped(&manifest_path, MAX_MANIFEST).map_err(|e| damaged(&manifest_path, &e))?;
    let (text, digest) = match file.iter().position(|b| *b == b'\n') {
        Some(end) => (&file[..end], &file[end + 1..]),
        None => (file.as_slice(), &[][..]),
    };
    let head: Head = serde_json::from_slice(text).map_err(|e| damaged(&manifest_path, &e))?;
    if head.format != FORMAT {
        return Err(foreign(format!("format {} instead of {FORMAT}", head.format)));
    }
    if hex(&Sha256::digest(text)).as_bytes() != digest {
        return Err(damaged(&manifest_path, &"SHA-256 differs from its own"));
    }
    if head.fingerprint != fingerprint {
        return Err(foreign("another application, catalogue or setting".to_owned()));
    }
    let manifest: Manifest<E> = serde_json::from_slice(text).map_err(|e| damaged(&manifest_path, &e))?;
    if !manifest.normaliser.fits(&manifest.cbn) {
        return Err(damaged(&manifest_path, &"network and scales do not belong together"));
    }
    let bytes = read_capped(&weights_path, MAX_WEIGHTS).map_err(|e| damaged(&weights_path, &e))?;
    if hex(&Sha256::digest(&bytes)) != manifest.sha256 {
        return Err(damaged(&weights_path, &"SHA-256 differs from the manifest's"));
    }
    let model = Gvae::new(manifest.cbn.clone(), manifest.normaliser.clone(), &manifest.settings)
        .map_err(|e| damaged(&manifest_path, &e))?;
    fill(&model, &bytes).map_err(|reason| damaged(&weights_path, &reason))?;
    Ok((model, manifest))
}

#[derive(Deserialize)]
struct Head {
    format: u32,
    fingerprint: String,
}

fn read_capped(path: &Path, cap: u64) -> std::io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    let too_large = || std::io::Error::other(format!("larger than {} MiB", cap >> 20));
    // Asked first, so that nothing of it is read; not relied upon, for it may still grow.
    if file.metadata()?.len() > cap {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    file.take(cap + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > cap {
        return Err(too_large());
    }
    Ok(bytes)
}

/// Copies the weights into the model if names and shapes are exactly its own and all are finite.
fn fill(model: &Gvae, bytes: &[u8]) -> Result<(), String> {
    let mut tensors: HashMap<String, Tensor> =
        candle_core::safetensors::load_buffer(bytes, &Device::Cpu).map_err(|e| e.to_string())?;
    for (name, var) in model.vars() {
        let tensor = tensors.remove(&name).ok_or_else(|| format!("{name} is missing"))?;
        let values =
            tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(|e| format!("{name}: {e}"))?;
        if values.iter().any(|v| !v.is_finite()) {
            return Err(format!("{name} is not finite"));
        }
        var.set(&tensor).map_err(|e| format!("{name}: {e}"))?;
    }
    match tensors.keys().next() {
        Some(name) => Err(format!("{name} is unknown")),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
