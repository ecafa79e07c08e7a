//! Seer: a convolutional and a recurrent network that learn from labelled incidents how queues build up before
//! the objective is missed (Gan et al., *Seer: Leveraging Big Data to Navigate the Complexity of Performance
//! Debugging in Cloud Microservices*, ASPLOS 2019).
//!
//! Seer reads queue depths from instrumented kernels and network cards every 100 ms. Here they are what
//! windows of a minute tell: by Little's law, calls a second times the time that each stays.

mod net;

use std::ops::Range;

use super::method::{Answer, Blamed, Labelled, Method, MethodError, Question, ranked};
use super::signals::{called, calls, metrics, served};
use super::stats::quartiles;
use crate::domain::{Quantile, Resource, ServiceName, Side, Tells};
use net::{Example, Net, OTHERS, Shape};

/// Queues of a service: of all calls, of the slowest ones, on the way to it, for the CPU, for anything else.
const QUEUES: usize = 5;
/// Healthy windows of the history that are shown beside the incidents.
const HEALTHY: usize = 85;
/// A queue that stands still counts as moving by this share of its largest value.
const STILL: f64 = 0.01;

/// Seer and what it has learned.
pub struct Seer {
    shape: Shape,
    learned: Option<Learned>,
}

struct Learned {
    services: Vec<ServiceName>,
    net: Net,
    examples: usize,
    cases: usize,
}

impl Default for Seer {
    fn default() -> Self {
        let shape = Shape {
            windows: 8,
            queues: QUEUES,
            width: 12,
            epochs: 60,
            batch: 16,
            rate: 0.01,
            decay: 0.01,
            seed: 1,
        };
        Self { shape, learned: None }
    }
}

/// The services from the entry to the back end; in a circle, by name.
fn topological(question: &Question<'_>) -> Vec<ServiceName> {
    let graph = question.graph.inner();
    match petgraph::algo::toposort(graph, None) {
        Ok(order) => order.into_iter().map(|at| graph[at].name.clone()).collect(),
        Err(_) => question.graph.services().into_iter().cloned().collect(),
    }
}

/// Queues of some services in every window: by service, by queue, as logarithms of how far they are above the
/// usual.
fn queues(question: &Question<'_>, services: &[ServiceName]) -> Vec<[Vec<f32>; QUEUES]> {
    let (frame, rows) = (question.frame, question.frame.len());
    let known = metrics(question);
    let waiting = |service: &ServiceName, of: &dyn Fn(Resource) -> bool| {
        let mut sum = vec![0.0; rows];
        for metric in known.get(service).into_iter().flatten() {
            // Tasks that wait at once: seconds a second.
            let pressure =
                metric.kind.tells == Tells::Shortage && metric.feature.as_str().ends_with("pressure");
            if of(metric.kind.resource) && pressure {
                sum.iter_mut().zip(&metric.values).for_each(|(sum, value)| *sum += value);
            }
        }
        sum
    };
    let times = |count: &[f64], ms: Vec<f64>| Vec::from_iter(count.iter().zip(ms).map(|(n, ms)| n * ms));
    let all = services.iter().map(|service| {
        let count = calls(frame, None, service).unwrap_or_default();
        let inside = |q| served(frame, service, Quantile(q)).map(|ms| times(&count, ms)).unwrap_or_default();
        let mut way = vec![0.0; rows];
        for caller in question.graph.callers(service) {
            let side = |side| called(frame, caller, service, side, Quantile(990));
            let (Some(client), Some(server)) = (side(Side::Client), side(Side::Server)) else { continue };
            let sent = calls(frame, Some(caller), service).unwrap_or_default();
            let gap = Vec::from_iter(client.iter().zip(&server).map(|(client, server)| client - server));
            way.iter_mut().zip(times(&sent, gap)).for_each(|(sum, queue)| *sum += queue);
        }
        let cpu = waiting(service, &|resource| resource == Resource::Cpu);
        let other = waiting(service, &|resource| resource != Resource::Cpu);
        [inside(500), inside(990), way, cpu, other].map(|queue| relative(question, &queue))
    });
    all.collect()
}

/// Compressed distance from the median, in interquartile ranges; 0 where nothing is known.
fn relative(question: &Question<'_>, queue: &[f64]) -> Vec<f32> {
    let usual = queue.get(question.history()).and_then(quartiles);
    let Some((low, middle, high)) = usual else { return vec![0.0; question.frame.len()] };
    let largest =
        queue.iter().copied().filter(|value| value.is_finite()).fold(0.0, |a: f64, b| a.max(b.abs()));
    let scale = (high - low).max(STILL * largest).max(1e-12);
    let off = queue.iter().map(|value| {
        let off = (value - middle) / scale;
        if off.is_finite() { (off.signum() * off.abs().ln_1p()) as f32 } else { 0.0 }
    });
    off.collect()
}

/// The windows up to `last`, window by window, service by service.
fn cut(queues: &[[Vec<f32>; QUEUES]], last: usize, windows: usize) -> Option<Vec<f32>> {
    let rows: Range<usize> = (last + 1).checked_sub(windows)?..last + 1;
    let row = |row: usize| queues.iter().flat_map(move |service| service.iter().map(move |queue| queue[row]));
    Some(rows.flat_map(row).collect())
}

impl Method for Seer {
    fn name(&self) -> &'static str {
        "Seer"
    }

    fn settings(&self) -> String {
        let Shape { windows, width, epochs, .. } = self.shape;
        let of = self.learned.as_ref().map_or((0, 0), |learned| (learned.examples, learned.cases));
        format!(
            "{windows} windows, width {width}, {epochs} epochs over {} examples of {} labelled cases",
            of.0, of.1
        )
    }

    fn needs_labels(&self) -> bool {
        true
    }

    fn learn(&mut self, cases: &[Labelled<'_>]) -> Result<(), MethodError> {
        let blames = |case: &Labelled<'_>| !matches!(&case.truth, Blamed::Services(s) if s.is_empty());
        let Some(first) = cases.iter().find(|case| blames(case)) else {
            return Err(MethodError::NoLabels { method: self.name() });
        };
        let services = topological(&first.question);
        let mut examples = Vec::new();
        for (at, case) in cases.iter().enumerate() {
            let queues = queues(&case.question, &services);
            let truth = shares(&services, &case.truth);
            let nobody = shares(&services, &Blamed::Services(Vec::new()));
            let history = case.question.history();
            // Of a history that all cases share, each shows another part.
            let step = (history.len() / HEALTHY.max(1)).max(1);
            let healthy = history.skip(at * step / cases.len().max(1)).step_by(step * cases.len().max(1));
            let now = case.question.now().map(|row| (row, &truth));
            for (row, answer) in healthy.map(|row| (row, &nobody)).chain(now) {
                let queues = cut(&queues, row, self.shape.windows);
                examples.extend(queues.map(|queues| Example { queues, answer: answer.clone() }));
            }
        }
        let failed = |source| MethodError::Network { method: self.name(), source: Box::new(source) };
        let net = Net::train(self.shape, services.len(), &examples).map_err(failed)?;
        self.learned = Some(Learned { services, net, examples: examples.len(), cases: cases.len() });
        Ok(())
    }

    fn answer(&self, question: &Question<'_>) -> Result<Answer, MethodError> {
        let Some(Learned { services, net, .. }) = &self.learned else {
            return Err(MethodError::NoLabels { method: self.name() });
        };
        let queues = queues(question, services);
        let windows = question.now().filter_map(|last| cut(&queues, last, self.shape.windows));
        let windows: Vec<f32> = windows.flatten().collect();
        let failed = |source| MethodError::Network { method: self.name(), source: Box::new(source) };
        let shares = net.shares(&windows).map_err(failed)?;
        let mean =
            |at: usize| shares.iter().map(|of| f64::from(of[at])).sum::<f64>() / shares.len().max(1) as f64;
        let ranking = ranked(services.iter().enumerate().map(|(at, service)| (service.clone(), mean(at))));
        let load = mean(services.len());
        // Asked is why the objective is violated, so nobody is no answer.
        let surge = ranking.first().is_none_or(|first| first.score < load);
        Ok(Answer { ranking, blamed: surge.then_some(Blamed::Load) })
    }
}

/// How much each answer is right.
fn shares(services: &[ServiceName], truth: &Blamed) -> Vec<f32> {
    let mut shares = vec![0.0; services.len() + OTHERS];
    match truth {
        Blamed::Load => shares[services.len()] = 1.0,
        Blamed::Services(to_blame) => {
            let known = Vec::from_iter((0..services.len()).filter(|at| to_blame.contains(&services[*at])));
            known.iter().for_each(|at| shares[*at] = 1.0 / known.len() as f32);
            if known.is_empty() {
                shares[services.len() + 1] = 1.0;
            }
        }
    }
    shares
}
