//! What telemetry shows of the application: the columns that spans and exporters would give.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{App, Episode, Requests, State};
use crate::domain::{
    Clean, Column, Entity, NodeName, Pool, Quantile, Rpc, ServiceName, Side, Stat, Timestamp,
};
use crate::telemetry::Catalogue;
use crate::windows::Frame;
use crate::windows::frame::Source;

/// Quantiles of every latency.
pub const QUANTILES: [Quantile; 3] = [Quantile(500), Quantile(900), Quantile(990)];

/// Name of service `s`.
pub fn service(app: &App, s: usize) -> ServiceName {
    ServiceName::new(app.services[s].name)
}

/// The RPC over call edge `c`.
pub fn call_rpc(app: &App, c: usize) -> Rpc {
    Rpc::edge(&service(app, app.calls[c].caller), &service(app, app.calls[c].callee))
}

/// The standard catalogue, whose feature names the columns carry.
pub fn kinds() -> Catalogue {
    Catalogue::standard().unwrap()
}

/// The frame under construction.
#[derive(Debug, Default)]
pub struct Table {
    columns: IndexMap<Column, Vec<f32>>,
}

impl Table {
    fn set(&mut self, column: Column, window: usize, value: f64) {
        let values = self.columns.entry(column).or_default();
        values.resize(window, f32::NAN);
        values.push(value as f32);
    }

    fn metric(&mut self, window: usize, entity: &Entity, feature: &str, pool: Pool, value: f64) {
        let column = Column::Metric { entity: entity.clone(), feature: Clean::new(feature), pool };
        self.set(column, window, value);
    }

    fn latency(&mut self, window: usize, rpc: &Rpc, side: Side, ms: &[f32]) {
        let mut sorted: Vec<f64> = ms.iter().map(|ms| f64::from(*ms)).collect();
        sorted.sort_by(f64::total_cmp);
        let of = |stat| Column::Latency { rpc: rpc.clone(), side, stat };
        for q in QUANTILES {
            if let Some(value) = crate::windows::spans::quantile(&sorted, q) {
                self.set(of(Stat::Quantile(q)), window, value);
            }
        }
        self.set(of(Stat::Count), window, sorted.len() as f64);
    }

    /// Adds a window.
    pub fn observe(&mut self, app: &App, window: usize, state: &State, requests: &Requests) {
        for (s, cpu) in state.cpu.iter().enumerate() {
            let entity = Entity::Service(service(app, s));
            let mean = cpu.iter().sum::<f64>() / cpu.len() as f64;
            self.metric(window, &entity, "cpu_usage", Pool::Mean, mean);
            if cpu.len() > 1 {
                let max = cpu.iter().copied().fold(0.0, f64::max);
                self.metric(window, &entity, "cpu_usage", Pool::Max, max);
            }
            self.metric(window, &entity, "memory_working_set", Pool::Mean, 512e6 * state.memory[s]);
            let calls = app.calls.iter().zip(&requests.calls).filter(|(call, _)| call.callee == s);
            let served: usize = calls.map(|(_, times)| times.server.len()).sum();
            let rate = if s == 0 { state.load } else { served as f64 / 1.5 };
            self.metric(window, &entity, "requests", Pool::Mean, rate);
            self.latency(window, &Rpc::served_by(&service(app, s)), Side::Server, &requests.served[s]);
        }
        for (n, share) in state.node.iter().enumerate() {
            let entity = Entity::Node(NodeName::new(app.nodes[n]));
            self.metric(window, &entity, "cpu_usage", Pool::Mean, *share);
        }
        for (c, times) in requests.calls.iter().enumerate() {
            let rpc = call_rpc(app, c);
            self.latency(window, &rpc, Side::Client, &times.client);
            self.latency(window, &rpc, Side::Server, &times.server);
            self.latency(window, &rpc, Side::Network, &times.way);
        }
        let entry = Rpc::entry(&service(app, 0), None);
        self.latency(window, &entry, Side::Client, &requests.served[0]);
        self.latency(window, &entry, Side::Server, &requests.served[0]);
    }

    /// The frame, with holes.
    pub fn finish(mut self, app: &App, episode: &Episode) -> Frame {
        let mut rng = StdRng::seed_from_u64(!episode.seed);
        for value in self.columns.values_mut().flatten() {
            if rng.random::<f64>() < episode.missing {
                *value = f32::NAN;
            }
        }
        let start: Timestamp = "2024-03-05T00:00:00Z".parse().unwrap();
        let end = |w: usize| start + Duration::from_secs(60 * (w as u64 + 1));
        let mut placement: BTreeMap<ServiceName, Vec<NodeName>> = BTreeMap::new();
        for (s, at) in app.services.iter().enumerate() {
            placement.entry(service(app, s)).or_default().push(NodeName::new(app.nodes[at.node]));
        }
        Frame {
            length: Duration::from_secs(60),
            ends: (0..episode.windows).map(end).collect(),
            columns: self.columns,
            sources: vec![Source::Traces; episode.windows],
            placement,
        }
    }
}
