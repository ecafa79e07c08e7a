//! Stations against queueing theory.
//!
//! Theory is asked with the load and the mean demand that the run has drawn, which takes most of the
//! noise away.

use super::*;

/// Requests per test: enough for errors well below the tolerances.
const REQUESTS: f64 = 60_000.0;

struct Run {
    requests: Vec<Kept>,
    reading: ReplicaReading,
    seconds: f64,
}

/// Runs the first service alone at a rate.
fn alone(own: Service, root: Call, rate: f64, seed: u64) -> Run {
    let app = application(vec![own], root, rate);
    let mut simulation = simulation(&app, apart(&app), steady(seed), &[]);
    let seconds = REQUESTS / rate;
    let requests = run(&mut simulation, seconds as u64);
    Run { requests, reading: simulation.replicas()[0], seconds: simulation.now() as f64 / 1e9 }
}

impl Run {
    /// Mean time in the callee, in seconds.
    fn sojourn(&self) -> f64 {
        mean(
            self.requests
                .iter()
                .map(|request| (request.calls[0].ended - request.calls[0].arrived) as f64 / 1e9),
        )
    }

    fn rate(&self) -> f64 {
        self.requests.len() as f64 / self.seconds
    }

    /// Mean CPU time of a request, in seconds.
    fn demand(&self) -> f64 {
        self.reading.cpu_s / self.requests.len() as f64
    }
}

#[track_caller]
fn close(measured: f64, theory: f64, tolerance: f64) {
    assert!((measured / theory - 1.0).abs() < tolerance, "measured {measured}, theory {theory}");
}

/// M/G/1 processor sharing: the mean sojourn time is S/(1−ρ) whatever the distribution (Kleinrock,
/// Queueing Systems II, 4.4).
#[test]
fn processor_sharing_is_insensitive_to_the_distribution() {
    for (load, cv) in [(0.4, 3.0), (0.5, 0.0), (0.6, 1.0), (0.7, 0.5)] {
        let run = alone(service("a", Kind::Stateless), call(0, 1_000.0, cv), load * 1_000.0, 3);
        let busy = run.rate() * run.demand();
        close(run.sojourn(), run.demand() / (1.0 - busy), 0.05);
    }
}

/// M/M/c: with processor sharing over c cores the number present is that of M/M/c whatever the
/// distribution (BCMP, JACM 1975), so that Erlang's C formula gives the mean time.
#[test]
fn several_cores_follow_erlang() {
    let mut own = service("a", Kind::Stateless);
    own.threads = 4;
    let run = alone(own, call(0, 1_000.0, 1.5), 3_000.0, 4);
    let (c, offered) = (4.0_f64, run.rate() * run.demand());
    let term = |k: i32| offered.powi(k) / (1..=k).map(f64::from).product::<f64>();
    let queue = term(4) * c / (c - offered);
    let waits = queue / ((0..4).map(term).sum::<f64>() + queue);
    close(run.sojourn(), run.demand() * (1.0 + waits / (c - offered)), 0.05);
}

/// M/M/1, first come first served: the disk, whose time is exponential.
#[test]
fn the_disk_is_a_fifo_queue() {
    let mut root = call(0, 0.0, 0.0);
    root.disk = Some(Disk { probability: 1.0, mean_us: 1_000.0, bytes: 0 });
    let run = alone(service("a", Kind::Database), root, 700.0, 5);
    let time = run.reading.disk_busy_s / run.requests.len() as f64;
    close(run.sojourn(), time / (1.0 - run.rate() * time), 0.05);
}

/// M/G/1, first come first served (Pollaczek and Khinchine): one worker for all.
#[test]
fn one_worker_is_a_fifo_queue() {
    let mut own = service("a", Kind::Stateless);
    own.workers = Some(1);
    let run = alone(own, call(0, 1_000.0, 1.0), 600.0, 6);
    let times =
        run.requests.iter().map(|request| (request.calls[0].ended - request.calls[0].started) as f64 / 1e9);
    let square = mean(times.map(|time| time * time));
    let wait = run.rate() * square / (2.0 * (1.0 - run.rate() * run.demand()));
    close(run.sojourn(), run.demand() + wait, 0.05);
}

/// Little's law: the mean number in the system, sampled, is the rate times the mean time.
#[test]
fn littles_law_holds_for_what_is_under_way() {
    let app = application(vec![service("a", Kind::Stateless)], call(0, 1_000.0, 1.0), 700.0);
    let mut simulation = simulation(&app, apart(&app), steady(5), &[]);
    let mut keep = Keep::default();
    let mut inside = 0;
    for step in 1..20_000_u64 {
        simulation.run_until(step * MILLISECOND, &mut keep);
        inside += simulation.under_way();
    }
    let time = mean(keep.0.iter().map(|request| request.latency() / 1e9));
    close(inside as f64 / 20_000.0, keep.0.len() as f64 / 20.0 * time, 0.02);
}

/// A container that may use half a core serves requests of 60 ms, 10 more than its budget of a period:
/// whether one stalls, and for how long, follows from when in the period it comes.
#[test]
fn a_quota_makes_requests_wait_for_the_next_period() {
    let mut own = service("a", Kind::Stateless);
    own.cpu_limit = Some(0.5);
    let app = application(vec![own], call(0, 60_000.0, 0.0), 2.0);
    let mut simulation = simulation(&app, apart(&app), steady(7), &[]);
    let requests = run(&mut simulation, 200);
    let alone: Vec<u64> = requests
        .windows(3)
        .filter(|three| three[0].returned + SECOND / 5 < three[1].sent && three[1].returned < three[2].sent)
        .map(|three| three[1].calls[0].ended - three[1].calls[0].started)
        .collect();
    assert!(alone.len() > 50);
    for time in &alone {
        let stall = *time as i64 - 60 * MILLISECOND as i64;
        assert!((0..=50 * MILLISECOND as i64 + 2).contains(&stall), "{stall}");
    }
    // An arrival at offset φ ms of the period waits for 50 − φ if all 50 fit into it, for 50 if what is
    // left after a full period is more than nothing (φ > 90), else not at all: 12.5 + 5 on average.
    let mean_stall = mean(alone.iter().map(|time| *time as f64 / 1e6)) - 60.0;
    assert!((mean_stall - 17.5).abs() < 3.0, "{mean_stall}");
    let reading = simulation.replicas()[0];
    assert!(reading.cfs.1 > 50 && reading.cfs.1 < reading.cfs.0 && reading.cfs.2 > 1.0, "{:?}", reading.cfs);
}
