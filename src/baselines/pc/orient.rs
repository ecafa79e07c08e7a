//! From a skeleton to arrows: colliders first, then what follows from there being no others and no cycle.

use std::collections::BTreeSet;

use super::{Background, Separators};

/// A completed partially directed acyclic graph over columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpdag {
    /// `marks[a][b]`: an edge between them may point from a to b. Both ways: its direction is open.
    marks: Vec<Vec<bool>>,
}

impl Cpdag {
    /// Whether a causes b.
    pub fn directed(&self, a: usize, b: usize) -> bool {
        self.marks[a][b] && !self.marks[b][a]
    }

    /// Whether there is an edge whose direction is open.
    pub fn undirected(&self, a: usize, b: usize) -> bool {
        self.marks[a][b] && self.marks[b][a]
    }

    /// Whether there is an edge at all.
    pub fn adjacent(&self, a: usize, b: usize) -> bool {
        self.marks[a][b] || self.marks[b][a]
    }

    /// Direct causes.
    pub fn parents(&self, b: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.marks.len()).filter(move |a| self.directed(*a, b))
    }

    /// Neighbours by edges whose direction is open.
    pub fn open(&self, a: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.marks.len()).filter(move |b| self.undirected(a, *b))
    }

    /// Points an open edge from a to b.
    fn point(&mut self, a: usize, b: usize) {
        self.marks[b][a] = false;
    }

    /// Whether Meek's rules (1995) point the open edge of a and b to b.
    fn follows(&self, a: usize, b: usize) -> bool {
        let n = self.marks.len();
        let others = || (0..n).filter(|k| *k != a && *k != b);
        // 1: it would else be a collider that was not found.
        others().any(|c| self.directed(c, a) && !self.adjacent(c, b))
            // 2: it would else be a cycle.
            || others().any(|c| self.directed(a, c) && self.directed(c, b))
            // 3: else one of two rules before would be broken, whichever way the others point.
            || others().any(|c| {
                self.undirected(a, c) && self.directed(c, b) && others().any(|d| {
                    d != c && self.undirected(a, d) && self.directed(d, b) && !self.adjacent(c, d)
                })
            })
            // 4: needed only with background knowledge.
            || others().any(|c| {
                self.adjacent(a, c) && self.directed(c, b) && others().any(|d| {
                    d != c && self.undirected(a, d) && self.directed(d, c) && !self.adjacent(d, b)
                })
            })
    }
}

/// Points what can be pointed. Where two findings contradict each other the edge stays open, so that
/// nothing depends on the order in which they are looked at.
pub fn orient(adjacent: &[BTreeSet<usize>], separators: &Separators, background: &Background) -> Cpdag {
    let n = adjacent.len();
    let is = |a: usize| Vec::from_iter((0..n).map(|b| adjacent[a].contains(&b)));
    let mut graph = Cpdag { marks: (0..n).map(is).collect() };
    let known = Vec::from_iter(edges(&graph).into_iter().filter(|(a, b)| background.forbids(*b, *a)));
    known.iter().for_each(|(a, b)| graph.point(*a, *b));
    let colliders = Vec::from_iter(colliders(adjacent, separators));
    point_all(&mut graph, &colliders.into_iter().collect());
    loop {
        let implied = edges(&graph).into_iter().filter(|(a, b)| graph.follows(*a, *b)).collect();
        if !point_all(&mut graph, &implied) {
            return graph;
        }
    }
}

/// Open edges, both ways.
fn edges(graph: &Cpdag) -> Vec<(usize, usize)> {
    let n = graph.marks.len();
    let all = (0..n).flat_map(|a| (0..n).map(move |b| (a, b)));
    all.filter(|(a, b)| graph.undirected(*a, *b)).collect()
}

/// Arrows into what is in fewer than half of the sets that separate its two neighbours.
fn colliders(adjacent: &[BTreeSet<usize>], separators: &Separators) -> BTreeSet<(usize, usize)> {
    let mut arrows = BTreeSet::new();
    for ((i, j), sets) in separators {
        for k in adjacent[*i].intersection(&adjacent[*j]) {
            if 2 * sets.iter().filter(|set| set.contains(k)).count() < sets.len() {
                arrows.extend([(*i, *k), (*j, *k)]);
            }
        }
    }
    arrows
}

/// Points open edges at once, but for those that would point both ways; whether there were any.
fn point_all(graph: &mut Cpdag, arrows: &BTreeSet<(usize, usize)>) -> bool {
    let mut any = false;
    for (a, b) in arrows {
        if graph.undirected(*a, *b) && !arrows.contains(&(*b, *a)) {
            graph.point(*a, *b);
            any = true;
        }
    }
    any
}
