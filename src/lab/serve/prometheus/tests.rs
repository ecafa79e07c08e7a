//! The server on the wire.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, RwLock};

use super::*;
use crate::lab::tsdb::{Labels, Metadata};

const NOW: i64 = 1_795_316_400_250;

/// A server in which `up` is 1, NaN and +Inf at three instances.
async fn serve(options: Options) -> String {
    let mut tsdb = Tsdb::default();
    for (instance, value) in [("a", 1.5), ("b", f64::NAN), ("c", f64::INFINITY)] {
        let id = tsdb.series(Labels::new([("__name__", "up"), ("instance", instance)]));
        tsdb.append(id, NOW - 1_000, value);
    }
    let help = Metadata { kind: "gauge", help: "Whether it \"is\" up".into(), unit: "".into() };
    tsdb.describe("up", help);
    let prometheus = Prometheus { options, ..Prometheus::new(Arc::new(RwLock::new(tsdb)), Arc::new(|| NOW)) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router(prometheus)).await.unwrap() });
    url
}

async fn get(url: &str, target: &str) -> (u16, Value) {
    let answer = reqwest::get(format!("{url}{target}")).await.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

#[tokio::test]
async fn answers_have_the_native_form() {
    let url = serve(Options::default()).await;
    let (status, body) = get(&url, "/api/v1/query?query=sort(up)").await;
    let row = |instance: &str, value: &str| json!({ "metric": { "__name__": "up", "instance": instance }, "value": [1_795_316_400.25, value] });
    let rows = [row("a", "1.5"), row("c", "+Inf"), row("b", "NaN")];
    let data = json!({ "resultType": "vector", "result": rows });
    assert_eq!((status, body), (200, json!({ "status": "success", "data": data })));
    let (_, body) = get(
        &url,
        "/api/v1/query_range?query=-up{instance=\"c\"}&start=1795316400&end=1795316401.5&step=750ms",
    )
    .await;
    let values = json!([[1_795_316_400, "-Inf"], [1_795_316_400.75, "-Inf"], [1_795_316_401.5, "-Inf"]]);
    assert_eq!(body["data"]["result"], json!([{ "metric": { "instance": "c" }, "values": values }]));
    let (_, body) = get(&url, "/api/v1/query?query=%22a%5C%22b%22").await;
    assert_eq!(body["data"], json!({ "resultType": "string", "result": [1_795_316_400.25, "a\"b"] }));
    let (_, body) = get(&url, "/api/v1/metadata?metric=up").await;
    assert_eq!(
        body["data"],
        json!({ "up": [{ "type": "gauge", "help": "Whether it \"is\" up", "unit": "" }] })
    );
    let (_, body) = get(&url, "/api/v1/status/buildinfo").await;
    assert_eq!(body["data"]["version"], VERSION);
}

#[tokio::test]
async fn a_limit_cuts_off_and_says_so() {
    let url = serve(Options::default()).await;
    for (target, rows) in
        [("query?query=up&limit=2", 2), ("query?query=up&limit=3", 3), ("query?query=up&limit=0", 3)]
    {
        let (_, body) = get(&url, &format!("/api/v1/{target}")).await;
        assert_eq!(body["data"]["result"].as_array().map(Vec::len), Some(rows), "{target}");
        assert_eq!(body["warnings"].is_array(), rows == 2, "{target}");
    }
    let (_, body) = get(&url, "/api/v1/label/instance/values?limit=1").await;
    assert_eq!((&body["data"], body["warnings"].is_array()), (&json!(["a"]), true));
}

#[tokio::test]
async fn errors_have_their_status_and_type() {
    let few = Options { max_samples: 2, ..Options::default() };
    let (url, tight) = (serve(Options::default()).await, serve(few).await);
    for (url, target, status, kind) in [
        (&url, "query?query=up(", 400, "bad_data"),
        (&url, "query?query=up&time=noon", 400, "bad_data"),
        (&url, "query?query=up&limit=-1", 400, "bad_data"),
        (&url, "query_range?query=up&start=0&end=11001&step=1", 400, "bad_data"),
        (&url, "query_range?query=up[5m]&start=0&end=1&step=1", 400, "bad_data"),
        (&url, "query?query=info(up)", 422, "execution"),
        (&url, "query?query=up%2Bon()up", 422, "execution"),
        (&tight, "query?query=up", 422, "execution"),
        (&url, "query?query=up&timeout=0", 503, "timeout"),
    ] {
        let (found, body) = get(url, &format!("/api/v1/{target}")).await;
        assert_eq!(
            (found, &body["status"], &body["errorType"]),
            (status, &json!("error"), &json!(kind)),
            "{target}"
        );
        assert!(body["error"].as_str().is_some_and(|text| text.len() > 10), "{target}: {body}");
    }
}
