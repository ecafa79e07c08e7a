//! An application that changes while it is watched: what came is noticed, doubted, and learned in part.

use std::sync::{Arc, OnceLock};

use sagetop::domain::Timestamp;
use serde_json::{Value, json};

use crate::program::{Series, home, prometheus, run};

/// The last full hour but one, where the model is due to be trained; ten minutes later `gifts` comes.
fn due() -> i64 {
    static NOW: OnceLock<i64> = OnceLock::new();
    (NOW.get_or_init(|| Timestamp::now().as_second()) / 3600 - 1) * 3600
}

/// Web calls cart; later, cart calls gifts.
fn shop(query: &str, ago: i64) -> Series {
    let at = Timestamp::now().as_second() - 60 * ago;
    let noise = |salt: i64| ((ago * 7919 + salt * 104_729) % 97) as f64 / 97.0;
    let cpu = |n: i64, app: &str| {
        (json!({ "app": app, "pod": format!("{app}-0"), "node": "n1" }), 0.2 + 0.05 * noise(n))
    };
    let call = |n: i64, client: &str, server: &str, base: f64| {
        (json!({ "client": client, "server": server }), base + 0.004 * noise(n))
    };
    let came = at >= due() + 600;
    let calls = |n: i64, base: f64| {
        let mut calls = vec![call(n, "web", "cart", base)];
        calls.extend(came.then(|| call(n + 1, "cart", "gifts", 0.4 * base)));
        calls
    };
    match query {
        "e2e" => vec![(json!({}), 0.1 + 0.01 * noise(1))],
        "cpu" => {
            let mut services = vec![cpu(2, "web"), cpu(3, "cart")];
            services.extend(came.then(|| cpu(4, "gifts")));
            services
        }
        "rpc" => calls(5, 0.05),
        _ => calls(5, 0.048),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_is_doubted_and_then_learned() {
    let server = prometheus(shop, 400, Arc::default()).await;
    let home = home(&server.url, "[model]\nepochs = 30\nretrain_hours = 1\n", Some("web"));
    let ask = async |minutes: i64| {
        let at = (due() + 60 * minutes).to_string();
        let (_, out, err) = run(home.path(), &["diagnose", "--json", "--at", &at]).await;
        let verdict: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
        let notes = verdict["warnings"].as_array().unwrap().iter().filter_map(Value::as_str);
        let notes: Vec<_> = notes.filter(|note| note.contains("gifts")).map(str::to_owned).collect();
        let services = verdict["ranking"].as_array().unwrap().iter().map(|r| r["service"].clone());
        (notes, services.collect::<Vec<_>>(), verdict)
    };
    let (notes, services, _) = ask(5).await;
    assert!(notes.is_empty() && !services.contains(&"gifts".into()), "{notes:?} {services:?}");

    let (notes, services, verdict) = ask(25).await;
    assert_eq!(notes, ["since the model was trained: gifts is new"]);
    assert!(!services.contains(&"gifts".into()), "{services:?}");
    assert_eq!(verdict["model"]["in_range"], false);

    let (notes, services, verdict) = ask(50).await;
    let [note] = notes.as_slice() else { panic!("{notes:?}") };
    assert!(note.starts_with("gifts is new: ") && note.contains("trained again on the 26 windows"), "{note}");
    assert!(services.contains(&"gifts".into()), "{services:?}");
    assert_eq!(verdict["model"]["in_range"], true, "{verdict:#}");
}
