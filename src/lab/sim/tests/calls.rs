//! What calls do: stages, repetition, caches, meeting points, pools, time-outs, retries.

use super::*;

/// A front end that calls a second service.
fn two(own: Service, child: Call, rate: f64) -> Application {
    let mut root = call(0, 10.0, 0.0);
    root.stages = vec![vec![child]];
    application(vec![service("front", Kind::Frontend), own], root, rate)
}

fn requests(app: &Application, seconds: u64) -> Vec<Kept> {
    run(&mut simulation(app, apart(app), steady(1), &[]), seconds)
}

fn at(request: &Kept, site: u32) -> Vec<&CallRecord> {
    request.calls.iter().filter(|call| call.site == site).collect()
}

#[test]
fn times_of_a_call_are_in_order_and_within_its_caller() {
    let mut child = call(1, 500.0, 1.0);
    child.repeat = Repeat::Parallel(1, 4);
    child.stages = vec![vec![call(2, 100.0, 1.0)], vec![call(2, 100.0, 1.0), call(2, 50.0, 0.5)]];
    let mut app = two(service("middle", Kind::Stateless), child, 200.0);
    app.services.push(service("store", Kind::Database));
    app.services[1].threads = 4;
    for request in requests(&app, 3) {
        for call in &request.calls {
            let times = [call.asked, call.sent, call.arrived, call.started, call.ended, call.returned];
            assert!(times.is_sorted(), "{call:?}");
            let caller = &request.calls[call.parent as usize];
            assert!(call.site == 0 || (caller.started <= call.asked && call.returned <= caller.ended));
        }
        assert_eq!(sites(&app.flows[0]).len(), 5);
        for first in at(&request, 2) {
            let second = at(&request, 3).into_iter().find(|call| call.parent == first.parent);
            assert!(second.is_some_and(|second| first.returned <= second.asked), "stages are sequential");
        }
    }
}

#[test]
fn repetitions_are_one_after_the_other_or_at_once() {
    let mut child = call(1, 50.0, 1.0);
    child.repeat = Repeat::Sequential(0, 5);
    let app = two(service("a", Kind::Stateless), child, 300.0);
    let mut counts = [0; 6];
    for request in requests(&app, 4) {
        let calls = at(&request, 1);
        counts[calls.len()] += 1;
        assert!(calls.windows(2).all(|pair| pair[0].returned == pair[1].asked));
        assert!(calls.iter().enumerate().all(|(i, call)| usize::from(call.repetition) == i));
    }
    assert!(counts.iter().all(|count| *count > 120), "{counts:?}");

    let mut child = call(1, 50.0, 1.0);
    child.repeat = Repeat::Parallel(3, 3);
    let app = two(service("a", Kind::Stateless), child, 100.0);
    for request in requests(&app, 1) {
        let calls = at(&request, 1);
        assert!(calls.len() == 3 && calls.iter().all(|call| call.asked == calls[0].asked));
    }
}

#[test]
fn a_miss_is_one_draw_of_the_whole_request() {
    let mut miss = call(1, 50.0, 0.0);
    miss.chance = Chance::MissOf { cache: 2, keys: 2, draw: "posts".into() };
    let mut app = two(service("store", Kind::Database), miss.clone(), 1_000.0);
    app.flows[0].root.stages.push(vec![miss]);
    app.services.push(Service { hit_ratio: 0.8, ..service("cache", Kind::Cache) });
    let requests = requests(&app, 5);
    let missed = requests.iter().filter(|request| request.calls.len() == 3).count() as f64;
    assert!(requests.iter().all(|request| request.calls.len() != 2), "both or neither");
    assert!((missed / requests.len() as f64 - 0.36).abs() < 0.02, "1 − 0.8²");
}

#[test]
fn the_last_to_arrive_makes_the_call() {
    let mut branches = Vec::new();
    for mean in [100.0, 300.0, 200.0] {
        let mut branch = call(1, mean, 1.0);
        let mut last = call(2, 10.0, 0.0);
        last.chance = Chance::LastOf { group: "pieces".into(), of: 3 };
        branch.stages = vec![vec![last]];
        branches.push(branch);
    }
    let mut app = two(service("piece", Kind::Stateless), branches[0].clone(), 100.0);
    app.services[1].threads = 8;
    app.services.push(service("review", Kind::Stateless));
    app.flows[0].root.stages = vec![branches];
    let mut winners = [0; 3];
    for request in requests(&app, 3) {
        let last: Vec<_> = [2, 4, 6].iter().flat_map(|site| at(&request, *site)).collect();
        assert_eq!(last.len(), 1);
        let branch = &request.calls[last[0].parent as usize];
        winners[(branch.site as usize - 1) / 2] += 1;
        // The others went on when they had been there.
        let others = request.calls.iter().filter(|call| [1, 3, 5].contains(&call.site));
        assert!(others.filter(|call| call.site != branch.site).all(|call| call.started < last[0].asked));
        assert!(branch.ended > last[0].returned);
    }
    assert!(winners.iter().all(|count| *count > 10), "a race: {winners:?}");
}

#[test]
fn nobody_waits_for_a_call_that_is_not_awaited() {
    let mut child = call(1, 5_000.0, 0.0);
    child.awaited = false;
    let app = two(service("a", Kind::Stateless), child, 20.0);
    for request in requests(&app, 2) {
        assert!(request.returned < request.calls[1].ended);
        assert!(!request.failed && request.latency() < 1e6);
    }
}

#[test]
fn a_local_call_takes_no_network_and_no_worker() {
    let mut local = call(1, 100.0, 0.0);
    local.transport = Transport::Local;
    let mut child = call(1, 100.0, 0.0);
    child.stages = vec![vec![local]];
    let own = Service { workers: Some(1), ..service("a", Kind::Stateless) };
    let app = two(own, child, 50.0);
    let requests = requests(&app, 2);
    assert!(requests.len() > 50);
    for request in requests {
        let call = request.calls[2];
        assert_eq!((call.asked, call.ended), (call.started, call.returned));
    }
}

/// The caller gives up after its timeout and tries again; the callee works on the first attempt to its
/// end.
#[test]
fn a_call_that_takes_too_long_is_given_up_and_tried_again() {
    let mut child = call(1, 20_000.0, 0.0);
    child.timeout_ms = Some(5.0);
    child.retries = 2;
    let own = Service { threads: 8, ..service("a", Kind::Stateless) };
    let requests = requests(&two(own, child, 5.0), 4);
    assert!(requests.len() > 10);
    for request in requests {
        let attempts = at(&request, 1);
        assert_eq!(attempts.iter().map(|call| call.attempt).collect::<Vec<_>>(), [0, 1, 2]);
        for call in attempts {
            assert_eq!((call.outcome, call.returned), (Outcome::TimedOut, call.asked + 5 * MILLISECOND));
            assert!(call.ended > call.returned + 10 * MILLISECOND);
        }
        assert!(request.failed && request.latency() < 17e6);
    }
}

#[test]
fn without_a_free_connection_a_call_waits_and_then_fails() {
    let connections = Connections { limit: Some(1), wait_ms: 30.0 };
    let own = Service { connections, threads: 8, ..service("a", Kind::Stateless) };
    let mut child = call(1, 20_000.0, 0.0);
    child.repeat = Repeat::Parallel(3, 3);
    for request in requests(&two(own, child, 1.0), 20) {
        let calls = at(&request, 1);
        assert_eq!(calls[0].outcome, Outcome::Ok);
        assert_eq!((calls[1].outcome, calls[1].sent), (Outcome::Ok, calls[0].returned));
        let third = calls[2];
        assert_eq!((third.outcome, third.returned), (Outcome::NoConnection, third.asked + 30 * MILLISECOND));
        assert!(request.failed);
    }
}

#[test]
fn scaling_drains_the_old_and_starts_the_new() {
    let own = Service { replicas: 2, ..service("a", Kind::Stateless) };
    let app = two(own, call(1, 1_000.0, 1.0), 200.0);
    let mut simulation = simulation(&app, apart(&app), steady(1), &[]);
    let replicas = |requests: &[Kept]| {
        let mut replicas: Vec<u32> = requests.iter().map(|request| request.calls[1].replica).collect();
        replicas.sort_unstable();
        replicas.dedup();
        replicas
    };
    assert_eq!(replicas(&run(&mut simulation, 2)), [0, 1]);
    simulation.change(Change::Replicas(1, 3)).unwrap();
    let coming = run(&mut simulation, 4);
    assert_eq!(replicas(&coming), [0, 1], "it is not up yet");
    run(&mut simulation, 2);
    assert_eq!(replicas(&run(&mut simulation, 2)), [0, 1, 2]);
    simulation.change(Change::Restart(1)).unwrap();
    let during = run(&mut simulation, 20);
    assert!(during.iter().all(|request| !request.failed), "a rolling restart loses nothing");
    assert_eq!(replicas(&run(&mut simulation, 2)), [3, 4, 5]);
    simulation.change(Change::Replicas(1, 0)).unwrap();
    run(&mut simulation, 2);
    let none = run(&mut simulation, 2);
    assert!(none.iter().all(|request| request.failed && request.latency() < 5e6));
    let gone = simulation.replicas().into_iter().filter(|reading| reading.gone.is_some());
    assert_eq!(gone.count(), 6);
    assert!(simulation.change(Change::Replicas(7, 1)).is_err());
    assert!(simulation.change(Change::CpuLimit(1, Some(0.0))).is_err());
}

#[test]
fn the_least_busy_replica_is_chosen_when_asked_for() {
    let own = Service { replicas: 4, ..service("a", Kind::Stateless) };
    let app = two(own, call(1, 2_000.0, 1.0), 1_200.0);
    let mean_ms = |balancing| {
        let settings = Settings { balancing, ..steady(2) };
        let requests = run(&mut simulation(&app, apart(&app), settings, &[]), 5);
        mean(requests.iter().map(Kept::latency)) / 1e6
    };
    let (hash, least) = (mean_ms(Balancing::Hash), mean_ms(Balancing::LeastRequests));
    assert!(least * 1.3 < hash, "{least} {hash}");
}

/// A front end that asks logic, then a helper which takes 40 ms where it may take 20.
fn with_helper(optional: bool) -> Application {
    let mut helper = call(2, 40_000.0, 0.0);
    (helper.timeout_ms, helper.optional) = (Some(20.0), optional);
    let mut app = two(service("logic", Kind::Stateless), call(1, 100.0, 0.5), 5.0);
    app.flows[0].root.stages.push(vec![helper]);
    app.flows[0].root.stages.push(vec![call(1, 100.0, 0.5)]);
    app.services.push(service("helper", Kind::Stateless));
    app
}

#[test]
fn a_page_can_do_without_what_is_optional() {
    for request in requests(&with_helper(true), 5) {
        assert!(!request.failed && request.calls.len() == 4, "{request:?}");
        assert_eq!(at(&request, 2)[0].outcome, Outcome::TimedOut);
        assert_eq!(
            at(&request, 3)[0].asked,
            at(&request, 2)[0].returned + segment(&request),
            "it goes on at once"
        );
    }
    for request in requests(&with_helper(false), 5) {
        assert!(
            request.failed && request.calls.len() == 3,
            "the rest of the page is never made: {request:?}"
        );
    }
}

/// What the front end computes between two stages: no chance, no queue.
fn segment(request: &Kept) -> Nanos {
    at(request, 1)[0].asked - request.calls[0].started
}

#[test]
fn a_look_up_that_fails_and_may_is_a_miss() {
    let app = |optional: bool| {
        let mut lookup = call(1, 40_000.0, 0.0);
        (lookup.timeout_ms, lookup.optional) = (Some(20.0), optional);
        let mut app = two(Service { hit_ratio: 1.0, ..service("cache", Kind::Cache) }, lookup, 5.0);
        for _ in 0..2 {
            let mut read = call(2, 100.0, 0.5);
            read.chance = Chance::MissOf { cache: 1, keys: 3, draw: "read".into() };
            app.flows[0].root.stages.push(vec![read]);
        }
        app.services.push(service("store", Kind::Database));
        app
    };
    for request in requests(&app(true), 5) {
        assert!(!request.failed, "{request:?}");
        assert_eq!((at(&request, 2).len(), at(&request, 3).len()), (1, 1), "the store has it: {request:?}");
    }
    assert!(requests(&app(false), 5).iter().all(|request| request.failed && request.calls.len() == 2));
    let mut healthy = app(true);
    healthy.flows[0].root.stages[0][0].timeout_ms = None;
    assert!(requests(&healthy, 5).iter().all(|request| !request.failed && request.calls.len() == 2));
}
