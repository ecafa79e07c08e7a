//! Bad configurations and what is said about them: each `tests/fixtures/config/NAME.toml` has
//! its complete message in `NAME.txt`. With `SAGETOP_BLESS=1` the messages are written anew.

use std::path::{Path, PathBuf};

use sagetop::config::{self, ConfigError};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config")
}

#[test]
fn bad_files_are_explained() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        seen += 1;
        let error = match config::load(&path) {
            Err(error @ ConfigError::Invalid(_)) => error.to_string(),
            other => panic!("{}: {other:?}", path.display()),
        };
        let folder = format!("{}/", fixtures().display());
        let message = error.replace(&folder, "") + "\n";
        let expected = path.with_extension("txt");
        if std::env::var_os("SAGETOP_BLESS").is_some() {
            std::fs::write(&expected, &message).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != message {
            wrong.push(format!("{}:\n{message}", expected.display()));
        }
    }
    assert!(seen >= 8, "only {seen} fixtures");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn secrets_are_never_shown() {
    for name in ["secrets", "syntax"] {
        let error = config::load(&fixtures().join(name).with_extension("toml")).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
