//! Runs that share their randomness.

use super::*;

fn chain(seed: u64) -> (Application, Settings) {
    let services = vec![
        service("front", Kind::Frontend),
        service("middle", Kind::Stateless),
        service("store", Kind::Database),
    ];
    let mut root = call(0, 100.0, 0.7);
    let mut middle = call(1, 500.0, 0.7);
    middle.stages = vec![vec![call(2, 1_000.0, 0.7)]];
    root.stages = vec![vec![middle]];
    (application(services, root, 400.0), steady(seed))
}

#[test]
fn equal_runs_are_equal() {
    let (app, settings) = chain(1);
    let run = || run(&mut simulation(&app, apart(&app), settings.clone(), &[]), 5);
    let (first, second) = (run(), run());
    assert!(first.len() > 1_500);
    assert_eq!(first, second);
}
