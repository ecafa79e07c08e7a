//! Wrong files: the message says where and what.

use serde_json::{Value, json};

use super::*;

/// The message about the sample after `change`.
fn message(change: impl FnOnce(&mut Value)) -> String {
    match changed(change) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("no error"),
    }
}

/// A change of the sample.
type Change = fn(&mut Value);

#[test]
fn contradictions_are_named_with_their_place() {
    let cases: [(Change, &str); 36] = [
        (|j| j["name"] = "My Shop".into(), "name: `My Shop` is not a DNS label"),
        (|j| j["title"] = "a\u{1b}[2Jb".into(), "title: `a\\e[2Jb` is too long, or has characters"),
        (|j| j["rate"] = 0.into(), "rate: 0 is not between 0.001 and 100000"),
        (|j| j["trace_sampling"] = 1.5.into(), "trace_sampling: 1.5 is not between 0 and 1"),
        (
            |j| j["objective"] = json!({ "quantile": 1, "limit_ms": 5 }),
            "objective.quantile: 1 is not between",
        ),
        (
            |j| j["services"][1]["name"] = "web".into(),
            "services[1].name: `web` is the name of an earlier service",
        ),
        (|j| j["services"][1]["name"] = "-cart".into(), "services[1].name: `-cart` is not a DNS label"),
        (|j| j["services"] = json!([]), "services: there must be 1 to 500 services"),
        (
            |j| j["services"][1]["settings"]["replicas"] = 0.into(),
            "services[1].settings.replicas: must be 1 to 100",
        ),
        (
            |j| j["defaults"]["cache"]["hit_ratio"] = 2.into(),
            "defaults.cache.hit_ratio: 2 is not between 0 and 1",
        ),
        (|j| j["flows"] = json!([]), "flows: there must be 1 to 50 flows"),
        (|j| j["flows"][0]["share"] = (-1).into(), "flows[0].share: -1 is not between"),
        (|j| j["flows"][1]["name"] = "view".into(), "flows[1].name: `view` is the name of an earlier flow"),
        (
            |j| j["flows"][1]["root"]["service"] = "cart".into(),
            "flows[1].root.service: all flows enter at one service, and flows[0] at `web`",
        ),
        (
            |j| j["flows"][0]["root"]["service"] = "wbe".into(),
            "flows[0].root.service: there is no service `wbe`",
        ),
        (|j| j["flows"][0]["root"]["awaited"] = false.into(), "flows[0].root.awaited: users wait"),
        (
            |j| j["flows"][1]["root"]["optional"] = true.into(),
            "flows[1].root.optional: the root of a flow has no",
        ),
        (
            |j| {
                j["flows"][0]["root"]["stages"][0][0]["optional"] = true.into();
                j["flows"][0]["root"]["stages"][0][0]["awaited"] = false.into();
            },
            "flows[0].root.stages[0][0].optional: nobody waits for the call",
        ),
        (
            |j| {
                j["fragments"]["read"]["optional"] = true.into();
                j["fragments"]["read"]["awaited"] = false.into();
            },
            "fragments.read.optional: nobody waits for the call",
        ),
        (
            |j| j["flows"][0]["root"]["stages"][0][0]["service"] = "crat".into(),
            "flows[0].root.stages[0][0].service: there is no service `crat`, did you mean `cart`?",
        ),
        (
            |j| j["flows"][0]["root"]["stages"][0][0]["stages"][1][0] = "raed".into(),
            "flows[0].root.stages[0][0].stages[1][0]: there is no fragment `raed`, did you mean `read`?",
        ),
        (
            |j| j["flows"][0]["root"]["stages"][0][0]["cpu"]["mean_us"] = 0.into(),
            "flows[0].root.stages[0][0].cpu.mean_us: 0 is not above 0",
        ),
        (
            |j| j["flows"][0]["root"]["stages"][0][0]["service"] = "web".into(),
            "flows[0].root.stages[0][0].service: `web` calls itself: only transport `local` can",
        ),
        (
            |j| j["flows"][0]["root"]["stages"][0][0]["transport"] = "local".into(),
            "flows[0].root.stages[0][0].transport: `local` stays within the caller, and `cart` is another",
        ),
        (
            |j| j["flows"][0]["root"]["stages"][0][0]["chance"] = json!({ "probability": 2 }),
            "flows[0].root.stages[0][0].chance.probability: 2 is not between 0 and 1",
        ),
        (
            |j| j["flows"][0]["root"]["stages"][0][0]["repeat"] = json!({ "parallel": [3, 2] }),
            "flows[0].root.stages[0][0].repeat: the fewest, 3, are more than the most, 2",
        ),
        (
            |j| j["fragments"]["read"]["chance"]["miss_of"]["cache"] = "cart-db".into(),
            "fragments.read.chance.miss_of.cache: `cart-db` is no cache",
        ),
        (|j| j["fragments"]["read"]["quirk"] = "ends-early".into(), ""),
        (
            |j| j["flows"][0]["root"]["quirk"] = "ends-early".into(),
            "flows[0].root.quirk: there is no client_span to be wrong",
        ),
        (
            |j| j["fragments"]["read"]["stages"] = json!([["read"]]),
            "fragments.read: it contains itself: read → read",
        ),
        (
            |j| j["fragments"]["read"]["stages"] = json!([[]]),
            "fragments.read.stages[0]: a stage has at least one",
        ),
        (
            |j| j["fragments"]["read"]["chance"] = json!({ "last_of": { "group": "g", "of": 2 } }),
            "flows[0].root: `last_of` group `g` waits for 2 calls, and 3 stand in the flow",
        ),
        (
            |j| {
                j["fragments"]["read"]["chance"] = json!({ "last_of": { "group": "g", "of": 3 } });
                j["flows"][0]["root"]["stages"][0][0]["chance"] = json!({ "probability": 0.5 });
            },
            "a call of group `g` must arrive exactly once in every request",
        ),
        (
            |j| {
                let shared = |p: f64| json!({ "shared": { "draw": "d", "probability": p } });
                j["fragments"]["read"]["chance"] = shared(0.5);
                j["flows"][0]["root"]["stages"][0][0]["chance"] = shared(0.4);
            },
            "flows[0].root.stages[0][0].stages[1][0]<read>.chance: draw `d` has another chance elsewhere",
        ),
        (
            |j| j["rate"] = 90_000.into(),
            "raise its cpu_limit, threads or replicas, or lower rate or time_scale",
        ),
        (
            |j| {
                j["fragments"]["read"]["disk"] = json!({ "probability": 1, "mean_us": 400_000 });
            },
            "`cart-db` keeps a disk busy 342 % of the time",
        ),
    ];
    for (change, expected) in cases {
        if expected.is_empty() {
            changed(change).unwrap_or_else(|error| panic!("a control that is fine: {error}"));
            continue;
        }
        let message = message(change);
        assert!(message.contains(expected), "{expected}\n  is not in\n{message}");
        assert!(message.starts_with("the application has "), "{message}");
    }
}

#[test]
fn all_problems_are_told_at_once_but_not_too_many() {
    let message = message(|json| {
        json["rate"] = 0.into();
        json["title"] = "".into();
        json["services"][0]["settings"]["threads"] = 0.into();
    });
    let expected = "the application has 3 problems:\n  title: must not be empty\n  rate: 0 is not between \
                    0.001 and 100000\n  services[0].settings.threads: must be 1 to 256";
    assert!(message.contains("has 3 problems:\n"), "{message}");
    for line in expected.lines() {
        assert!(message.contains(line), "{line}\n  is not in\n{message}");
    }
    let many = self::message(|json| {
        let service = json!({ "name": "X", "kind": "cache" });
        json["services"].as_array_mut().unwrap().extend(std::iter::repeat_n(service, 100));
    });
    assert_eq!(many.lines().count(), 22, "{many}");
    assert!(many.ends_with("more"), "{many}");
}

#[test]
fn what_does_not_fit_the_format_has_line_and_column() {
    let text = serde_json::to_string_pretty(&sample()).unwrap();
    let broken = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let error = from_json(&text.replacen(from, to, 1)).unwrap_err();
        let AppError::Format { line, .. } = &error else { panic!("{error}") };
        let at = text[..text.find(from).unwrap()].lines().count();
        assert!(line.abs_diff(at) <= 1, "line {line} for {at}: {error}");
        error.to_string()
    };
    for (from, to, expected) in [
        ("\"rate\": 20", "\"rate\": \"fast\"", "invalid type: string \"fast\", expected f64"),
        ("\"rate\"", "\"rato\"", "unknown field `rato`, expected one of"),
        ("\"kind\": \"cache\"", "\"kind\": \"cahce\"", "unknown variant `cahce`, expected one of `frontend`"),
        ("\"client_span\": \"Cart/Get\"", "\"client_spam\": \"x\"", "unknown field `client_spam`"),
        ("\"mean_us\": 2000", "\"mean_us\": null", "expected f64"),
        ("\"replicas\": 2", "\"replicas\": -2", "invalid value: integer `-2`"),
        ("\"grpc\"", "\"gprc\"", "unknown variant `gprc`"),
        ("\"keys\": 2", "\"keys\": 2, \"x\": 1", "unknown field `x`"),
        ("\"read\",", "17,", "invalid type: integer `17`, expected a call, or the name of a fragment"),
    ] {
        let message = broken(from, to);
        assert!(message.contains(expected), "{expected}\n  is not in\n{message}");
    }
    let end = from_json("{").unwrap_err().to_string();
    assert!(end.starts_with("the application:1:1: EOF while parsing"), "{end}");
    let twice = text.replacen(
        "\"fragments\": {",
        "\"fragments\": {\"read\": {\"service\": \"web\", \"cpu\": {\"mean_us\": 1}},",
        1,
    );
    let twice = from_json(&twice).unwrap_err().to_string();
    assert!(twice.contains("\"read\" stands here twice"), "{twice}");
}

#[test]
fn fragments_cannot_grow_without_bound() {
    let bomb = message(|json| {
        let mut fragments = json!({ "f0": { "service": "cart-db", "cpu": { "mean_us": 1 } } });
        for i in 1..40 {
            let service = if i % 2 == 0 { "cart" } else { "web" };
            let next = format!("f{}", i - 1);
            fragments[format!("f{i}")] = json!({
                "service": service, "transport": "http", "cpu": { "mean_us": 1 }, "stages": [[next, next, next]]
            });
        }
        json["fragments"] = fragments;
        json["flows"][0]["root"]["stages"] = json!([["f38"]]);
    });
    assert!(bomb.contains("the flow has more than 2000 calls"), "{bomb}");
    let repeated = message(|json| {
        let hundred = json!({ "sequential": [1, 100] });
        json["fragments"]["read"]["repeat"] = hundred.clone();
        json["flows"][0]["root"]["stages"][0][0]["repeat"] = hundred;
    });
    assert!(repeated.contains("one request can make more than 10000 calls"), "{repeated}");
    let deep = message(|json| {
        for i in 0..70 {
            let service = if i % 2 == 0 { "cart" } else { "web" };
            json["fragments"][format!("f{i}")] = json!({
                "service": service, "transport": "http", "cpu": { "mean_us": 1 },
                "stages": if i < 69 { json!([[format!("f{}", i + 1)]]) } else { json!([]) }
            });
        }
        json["flows"][0]["root"]["stages"] = json!([["f0"]]);
    });
    assert!(deep.contains("more than 64 calls lie above one another"), "{deep}");
}

#[test]
fn unknown_names_and_files_say_what_there_is() {
    let unknown = named("social-netwrok").unwrap_err().to_string();
    assert_eq!(
        unknown,
        "there is no application `social-netwrok`, did you mean `social-network`?; there are social-network, \
         media, hotel-reservation, online-boutique, chain-N and fanout-N with N from 2 to 64, and any .json file"
    );
    let missing = open("/nowhere/shop.json").unwrap_err().to_string();
    assert!(missing.starts_with("cannot read /nowhere/shop.json: "), "{missing}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.json");
    let path = path.to_str().unwrap();
    std::fs::write(path, sample().to_string()).unwrap();
    assert_eq!(&*open(path).unwrap().name, "shop");
    assert_eq!(open("media").unwrap(), app("media"));
    std::fs::write(path, "[]").unwrap();
    let wrong = open(path).unwrap_err().to_string();
    assert!(wrong.starts_with(&format!("{path}:1:")), "{wrong}");
    std::fs::write(path, " ".repeat((4 << 20) + 1)).unwrap();
    let large = open(path).unwrap_err().to_string();
    assert!(large.ends_with("is larger than 4 MiB: no application needs that"), "{large}");
}
