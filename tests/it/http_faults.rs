//! The clients against servers that fail in every way: clear messages, no hang, no leaked credentials.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write as _;
use std::time::{Duration, Instant};

use sagetop::domain::{BackendState, ServiceName, Timestamp};
use sagetop::telemetry::{
    Auth, BackendSettings, Error, Jaeger, JaegerApi, JaegerSettings, Matrix, Prometheus, Secret, TraceQuery,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::tiny_server::{Server, answer, json, write};

const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
/// More than any answer may take here: a hang fails the test.
const PATIENCE: Duration = Duration::from_secs(20);

fn settings(server: &Server) -> BackendSettings {
    BackendSettings { timeout: Duration::from_secs(3), ..BackendSettings::at(&server.url) }
}

async fn ask(settings: &BackendSettings) -> Result<Matrix, Error> {
    let prometheus = Prometheus::new(settings).unwrap();
    tokio::time::timeout(PATIENCE, prometheus.query("up", Timestamp::now())).await.expect("hung")
}

fn everything() -> TraceQuery {
    TraceQuery {
        service: ServiceName::new("web"),
        operation: None,
        start: Timestamp::UNIX_EPOCH,
        end: Timestamp::now(),
        min_duration: None,
        limit: 10,
    }
}

async fn search(settings: BackendSettings, api: JaegerApi) -> Result<usize, Error> {
    let jaeger = Jaeger::new(&JaegerSettings { backend: settings, api, limit: 10 }).unwrap();
    let mut spans = 0;
    let mut count = |_| spans += 1;
    tokio::time::timeout(PATIENCE, jaeger.traces(&everything(), &mut count)).await.expect("hung")?;
    Ok(spans)
}

#[tokio::test]
async fn slow_headers_time_out() {
    let server = Server::start(|_, _, stream| async move {
        tokio::time::sleep(PATIENCE).await;
        drop(stream);
    })
    .await;
    let begun = Instant::now();
    let settings = BackendSettings { timeout: Duration::from_millis(500), ..settings(&server) };
    let error = ask(&settings).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { awaited: "an answer", .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(server.seen().len(), 1, "a timeout is not tried again");
}

#[tokio::test]
async fn a_stalled_body_times_out_before_the_whole_does() {
    let server = Server::start(|_, _, mut stream| async move {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"status\":";
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(PATIENCE).await;
    })
    .await;
    let begun = Instant::now();
    let error = ask(&settings(&server)).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { awaited: "the next part of its answer", .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_body_that_trickles_for_ever_times_out() {
    let server = Server::start(|_, _, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"status\":[").await;
        while stream.write_all(b"1,").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let error = ask(&settings(&server)).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. } | Error::Malformed { .. }), "{error}");
    let settings = BackendSettings { timeout: Duration::from_secs(1), ..settings(&server) };
    let error = search(settings, JaegerApi::Legacy).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { awaited: "a complete answer", .. }), "{error}");
}

#[tokio::test]
async fn the_deadline_holds_while_data_keep_coming() {
    let server = Server::start(|_, _, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"data\":[{}").await;
        let trace = r#",{"spans":[{"traceID":"1","spanID":"1"}]}"#.repeat(1000);
        while stream.write_all(trace.as_bytes()).await.is_ok() {}
    })
    .await;
    let backend = BackendSettings { timeout: Duration::from_secs(1), ..settings(&server) };
    let jaeger = Jaeger::new(&JaegerSettings { backend, api: JaegerApi::Legacy, limit: 1 }).unwrap();
    // A consumer this slow is always behind: no wait for the network ever ends the request.
    let mut slow = |_| std::thread::sleep(Duration::from_millis(1));
    let begun = Instant::now();
    let error = jaeger.traces(&everything(), &mut slow).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { awaited: "a complete answer", .. }), "{error}");
    assert!(begun.elapsed() < PATIENCE);
}

#[tokio::test]
async fn a_reset_in_the_body_is_told() {
    let server = Server::start(|_, _, mut stream| async move {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"status\":\"succ";
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    let error = ask(&settings(&server)).await.unwrap_err();
    assert!(matches!(error, Error::Truncated { bytes: 15, .. }), "{error:?}");
    assert!(error.to_string().contains("broke off after 15 bytes"), "{error}");
}

#[tokio::test]
async fn truncated_bodies_are_told() {
    let cut = &EMPTY[..40];
    for text in [
        // The connection ends before Content-Length is reached.
        json(EMPTY).replace(EMPTY, cut),
        // Without a length only the JSON shows it.
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{cut}"),
        json(cut),
        // A chunked body without its end.
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n{cut}\r\n"),
    ] {
        let server = Server::with(vec![text]).await;
        let error = ask(&settings(&server)).await.unwrap_err();
        assert!(matches!(error, Error::Truncated { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_closed_without_headers_is_told() {
    let server = Server::start(|_, _, stream| async move { drop(stream) }).await;
    let error = ask(&settings(&server)).await.unwrap_err();
    assert!(matches!(error, Error::Truncated { bytes: 0, .. }), "{error:?}");
}

#[tokio::test]
async fn redirects_are_told_and_not_followed() {
    let login = Server::with(vec![json(EMPTY)]).await;
    let location = format!("{}/login?state=secret", login.url.replace("http://", "http://ann:pw@"));
    let server = Server::with(vec![answer(&format!("302 Found\r\nLocation: {location}"), "")]).await;
    let mut settings = settings(&server);
    settings.auth = Auth::Bearer { token: Secret { value: Some("t0ken".into()), ..Secret::default() } };
    let error = ask(&settings).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Redirected { .. }), "{error:?}");
    assert!(text.contains(&format!("{}/login", login.url)) && text.contains("login page?"), "{text}");
    assert!(!text.contains("secret") && !text.contains("ann") && !text.contains("t0ken"), "{text}");
    assert_eq!(login.seen().len(), 0);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_refused_login_says_what_to_check() {
    let server = Server::with(vec![answer("401 Unauthorized", "who are you")]).await;
    let text = ask(&settings(&server)).await.unwrap_err().to_string();
    assert!(text.contains("401") && text.contains("set `auth`"), "{text}");
    let mut settings = settings(&server);
    settings.auth = Auth::Bearer { token: Secret { value: Some("t0ken".into()), ..Secret::default() } };
    let error = ask(&settings).await.unwrap_err();
    let text = format!("{error} {error:?} {:?}", Prometheus::new(&settings));
    assert!(text.contains("expired?") && !text.contains("t0ken"), "{text}");
}

#[tokio::test]
async fn a_token_file_is_read_again_once_after_a_401() {
    let server = Server::start(|_, seen, stream| async move {
        let text = match seen.header("authorization") {
            Some("Bearer new") => json(EMPTY),
            _ => answer("401 Unauthorized", ""),
        };
        write(stream, text).await;
    })
    .await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "old").unwrap();
    let token = Secret { file: Some(file.path().into()), ..Secret::default() };
    let settings = BackendSettings { auth: Auth::Bearer { token }, ..settings(&server) };
    let prometheus = Prometheus::new(&settings).unwrap();

    let now = Timestamp::now();
    assert!(matches!(prometheus.query("up", now).await, Err(Error::Denied { status: 401, .. })));
    assert_eq!(server.seen().len(), 1, "the same token is not sent twice");
    std::fs::write(file.path(), "new\n").unwrap();
    prometheus.query("up", now).await.unwrap();
    assert_eq!(server.seen().len(), 3);
    prometheus.query("up", now).await.unwrap();
    assert_eq!(server.seen().len(), 4, "the new token is remembered");
    std::fs::write(file.path(), "wrong").unwrap();
    std::fs::remove_file(file.path()).unwrap();
    prometheus.query("up", now).await.unwrap();
}

#[tokio::test]
async fn throttling_is_waited_for_within_reason() {
    let busy = |after: &str| answer(&format!("429 Too Many Requests\r\nRetry-After: {after}"), "slow down");
    let server = Server::with(vec![busy("1"), json(EMPTY)]).await;
    let begun = Instant::now();
    ask(&settings(&server)).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.seen().len(), 2);

    let server = Server::with(vec![busy("3600")]).await;
    let begun = Instant::now();
    let error = ask(&settings(&server)).await.unwrap_err();
    assert_eq!(error, Error::Throttled { host: host(&server), retry_after_s: Some(3600) });
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(server.seen().len(), 1);
}

fn host(server: &Server) -> sagetop::domain::Clean {
    sagetop::domain::Clean::new(server.url.trim_start_matches("http://"))
}

#[tokio::test]
async fn an_outage_is_tried_three_times_and_no_more() {
    let server = Server::with(vec![answer("503 Service Unavailable", "upstream\u{1b}[2J is down")]).await;
    let text = ask(&settings(&server)).await.unwrap_err().to_string();
    assert!(text.contains("503 3 times") && text.contains("upstream\\e[2J is down"), "{text}");
    assert_eq!(server.seen().len(), 3);

    let timeout = include_str!("../fixtures/prometheus/timeout.json");
    let server = Server::with(vec![answer("503 Service Unavailable", timeout)]).await;
    let text = ask(&settings(&server)).await.unwrap_err().to_string();
    assert!(text.contains("query timed out") && text.contains("shorten the window"), "{text}");

    let server = Server::with(vec![answer("502 Bad Gateway", ""), json(EMPTY)]).await;
    ask(&settings(&server)).await.unwrap();
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn bad_queries_are_not_tried_again() {
    // The envelope counts although it is called plain text.
    let body = include_str!("../fixtures/prometheus/too-many-samples.json");
    let head = "422 Unprocessable Entity\r\nContent-Type: text/plain";
    let server = Server::with(vec![answer(head, body)]).await;
    let error = ask(&settings(&server)).await.unwrap_err();
    assert!(matches!(&error, Error::Backend { status: 422, kind, .. } if kind.as_str() == "execution"));
    assert!(error.to_string().contains("narrow the window"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn what_is_not_json_is_shown() {
    let page = include_str!("../fixtures/prometheus/login.html");
    let long = format!("  {page}{}", "x".repeat(100_000));
    for (body, what) in
        [(page, "an HTML page"), (&long, "an HTML page"), ("OK\n", "plain text"), ("", "an empty body")]
    {
        let server = Server::with(vec![answer("200 OK\r\nContent-Type: application/json", body)]).await;
        let error = ask(&settings(&server)).await.unwrap_err();
        let Error::NotJson { what: found, start, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*found, what);
        assert!(start.as_str().len() <= 210, "only the beginning is shown");
        assert_eq!(body.contains("Sign in"), error.to_string().contains("Sign in"), "{error}");
    }
    let server = Server::with(vec![json(r#"{"foo":1}"#)]).await;
    assert!(matches!(ask(&settings(&server)).await, Err(Error::Malformed { .. })));
    for api in [JaegerApi::Legacy, JaegerApi::V3] {
        assert!(matches!(search(settings(&server), api).await, Err(Error::Malformed { .. })));
    }
}

#[tokio::test]
async fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = BackendSettings::at(&url);
    let error = ask(&settings).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert!(text.contains("refused") && text.contains("check the url"), "{text}");
    let health = Prometheus::new(&settings).unwrap().health().await;
    assert_eq!(health.state, BackendState::Down);
    assert_eq!(health.url.as_str(), url);
    let settings = JaegerSettings { backend: settings, api: JaegerApi::Auto, limit: 1 };
    assert_eq!(Jaeger::new(&settings).unwrap().health().await.state, BackendState::Down);
}

#[tokio::test]
async fn a_dropped_request_closes_its_connection_and_frees_its_place() {
    let (told, mut closed) = tokio::sync::mpsc::channel(1);
    let server = Server::start(move |n, _, mut stream| {
        let told = told.clone();
        async move {
            if n > 0 {
                return write(stream, json(EMPTY)).await;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"status\":\"succ").await.unwrap();
            // Ends when the client closes.
            let _ = stream.read(&mut [0; 16]).await;
            told.send(()).await.unwrap();
        }
    })
    .await;
    let settings = BackendSettings { concurrency: 1, ..BackendSettings::at(&server.url) };
    let prometheus = Prometheus::new(&settings).unwrap();
    let query = prometheus.query("up", Timestamp::now());
    assert!(tokio::time::timeout(Duration::from_millis(300), query).await.is_err());
    tokio::time::timeout(PATIENCE, closed.recv()).await.expect("the connection stayed open");
    prometheus.query("up", Timestamp::now()).await.unwrap();
}

#[test]
fn a_dropped_request_ends_its_decoding_thread() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::start(|_, _, mut stream| async move {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"data\":[").await.unwrap();
            // Enough for the decoder to be at work, then silence.
            let _ = stream.write_all("{},".repeat(100_000).as_bytes()).await;
            tokio::time::sleep(PATIENCE).await;
        })
        .await;
        let settings = BackendSettings::at(&server.url);
        let search = search(settings, JaegerApi::Legacy);
        assert!(tokio::time::timeout(Duration::from_millis(500), search).await.is_err());
    });
    // Dropping a runtime waits for its blocking threads: one that is stuck would hang here.
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(runtime);
        let _ = done.send(());
    });
    ended.recv_timeout(Duration::from_secs(5)).expect("the decoding thread did not end");
}
