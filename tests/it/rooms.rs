//! Data flows one way: a room of `src/` imports only from the rooms left of it in [`ROOMS`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// The rooms from left to right, as drawn in `src/lib.rs`.
const ROOMS: [&str; 16] = [
    "domain",
    "telemetry",
    "windows",
    "slo",
    "causal",
    "gvae",
    "diagnosis",
    "baselines",
    "remedy",
    "config",
    "engine",
    "tui",
    "lab",
    "eval",
    "cli",
    "commands",
];

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All Rust files of `dir` and below.
pub fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The module that a file of `src/` is: `a/b/mod.rs` and `a/b.rs` are `a::b`.
fn module(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// Collects the names that stand right behind the crate's root, however the root is reached.
struct Imports {
    module: Vec<String>,
    found: BTreeSet<String>,
}

impl Imports {
    fn of(module: &[&str], source: &str) -> BTreeSet<String> {
        let file = syn::parse_file(source).unwrap_or_else(|error| panic!("{module:?}: {error}"));
        let module = module.iter().map(|part| (*part).to_owned()).collect();
        let mut imports = Self { module, found: BTreeSet::new() };
        imports.visit_file(&file);
        imports.found
    }

    /// Follows `parts` from this module; notes the name behind the root if they lead there.
    fn path(&mut self, parts: &[String]) {
        let mut at = self.module.clone();
        for (i, part) in parts.iter().enumerate() {
            match part.as_str() {
                "crate" | "$crate" => at.clear(),
                "self" => {}
                "super" => {
                    at.pop();
                }
                name => {
                    if i > 0 && at.is_empty() {
                        self.found.insert(name.to_owned());
                    }
                    return;
                }
            }
        }
    }

    fn tree(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |name: &dyn ToString| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) => self.path(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.path(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.path(&with(&"*")),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before)),
        }
    }

    /// Paths within a macro's tokens, which are not parsed as Rust.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    path.push(ident.to_string());
                    self.path(&path.clone());
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {}
                TokenTree::Group(group) => {
                    self.tokens(group.stream());
                    path.clear();
                }
                _ => path.clear(),
            }
        }
    }
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.path(&parts);
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {
        // `pub(in crate::x)` opens something to a room; it takes nothing from it.
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.visit_path(&item.path);
        self.tokens(item.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
            // `#[serde(with = "crate::x")]` names a path in a string.
            for text in list.tokens.to_string().split('"').filter(|text| text.starts_with("crate::")) {
                let parts: Vec<String> = text.split("::").map(str::to_owned).collect();
                self.path(&parts);
            }
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }
}

/// What `room` may not import, of what it imports.
fn forbidden(room: &str, imports: &BTreeSet<String>) -> Vec<String> {
    let at = ROOMS.iter().position(|name| *name == room);
    let left =
        |name: &String| ROOMS.iter().position(|other| other == name).is_some_and(|other| Some(other) <= at);
    // The program meets the lab as it meets a real cluster, so the lab knows nothing of the program,
    // and only the commands start it.
    let allowed = |name: &String| match (room, name.as_str()) {
        ("lab", name) => ["lab", "domain"].contains(&name),
        ("cli", "lab") => false,
        _ => left(name),
    };
    imports.iter().filter(|name| !allowed(name)).cloned().collect()
}

#[test]
fn rooms_import_only_from_their_left() {
    let mut wrong = Vec::new();
    for file in rust_files(&src()) {
        let path = file.strip_prefix(src()).unwrap();
        let module = module(path);
        let [room, ..] = module.as_slice() else { continue };
        if room == "lib" || room == "main" {
            continue;
        }
        let module: Vec<&str> = module.iter().map(String::as_str).collect();
        assert!(ROOMS.contains(&module[0]), "{} is in no known room", path.display());
        let imports = Imports::of(&module, &std::fs::read_to_string(&file).unwrap());
        for name in forbidden(module[0], &imports) {
            wrong.push(format!("{}: crate::{name}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "imports against the flow:\n{}", wrong.join("\n"));
}

#[test]
fn the_drawing_and_the_modules_are_these_rooms() {
    let lib = std::fs::read_to_string(src().join("lib.rs")).unwrap();
    let drawing = lib.lines().find(|line| line.contains("domain ←")).expect("lib.rs draws the flow");
    let drawn: Vec<&str> = drawing.trim_start_matches("//!").split('←').map(str::trim).collect();
    assert_eq!(drawn, ROOMS);
    let modules = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    assert_eq!(modules.collect::<BTreeSet<_>>(), ROOMS.into_iter().collect());
}

#[test]
fn every_way_to_import_is_seen() {
    let found = |source: &str| {
        let imports = Imports::of(&["causal", "graph"], source);
        forbidden("causal", &imports)
    };
    for source in [
        "use crate::tui::State;",
        "use crate::{domain::Clean, tui::{self, State}};",
        "use crate::tui as screens;",
        "use super::super::tui;",
        "use super::{graph::X, super::tui::State};",
        "mod tests { use super::super::super::tui; }",
        "fn f() { crate::tui::run() }",
        "fn f(x: Option<crate::tui::State>) {}",
        "fn f() { println!(\"{}\", crate::tui::name()); }",
        "fn f() { let x = vec![1, [crate::tui::A]]; }",
        "#[derive(Deserialize)] struct S { #[serde(with = \"crate::tui::x\")] x: u8 }",
        "impl crate::tui::Trait for S {}",
    ] {
        assert_eq!(found(source), ["tui"], "{source}");
    }
    assert_eq!(found("use crate::*;"), ["*"]);
    assert_eq!(found("use crate::helpers::x;"), ["helpers"]);
    for source in [
        "use crate::domain::Clean;",
        "use super::{TreeNode, super::windows::Frame};",
        "use std::tui; use tui::x;",
        "mod tests { use super::*; use super::super::render; }",
        "fn f() { self::tui::x(); super::tui::x(); }",
    ] {
        assert!(found(source).is_empty(), "{source}");
    }
}
