//! CauseInfer: a graph of services, in each a graph of its metrics, and a search down both (Chen, Qi, Zheng and
//! Hou, *CauseInfer: Automatic and Distributed Performance Diagnosis with Hierarchical Causality Graph in Large
//! Distributed Systems*, INFOCOM 2014).
//!
//! ```text
//!  slow entry ─→ its metrics and its callees' latencies, by the PC algorithm
//!                 │ causes that changed, as long as there are some
//!                 ├─→ a metric without a changed cause: a root
//!                 └─→ a callee's latency: the same in the callee
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::method::{Answer, Blamed, Method, MethodError, Question, ranked};
use super::pc::{self, Background};
use super::signals::{Metric, called, metrics, served};
use super::stats::{known, mean, moments};
use crate::domain::{Quantile, Resource, ServiceName, Side};

/// Windows that tell what was usual lately.
const LATELY: usize = 60;
/// A change smaller than this many standard deviations is none (the slack of CUSUM).
const SLACK: f64 = 0.5;
/// Accumulated change, in standard deviations, from which on something changed.
const CHANGED: f64 = 5.0;
/// Added to standard deviations, as a share of the usual value.
const STILL: f64 = 0.001;
/// The latency that is explained.
const LATENCY: Quantile = Quantile(990);

/// CauseInfer with the settings of its paper.
#[derive(Clone, Copy, Debug, Default)]
pub struct CauseInfer {
    /// Of the PC algorithm.
    pub pc: pc::Settings,
}

/// What a node of a service's graph is.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Metric(Resource),
    Call(ServiceName),
    Latency,
}

/// The graph of a service's metrics, with how far each is off.
struct Inside {
    nodes: Vec<Node>,
    scores: Vec<f64>,
    changed: Vec<bool>,
    causes: Vec<Vec<usize>>,
    /// Neighbours of which it is open who causes whom.
    open: Vec<Vec<usize>>,
}

impl Inside {
    fn of(
        question: &Question<'_>,
        service: &ServiceName,
        metrics: &[Metric<'_>],
        settings: pc::Settings,
    ) -> Self {
        let mut columns: Vec<(Node, Vec<f64>)> = Vec::new();
        columns.extend(served(question.frame, service, LATENCY).map(|values| (Node::Latency, values)));
        for callee in question.graph.callees(service) {
            let latency = called(question.frame, service, callee, Side::Client, LATENCY);
            columns.extend(latency.map(|values| (Node::Call(callee.clone()), values)));
        }
        columns.extend(metrics.iter().map(|m| (Node::Metric(m.kind.resource), m.values.clone())));
        let history = Vec::from_iter(columns.iter().map(|(_, values)| &values[question.history()]));
        let prepared = pc::prepare(&history);
        let kept = Vec::from_iter(prepared.kept.iter().map(|at| columns[*at].0.clone()));
        let graph = pc::pc(&prepared.correlations, &background(&kept), settings);
        let (mut causes, mut open) = (vec![Vec::new(); columns.len()], vec![Vec::new(); columns.len()]);
        for (node, at) in prepared.kept.iter().enumerate() {
            causes[*at].extend(graph.parents(node).map(|cause| prepared.kept[cause]));
            open[*at].extend(graph.open(node).map(|other| prepared.kept[other]));
        }
        // That a service waits for its callees is known, however little that varied so far.
        let calls = |(at, (node, _)): (usize, &(Node, _))| matches!(node, Node::Call(_)).then_some(at);
        if let Some(latency) = columns.iter().position(|(node, _)| *node == Node::Latency) {
            causes[latency].extend(columns.iter().enumerate().filter_map(calls));
        }
        let states = Vec::from_iter(columns.iter().map(|(_, values)| change(question, values)));
        Self {
            causes,
            open,
            scores: states.iter().map(|(score, _)| *score).collect(),
            changed: states.iter().map(|(_, changed)| *changed).collect(),
            nodes: columns.into_iter().map(|(node, _)| node).collect(),
        }
    }
}

/// Nothing is caused by a service's latency, and nothing in it causes its load.
fn background(nodes: &[Node]) -> Background {
    let mut background = Background::default();
    for (a, from) in nodes.iter().enumerate() {
        for (b, to) in nodes.iter().enumerate() {
            if *from == Node::Latency || *to == Node::Metric(Resource::Load) {
                background.forbidden.insert((a, b));
            }
        }
    }
    background
}

/// How far a signal is off what it was lately, in standard deviations, and whether CUSUM calls it a change.
fn change(question: &Question<'_>, values: &[f64]) -> (f64, bool) {
    let (now, before) = (question.now(), question.history().end);
    let Some((centre, deviation)) = moments(&values[before.saturating_sub(LATELY)..before]) else {
        return (0.0, false);
    };
    let scale = deviation + (STILL * centre.abs()).max(1e-12);
    let (mut up, mut down, mut most) = (0.0f64, 0.0f64, 0.0f64);
    for value in known(&values[now.clone()]) {
        let off = (value - centre) / scale;
        up = (up + off - SLACK).max(0.0);
        down = (down - off - SLACK).max(0.0);
        most = most.max(up).max(down);
    }
    let off = mean(known(&values[now])).map_or(0.0, |today| (today - centre).abs() / scale);
    (off, most > CHANGED)
}

/// The way down from a service's latency.
struct Search<'a> {
    inside: BTreeMap<&'a ServiceName, Inside>,
    visited: BTreeSet<(ServiceName, usize)>,
    roots: BTreeMap<ServiceName, f64>,
    load: bool,
}

impl Search<'_> {
    /// Explains why `service` is slow; whether there is anything to explain.
    fn service(&mut self, service: &ServiceName, asked: bool) -> bool {
        let Some(inside) = self.inside.get(service) else { return false };
        let Some(latency) = inside.nodes.iter().position(|node| *node == Node::Latency) else { return false };
        if !asked && !inside.changed[latency] {
            return false;
        }
        self.node(service, latency);
        true
    }

    fn node(&mut self, service: &ServiceName, node: usize) {
        if !self.visited.insert((service.clone(), node)) {
            return;
        }
        let Some(inside) = self.inside.get(service) else { return };
        let (kind, score) = (inside.nodes[node].clone(), inside.scores[node]);
        let changed = |cause: &&usize| inside.changed[**cause];
        let mut causes = Vec::from_iter(inside.causes[node].iter().filter(changed).copied());
        if causes.is_empty() {
            // Perhaps one of these; but not in a circle.
            let new = |other: &&usize| !self.visited.contains(&(service.clone(), **other));
            causes.extend(inside.open[node].iter().filter(changed).filter(new));
        }
        // A call is explained by the callee, not by what else changed here.
        if let Node::Call(callee) = &kind {
            if !self.service(callee, false) {
                self.root(callee, score);
            }
            return;
        }
        if causes.is_empty() {
            match kind {
                Node::Metric(Resource::Load) => self.load = true,
                _ => self.root(service, score),
            }
        }
        causes.into_iter().for_each(|cause| self.node(service, cause));
    }

    fn root(&mut self, service: &ServiceName, score: f64) {
        let known = self.roots.entry(service.clone()).or_insert(score);
        *known = known.max(score);
    }
}

impl Method for CauseInfer {
    fn name(&self) -> &'static str {
        "CauseInfer"
    }

    fn settings(&self) -> String {
        format!(
            "PC: α {}, up to {} conditions; CUSUM over the last {LATELY} windows: slack {SLACK} σ, change from \
             {CHANGED} σ",
            self.pc.alpha, self.pc.most
        )
    }

    fn answer(&self, question: &Question<'_>) -> Result<Answer, MethodError> {
        let metrics = metrics(question);
        let services = question.graph.services().into_iter().map(|service| {
            let own = metrics.get(service).map(Vec::as_slice).unwrap_or_default();
            (service, Inside::of(question, service, own, self.pc))
        });
        let mut search = Search {
            inside: services.collect(),
            visited: BTreeSet::new(),
            roots: BTreeMap::new(),
            load: false,
        };
        search.service(&question.slo.service, true);
        let only_load = search.load && search.roots.is_empty();
        Ok(Answer { ranking: ranked(search.roots), blamed: only_load.then_some(Blamed::Load) })
    }
}
