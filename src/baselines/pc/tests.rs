//! Known graphs, found again from samples of them.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;

use super::*;

/// A linear Gaussian model: per column, its causes with their weights. Causes come before effects.
type Model<'a> = &'a [&'a [(usize, f64)]];

fn sample(model: Model, rows: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for causes in model {
        let noise = (0..rows).map(|_| random.sample::<f64, _>(StandardNormal));
        let mut values = Vec::from_iter(noise);
        for (row, value) in values.iter_mut().enumerate() {
            *value += causes.iter().map(|(cause, weight)| weight * columns[*cause][row]).sum::<f64>();
        }
        columns.push(values);
    }
    columns
}

fn found(columns: &[Vec<f64>], background: &Background, settings: Settings) -> Cpdag {
    let columns = Vec::from_iter(columns.iter().map(Vec::as_slice));
    let prepared = prepare(&columns);
    assert_eq!(prepared.kept.len(), columns.len(), "no column is left out");
    pc(&prepared.correlations, background, settings)
}

/// With 4,000 rows a stricter test keeps false edges out of every known graph.
const STRICT: Settings = Settings { alpha: 0.001, most: 3 };

/// Arrows as `a>b` and open edges as `a-b`, sorted.
fn words(graph: &Cpdag, n: usize) -> String {
    let pairs = (0..n).flat_map(|a| (0..n).map(move |b| (a, b)));
    let words = pairs.filter_map(|(a, b)| match (graph.directed(a, b), graph.undirected(a, b) && a < b) {
        (true, _) => Some(format!("{a}>{b}")),
        (_, true) => Some(format!("{a}-{b}")),
        _ => None,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn pattern(model: Model) -> String {
    words(&found(&sample(model, 4_000, 7), &Background::default(), STRICT), model.len())
}

#[test]
fn the_textbook_triples_are_told_apart_as_far_as_they_can_be() {
    assert_eq!(pattern(&[&[], &[(0, 0.8)], &[(1, 0.8)]]), "0-1 1-2", "chain");
    assert_eq!(pattern(&[&[], &[(0, 0.8)], &[(0, 0.8)]]), "0-1 0-2", "fork");
    assert_eq!(pattern(&[&[], &[], &[(0, 0.8), (1, 0.8)]]), "0>2 1>2", "collider");
    assert_eq!(pattern(&[&[], &[], &[]]), "", "nothing goes with nothing");
}

#[test]
fn sprinkler_has_one_collider() {
    // Cloudy → sprinkler, rain → wet grass (Pearl, Causality, 2000; the same diamond).
    let model: Model = &[&[], &[(0, -0.8)], &[(0, 0.9)], &[(1, 0.7), (2, 0.8)]];
    assert_eq!(pattern(model), "0-1 0-2 1>3 2>3");
}

#[test]
fn asia_is_found_with_its_colliders() {
    // Lauritzen and Spiegelhalter (1988), as a linear Gaussian model: 0 visit to Asia, 1 smoking,
    // 2 tuberculosis, 3 lung cancer, 4 bronchitis, 5 either, 6 X-ray, 7 dyspnoea.
    let model: Model = &[
        &[],
        &[],
        &[(0, 0.8)],
        &[(1, 0.7)],
        &[(1, 0.8)],
        &[(2, 0.8), (3, 0.9)],
        &[(5, 0.8)],
        &[(4, 0.8), (5, 0.7)],
    ];
    assert_eq!(pattern(model), "0-2 1-3 1-4 2>5 3>5 4>7 5>6 5>7");
}

#[test]
fn meeks_second_and_third_rule_point_what_colliders_leave_open() {
    // 3: 0 with 1, 2 and 3, where 1 → 3 ← 2.
    let kite: Model = &[&[], &[(0, 0.6)], &[(0, 0.6)], &[(0, 0.5), (1, 0.7), (2, 0.7)]];
    assert_eq!(pattern(kite), "0-1 0-2 0>3 1>3 2>3");
    // 2: known that 1 does not cause 0 and 2 does not cause 1, so 2 cannot cause 0.
    let triangle: Model = &[&[], &[(0, 0.7)], &[(0, 0.5), (1, 0.7)]];
    let background = Background { forbidden: [(1, 0), (2, 1)].into() };
    let graph = found(&sample(triangle, 4_000, 3), &background, STRICT);
    assert_eq!(words(&graph, 3), "0>1 0>2 1>2");
}

#[test]
fn meeks_fourth_rule_points_what_background_knowledge_implies() {
    // 0-1, 0-2, 0-3 with 3 → 2 → 1 known, 1 and 3 not adjacent: 0 → 1.
    let adjacent: Vec<BTreeSet<usize>> =
        vec![[1, 2, 3].into(), [0, 2].into(), [0, 1, 3].into(), [0, 2].into()];
    let separators = [((1, 3), vec![vec![0, 2]])].into();
    let background = Background { forbidden: [(2, 3), (1, 2)].into() };
    let graph = orient::orient(&adjacent, &separators, &background);
    assert!(graph.directed(0, 1), "{}", words(&graph, 4));
    assert!(graph.undirected(0, 3), "{}", words(&graph, 4));
}

#[test]
fn background_knowledge_points_and_parts() {
    let chain: Model = &[&[], &[(0, 0.8)], &[(1, 0.8)]];
    let columns = sample(chain, 4_000, 1);
    let effect = Background { forbidden: [(2, 0), (2, 1)].into() };
    assert_eq!(words(&found(&columns, &effect, STRICT), 3), "0-1 1>2");
    let apart = Background { forbidden: [(0, 1), (1, 0)].into() };
    assert!(!found(&columns, &apart, STRICT).adjacent(0, 1));
}

#[test]
fn the_order_of_columns_does_not_matter() {
    // At this level and with so few rows some tests go wrong, which is where order would show.
    let settings = Settings { alpha: 0.05, most: 3 };
    let model: Model = &[
        &[],
        &[(0, 0.5)],
        &[(0, 0.4), (1, 0.3)],
        &[(1, 0.6)],
        &[(2, 0.5), (3, 0.4)],
        &[(0, 0.3), (4, 0.5)],
        &[(3, 0.4), (5, 0.4)],
    ];
    for seed in 0..20 {
        let columns = sample(model, 150, seed);
        let usual = found(&columns, &Background::default(), settings);
        let mut order = Vec::from_iter(0..model.len());
        order.shuffle(&mut StdRng::seed_from_u64(seed));
        let shuffled = Vec::from_iter(order.iter().map(|at| columns[*at].clone()));
        let other = found(&shuffled, &Background::default(), settings);
        for (a, was_a) in order.iter().enumerate() {
            for (b, was_b) in order.iter().enumerate() {
                assert_eq!(other.directed(a, b), usual.directed(*was_a, *was_b), "seed {seed}");
                assert_eq!(other.undirected(a, b), usual.undirected(*was_a, *was_b), "seed {seed}");
            }
        }
    }
}

#[test]
fn partial_correlations_and_p_values_are_those_of_the_books() {
    // r₁₂.₃ = (r₁₂ − r₁₃ r₂₃) / √((1 − r₁₃²)(1 − r₂₃²)) with .5, .6, .7: .08 / (.8 · .71414).
    let matrix = vec![vec![1.0, 0.5, 0.6], vec![0.5, 1.0, 0.7], vec![0.6, 0.7, 1.0]];
    assert!((partial(&matrix, 0, 1, &[2]).unwrap_or(0.0) - 0.14003).abs() < 1e-4);
    let correlations = Correlations { matrix, rows: 103 };
    // atanh(.14003) · √(103 − 1 − 3) = 1.4025: two-sided .1608.
    assert!((independence(&correlations, 0, 1, &[2]) - 0.1608).abs() < 5e-4);
}

#[test]
fn columns_that_cannot_be_tested_are_left_out() {
    let mut columns = sample(&[&[], &[(0, 0.5)]], 300, 2);
    columns.push(columns[0].iter().map(|value| 3.0 * value + 1e-3).collect());
    columns.push((0..300).map(|row| f64::from(row % 5)).collect());
    columns.push((0..300).map(|row| if row % 3 == 0 { f64::NAN } else { f64::from(row) }).collect());
    let columns = Vec::from_iter(columns.iter().map(Vec::as_slice));
    assert_eq!(prepare(&columns).kept, [0, 1]);
}
