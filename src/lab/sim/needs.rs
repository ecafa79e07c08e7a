//! What the application needs at its mean load, by arithmetic: faults are sized by it, so that the
//! same intensity hurts a busy service and an idle one alike.

use crate::lab::app::{Application, Call, Chance, Repeat};

/// What a service needs, all replicas together, per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Need {
    /// Calls.
    pub calls: f64,
    /// CPU seconds, that is cores.
    pub cores: f64,
    /// Bytes in and out.
    pub bytes: (f64, f64),
}

/// Calls of one service by another, per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Edge {
    pub from: usize,
    pub to: usize,
    pub calls: f64,
}

/// The calls between services at the application's mean rate.
pub(super) fn edges(app: &Application) -> Vec<Edge> {
    let mut edges = Vec::new();
    for flow in &app.flows {
        add_edges(app, &flow.root, app.rate * flow.share, &mut edges);
    }
    edges
}

fn add_edges(app: &Application, call: &Call, rate: f64, edges: &mut Vec<Edge>) {
    for child in call.stages.iter().flatten() {
        let calls = rate * probability(app, &child.chance) * repeats(child.repeat);
        match edges.iter_mut().find(|edge| edge.from == call.service && edge.to == child.service) {
            Some(edge) => edge.calls += calls,
            None => edges.push(Edge { from: call.service, to: child.service, calls }),
        }
        add_edges(app, child, calls, edges);
    }
}

/// The needs of each service at the application's mean rate.
pub(super) fn needs(app: &Application) -> Vec<Need> {
    let mut needs = vec![Need::default(); app.services.len()];
    for flow in &app.flows {
        add(app, &flow.root, None, app.rate * flow.share, &mut needs);
    }
    needs
}

fn add(app: &Application, call: &Call, caller: Option<usize>, rate: f64, needs: &mut [Need]) {
    let rate = rate * probability(app, &call.chance) * repeats(call.repeat);
    let (request, response) = (f64::from(call.bytes.request), f64::from(call.bytes.response));
    if let Some(need) = needs.get_mut(call.service) {
        need.calls += rate;
        need.cores += rate * call.cpu.mean_us / 1e6;
        need.bytes.0 += rate * request;
        need.bytes.1 += rate * response;
    }
    if let Some(need) = caller.and_then(|caller| needs.get_mut(caller)) {
        need.bytes.0 += rate * response;
        need.bytes.1 += rate * request;
    }
    for child in call.stages.iter().flatten() {
        add(app, child, Some(call.service), rate, needs);
    }
}

fn probability(app: &Application, chance: &Chance) -> f64 {
    match chance {
        Chance::Always => 1.0,
        Chance::Probability(probability) | Chance::Shared { probability, .. } => *probability,
        Chance::MissOf { cache, keys, .. } => {
            let hit = app.services.get(*cache).map_or(0.0, |cache| cache.hit_ratio);
            1.0 - hit.powi(*keys as i32)
        }
        Chance::LastOf { of, .. } => 1.0 / f64::from((*of).max(1)),
    }
}

fn repeats(repeat: Repeat) -> f64 {
    match repeat {
        Repeat::Once => 1.0,
        Repeat::Sequential(low, high) | Repeat::Parallel(low, high) => {
            (f64::from(low) + f64::from(high)) / 2.0
        }
    }
}
