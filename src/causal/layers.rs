//! Calls in layers, callers left of callees: the order a drawing of them stands on.
//!
//! The steps are those of Sugiyama, Tagawa and Toda (1981): calls that close a cycle are turned round, every
//! service stands one layer right of its last caller, and the order within the layers is improved until few
//! calls cross. A call that passes layers gets a place in each of them, so that no line needs to run through a
//! service. All calls of one caller share these places: they leave it as one line that branches.

use std::cmp::Ordering;

use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Control, DfsEvent, depth_first_search};

/// How often the order of all layers is improved in each direction.
const SWEEPS: usize = 12;

/// What stands in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The service of that number.
    Service(usize),
    /// The line of the net of that number, on its way to a later layer.
    Passage(usize),
}

/// All calls of one caller that run in the same direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Net {
    /// The service they leave to the right.
    pub source: usize,
    /// Whether they are turned round: `source` is called by what stands right of it.
    pub back: bool,
    /// Its places in the layers right of `source`, leftmost first.
    pub passages: Vec<usize>,
}

/// A piece of a net between two places of neighbouring layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The net.
    pub net: usize,
    /// The place on the left.
    pub from: usize,
    /// The place on the right.
    pub to: usize,
}

/// A graph in layers.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Every place; the first are the services, by their number.
    pub places: Vec<Place>,
    /// The places of each layer, from top to bottom.
    pub order: Vec<Vec<usize>>,
    /// The nets.
    pub nets: Vec<Net>,
    /// The pieces they are made of.
    pub links: Vec<Link>,
    /// For each call its net and the places from its left end to its right end.
    pub ways: Vec<(usize, Vec<usize>)>,
}

impl Layers {
    /// `services` services and the calls between them by the numbers of caller and callee, without loops and
    /// repetitions; those with low numbers come first where nothing else decides.
    pub fn of(services: usize, calls: &[(usize, usize)]) -> Self {
        let turned = turned(services, calls);
        let layer = layer_of(services, calls, &turned);
        let mut layers = Self { places: (0..services).map(Place::Service).collect(), ..Self::default() };
        layers.order = vec![Vec::new(); layer.iter().max().map_or(0, |last| last + 1)];
        for (service, at) in layer.iter().enumerate() {
            layers.order[*at].push(service);
        }
        for ((caller, callee), back) in calls.iter().copied().zip(turned) {
            let (left, right) = if back { (callee, caller) } else { (caller, callee) };
            let net = layers.net(left, back);
            let way = layers.lead(net, layer[left]..layer[right], right);
            layers.ways.push((net, way));
        }
        layers.uncross();
        layers
    }

    fn net(&mut self, source: usize, back: bool) -> usize {
        let known = self.nets.iter().position(|net| net.source == source && net.back == back);
        known.unwrap_or_else(|| {
            self.nets.push(Net { source, back, passages: Vec::new() });
            self.nets.len() - 1
        })
    }

    /// Leads `net` through the layers after the first of `layers` to the service `end` in the one after them.
    fn lead(&mut self, net: usize, layers: std::ops::Range<usize>, end: usize) -> Vec<usize> {
        let mut way = vec![self.nets[net].source];
        for (step, layer) in layers.skip(1).enumerate() {
            let place = match self.nets[net].passages.get(step) {
                Some(place) => *place,
                None => {
                    let place = self.places.len();
                    self.places.push(Place::Passage(net));
                    self.order[layer].push(place);
                    self.nets[net].passages.push(place);
                    place
                }
            };
            way.push(place);
        }
        way.push(end);
        for pair in way.windows(2) {
            let link = Link { net, from: pair[0], to: pair[1] };
            if !self.links.contains(&link) {
                self.links.push(link);
            }
        }
        way
    }

    /// Sorts every layer by where its neighbours stand, to and fro, and keeps the best order met.
    fn uncross(&mut self) {
        let mut at = vec![0usize; self.places.len()];
        let mut layer_of = vec![0usize; self.places.len()];
        for (layer, places) in self.order.iter().enumerate() {
            for (i, place) in places.iter().enumerate() {
                (at[*place], layer_of[*place]) = (i, layer);
            }
        }
        let (mut left, mut right) =
            (vec![Vec::new(); self.places.len()], vec![Vec::new(); self.places.len()]);
        let mut gaps = vec![Vec::new(); self.order.len()];
        for link in &self.links {
            left[link.to].push(link.from);
            right[link.from].push(link.to);
            gaps[layer_of[link.from]].push((link.from, link.to));
        }
        let crossings = |at: &[usize]| gaps.iter().map(|gap| crossings(gap, at)).sum::<usize>();
        let (mut best, mut fewest) = (self.order.clone(), crossings(&at));
        for sweep in 0..2 * SWEEPS {
            if fewest == 0 {
                break;
            }
            let rightwards = sweep % 2 == 0;
            let neighbours = if rightwards { &left } else { &right };
            let layers: Vec<usize> = match rightwards {
                true => (1..self.order.len()).collect(),
                false => (0..self.order.len().saturating_sub(1)).rev().collect(),
            };
            for layer in layers {
                let mean = |place: &usize| {
                    let of = &neighbours[*place];
                    let sum: usize = of.iter().map(|n| at[*n]).sum();
                    if of.is_empty() { at[*place] as f64 } else { sum as f64 / of.len() as f64 }
                };
                let mut keyed: Vec<(f64, usize)> = self.order[layer].iter().map(|p| (mean(p), *p)).collect();
                keyed.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal));
                for (i, (_, place)) in keyed.iter().enumerate() {
                    self.order[layer][i] = *place;
                    at[*place] = i;
                }
            }
            let now = crossings(&at);
            if now < fewest {
                (best, fewest) = (self.order.clone(), now);
            }
        }
        self.order = best;
    }
}

/// For each call whether it closes a cycle, seen from the first services on.
fn turned(services: usize, calls: &[(usize, usize)]) -> Vec<bool> {
    let mut turned = vec![false; calls.len()];
    // The search follows a node's edges newest first: reversed, the first call is followed first.
    let edges = calls.iter().rev().map(|(a, b)| (*a as u32, *b as u32));
    let mut graph = DiGraph::<(), (), u32>::from_edges(edges);
    while graph.node_count() < services {
        graph.add_node(());
    }
    let starts = (0..services).map(NodeIndex::new);
    depth_first_search(&graph, starts, |event| -> Control<()> {
        if let DfsEvent::BackEdge(a, b) = event {
            let call = (a.index(), b.index());
            if let Some(i) = calls.iter().position(|c| *c == call) {
                turned[i] = true;
            }
        }
        Control::Continue
    });
    turned
}

/// The layer of each service: one right of the last of those that stand left of it.
fn layer_of(services: usize, calls: &[(usize, usize)], turned: &[bool]) -> Vec<usize> {
    let ahead = calls.iter().zip(turned).map(|((a, b), back)| if *back { (*b, *a) } else { (*a, *b) });
    let mut graph = DiGraph::<(), (), u32>::from_edges(ahead.map(|(a, b)| (a as u32, b as u32)));
    while graph.node_count() < services {
        graph.add_node(());
    }
    let mut layer = vec![0; services];
    // Without the calls that close cycles there is an order.
    for node in toposort(&graph, None).unwrap_or_default() {
        for callee in graph.neighbors(node) {
            layer[callee.index()] = layer[callee.index()].max(layer[node.index()] + 1);
        }
    }
    layer
}

/// How many pairs of `links` cross, for places that stand `at` in their layers.
fn crossings(links: &[(usize, usize)], at: &[usize]) -> usize {
    let mut ends: Vec<(usize, usize)> = links.iter().map(|(a, b)| (at[*a], at[*b])).collect();
    ends.sort_unstable();
    let most = ends.iter().map(|(_, b)| *b).max().unwrap_or(0);
    // A Fenwick tree counts the right ends met so far.
    let mut tree = vec![0usize; most + 2];
    let mut crossed = 0;
    for (met, (_, b)) in ends.iter().enumerate() {
        let (mut i, mut not_below) = (b + 1, 0);
        while i > 0 {
            not_below += tree[i];
            i &= i - 1;
        }
        crossed += met - not_below;
        let mut i = b + 1;
        while i < tree.len() {
            tree[i] += 1;
            i += i & i.wrapping_neg();
        }
    }
    crossed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layer(layers: &Layers, place: usize) -> usize {
        layers.order.iter().position(|of| of.contains(&place)).unwrap_or(usize::MAX)
    }

    #[test]
    fn a_long_call_passes_the_layers_between_and_a_cycle_is_turned_round() {
        let layers = Layers::of(3, &[(0, 1), (1, 2), (0, 2), (2, 0)]);
        assert_eq!((0..3).map(|s| layer(&layers, s)).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(layers.ways[2].1.len(), 3, "{:?}", layers.ways);
        assert!(matches!(layers.places[layers.ways[2].1[1]], Place::Passage(_)));
        let back = &layers.nets[layers.ways[3].0];
        assert_eq!((back.source, back.back), (0, true));
    }

    #[test]
    fn crossings_that_need_not_be_are_not() {
        // a calls y, b calls x: one of the layers is turned over.
        let layers = Layers::of(5, &[(0, 1), (0, 2), (1, 4), (2, 3)]);
        let at = |place| layers.order.iter().find_map(|of| of.iter().position(|p| *p == place));
        assert_eq!(at(1) < at(2), at(4) < at(3));
        assert_eq!(crossings(&[(0, 1), (1, 0)], &[0, 1]), 1);
        assert_eq!(crossings(&[(0, 0), (1, 1), (1, 0)], &[0, 1]), 0);
    }

    proptest! {
        /// Every call leads from left to right, one layer at a time, between its two services.
        #[test]
        fn every_call_has_its_way(n in 1usize..12, pairs in prop::collection::btree_set((0usize..12, 0usize..12), 0..40)) {
            let calls: Vec<_> = pairs.into_iter().filter(|(a, b)| a != b && *a < n && *b < n).collect();
            let layers = Layers::of(n, &calls);
            let mut all: Vec<_> = layers.order.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..layers.places.len()).collect::<Vec<_>>());
            for ((caller, callee), (net, way)) in calls.iter().zip(&layers.ways) {
                let ends = [way[0], way[way.len() - 1]];
                let wanted = if layers.nets[*net].back { [*callee, *caller] } else { [*caller, *callee] };
                prop_assert_eq!(ends, wanted);
                for pair in way.windows(2) {
                    prop_assert_eq!(layer(&layers, pair[0]) + 1, layer(&layers, pair[1]));
                    let link = Link { net: *net, from: pair[0], to: pair[1] };
                    prop_assert!(layers.links.contains(&link));
                }
            }
        }
    }
}
