//! Applications by name, from text and from files.

use std::io::Read;
use std::path::Path;

use super::build::build;
use super::error::{AppError, nearest};
use super::file::AppFile;
use super::{Application, generate};
use crate::domain::Clean;

/// The embedded applications.
const EMBEDDED: [(&str, &str); 4] = [
    ("social-network", include_str!("data/social-network.json")),
    ("media", include_str!("data/media.json")),
    ("hotel-reservation", include_str!("data/hotel-reservation.json")),
    ("online-boutique", include_str!("data/online-boutique.json")),
];
/// Examples of the generated ones: any length from 2 to 64 will do.
const GENERATED: [&str; 2] = ["chain-5", "fanout-10"];
/// Largest file, in mebibytes.
const MAX_MIB: usize = 4;

/// The applications to choose from; chains and fan-outs stand for every length.
pub fn names() -> Vec<&'static str> {
    EMBEDDED.iter().map(|(name, _)| *name).chain(GENERATED).collect()
}

/// The application of this name: one of [`names`], or a chain or fan-out of another length.
pub fn named(name: &str) -> Result<Application, AppError> {
    if let Some(file) = generate::generate(name) {
        return build(&file, name);
    }
    match EMBEDDED.iter().find(|(known, _)| *known == name) {
        Some((name, text)) => parse(text, name),
        None => Err(unknown(name)),
    }
}

/// The application of this name, or of this file: whatever ends in `.json` or holds a `/` is one.
pub fn open(name_or_path: &str) -> Result<Application, AppError> {
    if is_path(name_or_path) { parse(&read(name_or_path)?, name_or_path) } else { named(name_or_path) }
}

/// Whether this is a file of one's own that says what the objective is: then nothing else decides.
pub fn has_own_objective(name_or_path: &str) -> Result<bool, AppError> {
    if !is_path(name_or_path) {
        return Ok(false);
    }
    let file: AppFile =
        serde_json::from_str(&read(name_or_path)?).map_err(|error| AppError::format(name_or_path, &error))?;
    Ok(file.objective.is_some())
}

fn is_path(name: &str) -> bool {
    name.ends_with(".json") || name.contains('/')
}

fn read(path: &str) -> Result<String, AppError> {
    let read = || -> std::io::Result<String> {
        let mut text = String::new();
        // One byte more than allowed tells a file that is too large.
        std::fs::File::open(Path::new(path))?.take((MAX_MIB as u64) << 20 | 1).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(|source| AppError::Read { file: Clean::new(path), source })
}

/// The application that `text` describes; `docs/lab/applications.md` has the format.
pub fn from_json(text: &str) -> Result<Application, AppError> {
    parse(text, "the application")
}

/// The file of the application of this name, to start one's own from.
pub fn json(name: &str) -> Result<String, AppError> {
    if let Some(file) = generate::generate(name) {
        return serde_json::to_string_pretty(&file).map_err(|error| AppError::format(name, &error));
    }
    let found = EMBEDDED.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| unknown(name))
}

/// The application of this name with its file changed by `edit`.
///
/// # Errors
/// There is none of this name, or what it has become is no application.
pub fn edited(name: &str, edit: impl FnOnce(&mut AppFile)) -> Result<Application, AppError> {
    let mut file: AppFile =
        serde_json::from_str(&json(name)?).map_err(|error| AppError::format(name, &error))?;
    edit(&mut file);
    build(&file, name)
}

/// JSON Schema of the format.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(AppFile)
}

fn parse(text: &str, label: &str) -> Result<Application, AppError> {
    if text.len() > MAX_MIB << 20 {
        return Err(AppError::TooLarge { file: Clean::new(label), max_mib: MAX_MIB });
    }
    let file: AppFile = serde_json::from_str(text).map_err(|error| AppError::format(label, &error))?;
    build(&file, label)
}

fn unknown(name: &str) -> AppError {
    let (shortest, longest) = (generate::LENGTHS.start(), generate::LENGTHS.end());
    let listed: Vec<_> = EMBEDDED.iter().map(|(name, _)| *name).collect();
    let known = format!("{}, chain-N and fanout-N with N from {shortest} to {longest}", listed.join(", "));
    AppError::Unknown { name: Clean::new(name), near: nearest(name, names()).map(Clean::new), known }
}
