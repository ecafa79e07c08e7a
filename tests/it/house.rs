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
