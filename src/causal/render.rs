//! The call graph as a text tree, as DOT and as JSON.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::graph::{CallGraph, EdgeOrigin, ServiceNode, TreeNode};
use crate::domain::ServiceName;

/// Value of [`GraphReport::schema`].
pub const GRAPH_SCHEMA: &str = "sagetop.graph/1";

/// Characters to draw with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// Box drawing.
    #[default]
    Unicode,
    /// For terminals and fonts without it.
    Ascii,
}

impl Charset {
    /// Branch, last branch, continued line, no line, mark of a repeated service.
    fn glyphs(self) -> [&'static str; 5] {
        match self {
            Self::Unicode => ["├─ ", "└─ ", "│  ", "   ", "↺"],
            Self::Ascii => ["|- ", "`- ", "|  ", "   ", "^"],
        }
    }
}

/// One line of a drawn tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'a> {
    /// Branches before the name.
    pub stem: String,
    /// The service of this line.
    pub node: &'a TreeNode,
    /// Mark after the name; empty, or `↺` where the service is drawn elsewhere with its callees.
    pub mark: &'static str,
}

impl Line<'_> {
    /// The line as text.
    pub fn text(&self) -> String {
        let gap = if self.mark.is_empty() { "" } else { " " };
        let bare = if self.node.instrumented { "" } else { " (uninstrumented)" };
        format!("{}{}{gap}{}{bare}", self.stem, self.node.service, self.mark)
    }
}

/// The lines of `tree`, top to bottom.
pub fn lines(tree: &TreeNode, charset: Charset) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    push(tree, String::new(), String::new(), charset.glyphs(), &mut lines);
    lines
}

fn push<'a>(
    node: &'a TreeNode,
    stem: String,
    below: String,
    glyphs: [&'static str; 5],
    lines: &mut Vec<Line<'a>>,
) {
    let [branch, last, line, none, mark] = glyphs;
    lines.push(Line { stem, node, mark: if node.repeated { mark } else { "" } });
    for (i, child) in node.children.iter().enumerate() {
        let is_last = i + 1 == node.children.len();
        let (tip, rest) = if is_last { (last, none) } else { (branch, line) };
        push(child, format!("{below}{tip}"), format!("{below}{rest}"), glyphs, lines);
    }
}

/// The trees from `entries` as text, one service a line, then the services they do not reach.
/// With no entries, from every service that nobody calls. `note` adds a remark to a service;
/// remarks stand in one column.
pub fn text(
    graph: &CallGraph,
    entries: &[ServiceName],
    charset: Charset,
    note: impl Fn(&ServiceName) -> Option<String>,
) -> String {
    let mut rows = Vec::new();
    let (trees, rest) = forest(graph, entries);
    let mut draw = |trees: &[TreeNode]| {
        for line in trees.iter().flat_map(|tree| lines(tree, charset)) {
            rows.push((line.text(), note(&line.node.service)));
        }
        rows.len()
    };
    let heading = draw(&trees);
    draw(&rest);
    let widest =
        rows.iter().filter(|(_, note)| note.is_some()).map(|(line, _)| line.width()).max().unwrap_or(0);
    let mut out = String::new();
    for (i, (line, note)) in rows.iter().enumerate() {
        if i == heading {
            out.push_str(if heading > 0 { "\nnot reached from there:\n" } else { "" });
        }
        out.push_str(line);
        if let Some(note) = note {
            out.extend(std::iter::repeat_n(' ', widest - line.width() + 2));
            out.push_str(note);
        }
        out.push('\n');
    }
    out
}

/// The trees from `entries` (or, if none is known, from all roots), and those of what they do
/// not reach.
fn forest(graph: &CallGraph, entries: &[ServiceName]) -> (Vec<TreeNode>, Vec<TreeNode>) {
    let mut reached = BTreeSet::new();
    let trees: Vec<TreeNode> = entries.iter().filter_map(|entry| graph.tree(entry)).collect();
    trees.iter().for_each(|tree| collect(tree, &mut reached));
    let rest = roots(graph, &mut reached);
    if trees.is_empty() { (rest, Vec::new()) } else { (trees, rest) }
}

fn collect(tree: &TreeNode, names: &mut BTreeSet<ServiceName>) {
    names.insert(tree.service.clone());
    tree.children.iter().for_each(|child| collect(child, names));
}

/// Trees that together hold everything outside of `reached`: from services that nobody calls,
/// then, for rings without such a one, from the first by name. Adds what they hold to `reached`.
fn roots(graph: &CallGraph, reached: &mut BTreeSet<ServiceName>) -> Vec<TreeNode> {
    let mut found = Vec::new();
    let services = graph.services();
    let uncalled = services.iter().filter(|name| graph.callers(name).is_empty());
    for name in uncalled.chain(&services) {
        if !reached.contains(*name)
            && let Some(tree) = graph.tree(name)
        {
            collect(&tree, reached);
            found.push(tree);
        }
    }
    found
}

/// The graph in Graphviz' DOT language; uninstrumented services are dashed. `note` adds a second
/// line to a service's label.
pub fn dot(graph: &CallGraph, note: impl Fn(&ServiceName) -> Option<String>) -> String {
    let mut out = String::from("digraph sagetop {\n  rankdir=LR;\n  node [shape=box];\n");
    let mut nodes: Vec<&ServiceNode> = graph.inner().node_weights().collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    for node in nodes {
        let style = if node.instrumented { "" } else { ", style=dashed" };
        let label = match note(&node.name) {
            Some(note) => format!("{}\n{note}", node.name),
            None => node.name.to_string(),
        };
        line(&mut out, format_args!("  {} [label={}{style}];", quoted(node.name.as_str()), quoted(&label)));
    }
    for (caller, callee, edge) in graph.edges() {
        let style = if edge.origin == EdgeOrigin::Spans { "" } else { ", style=dashed" };
        let label = if edge.calls > 0 { edge.calls.to_string() } else { String::new() };
        let (caller, callee) = (quoted(caller.as_str()), quoted(callee.as_str()));
        line(&mut out, format_args!("  {caller} -> {callee} [label={}{style}];", quoted(&label)));
    }
    out.push_str("}\n");
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{text}");
}

/// `text` as a DOT string: quotes and backslashes escaped, so that none of DOT's own escapes
/// (`\N`, `\l`) can arise; line ends become `\n`.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// JSON form of the call graph, `sagetop.graph/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GraphReport {
    /// Always `sagetop.graph/1`.
    pub schema: &'static str,
    /// Services by name.
    pub services: Vec<ServiceNode>,
    /// Calls between them.
    pub edges: Vec<EdgeReport>,
    /// The dependency trees from the entries.
    pub trees: Vec<TreeNode>,
    /// The first of them; null if there is none.
    pub tree: Option<TreeNode>,
}

/// One call edge of [`GraphReport`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EdgeReport {
    /// Who calls.
    pub caller: ServiceName,
    /// Who is called.
    pub callee: ServiceName,
    /// How the edge became known.
    pub origin: EdgeOrigin,
    /// Calls seen, where the origin counts them.
    pub calls: u64,
}

/// The graph and its trees from `entries` (or from all roots) for machines.
pub fn report(graph: &CallGraph, entries: &[ServiceName]) -> GraphReport {
    let mut services: Vec<ServiceNode> = graph.inner().node_weights().cloned().collect();
    services.sort_by(|a, b| a.name.cmp(&b.name));
    let edges = graph.edges().into_iter().map(|(caller, callee, edge)| EdgeReport {
        caller: caller.clone(),
        callee: callee.clone(),
        origin: edge.origin,
        calls: edge.calls,
    });
    let (trees, _) = forest(graph, entries);
    GraphReport {
        schema: GRAPH_SCHEMA,
        services,
        edges: edges.collect(),
        tree: trees.first().cloned(),
        trees,
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
