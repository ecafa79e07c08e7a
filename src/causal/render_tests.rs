//! Tests of the drawings, and of the call graph they draw.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::causal::graph::EdgeOrigin::{Dependencies, Metrics, Peer, Spans};

fn graph(edges: &[(&str, &str, EdgeOrigin, u64)]) -> CallGraph {
    let mut graph = CallGraph::default();
    for (caller, callee, origin, calls) in edges {
        graph.add_edge(&(*caller).into(), &(*callee).into(), *origin, *calls);
    }
    graph
}

fn shop() -> CallGraph {
    graph(&[
        ("frontend", "cart", Spans, 12),
        ("frontend", "checkout", Spans, 3),
        ("checkout", "cart", Spans, 3),
        ("cart", "redis", Peer, 15),
        ("checkout", "email", Metrics, 0),
    ])
}

fn drawn(graph: &CallGraph, entries: &[&str], charset: Charset) -> String {
    let entries: Vec<ServiceName> = entries.iter().map(|name| (*name).into()).collect();
    text(graph, &entries, charset, |_| None)
}

#[test]
fn a_tree_in_both_charsets() {
    let unicode = "\
frontend
├─ cart
│  └─ redis (uninstrumented)
└─ checkout
   ├─ cart ↺
   └─ email (uninstrumented)
";
    assert_eq!(drawn(&shop(), &["frontend"], Charset::Unicode), unicode);
    let ascii = "\
frontend
|- cart
|  `- redis (uninstrumented)
`- checkout
   |- cart ^
   `- email (uninstrumented)
";
    assert_eq!(drawn(&shop(), &["frontend"], Charset::Ascii), ascii);
    assert_eq!(drawn(&shop(), &[], Charset::Unicode), unicode);
}

#[test]
fn notes_stand_in_one_column() {
    let graph = graph(&[("früh", "日本", Spans, 1), ("früh", "z", Spans, 1)]);
    let drawn =
        text(&graph, &[], Charset::Unicode, |name| (name.as_str() != "z").then(|| format!("{name}!")));
    assert_eq!(drawn, "früh     früh!\n├─ z\n└─ 日本  日本!\n");
}

#[test]
fn what_an_entry_does_not_reach_is_listed() {
    let drawn = drawn(&shop(), &["checkout"], Charset::Unicode);
    let (reached, rest) = drawn.split_once("\nnot reached from there:\n").unwrap();
    assert!(!reached.contains("frontend"));
    assert!(rest.starts_with("frontend\n├─ cart\n"));
    assert!(super::text(&CallGraph::default(), &[], Charset::Unicode, |_| None).is_empty());
}

#[test]
fn an_unknown_entry_hides_nothing() {
    let drawn = drawn(&shop(), &["nobody"], Charset::Unicode);
    assert!(drawn.starts_with("frontend\n"), "{drawn}");
}

#[test]
fn rings_end() {
    let ring = graph(&[("a", "b", Spans, 1), ("b", "c", Spans, 1), ("c", "a", Spans, 1)]);
    assert_eq!(drawn(&ring, &["b"], Charset::Unicode), "b\n└─ c\n   └─ a\n      └─ b ↺\n");
    // Nobody is uncalled: the first by name stands for the ring.
    assert_eq!(drawn(&ring, &[], Charset::Unicode), "a\n└─ b\n   └─ c\n      └─ a ↺\n");
}

#[test]
fn a_service_calling_itself_is_no_edge() {
    let own = graph(&[("a", "a", Spans, 5), ("a", "b", Spans, 1)]);
    assert_eq!(own.edges().len(), 1);
    assert_eq!(drawn(&own, &["a"], Charset::Unicode), "a\n└─ b\n");
}

#[test]
fn edges_add_up_and_keep_their_best_origin() {
    let merged = graph(&[("a", "b", Dependencies, 7), ("a", "b", Spans, 5), ("a", "b", Metrics, 0)]);
    let edges = merged.edges();
    assert_eq!((edges.len(), edges[0].2.origin, edges[0].2.calls), (1, Spans, 12));
    assert!(merged.inner().node_weights().all(|node| node.instrumented));
    let name = ServiceName::from;
    assert_eq!(shop().callees(&name("frontend")), [&name("cart"), &name("checkout")]);
    assert_eq!(shop().callers(&name("cart")), [&name("checkout"), &name("frontend")]);
    assert!(shop().callers(&name("nobody")).is_empty());
}

#[test]
fn dot_names_everything() {
    let dot = dot(&graph(&[("we\"b", "re\\dis", Peer, 2)]), |name| {
        (name.as_str() == "we\"b").then(|| "p95".into())
    });
    assert_eq!(
        dot,
        r#"digraph sagetop {
  rankdir=LR;
  node [shape=box];
  "re\\dis" [label="re\\dis", style=dashed];
  "we\"b" [label="we\"b\np95"];
  "we\"b" -> "re\\dis" [label="2", style=dashed];
}
"#
    );
}

#[test]
fn json_has_services_edges_and_tree() {
    let value = serde_json::to_value(report(&shop(), &["frontend".into()])).unwrap();
    assert_eq!(value["schema"], "sagetop.graph/1");
    assert_eq!(value["services"][0], serde_json::json!({ "name": "cart", "instrumented": true }));
    let edge = serde_json::json!({ "caller": "cart", "callee": "redis", "origin": "peer", "calls": 15 });
    assert_eq!(value["edges"][0], edge);
    assert_eq!(value["tree"]["children"][1]["children"][0]["repeated"], true);
    assert!(serde_json::to_value(report(&CallGraph::default(), &[])).unwrap()["tree"].is_null());
}

/// Reads a DOT string as Graphviz does: `\"` and `\\` are escapes, a bare quote ends it.
fn unquoted(dot: &str) -> Option<(String, &str)> {
    let mut chars = dot.strip_prefix('"')?.char_indices();
    let mut out = String::new();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Some((out, &dot[i + 2..])),
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                c @ ('"' | '\\') => out.push(c),
                _ => return None,
            },
            c => out.push(c),
        }
    }
    None
}

proptest! {
    #[test]
    fn dot_strings_read_back(text in "(?s).{0,40}", quotes in "[\"\\\\nN\n]{0,12}") {
        for text in [text, quotes] {
            let dot = quoted(&text);
            prop_assert_eq!(unquoted(&dot), Some((text, "")));
        }
    }

    /// Any graph is drawn completely: every service has exactly one line that is not repeated.
    #[test]
    fn every_service_is_drawn_once(edges in prop::collection::vec((0u8..12, 0u8..12), 0..40)) {
        let mut graph = CallGraph::default();
        for (a, b) in &edges {
            graph.add_service(&ServiceName::new(&format!("s{a:02}")), true);
            graph.add_edge(&ServiceName::new(&format!("s{a:02}")), &ServiceName::new(&format!("s{b:02}")), Spans, 1);
        }
        let (trees, rest) = forest(&graph, &[]);
        prop_assert!(rest.is_empty());
        let mut reached = BTreeSet::new();
        for tree in &trees {
            let expanded: Vec<_> = lines(tree, Charset::Unicode)
                .into_iter().filter(|line| line.mark.is_empty()).map(|line| line.node.service.clone()).collect();
            let unique: BTreeSet<_> = expanded.iter().cloned().collect();
            prop_assert_eq!(unique.len(), expanded.len());
            reached.extend(unique);
        }
        prop_assert_eq!(reached.into_iter().collect::<Vec<_>>(), graph.services().into_iter().cloned().collect::<Vec<_>>());
    }
}
