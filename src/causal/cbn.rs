//! The causal Bayesian network: X, Y and Z nodes and the edges of Sage (ASPLOS'21, section 3).
//!
//! Arrows run against RPC arrows: latency flows from the back end to the front end.
//!
//! ```text
//! X → Z                                        every service and channel (the prior)
//! Y server(p→q)   ← X q, Z q, X node(q), Y client of every call q issues
//! Y client(p→q)   ← Y server(p→q), Y request/response/network(p→q), X p, Z p
//! Y network(p→q)  ← X channel, Z channel
//! Y issued(p→*)   ← Y client of every call p issues, X p, Z p
//! Y user(→entry)  ← Y server of the entry, X entry, Z entry
//! ```

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::feedback_arc_set::greedy_feedback_arc_set;
use petgraph::algo::toposort;
use petgraph::graph::DiGraph;
use petgraph::visit::EdgeRef;
use serde::{Deserialize, Serialize};

use super::CallGraph;
use crate::domain::{Clean, Column, Entity, NodeName, Party, Quantile, Rpc, ServiceName, Side, Stat};

/// Carrier of metrics (X) and, unless it is a machine, of a latent (Z).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntityNode {
    /// What it is.
    pub entity: Entity,
    /// Its metric columns.
    pub x: Vec<Column>,
}

impl EntityNode {
    /// Machines have metrics but no latent of their own: they act through the services on them.
    pub fn has_latent(&self) -> bool {
        !matches!(self.entity, Entity::Node(_))
    }
}

/// A latency variable: all quantiles of one RPC class at one side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyNode {
    /// Which calls.
    pub rpc: Rpc,
    /// Where measured.
    pub side: Side,
    /// Quantiles present, ascending, with their columns.
    pub quantiles: Vec<(Quantile, Column)>,
    /// Column with the number of calls, where there is one.
    pub count: Option<Column>,
    /// Latency nodes it depends on, by index; all smaller than its own.
    pub parents: Vec<usize>,
    /// Entities whose X (and Z) it depends on, by index; the first one is its owner:
    /// what is unusual about this latency given its parents is the owner's doing.
    pub entities: Vec<usize>,
}

/// The network. Latency nodes are in topological order, back end first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cbn {
    /// Services, channels and machines.
    pub entities: Vec<EntityNode>,
    /// Latency variables.
    pub latencies: Vec<LatencyNode>,
    /// Dependencies left out to break cycles, in words.
    pub broken_cycles: Vec<Clean>,
}

impl Cbn {
    /// Builds the network for the columns that exist. `placement` tells which machines a
    /// service's replicas run on.
    pub fn build<'a>(
        graph: &CallGraph,
        columns: impl IntoIterator<Item = &'a Column>,
        placement: &BTreeMap<ServiceName, Vec<NodeName>>,
    ) -> Self {
        let mut metrics: BTreeMap<Entity, Vec<Column>> = BTreeMap::new();
        let mut latency: BTreeMap<(Rpc, Side), LatencyNode> = BTreeMap::new();
        for column in columns {
            match column {
                Column::Metric { entity, .. } => {
                    metrics.entry(entity.clone()).or_default().push(column.clone());
                }
                Column::Latency { rpc, side, stat } => {
                    let node = latency.entry((rpc.clone(), *side)).or_insert_with(|| LatencyNode {
                        rpc: rpc.clone(),
                        side: *side,
                        quantiles: Vec::new(),
                        count: None,
                        parents: Vec::new(),
                        entities: Vec::new(),
                    });
                    match stat {
                        Stat::Quantile(q) => node.quantiles.push((*q, column.clone())),
                        Stat::Count => node.count = Some(column.clone()),
                    }
                }
            }
        }
        latency.retain(|(rpc, side), node| !node.quantiles.is_empty() && is_modelled(graph, rpc, *side));
        let split: BTreeSet<Rpc> = latency
            .keys()
            .filter(|(rpc, side)| {
                *side == Side::Request && latency.contains_key(&(rpc.clone(), Side::Response))
            })
            .map(|(rpc, _)| rpc.clone())
            .collect();
        // The parts say more than their sum; with only one part, the sum is complete and the part is not.
        latency.retain(|(rpc, side), _| match side {
            Side::Network => !split.contains(rpc),
            Side::Request | Side::Response => split.contains(rpc),
            Side::Client | Side::Server => true,
        });

        let entities = entities(graph, metrics, latency.keys());
        let place: BTreeMap<Entity, usize> =
            entities.iter().enumerate().map(|(i, e)| (e.entity.clone(), i)).collect();
        let mut nodes: Vec<LatencyNode> = latency.into_values().collect();
        for node in &mut nodes {
            node.quantiles.sort();
            node.entities = owners(&node.rpc, node.side, placement, &place);
        }
        let (order, parents, broken_cycles) = ordered(&nodes);
        let mut rank = vec![0; nodes.len()];
        for (new, old) in order.iter().enumerate() {
            rank[*old] = new;
        }
        let latencies = order
            .iter()
            .map(|old| {
                let mut node = nodes[*old].clone();
                node.parents = parents[*old].iter().map(|p| rank[*p]).collect();
                node.parents.sort_unstable();
                node
            })
            .collect();
        Self { entities, latencies, broken_cycles }
    }

    /// Index of an entity.
    pub fn entity(&self, entity: &Entity) -> Option<usize> {
        self.entities.iter().position(|e| e.entity == *entity)
    }

    /// Index of the latency node of `rpc` at `side`.
    pub fn latency(&self, rpc: &Rpc, side: Side) -> Option<usize> {
        self.latencies.iter().position(|n| n.rpc == *rpc && n.side == side)
    }

    /// Services of the network, sorted.
    pub fn services(&self) -> Vec<&ServiceName> {
        self.entities
            .iter()
            .filter_map(|e| match &e.entity {
                Entity::Service(s) => Some(s),
                Entity::Channel { .. } | Entity::Node(_) => None,
            })
            .collect()
    }

    /// Latency nodes whose owner (first entity) is `entity`.
    pub fn owned_by(&self, entity: usize) -> impl Iterator<Item = usize> + '_ {
        self.latencies
            .iter()
            .enumerate()
            .filter(move |(_, n)| n.entities.first() == Some(&entity))
            .map(|(i, _)| i)
    }

    /// All columns the network reads.
    pub fn columns(&self) -> Vec<&Column> {
        let x = self.entities.iter().flat_map(|e| &e.x);
        let y = self.latencies.iter().flat_map(|n| n.quantiles.iter().map(|(_, c)| c).chain(&n.count));
        x.chain(y).collect()
    }

    /// Encoder inputs of an entity (its Markov blanket): the latencies it drives, then
    /// their other parents, without repetition.
    pub fn blanket(&self, entity: usize) -> Vec<usize> {
        let driven: Vec<usize> =
            (0..self.latencies.len()).filter(|i| self.latencies[*i].entities.contains(&entity)).collect();
        let co = driven.iter().flat_map(|i| self.latencies[*i].parents.iter().copied());
        let mut seen = BTreeSet::new();
        driven.iter().copied().chain(co).filter(|i| seen.insert(*i)).collect()
    }
}

/// Pooled client latency of a service that calls nobody we know is an artefact of its
/// exporter: it would hang in the air without a parent.
fn is_modelled(graph: &CallGraph, rpc: &Rpc, side: Side) -> bool {
    match (&rpc.caller, &rpc.callee, side) {
        (Party::Service(caller), Party::Any, Side::Client) => !graph.callees(caller).is_empty(),
        // Its other sides, callees pooled, are on no channel: nobody would own them.
        (_, Party::Any | Party::User, _) => false,
        _ => true,
    }
}

fn entities<'a>(
    graph: &CallGraph,
    mut metrics: BTreeMap<Entity, Vec<Column>>,
    latencies: impl Iterator<Item = &'a (Rpc, Side)>,
) -> Vec<EntityNode> {
    for service in graph.services() {
        metrics.entry(Entity::Service(service.clone())).or_default();
    }
    for (caller, callee, _) in graph.edges() {
        let channel = Entity::Channel { caller: caller.clone(), callee: callee.clone() };
        metrics.entry(channel).or_default();
    }
    for (rpc, _) in latencies {
        for service in [rpc.caller.service(), rpc.callee.service()].into_iter().flatten() {
            metrics.entry(Entity::Service(service.clone())).or_default();
        }
        if let (Party::Service(caller), Party::Service(callee)) = (&rpc.caller, &rpc.callee) {
            let channel = Entity::Channel { caller: caller.clone(), callee: callee.clone() };
            metrics.entry(channel).or_default();
        }
    }
    metrics
        .into_iter()
        .map(|(entity, mut x)| {
            x.sort();
            EntityNode { entity, x }
        })
        .collect()
}

/// Entities a latency depends on, owner first.
fn owners(
    rpc: &Rpc,
    side: Side,
    placement: &BTreeMap<ServiceName, Vec<NodeName>>,
    place: &BTreeMap<Entity, usize>,
) -> Vec<usize> {
    let service = |name: &ServiceName| {
        let nodes = placement.get(name).into_iter().flatten().map(|n| Entity::Node(n.clone()));
        std::iter::once(Entity::Service(name.clone())).chain(nodes).collect::<Vec<_>>()
    };
    let wanted = match (&rpc.caller, &rpc.callee, side) {
        (Party::Service(p), Party::Service(q), Side::Request | Side::Response | Side::Network) => {
            vec![Entity::Channel { caller: p.clone(), callee: q.clone() }]
        }
        (Party::Service(p), _, Side::Client) => service(p),
        (_, Party::Service(q), _) => service(q),
        _ => Vec::new(),
    };
    wanted.iter().filter_map(|e| place.get(e).copied()).collect()
}

/// Topological order of the nodes, the parents of each, and what was cut to break cycles.
fn ordered(nodes: &[LatencyNode]) -> (Vec<usize>, Vec<Vec<usize>>, Vec<Clean>) {
    let mut graph: DiGraph<usize, ()> = DiGraph::new();
    let ix: Vec<_> = (0..nodes.len()).map(|i| graph.add_node(i)).collect();
    for (i, node) in nodes.iter().enumerate() {
        for (j, other) in nodes.iter().enumerate() {
            if i != j && is_parent(other, node, nodes) {
                graph.add_edge(ix[j], ix[i], ());
            }
        }
    }
    let cut: Vec<_> = greedy_feedback_arc_set(&graph).map(|e| (e.source(), e.target(), e.id())).collect();
    let broken = cut
        .iter()
        .map(|(a, b, _)| {
            Clean::new(&format!(
                "call cycle: {} no longer depends on {}",
                nodes[graph[*b]].rpc, nodes[graph[*a]].rpc
            ))
        })
        .collect();
    let gone: BTreeSet<_> = cut.iter().map(|(_, _, e)| *e).collect();
    graph.retain_edges(|_, e| !gone.contains(&e));
    let order = match toposort(&graph, None) {
        Ok(order) => order.into_iter().map(|n| graph[n]).collect(),
        // Unreachable once the feedback arcs are gone; nodes without parents are a safe answer.
        Err(_) => {
            graph.clear_edges();
            (0..nodes.len()).collect()
        }
    };
    let mut parents = vec![Vec::new(); nodes.len()];
    for e in graph.edge_references() {
        parents[graph[e.target()]].push(graph[e.source()]);
    }
    (order, parents, broken)
}

/// Whether `parent` is a direct cause of `node` among the latencies.
fn is_parent(parent: &LatencyNode, node: &LatencyNode, all: &[LatencyNode]) -> bool {
    let has = |caller: &Party, callee: &Party, side: Side| {
        all.iter().any(|n| n.rpc.caller == *caller && n.rpc.callee == *callee && n.side == side)
    };
    let (p, n) = (&parent.rpc, &node.rpc);
    match (node.side, parent.side) {
        // The calls a service issues while it serves.
        (Side::Server, Side::Client) => {
            n.callee.service().is_some()
                && p.caller == n.callee
                && (p.callee != Party::Any || !issues_edges(&n.callee, all))
        }
        // The users' view rests on the entry's server side, or on what it calls where that is not measured.
        (Side::Client, Side::Server) if n.caller == Party::User => {
            p.callee == n.callee
                && (p.caller == Party::User
                    || (p.caller == Party::Any && !has(&Party::User, &n.callee, Side::Server)))
        }
        (Side::Client, Side::Client) if n.caller == Party::User => {
            p.caller == n.callee
                && p.callee != Party::Any
                && !has(&Party::User, &n.callee, Side::Server)
                && !has(&Party::Any, &n.callee, Side::Server)
        }
        // Everything a service issues, callees pooled.
        (Side::Client, Side::Client) => {
            n.callee == Party::Any && p.caller == n.caller && p.callee != Party::Any
        }
        (Side::Client, Side::Server) => {
            n.callee != Party::Any
                && p.callee == n.callee
                && same_operation(p, n)
                && (p.caller == n.caller
                    || (p.caller == Party::Any && !has(&n.caller, &n.callee, Side::Server)))
        }
        (Side::Client, Side::Request | Side::Response | Side::Network) => {
            p.caller == n.caller && p.callee == n.callee && same_operation(p, n)
        }
        _ => false,
    }
}

fn issues_edges(caller: &Party, all: &[LatencyNode]) -> bool {
    all.iter().any(|n| n.rpc.caller == *caller && n.rpc.callee != Party::Any && n.side == Side::Client)
}

fn same_operation(a: &Rpc, b: &Rpc) -> bool {
    a.operation.is_none() || b.operation.is_none() || a.operation == b.operation
}

#[cfg(test)]
#[path = "cbn_tests.rs"]
mod tests;
