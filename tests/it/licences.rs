//! Every dependency has a licence that `deny.toml` allows, and comes from crates.io.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use spdx::{Expression, LicenseReq, ParseMode};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// (name, licence) of everything that is built for this machine, tests included. `cargo tree`
/// rather than `cargo metadata`: that lists optional crates that no feature asks for.
fn packages() -> Vec<(String, String)> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--edges", "all", "--prefix", "none", "--format", "{p}\t{l}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // `(*)` marks a package whose own dependencies were listed before.
    let lines = text.lines().map(|line| line.trim_end_matches("(*)").trim_end());
    let lines: BTreeSet<&str> = lines.filter(|line| line.contains('\t')).collect();
    let split =
        |line: &str| line.split_once('\t').map(|(name, licence)| (name.to_owned(), licence.to_owned()));
    lines.into_iter().filter_map(split).collect()
}

/// Licences allowed for everything, and further ones for single crates.
fn allowed() -> (Vec<String>, Vec<(String, Vec<String>)>) {
    let deny: toml::Table = std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap();
    let list = |value: &toml::Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|licence| licence.as_str().unwrap().to_owned()).collect()
    };
    let exceptions = deny["licenses"]["exceptions"].as_array().unwrap();
    let exceptions = exceptions.iter().map(|e| (e["crate"].as_str().unwrap().to_owned(), list(&e["allow"])));
    (list(&deny["licenses"]["allow"]), exceptions.collect())
}

/// Whether `expression` can be met with the licences in `allow`.
fn met(expression: &str, allow: &[String]) -> Result<bool, spdx::ParseError> {
    let expression = Expression::parse_mode(expression, ParseMode::LAX)?;
    Ok(expression.evaluate(|licence: &LicenseReq| allow.contains(&licence.to_string())))
}

#[test]
fn dependencies_are_licensed_as_allowed() {
    let (allow, exceptions) = allowed();
    let packages = packages();
    assert!(packages.len() > 50, "cargo tree lists {} packages", packages.len());
    // Few expressions, many packages, and reading one is slow in a debug build.
    let expressions: BTreeSet<&str> = packages.iter().map(|(_, licence)| licence.as_str()).collect();
    let good: BTreeSet<&str> = expressions.into_iter().filter(|text| met(text, &allow) == Ok(true)).collect();
    let mut wrong = Vec::new();
    for (package, licence) in packages.iter().filter(|(_, licence)| !good.contains(licence.as_str())) {
        let name = package.split(' ').next().unwrap_or_default();
        let extra = exceptions.iter().filter(|(other, _)| other == name).flat_map(|(_, allow)| allow);
        let allow: Vec<String> = allow.iter().chain(extra).cloned().collect();
        match met(licence, &allow) {
            Ok(true) => {}
            Ok(false) => wrong.push(format!("{package}: {licence}")),
            Err(error) => wrong.push(format!("{package}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "not allowed by deny.toml:\n{}", wrong.join("\n"));
}

#[test]
fn dependencies_come_from_crates_io() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let sources: BTreeSet<&str> = lock.lines().filter_map(|line| line.strip_prefix("source = ")).collect();
    let index = "\"registry+https://github.com/rust-lang/crates.io-index\"";
    assert_eq!(sources.into_iter().collect::<Vec<_>>(), [index]);
}

#[test]
fn expressions_are_understood() {
    let allow = ["MIT", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
    for (expression, expected) in [
        ("MIT OR GPL-3.0-only", true),
        ("MIT/Apache-2.0", true),
        ("MIT AND GPL-3.0-only", false),
        ("(GPL-2.0-only OR MIT) AND Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("GPL-3.0-only", false),
    ] {
        assert_eq!(met(expression, &allow).unwrap(), expected, "{expression}");
    }
    assert!(met("LicenseRef-nobody knows", &allow).is_err());
}
