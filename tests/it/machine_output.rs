//! docs/machine-output.md names every field that a real output has, and no field that it has not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::program::{Series, home, prometheus, run};

/// Web calls cart, cart calls db; db's CPU has been busy for the last minutes.
fn shop(query: &str, ago: i64) -> Series {
    // Some noise, the same for every request.
    let noise = |salt: i64| ((ago * 7919 + salt * 104_729) % 97) as f64 / 97.0;
    let fault = if ago <= 6 { 1.0 } else { 0.0 };
    let cpu = |n: i64, app: &str, extra: f64| {
        (json!({ "app": app, "pod": format!("{app}-0"), "node": "n1" }), 0.2 + 0.05 * noise(n) + extra)
    };
    let call = |n: i64, client: &str, server: &str, base: f64| {
        (json!({ "client": client, "server": server }), base + 0.004 * noise(n) + 0.4 * fault)
    };
    match query {
        "e2e" => vec![(json!({}), 0.1 + 0.01 * noise(1) + 0.5 * fault)],
        "cpu" => vec![cpu(2, "web", 0.0), cpu(3, "cart", 0.0), cpu(4, "db", 0.7 * fault)],
        "rpc" => vec![call(5, "web", "cart", 0.05), call(6, "cart", "db", 0.02)],
        _ => vec![call(5, "web", "cart", 0.048), call(6, "cart", "db", 0.018)],
    }
}

/// Paths of all fields, such as `culprits[].service`, and of those whose fields are unknown here
/// because they are null or empty.
fn fields(value: &Value, path: &str, seen: &mut BTreeSet<String>, hollow: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                seen.insert(path.clone());
                fields(value, &path, seen, hollow);
            }
        }
        // Trees: what stands below is like what stands above.
        Value::Array(_) if path.ends_with(".children") => {}
        Value::Array(items) => {
            let path = format!("{path}[]");
            items.iter().for_each(|item| fields(item, &path, seen, hollow));
            if items.is_empty() {
                hollow.insert(path);
            }
        }
        Value::Null => _ = hollow.insert(path.to_owned()),
        _ => {}
    }
}

/// First cells of the tables by the schema that their heading names.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/machine-output.md");
    let text = std::fs::read_to_string(text).unwrap();
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut schema = String::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            schema = heading.trim_matches('`').to_owned();
        } else if let Some((field, _)) = line.strip_prefix("| `").and_then(|rest| rest.split_once("` |")) {
            tables.entry(schema.clone()).or_default().insert(field.to_owned());
        }
    }
    tables
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_names_every_field() {
    let server = prometheus(shop, 120, Arc::default()).await;
    let home = home(&server.url, "[model]\nepochs = 30\n", Some("web"));
    let tables = documented();
    for (args, schema) in [
        (&["status"][..], "sagetop.status/1"),
        (&["train"], "sagetop.model/1"),
        (&["diagnose"], "sagetop.verdict/1"),
        (&["graph"], "sagetop.graph/1"),
        (&["doctor"], "sagetop.doctor/1"),
        (&["config", "check"], "sagetop.config/1"),
        (&["actions"], "sagetop.actions/1"),
        (&["actions", "verify-journal"], "sagetop.journal/1"),
    ] {
        let (_, out, err) = run(home.path(), &[args, &["--json"]].concat()).await;
        let value: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?}: {e}\n{out}{err}"));
        assert_eq!(value["schema"], schema);
        if schema == "sagetop.verdict/1" {
            assert_eq!(value["ranking"][0]["service"], "db", "{out}");
            assert!(!value["culprits"].as_array().unwrap().is_empty(), "{out}");
        }
        let (mut seen, mut hollow) = (BTreeSet::new(), BTreeSet::new());
        fields(&value, "", &mut seen, &mut hollow);
        let table = tables.get(schema).unwrap_or_else(|| panic!("no table for {schema}"));
        let missing: Vec<_> = seen.difference(table).collect();
        assert!(missing.is_empty(), "{schema}: the page does not name {missing:?}");
        let below = |field: &str| hollow.iter().any(|path| field.starts_with(path.as_str()));
        let invented: Vec<_> = table.difference(&seen).filter(|field| !below(field)).collect();
        assert!(invented.is_empty(), "{schema}: no output has {invented:?}\n{out}");
    }
}

/// One line a change; the other objects in them are those of the reports.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_tells_of_the_violation_and_its_cause() {
    let server = prometheus(shop, 120, Arc::default()).await;
    let home = home(&server.url, "[model]\nepochs = 30\n", Some("web"));
    let (code, out, err) = run(home.path(), &["watch", "--until-violated", "--for", "120s", "--json"]).await;
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    let states: Vec<_> = of("slo").iter().map(|line| &line["slo"]["state"]).collect();
    assert_eq!(states, ["unknown", "breached"], "nothing is known before it is asked for: {out}{err}");
    assert_eq!(of("verdict")[0]["verdict"]["culprits"][0]["service"], "db", "{out}");
    assert!(of("backend").iter().any(|line| line["backend"]["state"] == "up"), "{out}");
    assert!(of("model")[0]["model"]["windows"].as_u64() > Some(60), "{out}");
    assert_eq!(code, Some(2), "{out}{err}");
    let table = &documented()["sagetop.watch/1"];
    for line in &lines {
        assert_eq!(line["schema"], "sagetop.watch/1");
        let unknown = line.as_object().unwrap().keys().find(|key| !table.contains(*key));
        assert_eq!(unknown, None, "the page does not name it");
    }
    let (code, _, err) = run(home.path(), &["watch", "--at", "2024-01-01T00:00:00Z"]).await;
    assert_eq!(code, Some(64), "{err}");
    assert!(err.contains("leave --at away"), "{err}");
}
