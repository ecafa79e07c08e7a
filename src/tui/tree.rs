//! The dependency tree as lines: folding, filtering, and a name for every line.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::causal::{CallGraph, TreeNode};
use crate::domain::ServiceName;

/// Names a line across refreshes. A service stands unfolded only once in a tree, so the
/// service and its parent are enough.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Who calls it; `None` for the entry.
    pub parent: Option<ServiceName>,
    /// The service.
    pub service: ServiceName,
}

/// One line of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its name.
    pub place: Place,
    /// For each level above it: whether the branch there goes on below this line.
    pub rails: Vec<bool>,
    /// Whether it has no later sibling.
    pub last: bool,
    /// Services it calls, folded away or not.
    pub children: usize,
    /// Whether its children are folded away.
    pub folded: bool,
    /// Whether it sends telemetry itself.
    pub instrumented: bool,
    /// Whether it stands elsewhere with its children.
    pub repeated: bool,
    /// Whether it stands above itself: its calls lead back to it.
    pub cycle: bool,
}

impl Row {
    /// Steps from the entry.
    pub fn depth(&self) -> usize {
        self.rails.len()
    }
}

/// What the lines were made from: graph, entry, filter, folds, and of which version the weights were.
type Made = (Arc<CallGraph>, ServiceName, String, BTreeSet<ServiceName>, Option<u64>);

/// What each call weighs, by caller and callee, and of which version of the data.
pub type Weights<'a> = (u64, &'a dyn Fn(&ServiceName, &ServiceName) -> f64);

/// The lines for one graph, entry, filter and set of folds; kept until one of them changes.
#[derive(Clone, Debug, Default)]
pub struct TreeRows {
    made_from: Option<Made>,
    made: u64,
    rows: Vec<Row>,
}

impl TreeRows {
    /// The lines.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// How often they changed: what follows from them is made again when it changes.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Empties it.
    pub fn clear(&mut self) {
        *self = Self { made: self.made + 1, ..Self::default() };
    }

    /// Makes the lines again if anything they depend on changed. `filter` is in lower case;
    /// while it is set, branches with a match are shown whether folded or not. With `weights`, the heaviest
    /// call of each service comes first, else they stand by name.
    pub fn refresh(
        &mut self,
        graph: &Arc<CallGraph>,
        entry: &ServiceName,
        filter: &str,
        folded: &BTreeSet<ServiceName>,
        weights: Option<Weights<'_>>,
    ) {
        let same = self.made_from.as_ref().is_some_and(|(g, e, f, s, v)| {
            Arc::ptr_eq(g, graph)
                && e == entry
                && f == filter
                && s == folded
                && *v == weights.map(|(version, _)| version)
        });
        if same {
            return;
        }
        let before = std::mem::take(&mut self.rows);
        let root = match weights {
            Some((_, weight)) => graph.tree_by(entry, weight),
            None => graph.tree(entry),
        };
        if let Some(root) = root {
            let mut walk = Walk { filter, folded, rows: &mut self.rows, above: Vec::new() };
            walk.visit(&root, None, &mut Vec::new(), true);
        }
        // Every snapshot has a graph of its own, which mostly is the one before.
        if self.rows != before {
            self.made += 1;
        }
        let version = weights.map(|(version, _)| version);
        self.made_from = Some((Arc::clone(graph), entry.clone(), filter.to_owned(), folded.clone(), version));
    }
}

struct Walk<'a> {
    filter: &'a str,
    folded: &'a BTreeSet<ServiceName>,
    rows: &'a mut Vec<Row>,
    /// The services on the way down to the line.
    above: Vec<ServiceName>,
}

impl Walk<'_> {
    fn visit(&mut self, node: &TreeNode, parent: Option<&ServiceName>, rails: &mut Vec<bool>, last: bool) {
        let folded =
            self.filter.is_empty() && self.folded.contains(&node.service) && !node.children.is_empty();
        self.rows.push(Row {
            place: Place { parent: parent.cloned(), service: node.service.clone() },
            rails: rails.clone(),
            last,
            children: node.children.len(),
            folded,
            instrumented: node.instrumented,
            repeated: node.repeated,
            cycle: self.above.contains(&node.service),
        });
        if folded {
            return;
        }
        let shown: Vec<_> = node.children.iter().filter(|c| self.matches(c)).collect();
        // The entry has no line in front of it, so its children have no rail for it either.
        let rail = parent.is_some() && !last;
        self.above.push(node.service.clone());
        for (i, child) in shown.iter().enumerate() {
            rails.push(rail);
            self.visit(child, Some(&node.service), rails, i + 1 == shown.len());
            rails.pop();
        }
        self.above.pop();
    }

    fn matches(&self, node: &TreeNode) -> bool {
        self.filter.is_empty()
            || node.service.as_str().to_lowercase().contains(self.filter)
            || node.children.iter().any(|c| self.matches(c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causal::EdgeOrigin;

    fn graph(edges: &[(&str, &str)]) -> Arc<CallGraph> {
        let mut graph = CallGraph::default();
        for (a, b) in edges {
            graph.add_edge(&ServiceName::new(a), &ServiceName::new(b), EdgeOrigin::Spans, 1);
        }
        Arc::new(graph)
    }

    fn names(rows: &TreeRows) -> Vec<String> {
        rows.rows().iter().map(|r| format!("{}{}", "  ".repeat(r.depth()), r.place.service)).collect()
    }

    #[test]
    fn folds_hide_children_and_filters_open_them() {
        let graph = graph(&[("a", "b"), ("b", "c"), ("a", "d"), ("d", "c")]);
        let entry = ServiceName::new("a");
        let mut rows = TreeRows::default();
        rows.refresh(&graph, &entry, "", &BTreeSet::new(), None);
        assert_eq!(names(&rows), ["a", "  b", "    c", "  d", "    c"]);
        assert!(rows.rows()[4].repeated || rows.rows()[4].children == 0);

        let folded = BTreeSet::from([ServiceName::new("b")]);
        rows.refresh(&graph, &entry, "", &folded, None);
        assert_eq!(names(&rows), ["a", "  b", "  d", "    c"]);
        rows.refresh(&graph, &entry, "c", &folded, None);
        assert_eq!(names(&rows), ["a", "  b", "    c", "  d", "    c"]);
        rows.refresh(&graph, &entry, "b", &folded, None);
        assert_eq!(names(&rows), ["a", "  b"]);
    }

    #[test]
    fn the_heaviest_call_comes_first_with_all_below_it_and_cycles_are_called_so() {
        let graph = graph(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "a")]);
        let entry = ServiceName::new("a");
        let mut rows = TreeRows::default();
        let weight = |_: &ServiceName, callee: &ServiceName| f64::from(u8::from(callee.as_str() == "c"));
        rows.refresh(&graph, &entry, "", &BTreeSet::new(), Some((1, &weight)));
        assert_eq!(names(&rows), ["a", "  c", "    d", "      a", "  b", "    d"]);
        let told: Vec<_> = rows.rows().iter().map(|r| (r.repeated, r.cycle)).collect();
        assert_eq!(told[3..], [(true, true), (false, false), (true, false)]);
        rows.refresh(&graph, &entry, "", &BTreeSet::new(), None);
        assert_eq!(names(&rows)[1], "  b");
    }

    #[test]
    fn the_same_calls_in_another_graph_change_nothing() {
        let entry = ServiceName::new("a");
        let mut rows = TreeRows::default();
        let mut made = |edges: &[(&str, &str)]| {
            rows.refresh(&graph(edges), &entry, "", &BTreeSet::new(), None);
            rows.made()
        };
        let first = made(&[("a", "b"), ("b", "c")]);
        assert_eq!(made(&[("a", "b"), ("b", "c")]), first);
        assert_ne!(made(&[("a", "b"), ("b", "c"), ("a", "d")]), first);
    }

    #[test]
    fn every_line_has_a_name_of_its_own() {
        let graph =
            graph(&[("a", "b"), ("b", "a"), ("b", "c"), ("a", "c"), ("c", "b"), ("c", "d"), ("b", "d")]);
        let mut rows = TreeRows::default();
        rows.refresh(&graph, &ServiceName::new("a"), "", &BTreeSet::new(), None);
        let places: BTreeSet<_> = rows.rows().iter().map(|r| r.place.clone()).collect();
        assert_eq!(places.len(), rows.rows().len());
    }
}
