//! Microscope: a graph of services, of those that call each other and of those that share a machine, and the
//! abnormal ones that no abnormal one explains (Lin, Chen and Zheng, *Microscope: Pinpoint Performance Issues with
//! Causal Graphs in Micro-service Environments*, ICSOC 2018).

use std::collections::{BTreeMap, BTreeSet};

use super::method::{Answer, Method, MethodError, Question};
use super::pc::{self, Background, Cpdag};
use super::signals::{front, served};
use super::stats::{correlation, known, mean, moments};
use crate::domain::{Quantile, ServiceName};

/// Abnormal from so many standard deviations on.
const SIGMAS: f64 = 3.0;
/// Windows before those asked about over which latencies are correlated as well.
const BEFORE: usize = 11;
/// The latency that is looked at.
const LATENCY: Quantile = Quantile(990);

/// Microscope with the settings of its paper.
#[derive(Clone, Copy, Debug, Default)]
pub struct Microscope {
    /// Of the PC algorithm.
    pub pc: pc::Settings,
}

/// A service whose latency is known.
struct Node<'a> {
    service: &'a ServiceName,
    latency: Vec<f64>,
    abnormal: bool,
}

/// Whether the mean of the windows asked about lies beyond the interval of three sigma.
fn abnormal(question: &Question<'_>, latency: &[f64]) -> bool {
    let now = mean(known(&latency[question.now()]));
    let usual = moments(&latency[question.history()]);
    now.zip(usual).is_some_and(|(now, (centre, deviation))| now > centre + SIGMAS * deviation)
}

/// Only those that share a machine may make each other slow beyond the calls, which are known.
fn background(question: &Question<'_>, services: &[&ServiceName]) -> Background {
    let calls: BTreeSet<_> = question.graph.edges().into_iter().map(|(a, b, _)| (a, b)).collect();
    let machines =
        |service: &ServiceName| question.frame.placement.get(service).map(Vec::as_slice).unwrap_or_default();
    let mut background = Background::default();
    for (i, a) in services.iter().enumerate() {
        for (j, b) in services.iter().enumerate().filter(|(j, _)| *j != i) {
            let calls_each_other = calls.contains(&(*a, *b)) || calls.contains(&(*b, *a));
            let together = machines(a).iter().any(|machine| machines(b).contains(machine));
            if calls_each_other || !together {
                background.forbidden.insert((i, j));
            }
        }
    }
    background
}

impl Method for Microscope {
    fn name(&self) -> &'static str {
        "Microscope"
    }

    fn settings(&self) -> String {
        format!(
            "{LATENCY}, abnormal from {SIGMAS} σ; PC: α {}, up to {} conditions",
            self.pc.alpha, self.pc.most
        )
    }

    fn answer(&self, question: &Question<'_>) -> Result<Answer, MethodError> {
        let nodes = question.graph.services().into_iter().filter_map(|service| {
            let latency = Vec::from_iter(served(question.frame, service, LATENCY)?.iter().map(|ms| ms.ln()));
            let abnormal = abnormal(question, &latency);
            Some(Node { service, latency, abnormal })
        });
        let nodes: Vec<Node<'_>> = nodes.collect();
        let history = Vec::from_iter(nodes.iter().map(|node| &node.latency[question.history()]));
        let prepared = pc::prepare(&history);
        let tested = Vec::from_iter(prepared.kept.iter().map(|at| nodes[*at].service));
        let shared = pc::pc(&prepared.correlations, &background(question, &tested), self.pc);
        let at: BTreeMap<&ServiceName, usize> =
            nodes.iter().enumerate().map(|(i, n)| (n.service, i)).collect();
        let causes = |node: usize| {
            let called = question.graph.callees(nodes[node].service).into_iter();
            let called = called.filter_map(|callee| at.get(callee).copied());
            let neighbours = prepared.kept.iter().position(|kept| *kept == node);
            let neighbours = neighbours.into_iter().flat_map(|tested| around(&shared, tested));
            called.chain(neighbours.map(|tested| prepared.kept[tested])).collect::<Vec<_>>()
        };
        let mut candidates = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut next = Vec::from_iter(at.get(&question.slo.service).copied());
        while let Some(node) = next.pop() {
            if !seen.insert(node) {
                continue;
            }
            let abnormal = Vec::from_iter(causes(node).into_iter().filter(|cause| nodes[*cause].abnormal));
            if abnormal.is_empty() {
                candidates.insert(node);
            }
            next.extend(abnormal);
        }
        let front = front(question).unwrap_or_default();
        let from = question.now().start.saturating_sub(BEFORE);
        let score = |node: usize| {
            let r = correlation(nodes[node].latency.get(from..)?, front.get(from..)?)?;
            Some((nodes[node].service.clone(), r.max(0.0)))
        };
        Ok(Answer::ranking(candidates.into_iter().filter_map(score)))
    }
}

/// Direct causes, and neighbours that may be.
fn around(graph: &Cpdag, node: usize) -> Vec<usize> {
    graph.parents(node).chain(graph.open(node)).collect()
}
