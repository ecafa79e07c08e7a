//! Speed of the model: an epoch of training and a full root-cause query, for applications of 30, 100
//! and 500 services, on the fast path and in plain candle operations.
//!
//! `cargo bench --bench gvae`; beside PyTorch: `benches/compare`.
//!
//! The application is a call tree in which every service calls three: 24 metrics, 5 latency quantiles
//! and 8 latent dimensions a service, two hidden layers of 32, 1,440 windows in batches of 288.
//! `benches/pytorch/gvae.py` does the same.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use candle_core::{Device, Var};
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};
use criterion::{BenchmarkId, Criterion};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use sagetop::causal::Cbn;
use sagetop::causal::cbn::{EntityNode, LatencyNode};
use sagetop::diagnosis::metric::MetricModel;
use sagetop::diagnosis::{DiagnosisSettings, FeatureKinds, Reference, Reset, World};
use sagetop::domain::{
    Clean, Column, Direction, Entity, Pool, Quantile, Rpc, ServiceName, Side, Stat, Timestamp,
};
use sagetop::gvae::fast::{Adam, Columns, Objective, Plan, Step};
use sagetop::gvae::loss::{Parents, elbo};
use sagetop::gvae::{Batch, Gvae, Inputs, Normaliser, TrainSettings};
use sagetop::windows::Frame;

/// Services of the applications.
const SIZES: [usize; 3] = [30, 100, 500];
/// Metrics a service.
const METRICS: usize = 24;
/// Latency quantiles of a service, in thousandths.
const QUANTILES: [u16; 5] = [500, 750, 900, 950, 990];
/// Calls that a service issues.
const CALLS: usize = 3;
/// Windows to train on.
const WINDOWS: usize = 1440;
/// Samples of a counterfactual.
const SAMPLES: usize = 16;
/// Windows a step.
const BATCH: usize = 288;

fn settings() -> TrainSettings {
    TrainSettings { hidden: 32, latent: 8, batch: BATCH, ..TrainSettings::default() }
}

/// Service `i` calls services 3 i + 1 … 3 i + 3.
fn application(services: usize) -> (Cbn, Frame) {
    let mut rng = StdRng::seed_from_u64(1);
    let mut frame = Frame::default();
    let (mut entities, mut latencies) = (Vec::new(), Vec::new());
    for i in 0..services {
        let name = ServiceName::new(&format!("service-{i:03}"));
        let entity = Entity::Service(name);
        let mut x = Vec::new();
        for metric in 0..METRICS {
            let feature = Clean::new(&format!("metric_{metric}"));
            let column = Column::Metric { entity: entity.clone(), feature, pool: Pool::Mean };
            frame.columns.insert(column.clone(), (0..WINDOWS).map(|_| rng.sample(StandardNormal)).collect());
            x.push(column);
        }
        entities.push(EntityNode { entity, x });
    }
    // Back end first.
    for i in (0..services).rev() {
        let Entity::Service(name) = &entities[i].entity else { unreachable!() };
        let rpc = Rpc::served_by(name);
        let quantiles = QUANTILES.map(|q| {
            let stat = Stat::Quantile(Quantile(q));
            let column = Column::Latency { rpc: rpc.clone(), side: Side::Server, stat };
            let ms = |rng: &mut StdRng| (3.0 + 0.4 * rng.sample::<f32, _>(StandardNormal)).exp();
            frame.columns.insert(column.clone(), (0..WINDOWS).map(|_| ms(&mut rng)).collect());
            (Quantile(q), column)
        });
        let callees = (CALLS * i + 1..=CALLS * i + CALLS).filter(|c| *c < services);
        let mut parents: Vec<usize> = callees.map(|c| services - 1 - c).collect();
        parents.sort_unstable();
        latencies.push(LatencyNode {
            rpc,
            side: Side::Server,
            quantiles: quantiles.to_vec(),
            count: None,
            parents,
            entities: vec![i],
        });
    }
    let start: Timestamp = "2024-03-05T00:00:00Z".parse().unwrap();
    let length = std::time::Duration::from_secs(60);
    frame.length = length;
    frame.ends = (0..WINDOWS as u32).map(|w| start + length * (w + 1)).collect();
    (Cbn { entities, latencies, broken_cycles: Vec::new() }, frame)
}

/// An untrained model and what it reads.
fn model(services: usize) -> (Gvae, Inputs, Frame) {
    let (cbn, frame) = application(services);
    let normaliser = Normaliser::fit(&cbn, &frame);
    let inputs = Inputs::read(&cbn, &normaliser, &frame);
    (Gvae::new(cbn, normaliser, &settings()).unwrap(), inputs, frame)
}

/// Teacher forcing with the prior's path, and free running, in turns, as in training.
fn kind_of(step: usize) -> (Parents, f64) {
    if step.is_multiple_of(2) { (Parents::Observed, 0.5) } else { (Parents::Decoded, 0.0) }
}

fn windows(step: usize) -> Vec<usize> {
    // Scattered, as after shuffling.
    (0..BATCH).map(|i| ((step * BATCH + i) * 7) % WINDOWS).collect()
}

fn params() -> ParamsAdamW {
    ParamsAdamW { lr: 4e-3, weight_decay: 1e-4, ..ParamsAdamW::default() }
}

/// One epoch on the fast path.
fn fast_epoch(services: usize) -> Box<dyn FnMut()> {
    let (model, inputs, _) = model(services);
    let plan = Arc::new(Plan::of(&model).unwrap());
    let columns = Columns::new(&plan, &inputs, &model.normaliser);
    let objective = Arc::new(Objective::new(plan.clone(), columns));
    let flat = plan.layout.gather(&model).unwrap();
    let flat = Var::from_vec(flat, plan.layout.len(), &Device::Cpu).unwrap();
    let mut adam = Adam::new(plan.layout.len(), params());
    let (mut rng, mut turn) = (StdRng::seed_from_u64(1), 0);
    Box::new(move || {
        turn += 1;
        for step in 0..WINDOWS / BATCH {
            let (parents, prior_weight) = kind_of(turn + step);
            let noise = objective.noise(BATCH, &mut rng);
            let step = Step { windows: windows(step), parents, beta: 0.5, prior_weight, noise };
            let gradients = objective.apply(flat.as_tensor(), step).unwrap().backward().unwrap();
            adam.step(&flat, gradients.get(flat.as_tensor()).unwrap()).unwrap();
        }
    })
}

/// One epoch of the reference with candle's optimiser.
fn plain_epoch(services: usize) -> Box<dyn FnMut()> {
    let (model, inputs, _) = model(services);
    let vars = model.vars().into_iter().map(|(_, v)| v).collect();
    let mut adam = AdamW::new(vars, params()).unwrap();
    let (mut rng, mut turn) = (StdRng::seed_from_u64(1), 0);
    Box::new(move || {
        turn += 1;
        for step in 0..WINDOWS / BATCH {
            let (parents, prior_weight) = kind_of(turn + step);
            let batch = Batch::new(&inputs.select(&windows(step)), &model.normaliser).unwrap();
            let loss = elbo(&model, &batch, parents, 0.5, prior_weight, &mut rng).unwrap();
            adam.backward_step(&loss.total).unwrap();
        }
    })
}

/// Every service is set to normal in turn, 16 samples each, and the users' tail looked at.
fn fast_query(services: usize) -> Box<dyn FnMut()> {
    let (model, _, frame) = model(services);
    let (kinds, frame) = (FeatureKinds::default(), frame.rows(0..2 * SAMPLES));
    let metric = MetricModel::fit(&[], None, false, Direction::Both);
    let reference = Reference {
        metrics: vec![vec![metric; METRICS]; services],
        metric_tails: Vec::new(),
        latency_tails: Vec::new(),
        latencies: Vec::new(),
        calls: model.cbn.latencies.iter().map(|node| vec![1.0; node.parents.len()]).collect(),
        own_times: Vec::new(),
        span: 1,
    };
    let settings = DiagnosisSettings { samples: SAMPLES, ..DiagnosisSettings::default() };
    Box::new(move || {
        let world = World::abduct(&model, &reference, &kinds, &frame, &settings).unwrap();
        for entity in 0..services {
            let prediction = world.predict(&[(entity, Reset::all())].into()).unwrap();
            let tail = world.quantile_ms(&prediction, services - 1, QUANTILES.len() - 1).unwrap();
            std::hint::black_box(tail);
        }
    })
}

/// Makes something to be measured, for so many services.
type Make = fn(usize) -> Box<dyn FnMut()>;

const MEASURED: [(&str, &str, Make); 3] =
    [("epoch", "fast", fast_epoch), ("epoch", "plain", plain_epoch), ("query", "fast", fast_query)];

fn benches(criterion: &mut Criterion) {
    for services in SIZES {
        for (what, form, make) in MEASURED {
            let mut group = criterion.benchmark_group(what);
            group.sample_size(10);
            // Made when it is asked for: the filter may leave it out.
            let made = RefCell::new(None);
            group.bench_function(BenchmarkId::new(form, services), |bencher| {
                let mut made = made.borrow_mut();
                bencher.iter(made.get_or_insert_with(|| make(services)));
            });
            group.finish();
        }
    }
}

/// Seconds that this process has computed, all threads together; `None` but on Linux.
fn computed() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    // User and system time, in hundredths of a second on every Linux.
    Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) / 100.0)
}

/// What `benches/compare` asks for: `--measure WHAT FORM SERVICES SECONDS` prints one JSON object, as
/// the PyTorch script does.
fn measure(options: &[String]) {
    let [what, form, services, seconds] = options else { panic!("WHAT FORM SERVICES SECONDS: {options:?}") };
    let (.., make) = MEASURED.into_iter().find(|(w, f, _)| w == what && f == form).unwrap();
    let mut run = make(services.parse().unwrap());
    run();
    let (start, before, mut times) = (Instant::now(), computed(), Vec::new());
    while times.len() < 3 || start.elapsed().as_secs_f64() < seconds.parse().unwrap() {
        let begun = Instant::now();
        run();
        times.push(begun.elapsed().as_secs_f64());
    }
    let cpu = computed().zip(before).map(|(after, before)| (after - before) / times.len() as f64);
    times.sort_by(f64::total_cmp);
    println!(
        "{}",
        serde_json::json!({ "what": what, "form": form, "seconds": times[times.len() / 2], "best": times[0],
            "cpu": cpu, "runs": times.len() })
    );
}

fn main() {
    let options: Vec<String> = std::env::args().skip(1).collect();
    match options.iter().position(|option| option == "--measure") {
        // Cargo adds `--bench` at the end.
        Some(at) => measure(&options[at + 1..options.len().min(at + 5)]),
        None => {
            let mut criterion = Criterion::default().configure_from_args();
            benches(&mut criterion);
            criterion.final_summary();
        }
    }
}
