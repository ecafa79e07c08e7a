//! Random networks with random data, odd ones too: cycles, entities without metrics, latencies with
//! one to three quantiles that do not match their parents', gaps.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;

use crate::causal::{CallGraph, Cbn, EdgeOrigin};
use crate::domain::{
    Clean, Column, Entity, NodeName, Pool, Quantile, Rpc, ServiceName, Side, Stat, Timestamp,
};
use crate::gvae::{Gvae, Inputs, Normaliser, TrainSettings};
use crate::windows::Frame;
use crate::windows::frame::Source;

/// A network and what it read in some windows.
pub struct Random {
    /// Its model, untrained but for noise on all parameters.
    pub model: Gvae,
    /// The windows.
    pub frame: Frame,
}

impl Random {
    /// The same seed makes the same one.
    pub fn new(seed: u64, windows: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let services: Vec<ServiceName> =
            (0..rng.random_range(1..6)).map(|i| ServiceName::new(&format!("s{i}"))).collect();
        let mut graph = CallGraph::default();
        let mut columns = Columns { windows, all: IndexMap::new() };
        let mut placement = BTreeMap::new();
        for service in &services {
            graph.add_service(service, true);
            columns.metrics(&Entity::Service(service.clone()), &mut rng);
            columns.latency(&Rpc::served_by(service), Side::Server, &mut rng);
            let node = NodeName::new(["alpha", "beta"].choose(&mut rng).unwrap());
            columns.metrics(&Entity::Node(node.clone()), &mut rng);
            if rng.random_bool(0.7) {
                placement.insert(service.clone(), vec![node]);
            }
        }
        columns.latency(&Rpc::entry(&services[0], None), Side::Client, &mut rng);
        for _ in 0..2 * services.len() {
            // Any direction: there are cycles.
            let (a, b) = (services.choose(&mut rng).unwrap(), services.choose(&mut rng).unwrap());
            if a == b {
                continue;
            }
            graph.add_edge(a, b, EdgeOrigin::Spans, 1);
            columns.metrics(&Entity::Channel { caller: a.clone(), callee: b.clone() }, &mut rng);
            for side in [Side::Client, Side::Server, Side::Network, Side::Request, Side::Response] {
                if rng.random_bool(0.7) {
                    columns.latency(&Rpc::edge(a, b), side, &mut rng);
                }
            }
        }
        // Latencies of something, so that there is a model at all.
        columns.latency(&Rpc::served_by(&services[0]), Side::Server, &mut rng);
        let start: Timestamp = "2024-03-05T00:00:00Z".parse().unwrap();
        let frame = Frame {
            length: Duration::from_secs(60),
            ends: (0..windows).map(|w| start + Duration::from_secs(60 * (w as u64 + 1))).collect(),
            columns: columns.all,
            sources: vec![Source::Traces; windows],
            placement,
        };
        let cbn = Cbn::build(&graph, frame.columns.keys(), &frame.placement);
        let normaliser = Normaliser::fit(&cbn, &frame);
        let settings = TrainSettings {
            seed,
            hidden: *[1, 5, 8, 24].choose(&mut rng).unwrap(),
            latent: *[1, 2, 4].choose(&mut rng).unwrap(),
            ..TrainSettings::default()
        };
        let model = Gvae::new(cbn, normaliser, &settings).unwrap();
        // Away from the start, where biases and many derivatives are 0.
        for (_, var) in model.vars() {
            let noise: Vec<f32> =
                (0..var.elem_count()).map(|_| 0.1 * rng.sample::<f32, _>(StandardNormal)).collect();
            let noise = candle_core::Tensor::from_vec(noise, var.shape(), var.device()).unwrap();
            var.set(&(var.as_tensor() + noise).unwrap()).unwrap();
        }
        Self { model, frame }
    }

    /// All windows as the model reads them.
    pub fn inputs(&self) -> Inputs {
        Inputs::read(&self.model.cbn, &self.model.normaliser, &self.frame)
    }
}

struct Columns {
    windows: usize,
    all: IndexMap<Column, Vec<f32>>,
}

impl Columns {
    fn metrics(&mut self, entity: &Entity, rng: &mut StdRng) {
        for feature in ["cpu_usage", "memory_working_set", "requests"] {
            if rng.random_bool(0.5) {
                let feature = Clean::new(feature);
                let column = Column::Metric { entity: entity.clone(), feature, pool: Pool::Mean };
                let values = self.values(rng, &mut |rng| rng.sample(StandardNormal));
                self.all.insert(column, values);
            }
        }
    }

    fn latency(&mut self, rpc: &Rpc, side: Side, rng: &mut StdRng) {
        let usual: f32 = rng.random_range(0.5..4.0);
        let mut add = |stat, rng: &mut StdRng| {
            let values =
                self.values(rng, &mut |rng| (usual + 0.4 * rng.sample::<f32, _>(StandardNormal)).exp());
            self.all.insert(Column::Latency { rpc: rpc.clone(), side, stat }, values);
        };
        let most = rng.random_range(1..=3);
        for q in [500, 900, 990].choose_multiple(rng, most).copied().collect::<Vec<_>>() {
            add(Stat::Quantile(Quantile(q)), rng);
        }
        if rng.random_bool(0.5) {
            add(Stat::Count, rng);
        }
    }

    fn values(&self, rng: &mut StdRng, draw: &mut dyn FnMut(&mut StdRng) -> f32) -> Vec<f32> {
        let missing = *[0.0, 0.1, 0.1, 0.5].choose(rng).unwrap();
        (0..self.windows).map(|_| if rng.random_bool(missing) { f32::NAN } else { draw(rng) }).collect()
    }
}
