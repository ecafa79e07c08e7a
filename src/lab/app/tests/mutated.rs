//! Files damaged at random: never a panic, and always a place.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Every value of a JSON tree, by the way to it.
fn pointers(value: &Value, path: &str, out: &mut Vec<String>) {
    out.push(path.to_owned());
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| pointers(item, &format!("{path}/{i}"), out));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, item)| pointers(item, &format!("{path}/{name}"), out));
        }
        _ => {}
    }
}

/// Values that someone might put in the wrong place, and extremes.
fn intruder() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec![0.0, -1.0, 1e-300, 1e300, 0.5, 1e9]).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        "[\\x00-\\x1f\u{202e}\u{200b}]{1,4}".prop_map(Value::from),
        prop::sample::select(vec![
            "web",
            "cart",
            "cart-cache",
            "cart-db",
            "read",
            "local",
            "unlimited",
            "always"
        ])
        .prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([["read"]])),
        Just(json!({ "last_of": { "group": "g", "of": 3 } })),
        Just(json!({ "parallel": [0, 100] })),
    ]
}

/// Whatever comes of `text`, an application can be used, and an error has a place and can be shown.
fn examine(text: &str) {
    match from_json(text) {
        Ok(app) => {
            let shares: f64 = app.flows.iter().map(|flow| flow.share).sum();
            assert!((shares - 1.0).abs() < 1e-9);
            assert!(app.objective.limit_ms.is_finite() && app.objective.limit_ms > 0.0);
            for load in offered(&app) {
                assert!(load.cpu.is_finite() && load.of_limit <= 0.9 && load.disk.is_finite());
            }
            for flow in &app.flows {
                assert!(sites(flow).iter().all(|site| site.call.service < app.services.len()));
            }
        }
        Err(error) => {
            match &error {
                AppError::Format { line, .. } => assert!(*line >= 1, "{error}"),
                AppError::Invalid { problems, .. } => {
                    assert!(!problems.is_empty());
                    assert!(problems.iter().all(|problem| !problem.path.as_str().is_empty()), "{error}");
                }
                other => panic!("{other}"),
            }
            let shown = error.to_string();
            assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_wrong_value_anywhere(at in any::<prop::sample::Index>(), intruder in intruder(), drop in any::<bool>()) {
        let mut json = sample();
        let mut paths = Vec::new();
        pointers(&json, "", &mut paths);
        let path = at.get(&paths);
        if drop && let Some((parent, name)) = path.rsplit_once('/') {
            match json.pointer_mut(parent) {
                Some(Value::Object(fields)) => { fields.remove(name); }
                Some(Value::Array(items)) => { items.remove(name.parse().unwrap()); }
                _ => {}
            }
        } else if let Some(value) = json.pointer_mut(path) {
            *value = intruder;
        }
        examine(&json.to_string());
    }

    #[test]
    fn a_damaged_file(from in any::<prop::sample::Index>(), length in 0..30_usize, put in "\\PC{0,6}") {
        let text = serde_json::to_string_pretty(&sample()).unwrap();
        let from = from.index(text.len());
        let to = (from + length).min(text.len());
        examine(&format!("{}{put}{}", &text[..from], &text[to..]));
    }
}
