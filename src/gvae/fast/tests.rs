//! The fast path against the readable reference.

use std::sync::Arc;

use candle_core::{Device, Tensor, Var};
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::random::Random;
use super::*;
use crate::gvae::Batch;
use crate::gvae::kernels::Isa;
use crate::gvae::loss::{Parents, elbo};

/// What both paths must agree to.
const CLOSE: f64 = 1e-5;

/// A loss that both paths compute.
#[derive(Clone, Debug)]
struct Question {
    seed: u64,
    windows: usize,
    parents: Parents,
    beta: f64,
    prior_weight: f64,
}

fn questions() -> impl Strategy<Value = Question> {
    let parents = prop_oneof![Just(Parents::Observed), Just(Parents::Decoded)];
    let prior_weight = prop_oneof![Just(0.0), Just(0.5)];
    (any::<u64>(), 1usize..120, parents, 0.0..1.0, prior_weight).prop_map(
        |(seed, windows, parents, beta, prior_weight)| Question {
            seed,
            windows,
            parents,
            beta,
            prior_weight,
        },
    )
}

fn compare(isa: Isa, q: &Question) {
    let random = Random::new(q.seed, q.windows);
    let (model, inputs) = (&random.model, random.inputs());
    // Out of order, some twice, as in training.
    let windows: Vec<usize> = (0..q.windows).map(|i| (i * 7 + 3) % q.windows).collect();
    let batch = Batch::new(&inputs.select(&windows), &model.normaliser).unwrap();
    let mut rng = StdRng::seed_from_u64(q.seed);
    let loss = elbo(model, &batch, q.parents, q.beta, q.prior_weight, &mut rng).unwrap();
    let gradients = loss.total.backward().unwrap();

    let plan = Arc::new(Plan::of(model).unwrap());
    let columns = Columns::new(&plan, &inputs, &model.normaliser);
    let objective = Arc::new(Objective::with(isa, plan.clone(), columns));
    let noise = objective.noise(q.windows, &mut StdRng::seed_from_u64(q.seed));
    let (parents, beta, prior_weight) = (q.parents, q.beta, q.prior_weight);
    let step = Step { windows, parents, beta, prior_weight, noise };
    let flat = plan.layout.gather(model).unwrap();
    let parts = objective.loss(&flat, &step);
    for (what, fast, plain) in
        [("total", parts.total, &loss.total), ("nll", parts.nll, &loss.nll), ("KL", parts.kl, &loss.kl)]
    {
        let plain = f64::from(plain.to_scalar::<f32>().unwrap());
        let scale = 1.0 + loss.nll.abs().unwrap().to_scalar::<f32>().unwrap();
        assert!((fast - plain).abs() <= CLOSE * f64::from(scale), "{what}: {fast} {plain} {q:?}");
    }
    let var = Var::from_vec(flat, plan.layout.len(), &Device::Cpu).unwrap();
    let total = objective.apply(var.as_tensor(), step).unwrap();
    assert_eq!(f64::from(total.to_scalar::<f32>().unwrap()) as f32, parts.total as f32);
    // Through more of candle's graph, so that the chain rule is seen to hold.
    let mine = total.affine(3.0, 1.0).unwrap().backward().unwrap();
    let mine = mine.get(var.as_tensor()).unwrap().affine(1.0 / 3.0, 0.0).unwrap().to_vec1::<f32>().unwrap();
    let of = |var: &Var| match gradients.get(var.as_tensor()) {
        Some(gradient) => gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
        None => vec![0.0; var.elem_count()],
    };
    let largest = |v: &[f32]| v.iter().fold(0.0f64, |m, g| m.max(f64::from(g.abs())));
    let most = model.vars().iter().fold(0.0f64, |m, (_, var)| m.max(largest(&of(var))));
    assert!(most > 0.0, "nothing is compared: {q:?}");
    for (view, (name, var)) in plan.layout.views.iter().zip(model.vars()) {
        let (plain, fast) = (of(&var), plan.layout.tensor(view, &mine).unwrap());
        let fast = fast.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let difference: Vec<f32> = fast.iter().zip(&plain).map(|(a, b)| a - b).collect();
        let difference = largest(&difference);
        // Sums over windows cancel: what is left of a small gradient has the rounding of its large terms.
        let scale = largest(&plain).max(0.1 * most);
        assert!(difference <= CLOSE * scale, "gradient of {name}: {difference} of {scale}: {q:?}");
        assert!(
            difference <= 1e-3 * largest(&plain) + 1e-7 * most,
            "gradient of {name}: {difference}: {q:?}"
        );
    }
}

fn deterministic(cases: u32) -> TestRunner {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, rng)
}

/// With a seed of its own, since a ReLU that is within rounding of 0 has another derivative on
/// either side: rare, but not never.
#[test]
fn loss_and_gradients_are_those_of_the_reference() {
    let mut runner = deterministic(64);
    runner
        .run(&questions(), |q| {
            compare(Isa::best(), &q);
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_instruction_set_computes_the_same() {
    for isa in Isa::all() {
        // What this CPU lacks is not in the list, and cannot be run on it.
        println!("{}", isa.name());
        deterministic(6)
            .run(&questions(), |q| {
                compare(isa, &q);
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let random = Random::new(5, 300);
    let plan = Arc::new(Plan::of(&random.model).unwrap());
    let flat = plan.layout.gather(&random.model).unwrap();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let columns = Columns::new(&plan, &random.inputs(), &random.model.normaliser);
        let objective = Objective::new(plan.clone(), columns);
        let noise = objective.noise(300, &mut StdRng::seed_from_u64(1));
        let step = Step {
            windows: (0..300).collect(),
            parents: Parents::Decoded,
            beta: 0.5,
            prior_weight: 0.5,
            noise,
        };
        pool.install(|| objective.gradient(&flat, &step))
    };
    let one = with(1);
    assert!(one.1.iter().any(|g| *g != 0.0));
    for threads in [2, 3, 7] {
        assert!(one == with(threads), "{threads} threads");
    }
}

#[test]
fn views_have_the_names_and_shapes_of_the_tensors() {
    let random = Random::new(9, 30);
    let layout = Layout::of(&random.model);
    let flat = layout.gather(&random.model).unwrap();
    assert_eq!(flat.len(), layout.len());
    assert_eq!(layout.views[0].range.start, 0);
    assert!(layout.views.windows(2).all(|v| v[0].range.end == v[1].range.start), "there are gaps");
    for (view, (name, var)) in layout.views.iter().zip(random.model.vars()) {
        assert_eq!((&view.name, view.shape.as_slice()), (&name, var.dims()));
        let (a, b) = (layout.tensor(view, &flat).unwrap(), var.as_tensor());
        assert_eq!((a - b).unwrap().abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap(), 0.0);
    }
    let other = Random::new(9, 30).model;
    let doubled: Vec<f32> = flat.iter().map(|x| 2.0 * x).collect();
    layout.scatter(&doubled, &other).unwrap();
    assert_eq!(layout.gather(&other).unwrap(), doubled);
}

/// Both optimisers on the same gradients, the flat one over more than a chunk of parameters.
#[test]
fn the_optimiser_is_that_of_candle() {
    let n = 3 * super::objective::CHUNK / 2;
    let start: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin()).collect();
    let var = || Var::from_vec(start.clone(), n, &Device::Cpu).unwrap();
    let (mine, theirs) = (var(), var());
    let params = ParamsAdamW { lr: 0.01, weight_decay: 0.1, ..ParamsAdamW::default() };
    let mut adam = Adam::new(n, params.clone());
    let mut reference = AdamW::new(vec![theirs.clone()], params).unwrap();
    for step in 0..20 {
        let rate = 0.01 / f64::from(step + 1);
        adam.set_learning_rate(rate);
        reference.set_learning_rate(rate);
        // A loss whose gradient depends on the parameters, and is 0 for some of them.
        let loss = |v: &Var| v.as_tensor().relu().unwrap().powf(3.0).unwrap().sum_all().unwrap();
        reference.backward_step(&loss(&theirs)).unwrap();
        let gradients = loss(&mine).backward().unwrap();
        adam.step(&mine, gradients.get(mine.as_tensor()).unwrap()).unwrap();
    }
    let floats = |t: &Tensor| t.to_vec1::<f32>().unwrap();
    let (mine, theirs) = (floats(mine.as_tensor()), floats(theirs.as_tensor()));
    assert!(mine.iter().zip(&start).any(|(a, b)| (a - b).abs() > 0.01), "nothing moved");
    for (a, b) in mine.iter().zip(&theirs) {
        assert!((a - b).abs() <= 1e-6 * (1.0 + b.abs()), "{a} {b}");
    }
}
