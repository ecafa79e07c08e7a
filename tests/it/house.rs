//! What every source file keeps to.

use std::path::Path;

use crate::rooms::rust_files;

/// Longer files are split.
const LONGEST: usize = 400;

#[test]
fn files_say_what_they_are_for_and_stay_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for file in ["src", "tests", "benches"].iter().map(|dir| root.join(dir)).filter(|dir| dir.is_dir()) {
        for file in rust_files(&file) {
            let text = std::fs::read_to_string(&file).unwrap();
            let name = file.strip_prefix(root).unwrap().display();
            if !text.starts_with("//! ") {
                wrong.push(format!("{name} does not open with what it is for (//!)"));
            }
            let lines = text.lines().count();
            if lines > LONGEST {
                wrong.push(format!("{name} has {lines} lines, more than {LONGEST}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The only place where `unsafe` may be.
const UNSAFE: &str = "src/gvae/kernels";

#[test]
fn unsafe_code_is_in_the_kernels_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"deny\""), "the lint keeps it out of everything else");
    let mut allowing = Vec::new();
    for dir in ["src", "benches"].iter().map(|dir| root.join(dir)).filter(|dir| dir.is_dir()) {
        for file in rust_files(&dir) {
            // Allowing it, in any form, is what the lint cannot see; without that it sees the rest.
            if std::fs::read_to_string(&file).unwrap().contains("unsafe_code") {
                allowing.push(file.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    assert_eq!(allowing, [Path::new(UNSAFE).join("mod.rs")]);
}
