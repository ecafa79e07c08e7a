//! What the clients send and how they adapt: probing, fallbacks, chunks, headers, health, concurrency.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sagetop::domain::{BackendState, Clean, ServiceName, Timestamp};
use sagetop::telemetry::{
    Auth, BackendSettings, Error, Jaeger, JaegerApi, JaegerSettings, Prometheus, Secret, Span, TraceQuery,
    TraceStats,
};

use crate::tiny_server::{Seen, Server, answer, json, write};

const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
const UI: &str = include_str!("../fixtures/jaeger/wrong-base-path.html");
const LEGACY_TRACES: &str = include_str!("../fixtures/jaeger/recorded-legacy.json");
const V3_TRACES: &str = include_str!("../fixtures/jaeger/recorded-v3.json");

fn jaeger(url: &str, api: JaegerApi) -> Jaeger {
    Jaeger::new(&JaegerSettings { backend: BackendSettings::at(url), api, limit: 1500 }).unwrap()
}

async fn search(jaeger: &Jaeger, limit: usize) -> (Vec<Span>, Result<TraceStats, Error>) {
    let query = TraceQuery {
        service: ServiceName::new("frontend"),
        operation: None,
        start: "2022-08-22T07:27:00Z".parse().unwrap(),
        end: "2022-08-22T07:28:00Z".parse().unwrap(),
        min_duration: Some(Duration::from_millis(5)),
        limit,
    };
    let mut spans = Vec::new();
    let mut keep = |span| spans.push(span);
    let outcome = jaeger.traces(&query, &mut keep).await;
    (spans, outcome)
}

/// Answers by path; a page of the UI for everything else, as old servers do.
async fn jaeger_server(routes: &'static [(&'static str, &'static str)]) -> Server {
    Server::start(move |_, seen, stream| async move {
        let path = seen.target.split('?').next().unwrap_or_default();
        let route = routes.iter().find(|(route, _)| *route == path);
        let text = match route {
            Some((_, body)) if body.contains("httpCode") => answer("404 Not Found", body),
            Some((_, body)) => json(body),
            None => answer("200 OK\r\nContent-Type: text/html", UI),
        };
        write(stream, text).await;
    })
    .await
}

#[tokio::test]
async fn everything_a_request_carries() {
    let server = Server::with(vec![json(EMPTY)]).await;
    let secret = |value: &str| Secret { value: Some(value.into()), ..Secret::default() };
    let mut settings = BackendSettings::at(format!("{}/prefix/", server.url));
    settings.auth = Auth::Basic { user: "ann".into(), password: secret("pw") };
    settings.headers.insert("X-Extra".into(), secret("e"));
    settings.tenant = Some("shop".into());
    settings.timeout = Duration::from_secs(90);
    let at: Timestamp = "2026-11-22T03:00:00.5Z".parse().unwrap();
    Prometheus::new(&settings).unwrap().query("rate(x[5m]) + 1 & 2", at).await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/prefix/api/v1/query"));
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(
        seen.body, "query=rate%28x%5B5m%5D%29+%2B+1+%26+2&time=1795316400.500&timeout=30.000",
        "the timeout is capped and told to the server"
    );
    assert_eq!(seen.header("authorization"), Some("Basic YW5uOnB3"));
    assert_eq!(seen.header("x-extra"), Some("e"));
    assert_eq!(seen.header("x-scope-orgid"), Some("shop"));
    assert_eq!(seen.header("accept-encoding"), Some("gzip"));
    assert_eq!(seen.header("user-agent"), Some(concat!("sagetop/", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn post_falls_back_to_get_and_remembers() {
    let server = Server::start(|_, seen, stream| async move {
        let text = if seen.method == "POST" { answer("405 Method Not Allowed", "") } else { json(EMPTY) };
        write(stream, text).await;
    })
    .await;
    let prometheus = Prometheus::new(&BackendSettings::at(&server.url)).unwrap();
    for _ in 0..2 {
        prometheus.clone().query("up", Timestamp::now()).await.unwrap();
    }
    let methods: Vec<_> = server.seen().into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods, ["POST", "GET", "GET"]);
    assert!(server.seen()[1].target.starts_with("/api/v1/query?query=up&time="));
    // Both refused: that is about the account.
    let server = Server::with(vec![answer("403 Forbidden", "not yours")]).await;
    let prometheus = Prometheus::new(&BackendSettings::at(&server.url)).unwrap();
    let text = prometheus.query("up", Timestamp::now()).await.unwrap_err().to_string();
    assert!(text.contains("403") && text.contains("tenant") && text.contains("not yours"), "{text}");
}

/// Answers a range query like a server that holds a series with the value of its time, and enforces the rule.
fn range_answer(seen: &Seen) -> String {
    let param = |name: &str| -> f64 {
        let pair = seen.body.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap();
        pair.trim_start_matches('=').parse().unwrap()
    };
    let (start, end, step) = (param("start"), param("end"), param("step"));
    if (end - start) / step > 11_000.0 {
        return answer("400 Bad Request", include_str!("../fixtures/prometheus/too-many-points.json"));
    }
    let steps = ((end - start) / step).round() as u64;
    let values: Vec<String> =
        (0..=steps).map(|i| start + i as f64 * step).map(|t| format!(r#"[{t},"{t}"]"#)).collect();
    json(&format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{"a":"b"}},"values":[{}]}}]}}}}"#,
        values.join(",")
    ))
}

#[tokio::test]
async fn long_ranges_are_asked_for_in_chunks() {
    let server =
        Server::start(|_, seen, stream| async move { write(stream, range_answer(&seen)).await }).await;
    let prometheus = Prometheus::new(&BackendSettings::at(&server.url)).unwrap();
    let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let minute = Duration::from_secs(60);
    for (steps, requests) in [(0, 1), (9_999, 1), (10_000, 2), (11_001, 2), (25_000, 3)] {
        let before = server.seen().len();
        let end = start + minute * steps;
        let matrix = prometheus.query_range("x", start, end, minute).await.unwrap();
        assert_eq!(server.seen().len() - before, requests, "{steps} steps");
        assert_eq!(matrix.series.len(), 1);
        let points = &matrix.series[0].points;
        assert_eq!(points.len(), steps as usize + 1);
        for (i, (at, value)) in points.iter().enumerate() {
            assert_eq!(*at, start.as_millisecond() + i as i64 * 60_000);
            assert_eq!(*value * 1000.0, *at as f64);
        }
    }
    let before = server.seen().len();
    let nothing = prometheus.query_range("x", start, start - minute, minute).await.unwrap();
    assert!(nothing.series.is_empty());
    assert_eq!(server.seen().len(), before);
}

#[tokio::test]
async fn only_so_many_requests_at_once() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let peak = Arc::clone(&most);
    let server = Server::start(move |_, _, stream| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(50)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            write(stream, json(EMPTY)).await;
        }
    })
    .await;
    let settings = BackendSettings { concurrency: 2, ..BackendSettings::at(&server.url) };
    let prometheus = Prometheus::new(&settings).unwrap();
    let queries = (0..8).map(|_| prometheus.query("up", Timestamp::now()));
    for outcome in futures_util::future::join_all(queries).await {
        outcome.unwrap();
    }
    assert_eq!((server.seen().len(), peak.load(Ordering::SeqCst)), (8, 2));
}

#[tokio::test]
async fn health_of_prometheus() {
    let info = r#"{"status":"success","data":{"version":"3.14.0","application":"Grafana Mimir"}}"#;
    let server = Server::with(vec![json(info)]).await;
    let health = Prometheus::new(&BackendSettings::at(&server.url)).unwrap().health().await;
    assert_eq!((health.state, health.detail), (BackendState::Up, None));
    assert_eq!(health.flavour.unwrap().as_str(), "Grafana Mimir 3.14.0");
    assert!(health.latency_ms.unwrap() > 0.0 && health.last_ok.is_some());

    // A proxy that lets only queries through.
    let server = Server::start(|_, seen, stream| async move {
        let status = seen.target.contains("/status/");
        write(stream, if status { answer("404 Not Found", "404 page not found") } else { json(EMPTY) }).await;
    })
    .await;
    let health = Prometheus::new(&BackendSettings::at(&server.url)).unwrap().health().await;
    assert_eq!(health.state, BackendState::Up, "{:?}", health.detail);

    let server = Server::with(vec![answer("200 OK", UI)]).await;
    let health = Prometheus::new(&BackendSettings::at(&server.url)).unwrap().health().await;
    assert_eq!(health.state, BackendState::Degraded);
    assert!(health.detail.unwrap().as_str().contains("an HTML page"));
}

#[tokio::test]
async fn a_clock_that_is_off_is_told() {
    for (offset, word) in [(-300, "behind"), (300, "ahead of")] {
        let server = Server::start(move |_, _, stream| async move {
            let date = Timestamp::now() + Duration::from_secs(3600) + Duration::from_secs(0);
            let date = date - Duration::from_secs((3600 - offset) as u64);
            let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let head = format!("200 OK\r\nDate: {date}");
            write(stream, answer(&head, r#"{"status":"success","data":{"version":"3"}}"#)).await;
        })
        .await;
        let health = Prometheus::new(&BackendSettings::at(&server.url)).unwrap().health().await;
        let found = health.clock_offset_ms.unwrap();
        assert!((found - offset * 1000).abs() < 2000, "{found}");
        assert_eq!(health.state, BackendState::Degraded);
        let detail = health.detail.unwrap();
        assert!(detail.as_str().contains(word), "{detail}");
    }
}

#[tokio::test]
async fn both_apis_are_found_and_agree() {
    let old = jaeger_server(&[
        ("/api/services", r#"{"data":["frontend","cart"],"total":2,"errors":null}"#),
        ("/api/services/frontend/operations", r#"{"data":["b","a"]}"#),
        ("/api/traces", LEGACY_TRACES),
        ("/api/dependencies", r#"{"data":[{"parent":"frontend","child":"cart","callCount":812}]}"#),
    ])
    .await;
    let new = jaeger_server(&[
        ("/api/v3/services", r#"{"services":["frontend","cart"]}"#),
        (
            "/api/v3/operations",
            r#"{"operations":[{"name":"b","spanKind":"server"},{"name":"a"},{"name":"a"}]}"#,
        ),
        ("/api/v3/traces", V3_TRACES),
        ("/api/dependencies", r#"{"data":[{"parent":"frontend","child":"cart","callCount":812}]}"#),
    ])
    .await;
    let mut found = Vec::new();
    for (server, flavour) in [(old, "legacy"), (new, "v3")] {
        let jaeger = jaeger(&server.url, JaegerApi::Auto);
        let services = jaeger.services().await.unwrap();
        assert_eq!(services, [ServiceName::new("cart"), ServiceName::new("frontend")]);
        let operations = jaeger.operations(&ServiceName::new("frontend")).await.unwrap();
        assert_eq!(operations, [Clean::new("a"), Clean::new("b")]);
        let (mut spans, stats) = search(&jaeger, 1500).await;
        spans.sort_by_key(|span| (span.trace, span.id, span.kind as u8));
        let stats = stats.unwrap();
        assert!(!stats.truncated);
        let links = jaeger.dependencies(Timestamp::now(), Duration::from_secs(3600)).await.unwrap();
        assert_eq!((links.len(), links[0].calls), (1, 812));
        let health = jaeger.health().await;
        assert_eq!(health.flavour.unwrap().as_str(), flavour);
        assert_eq!(health.state, BackendState::Up);
        let probes = server.seen().iter().filter(|seen| seen.target == "/api/v3/services").count();
        assert!(probes <= 4 && (flavour == "v3" || probes == 1), "what was found is remembered");
        let (_, stats_at_limit) = search(&jaeger, 4).await;
        assert!(stats_at_limit.unwrap().truncated, "four traces of at most four");
        found.push((spans, stats));
    }
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0].0.len(), 118);
}

#[tokio::test]
async fn what_jaeger_lacks_is_empty_and_what_is_wrong_is_told() {
    let none = include_str!("../fixtures/jaeger/v3-none.json");
    let server = Server::start(move |_, seen, stream| async move {
        let text = match seen.target.split('?').next().unwrap_or_default() {
            "/api/v3/services" => json("{}"),
            "/api/v3/traces" => answer("404 Not Found\r\nContent-Type: text/plain", none),
            _ => answer("501 Not Implemented", "nope"),
        };
        write(stream, text).await;
    })
    .await;
    let found = jaeger(&server.url, JaegerApi::Auto);
    assert!(found.services().await.unwrap().is_empty(), "a fresh v3 server");
    assert_eq!(search(&found, 5).await.1.unwrap(), TraceStats::default(), "404 means nothing matched");
    assert!(found.dependencies(Timestamp::now(), Duration::from_secs(1)).await.unwrap().is_empty());

    // The UI answers everything: the path prefix is wrong.
    let server = jaeger_server(&[]).await;
    let wrong = jaeger(&server.url, JaegerApi::Auto);
    let text = wrong.services().await.unwrap_err().to_string();
    assert!(text.contains("an HTML page") && text.contains("path prefix"), "{text}");
    let health = wrong.health().await;
    assert_eq!(health.state, BackendState::Degraded);

    // A path that does not exist is not an empty search.
    let server = Server::with(vec![answer("404 Not Found", "404 page not found")]).await;
    for api in [JaegerApi::V3, JaegerApi::Legacy, JaegerApi::Auto] {
        let error = search(&jaeger(&server.url, api), 5).await.1.unwrap_err();
        assert!(matches!(error, Error::Status { status: 404, .. }), "{error}");
    }
    for body in [
        include_str!("../fixtures/jaeger/v3-bad-request.json"),
        include_str!("../fixtures/jaeger/legacy-bad-request.json"),
    ] {
        let server = Server::with(vec![answer("400 Bad Request\r\nContent-Type: text/plain", body)]).await;
        let text = search(&jaeger(&server.url, JaegerApi::V3), 5).await.1.unwrap_err().to_string();
        assert!(text.contains("required"), "{text}");
    }
}

#[tokio::test]
async fn a_clone_with_a_smaller_limit_is_asked_again_within_it() {
    let server = Server::start(|_, seen, stream| async move {
        let limit = seen.target.split(['?', '&']).find_map(|pair| pair.strip_prefix("limit="));
        let text = match limit.map(str::parse::<u32>) {
            Some(Ok(limit)) if limit > 1000 => {
                let body =
                    r#"{"data":null,"errors":[{"code":400,"msg":"limit should be not higher than 1000"}]}"#;
                answer("400 Bad Request", body)
            }
            _ => json(r#"{"data":[]}"#),
        };
        write(stream, text).await;
    })
    .await;
    let jaeger = jaeger(&server.url, JaegerApi::Legacy);
    for _ in 0..2 {
        search(&jaeger, 1500).await.1.unwrap();
    }
    assert_eq!(server.seen().len(), 3, "refused once, then remembered");
}
