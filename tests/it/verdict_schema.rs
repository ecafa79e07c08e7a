//! The contract `sagetop.verdict/1`, field by field.

use std::collections::BTreeSet;

use sagetop::domain::Timestamp;
use serde_json::Value;

/// What a field holds.
#[derive(Clone, Copy)]
enum Is {
    Text,
    Moment,
    Number,
    /// From 0 to 1.
    Share,
    Count,
    Truth,
    /// One of these words.
    Word(&'static [&'static str]),
    Object(&'static [(&'static str, Is)]),
    List(&'static Is),
    /// Or null, where it is unknown.
    Maybe(&'static Is),
}

use Is::{Count, List, Maybe, Moment, Number, Object, Share, Text, Truth, Word};

const STATE: Is = Word(&["ok", "burning", "breached", "unknown"]);
const KIND: Is = Word(&["culprits", "load", "latent", "healthy", "unsure", "unresolved"]);
const RESOURCE: Is = Word(&["cpu", "memory", "cache", "disk", "network", "load", "latent"]);

const COUNTERFACTUAL: Is =
    Object(&[("quantile_ms", Number), ("low_ms", Number), ("high_ms", Number), ("p_slo_met", Share)]);

const CULPRIT: Is = Object(&[
    ("service", Text),
    ("node", Maybe(&Text)),
    ("counterfactual", Maybe(&COUNTERFACTUAL)),
    (
        "resources",
        List(&Object(&[
            ("resource", RESOURCE),
            ("metric", Text),
            ("observed", Maybe(&Number)),
            ("normal", Maybe(&Number)),
            ("p_slo_met", Maybe(&Share)),
        ])),
    ),
]);

const VERDICT: Is = Object(&[
    ("schema", Word(&["sagetop.verdict/1"])),
    (
        "slo",
        Object(&[
            ("name", Text),
            ("quantile", Share),
            ("objective_ms", Number),
            ("observed_ms", Maybe(&Number)),
            ("state", STATE),
        ]),
    ),
    ("at", Moment),
    ("window", Object(&[("start", Moment), ("end", Moment)])),
    ("verdict", KIND),
    ("culprits", List(&CULPRIT)),
    ("ranking", List(&Object(&[("service", Text), ("score", Number)]))),
    ("resource_ranking", List(&Object(&[("service", Text), ("resource", RESOURCE), ("score", Number)]))),
    (
        "model",
        Object(&[("fingerprint", Text), ("trained_at", Moment), ("windows", Count), ("in_range", Truth)]),
    ),
    (
        "timings_ms",
        Object(&[("fetch", Number), ("windows", Number), ("load_or_train", Number), ("query", Number)]),
    ),
    ("warnings", List(&Text)),
    ("suspects", List(&CULPRIT)),
]);

/// Panics with the place of the first deviation.
pub fn check(verdict: &Value) {
    field("verdict", verdict, VERDICT);
    let scores = |list: &str| {
        let ranked = verdict[list].as_array().unwrap().iter();
        let scores: Vec<_> = ranked.map(|r| r["score"].as_f64().unwrap()).collect();
        assert!(scores.is_sorted_by(|a, b| a >= b), "{list} is not in order: {scores:?}");
    };
    scores("ranking");
    scores("resource_ranking");
    let ranking = verdict["ranking"].as_array().unwrap();
    let services: BTreeSet<_> = ranking.iter().map(|r| r["service"].as_str().unwrap()).collect();
    assert_eq!(services.len(), ranking.len(), "a service is ranked twice");
    for culprit in verdict["culprits"].as_array().unwrap() {
        assert!(services.contains(culprit["service"].as_str().unwrap()), "a culprit is not ranked");
    }
    let moment = |v: &Value| v.as_str().unwrap().parse::<Timestamp>().unwrap();
    let window = &verdict["window"];
    assert!(moment(&window["start"]) < moment(&window["end"]));
    assert!(moment(&window["end"]) <= moment(&verdict["at"]));
    assert!(moment(&verdict["model"]["trained_at"]) <= moment(&window["start"]), "trained on the incident");
}

fn field(place: &str, value: &Value, is: Is) {
    let fits = match is {
        Text => value.as_str().is_some_and(|text| !text.is_empty()),
        // RFC 3339 in UTC.
        Moment => value.as_str().is_some_and(|t| t.ends_with('Z') && t.parse::<Timestamp>().is_ok()),
        Number => value.as_f64().is_some_and(f64::is_finite),
        Share => value.as_f64().is_some_and(|x| (0.0..=1.0).contains(&x)),
        Count => value.as_u64().is_some(),
        Truth => value.is_boolean(),
        Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Maybe(is) => {
            if !value.is_null() {
                field(place, value, *is);
            }
            true
        }
        Object(fields) => {
            for (name, is) in fields {
                let place = format!("{place}.{name}");
                field(&place, value.get(name).unwrap_or_else(|| panic!("{place} is missing")), *is);
            }
            true
        }
        List(is) => {
            let items = value.as_array().unwrap_or_else(|| panic!("{place} is no list: {value}"));
            for (n, item) in items.iter().enumerate() {
                field(&format!("{place}[{n}]"), item, *is);
            }
            true
        }
    };
    assert!(fits, "{place} is not as the contract says: {value}");
}
