//! A Jaeger of the legacy API over the synthetic traces; unknown paths answer the page of its UI.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};

use super::app::{EDGES, SERVICES};
use super::traces;
use crate::tiny_server::{Server, answer, json as json_answer, write};

/// Serves traces that started at or before `until`, unix seconds, whatever that is at the time.
pub async fn serve(until: Arc<AtomicI64>) -> Server {
    Server::start(move |_, seen, stream| {
        let body = match respond(&seen.target, until.load(Ordering::SeqCst)) {
            Some(value) => json_answer(&value.to_string()),
            None => answer("200 OK\r\nContent-Type: text/html", "<!doctype html><title>Jaeger UI</title>"),
        };
        write(stream, body)
    })
    .await
}

fn respond(target: &str, until: i64) -> Option<Value> {
    let url = url::Url::parse("http://jaeger").unwrap().join(target).unwrap();
    let number = |name: &str| {
        let found = url.query_pairs().find(|(key, _)| key == name);
        found.and_then(|(_, value)| value.parse::<i64>().ok())
    };
    match url.path() {
        "/api/services" => {
            let names: Vec<_> = SERVICES.iter().map(|s| s.name).collect();
            Some(json!({ "data": names, "total": names.len(), "errors": null }))
        }
        "/api/traces" => {
            let to = number("end")?.min(until * 1_000_000);
            Some(traces::search(number("start")?, to, usize::try_from(number("limit")?).unwrap()))
        }
        "/api/dependencies" => {
            let link = |(parent, child, _): &(&str, &str, f64)| json!({ "parent": parent, "child": child, "callCount": 1 });
            Some(json!({ "data": EDGES.iter().map(link).collect::<Vec<_>>(), "errors": null }))
        }
        _ => None,
    }
}
