//! The lab's Jaeger to the letter: bodies, statuses, content types, words.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use sagetop::lab::serve::jaeger::Release;
use sagetop::lab::traces;
use serde_json::{Value, json};

use crate::lab_jaeger::{SERVICES, Served, spans};

#[tokio::test]
async fn legacy_json_to_the_letter() {
    let mut pushed = spans();
    pushed.truncate(2);
    (pushed[1].error, pushed[1].kind, pushed[1].service) =
        (true, Some(traces::SpanKind::Client), pushed[0].service.clone());
    (pushed[0].error, pushed[0].kind) = (false, None);
    let served = Served::start(&pushed, Release::Both).await;
    let tags = json!([
        {"key": "peer.service", "type": "string", "value": "else"},
        {"key": "big", "type": "int64", "value": "9223372036854775807"},
        {"key": "ratio", "type": "float64", "value": 0.25},
        {"key": "cached", "type": "bool", "value": true},
    ]);
    let span = |span: &traces::Span, process: &str, references: Value, tags: Value| {
        json!({
            "traceID": "0000000000000001", "spanID": format!("{:016x}", span.id), "flags": 1,
            "operationName": &*span.operation, "references": references, "startTime": span.start_us,
            "duration": span.duration_us, "tags": tags, "logs": [], "processID": process, "warnings": null,
        })
    };
    let mut more = tags.clone();
    more.as_array_mut().unwrap().extend([
        json!({"key": "span.kind", "type": "string", "value": "client"}),
        json!({"key": "error", "type": "bool", "value": true}),
    ]);
    let parent =
        json!([{"refType": "CHILD_OF", "traceID": "0000000000000001", "spanID": "e000000000000000"}]);
    let process = |host: &str| json!({"serviceName": SERVICES[0], "tags": [{"key": "hostname", "type": "string", "value": host}]});
    let mut processes = json!({"p1": process(&pushed[0].host)});
    let second = if pushed[0].host == pushed[1].host { "p1" } else { "p2" };
    processes[second] = process(&pushed[1].host);
    let trace = json!({
        "traceID": "0000000000000001",
        "spans": [span(&pushed[0], "p1", json!([]), tags), span(&pushed[1], second, parent, more)],
        "processes": processes, "warnings": null,
    });
    let expected = json!({"data": [trace], "total": 0, "limit": 0, "offset": 0, "errors": null});
    assert_eq!(served.json("/api/traces/1?raw=true").await, expected);
    let search = format!(
        "/api/traces?service=front%20end&start={}&tag=error:true&raw=true",
        pushed[0].start_us - 9999
    );
    assert_eq!(served.json(&search).await, expected);
    assert_eq!(served.get(&search).await.1, "application/json");
    let search = search.replace("error:true", "error:false");
    assert_eq!(served.json(&search).await["data"], json!([]));
    let both = served.json("/api/traces?raw=1&traceID=1&traceID=00000000000000ff").await;
    assert_eq!(both["data"], expected["data"]);
    assert_eq!(both["errors"], json!([{"msg": "trace not found", "traceID": "00000000000000ff"}]));
    let names = served.json("/api/services").await;
    assert_eq!(names, json!({"data": [SERVICES[0]], "total": 1, "limit": 0, "offset": 0, "errors": null}));
    let operations = served.json("/api/operations?service=front+end&spanKind=client").await;
    assert_eq!(operations["data"], json!([{"name": &*pushed[1].operation, "spanKind": "client"}]));
}

#[tokio::test]
async fn refusals_to_the_letter() {
    let served = Served::start(&spans(), Release::Both).await;
    let legacy = |status: u16, text: &str| {
        (
            status,
            json!({"data": null, "total": 0, "limit": 0, "offset": 0, "errors": [{"code": status, "msg": text}]}),
        )
    };
    let v3 = |status: u16, text: &str| (status, json!({"error": {"httpCode": status, "message": text}}));
    let range = "query.startTimeMin=2026-11-22T03:00:00Z&query.startTimeMax=2026-11-22T04:00:00Z";
    for (path, (status, body)) in [
        ("/api/traces".to_owned(), legacy(400, "parameter 'service' is required")),
        ("/api/operations".to_owned(), legacy(400, "parameter 'service' is required")),
        ("/api/traces/ffff".to_owned(), legacy(404, "trace not found")),
        (
            "/api/traces?service=user&start=1s".to_owned(),
            legacy(400, r#"unable to parse param 'start': strconv.ParseInt: parsing "1s": invalid syntax"#),
        ),
        (
            "/api/traces?service=user&minDuration=5".to_owned(),
            legacy(400, r#"unable to parse param 'minDuration': time: missing unit in duration "5""#),
        ),
        (
            "/api/traces?service=user&minDuration=5s&maxDuration=1s".to_owned(),
            legacy(400, "'maxDuration' should be greater than 'minDuration'"),
        ),
        (
            "/api/traces?service=user&limit=0".to_owned(),
            legacy(400, "invalid parameter: limit must be greater than 0"),
        ),
        (
            "/api/traces?service=user&tag=x".to_owned(),
            legacy(400, "malformed 'tag' parameter, expecting key:value, received: x"),
        ),
        (
            "/api/v3/traces?query.serviceName=user".to_owned(),
            v3(400, "query.startTimeMin and query.startTimeMax are required"),
        ),
        (format!("/api/v3/traces?{range}"), v3(400, "storage backend requires a service name")),
        (format!("/api/v3/traces?{range}&query.serviceName=x"), v3(404, "No traces found")),
        ("/api/v3/traces/ffff".to_owned(), v3(404, "No traces found")),
        (
            format!("/api/v3/traces?{range}&query.serviceName=x&query.searchDepth=many"),
            v3(
                400,
                r#"malformed parameter query.searchDepth: strconv.ParseInt: parsing "many": invalid syntax"#,
            ),
        ),
    ] {
        let (found, kind, text) = served.get(&path).await;
        assert_eq!((found, kind.as_str()), (status, "text/plain; charset=utf-8"), "{path}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), body, "{path}");
    }
}

#[tokio::test]
async fn v3_takes_old_and_new_spellings() {
    let served = Served::start(&spans(), Release::Both).await;
    let mut answers = BTreeSet::new();
    for query in [
        "query.serviceName=user&query.startTimeMin=2026-11-22T03:00:00Z&query.startTimeMax=2026-11-22T03:01:00Z\
         &query.searchDepth=3&query.attributes=%7B%22span.kind%22%3A%22client%22%7D",
        "query.service_name=user&query.start_time_min=2026-11-22T03:00:00Z&query.start_time_max=2026-11-22T03:01:00Z\
         &query.num_traces=3&query.attributes=%7B%22span.kind%22%3A%22client%22%7D",
    ] {
        answers.insert(served.get(&format!("/api/v3/traces?{query}")).await.2);
    }
    assert_eq!(answers.len(), 1);
    let answer: Value = serde_json::from_str(&answers.pop_first().unwrap()).unwrap();
    let spans = answer["result"]["resourceSpans"].as_array().unwrap().iter();
    let spans = spans.flat_map(|resource| resource["scopeSpans"][0]["spans"].as_array().unwrap());
    let traces: BTreeSet<&str> = spans.map(|span| span["traceId"].as_str().unwrap()).collect();
    assert_eq!(traces.len(), 3);
}

#[tokio::test]
async fn what_jaeger_remarks_on_is_the_same_in_both_apis_and_left_out_of_raw_traces() {
    let mut pushed = spans();
    pushed.truncate(3);
    for (i, span) in pushed.iter_mut().enumerate() {
        (span.start_us, span.duration_us) = (1_795_316_400_000_000, 1000);
        (span.host, span.parent) = (format!("pod-{i}").into(), (i > 0).then_some(1));
    }
    (pushed[0].id, pushed[2].parent) = (1, Some(0xff));
    pushed[1].start_us -= 1500;
    let served = Served::start(&pushed, Release::Both).await;
    let remarks = [
        Value::Null,
        json!(["clock skew adjustment disabled; not applying calculated delta of 1.5ms"]),
        json!(["parent span ID=00000000000000ff is not in the trace; skipping clock skew adjustment"]),
    ];
    let legacy = served.json("/api/traces/1").await;
    let told = legacy["data"][0]["spans"].as_array().unwrap().iter().map(|span| span["warnings"].clone());
    assert_eq!(told.collect::<Vec<_>>(), remarks);
    let v3 = served.json("/api/v3/traces/1").await;
    for (resource, remarks) in v3["result"]["resourceSpans"].as_array().unwrap().iter().zip(remarks) {
        let attributes = resource["scopeSpans"][0]["spans"][0]["attributes"].as_array().unwrap();
        let told = attributes.iter().find(|attribute| attribute["key"] == "@jaeger@warnings");
        let texts = remarks.as_array().map(|all| {
            json!({"arrayValue": {"values": all.iter().map(|text| json!({"stringValue": text})).collect::<Vec<_>>()}})
        });
        assert_eq!(told.map(|attribute| attribute["value"].clone()), texts);
    }
    for raw in ["/api/traces/1?raw=true", "/api/v3/traces/1?rawTraces=true", "/api/v3/traces/1?raw_traces=1"]
    {
        let (status, _, body) = served.get(raw).await;
        assert!(status == 200 && !body.contains("clock skew"), "{body}");
    }
}
