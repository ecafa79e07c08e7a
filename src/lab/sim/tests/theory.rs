//! Stations against queueing theory.

use super::*;

/// Mean time in the callee of the root, in milliseconds.
fn sojourn_ms(requests: &[Kept]) -> f64 {
    mean(requests.iter().map(|request| (request.calls[0].ended - request.calls[0].arrived) as f64 / 1e6))
}

fn close(measured: f64, theory: f64, tolerance: f64) {
    assert!((measured / theory - 1.0).abs() < tolerance, "measured {measured}, theory {theory}");
}

/// M/G/1 processor sharing: the mean sojourn time is S/(1−ρ) whatever the distribution (Kleinrock,
/// Queueing Systems II, 4.4).
#[test]
fn processor_sharing_is_insensitive_to_the_distribution() {
    for (load, cv, requests, tolerance) in
        [(0.5, 0.5, 40_000.0, 0.03), (0.5, 2.0, 40_000.0, 0.05), (0.8, 1.0, 80_000.0, 0.07)]
    {
        let rate = load * 1_000.0;
        let app = application(vec![service("a", Kind::Stateless)], call(0, 1_000.0, cv), rate);
        let mut simulation = simulation(&app, apart(&app), steady(3), &[]);
        let requests = run(&mut simulation, (requests / rate) as u64);
        close(sojourn_ms(&requests), 1.0 / (1.0 - load), tolerance);
    }
}

/// Little's law holds at every moment as an identity of areas: mean number in the system = rate ×
/// mean time, measured from different sides.
#[test]
fn littles_law_holds_for_what_is_in_flight() {
    let app = application(vec![service("a", Kind::Stateless)], call(0, 1_000.0, 1.0), 700.0);
    let mut simulation = simulation(&app, apart(&app), steady(5), &[]);
    let mut keep = Keep::default();
    let (mut inside, mut samples) = (0.0, 0.0);
    for step in 1..20_000_u64 {
        simulation.run_until(step * MILLISECOND, &mut keep);
        inside += simulation.under_way() as f64;
        samples += 1.0;
    }
    let time = mean(keep.0.iter().map(|request| request.latency() / SECOND as f64));
    let rate = keep.0.len() as f64 / 20.0;
    close(inside / samples, rate * time, 0.02);
}
