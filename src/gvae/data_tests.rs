//! Tests of scaling, masks and weights.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::gvae::testbed::{App, Episode};

#[test]
fn median_of_even_and_odd() {
    assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), Some(2.5));
    assert_eq!(median(&mut []), None);
}

#[test]
fn scale_ignores_outliers_and_gaps() {
    let s = Scale::of([1.0, 2.0, 3.0, 4.0, 1e9, f32::NAN].into_iter(), 0.0);
    assert_eq!(s.centre, 3.0);
    assert!((s.scale - 1.4826).abs() < 1e-4);
}

#[test]
fn few_calls_weigh_little() {
    assert!(confidence(30.0, 0.99) < 0.25);
    assert!(confidence(3000.0, 0.5) > 0.99);
    assert_eq!(confidence(f32::NAN, 0.99), 1.0);
}

fn anything() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => 0.0..1e4f32,
        1 => prop::sample::select(vec![0.0, -1.0, f32::MIN_POSITIVE, f32::MAX, f32::MIN]),
        1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY]),
    ]
}

proptest! {
    #[test]
    fn latencies_survive_the_logarithm(values in prop::collection::vec(anything(), 0..40), ms in 0.0..1e6f32) {
        let scale = LatencyScale::of(&values);
        prop_assert!(scale.ln.centre.is_finite() && scale.ln.scale >= MIN_LN_SCALE && scale.ln.scale.is_finite());
        let back = scale.to_ms(scale.to_ln(ms));
        prop_assert!((back - ms).abs() <= 1e-4 * (ms + scale.offset), "{ms} {back}");
        prop_assert!(scale.to_ln(f32::MAX).exp().is_finite());
    }

    #[test]
    fn weights_are_shares(count in anything(), quantile in 0.0..1.0f32) {
        let weight = confidence(count, quantile);
        prop_assert!((0.0..=1.0).contains(&weight), "{weight}");
    }

    /// Whatever telemetry says, the networks see finite inputs within the clip and masked gaps.
    #[test]
    fn inputs_are_finite(values in prop::collection::vec(anything(), 12), seed in 0u64..1000) {
        let app = App::chain();
        let mut frame = app.run(&Episode::quiet(seed, 4));
        let normal = frame.clone();
        for (i, column) in frame.columns.values_mut().enumerate() {
            column.iter_mut().enumerate().for_each(|(r, v)| *v = values[(i * 5 + r) % values.len()]);
        }
        let cbn = app.cbn(&frame);
        for normaliser in [Normaliser::fit(&cbn, &frame), Normaliser::fit(&cbn, &normal)] {
            prop_assert!(normaliser.fits(&cbn));
            let inputs = Inputs::read(&cbn, &normaliser, &frame);
            prop_assert!(inputs.x.iter().flatten().all(|v| v.abs() <= CLIP));
            prop_assert!(inputs.y.iter().flatten().all(|v| v.is_finite()));
            prop_assert!(inputs.weight.iter().flatten().all(|w| (0.0..=1.0).contains(w)));
        }
    }
}

#[test]
fn absent_columns_stand_at_the_centre_and_weigh_nothing() {
    let app = App::chain();
    let frame = app.run(&Episode { missing: 0.0, ..Episode::quiet(1, 6) });
    let cbn = app.cbn(&frame);
    let normaliser = Normaliser::fit(&cbn, &frame);
    let empty = Frame { columns: Default::default(), ..frame.clone() };
    let inputs = Inputs::read(&cbn, &normaliser, &empty);
    assert!(inputs.x.iter().flatten().all(|v| *v == 0.0));
    assert!(inputs.weight.iter().flatten().all(|w| *w == 0.0));
    for (y, scales) in inputs.y.iter().zip(&normaliser.y) {
        let centres: Vec<f32> = scales.iter().map(|s| s.ln.centre).collect();
        assert!(y.chunks(scales.len()).all(|row| row == centres));
    }
    let none = Inputs::read(&cbn, &normaliser, &frame.rows(0..0));
    assert_eq!((none.rows, none.y[0].len()), (0, 0));
}

#[test]
fn selected_rows_are_the_rows() {
    let app = App::chain();
    let frame = app.run(&Episode::quiet(2, 8));
    let cbn = app.cbn(&frame);
    let normaliser = Normaliser::fit(&cbn, &frame);
    let all = Inputs::read(&cbn, &normaliser, &frame);
    let some = all.select(&[5, 6, 7]);
    let direct = Inputs::read(&cbn, &normaliser, &frame.rows(5..8));
    assert_eq!((some.rows, &some.x, &some.y, &some.weight), (3, &direct.x, &direct.y, &direct.weight));
}
