//! Load, limits and latency: computed figures against ones worked out by hand.

use super::*;

/// Equal but for rounding.
fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs().max(1e-9)
}

#[test]
fn the_offered_load_is_the_sum_over_calls() {
    let app = changed(|_| {}).unwrap();
    let loads = offered(&app);
    // 20/s, three quarters of them views; a miss of one of two keys has probability 1 - 0.9².
    let views = 15.0;
    let misses = views * 3.0 * (1.0 - 0.81);
    for (name, calls, cpu) in [
        ("web", 20.0, views * 1000e-6 + 5.0 * 100e-6),
        ("cart", views, views * 2000e-6),
        ("cart-cache", views, views * 20e-6),
        ("cart-db", misses, misses * 400e-6),
    ] {
        let load = loads[app.service(name).unwrap()];
        assert!(close(load.calls, calls) && close(load.cpu, cpu), "{name}: {load:?}, not {calls} and {cpu}");
    }
    let db = loads[app.service("cart-db").unwrap()];
    assert!(close(db.disk, misses * 0.01 * 5000e-6), "one access in a hundred, of 5 ms: {db:?}");
    let cart = loads[app.service("cart").unwrap()];
    let limit = app.services[app.service("cart").unwrap()].cpu_limit.unwrap();
    assert!(close(cart.of_limit, cart.cpu / limit / 2.0), "two replicas share the load");
}

#[test]
fn edges_and_bytes_are_those_of_the_calls() {
    let app = changed(|json| {
        json["flows"][0]["root"]["bytes"] = serde_json::json!({ "request": 100, "response": 5000 });
        json["flows"][1]["root"]["bytes"] = serde_json::json!({ "request": 1, "response": 2 });
        json["flows"][0]["root"]["stages"][0][0]["bytes"] =
            serde_json::json!({ "request": 30, "response": 700 });
    })
    .unwrap();
    let id = |name| app.service(name).unwrap();
    let (views, pings) = (15.0, 5.0);
    let misses = views * 3.0 * (1.0 - 0.81);
    let expected = [("web", "cart", views), ("cart", "cart-cache", views), ("cart", "cart-db", misses)];
    let edges = edges(&app);
    assert_eq!(edges.len(), expected.len(), "two of the three reads are of one edge: {edges:?}");
    for (edge, (from, to, calls)) in edges.iter().zip(expected) {
        assert_eq!((edge.from, edge.to), (id(from), id(to)));
        assert!(close(edge.calls, calls), "{from} to {to}: {edge:?}");
    }
    // What it gets: requests of users, answers of the cart; what it sends: the other way round.
    let web = offered(&app)[id("web")];
    assert!(close(web.bytes.0, views * (100.0 + 700.0) + pings), "{web:?}");
    assert!(close(web.bytes.1, views * (5000.0 + 30.0) + pings * 2.0), "{web:?}");
}

#[test]
fn the_last_of_five_is_one_call() {
    let app = app("media");
    let loads = offered(&app);
    let calls = |name| loads[app.service(name).unwrap()].calls;
    assert!(close(calls("review-storage-service"), app.rate));
    assert!(close(calls("compose-review-service"), 6.0 * app.rate), "five uploads, one composition");
    assert!(
        close(calls("compose-review-memcached"), 16.0 * app.rate),
        "three for each upload, one at the end"
    );
}

#[test]
fn the_tightest_limits_are_used_as_documented() {
    for name in names() {
        let app = app(name);
        let loads = offered(&app);
        let tightest = loads.iter().map(|load| load.of_limit).fold(0.0, f64::max);
        assert!((0.3..=0.5).contains(&tightest), "{name}: {tightest}");
        for (service, load) in app.services.iter().zip(&loads) {
            assert!(load.of_limit <= 0.401, "{name}: {} at {}", service.name, load.of_limit);
            let limit = service.cpu_limit.unwrap();
            assert!((0.1..=2.0).contains(&limit) && limit <= f64::from(service.threads), "{}", service.name);
            assert!(load.disk < 0.3, "{name}: the disk of {} is busy {}", service.name, load.disk);
        }
        assert!((40.0..=60.0).contains(&app.rate), "{name}");
    }
}

#[test]
fn healthy_tails_are_tens_of_milliseconds_and_half_the_objective() {
    for name in names() {
        let app = app(name);
        let Objective { quantile, limit_ms } = app.objective;
        let tail = healthy_tail_ms(&app, quantile);
        assert!((20.0..=90.0).contains(&tail), "{name}: {tail} ms");
        assert!((1.5..=2.7).contains(&(limit_ms / tail)), "{name}: {limit_ms} ms for {tail} ms");
        assert_eq!(tail, healthy_tail_ms(&app, quantile), "the same every time");
        assert!(healthy_tail_ms(&app, 0.5) < tail);
    }
}

#[test]
fn the_estimate_follows_the_call_tree() {
    // No chance and no spread: what a request takes can be added up.
    let fixed = |stages: serde_json::Value, scale: f64| {
        let app = changed(|json| {
            json["time_scale"] = scale.into();
            json["defaults"]["stateless"]["cpu_limit"] = "unlimited".into();
            json["defaults"]["frontend"]["cpu_limit"] = "unlimited".into();
            json["flows"][1]["share"] = 0.into();
            let root = &mut json["flows"][0]["root"];
            root["cpu"] = serde_json::json!({ "mean_us": 1000, "cv": 0 });
            root["stages"] = stages;
        });
        healthy_tail_ms(&app.unwrap(), 0.99)
    };
    let call = |us: u32, repeat: serde_json::Value| serde_json::json!({ "service": "cart", "cpu": { "mean_us": us, "cv": 0 }, "repeat": repeat });
    let once = || serde_json::json!("once");
    let near =
        |tail: f64, expected: f64| assert!((tail - expected).abs() < 1e-6, "{tail} ms, not {expected}");
    // 0.1 ms on the wire for every call there and back.
    near(fixed(serde_json::json!([]), 1.0), 1.1);
    near(fixed(serde_json::json!([]), 3.0), 3.1);
    near(fixed(serde_json::json!([[call(500, once())], [call(700, once())]]), 1.0), 1.1 + 0.6 + 0.8);
    near(fixed(serde_json::json!([[call(500, once()), call(700, once())]]), 1.0), 1.1 + 0.8);
    let thrice = serde_json::json!({ "sequential": [3, 3] });
    near(fixed(serde_json::json!([[call(500, thrice)]]), 1.0), 1.1 + 3.0 * 0.6);
    let mut late = call(9000, once());
    late["timeout_ms"] = 2.into();
    near(fixed(serde_json::json!([[late]]), 1.0), 1.1 + 2.0);
    let mut aside = call(9000, once());
    aside["awaited"] = false.into();
    near(fixed(serde_json::json!([[aside]]), 1.0), 1.1);
}

#[test]
fn one_request_stands_for_as_many_as_the_scale_says() {
    let scaled = changed(|json| json["time_scale"] = 20.into()).unwrap();
    let plain = changed(|_| {}).unwrap();
    for (scaled, plain) in sites(&scaled.flows[0]).iter().zip(sites(&plain.flows[0])) {
        assert!(close(scaled.call.cpu.mean_us, 20.0 * plain.call.cpu.mean_us));
        if let (Some(scaled), Some(plain)) = (scaled.call.disk, plain.call.disk) {
            assert!(close(scaled.probability, 1.0 - 0.99_f64.powi(20)));
            assert_eq!((scaled.mean_us, scaled.bytes), (plain.mean_us, plain.bytes));
        }
    }
    assert!(sites(&scaled.flows[0]).iter().any(|site| site.call.disk.is_some()));
}

#[test]
fn operations_hold_the_keys_they_are_given() {
    assert_eq!(operation("GET /cart", 3), "GET /cart");
    assert_eq!(operation("List<T> <", 3), "List<T> <");
    let name = |key| operation("find<number>_<date>_<date>!", key).into_owned();
    assert_eq!(name(5), name(5));
    let names: std::collections::BTreeSet<String> = (0..1000).map(name).collect();
    assert!(names.len() > 900, "{} names of 1000 keys", names.len());
    for name in &names {
        let key = name.strip_prefix("find").unwrap().strip_suffix('!').unwrap();
        let [number, from, to] = key.split('_').collect::<Vec<_>>()[..] else { panic!("{name}") };
        assert!((1..=80).contains(&number.parse::<u32>().unwrap()), "{name}");
        for date in [from, to] {
            let day: u32 = date.strip_prefix("2015-04-").unwrap().parse().unwrap();
            assert!((1..=30).contains(&day), "{name}");
        }
    }
}
