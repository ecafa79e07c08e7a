//! Call graph: services, uninstrumented peers and the call edges between them.

use std::collections::BTreeSet;

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use serde::Serialize;

use crate::domain::ServiceName;

/// How an edge became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeOrigin {
    /// Parent and child span.
    Spans,
    /// A client span without a server span: the callee is uninstrumented.
    Peer,
    /// Labels of a latency or channel metric.
    Metrics,
    /// Jaeger's dependencies API.
    Dependencies,
}

/// A call edge.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edge {
    /// How it became known; the first origin in [`EdgeOrigin`]'s order wins.
    pub origin: EdgeOrigin,
    /// Calls seen where the origin counts them.
    pub calls: u64,
}

/// A service of the graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServiceNode {
    /// Its name.
    pub name: ServiceName,
    /// Whether it sends telemetry itself; peers known from client spans alone do not.
    pub instrumented: bool,
}

/// The call graph; edges point from caller to callee.
#[derive(Clone, Debug, Default)]
pub struct CallGraph {
    graph: DiGraph<ServiceNode, Edge>,
}

/// A node of the dependency tree as seen from an entry service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TreeNode {
    /// The service.
    pub service: ServiceName,
    /// Whether it sends telemetry itself.
    pub instrumented: bool,
    /// True if it stands elsewhere in the tree already, with its children there.
    pub repeated: bool,
    /// What it calls.
    pub children: Vec<TreeNode>,
}

impl CallGraph {
    /// Adds a service, or marks a known one as instrumented.
    pub fn add_service(&mut self, name: &ServiceName, instrumented: bool) -> NodeIndex {
        match self.index(name) {
            Some(ix) => {
                self.graph[ix].instrumented |= instrumented;
                ix
            }
            None => self.graph.add_node(ServiceNode { name: name.clone(), instrumented }),
        }
    }

    /// Adds `calls` calls to an edge, creating it and its services as needed.
    /// A service calling itself is not an edge.
    pub fn add_edge(&mut self, caller: &ServiceName, callee: &ServiceName, origin: EdgeOrigin, calls: u64) {
        if caller == callee {
            return;
        }
        let a = self.add_service(caller, origin != EdgeOrigin::Dependencies);
        let b = self.add_service(callee, origin == EdgeOrigin::Spans);
        match self.graph.find_edge(a, b) {
            Some(e) => {
                let edge = &mut self.graph[e];
                edge.origin = edge.origin.min(origin);
                edge.calls += calls;
            }
            None => {
                self.graph.add_edge(a, b, Edge { origin, calls });
            }
        }
    }

    fn index(&self, name: &ServiceName) -> Option<NodeIndex> {
        self.graph.node_indices().find(|ix| self.graph[*ix].name == *name)
    }

    /// The underlying graph.
    pub fn inner(&self) -> &DiGraph<ServiceNode, Edge> {
        &self.graph
    }

    /// All services, sorted by name.
    pub fn services(&self) -> Vec<&ServiceName> {
        let mut names: Vec<_> = self.graph.node_weights().map(|n| &n.name).collect();
        names.sort();
        names
    }

    /// All edges as (caller, callee, edge), sorted.
    pub fn edges(&self) -> Vec<(&ServiceName, &ServiceName, &Edge)> {
        let mut edges: Vec<_> = self
            .graph
            .edge_references()
            .map(|e| (&self.graph[e.source()].name, &self.graph[e.target()].name, e.weight()))
            .collect();
        edges.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        edges
    }

    /// What is known of the calls of `caller` to `callee`.
    pub fn edge(&self, caller: &ServiceName, callee: &ServiceName) -> Option<&Edge> {
        self.graph.edge_weight(self.graph.find_edge(self.index(caller)?, self.index(callee)?)?)
    }

    /// Services that `name` calls, sorted.
    pub fn callees(&self, name: &ServiceName) -> Vec<&ServiceName> {
        self.neighbours(name, Direction::Outgoing)
    }

    /// Services that call `name`, sorted.
    pub fn callers(&self, name: &ServiceName) -> Vec<&ServiceName> {
        self.neighbours(name, Direction::Incoming)
    }

    fn neighbours(&self, name: &ServiceName, direction: Direction) -> Vec<&ServiceName> {
        let Some(ix) = self.index(name) else { return Vec::new() };
        let mut names: Vec<_> =
            self.graph.neighbors_directed(ix, direction).map(|n| &self.graph[n].name).collect();
        names.sort();
        names
    }

    /// The dependency tree from `entry`. A service reached again is listed as `repeated`
    /// without its children, so cycles end and shared back ends are expanded once.
    pub fn tree(&self, entry: &ServiceName) -> Option<TreeNode> {
        self.tree_by(entry, &|_, _| 0.0)
    }

    /// The same with the calls of each service sorted by `weight` of caller and callee, heaviest first.
    pub fn tree_by(
        &self,
        entry: &ServiceName,
        weight: &dyn Fn(&ServiceName, &ServiceName) -> f64,
    ) -> Option<TreeNode> {
        let ix = self.index(entry)?;
        Some(self.subtree(ix, weight, &mut BTreeSet::new()))
    }

    fn subtree(
        &self,
        ix: NodeIndex,
        weight: &dyn Fn(&ServiceName, &ServiceName) -> f64,
        seen: &mut BTreeSet<NodeIndex>,
    ) -> TreeNode {
        let node = &self.graph[ix];
        let repeated = !seen.insert(ix);
        let children = if repeated {
            Vec::new()
        } else {
            let weighed = |n: NodeIndex| (n, weight(&node.name, &self.graph[n].name));
            let mut next: Vec<_> = self.graph.neighbors(ix).map(weighed).collect();
            let name = |n: NodeIndex| &self.graph[n].name;
            next.sort_by(|(a, x), (b, y)| y.total_cmp(x).then_with(|| name(*a).cmp(name(*b))));
            next.into_iter().map(|(n, _)| self.subtree(n, weight, seen)).collect()
        };
        TreeNode { service: node.name.clone(), instrumented: node.instrumented, repeated, children }
    }
}
