//! The lab's PromQL against a real Prometheus with the same samples: the same questions over HTTP must have
//! the same answers, within the noise of floating point, and the same kinds of errors.
//!
//! Needs `prometheus`; without it the test says so and does nothing, or, where `SAGETOP_CI` is set, fails.
//! `SAGETOP_SEED` and `SAGETOP_QUERIES` make it ask other and more questions than it does every day.

mod answer;
mod data;
mod queries;
mod remote_write;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use sagetop::domain::{BackendState, Timestamp};
use sagetop::lab::serve::prometheus::{Prometheus, router};
use sagetop::lab::tsdb::{Labels, Tsdb};
use sagetop::telemetry::{self, BackendSettings};

use crate::synthetic::prometheus as real;
use answer::Answer;

/// Serves the samples as the lab does; gives back where.
async fn lab(series: &[data::Series], now: i64) -> String {
    let mut tsdb = Tsdb::default();
    for one in series {
        let id = tsdb.series(Labels::new(one.labels.iter().map(|(n, v)| (n.as_str(), v.as_str()))));
        one.samples.iter().for_each(|(time, value)| tsdb.append(id, *time, *value));
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = router(Prometheus::new(Arc::new(RwLock::new(tsdb)), Arc::new(move || now)));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

async fn ask(client: &reqwest::Client, url: &str, path: &str, params: &[(&str, String)]) -> Answer {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    let asked = client
        .post(format!("{url}/api/v1/{path}"))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form);
    let answer = asked.send().await.unwrap();
    Answer {
        status: answer.status().as_u16(),
        body: serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap(),
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_question_has_the_answer_of_a_real_prometheus() {
    if real::is_missing() {
        assert!(std::env::var_os("SAGETOP_CI").is_none(), "`prometheus` is not installed");
        return;
    }
    let seed = setting("SAGETOP_SEED", 1);
    let mut random = StdRng::seed_from_u64(seed);
    let series = data::series(&mut random);
    let judge = real::Prometheus::empty();
    let client = reqwest::Client::new();
    for request in remote_write::requests(&series, 60_000) {
        let sent = client.post(format!("{}/api/v1/write", judge.url)).body(request).send().await.unwrap();
        assert!(sent.status().is_success(), "{}", sent.text().await.unwrap());
    }
    let lab = lab(&series, data::END).await;

    let generated = usize::try_from(setting("SAGETOP_QUERIES", 300)).unwrap();
    let questions = queries::written().into_iter().chain(queries::catalogue());
    let questions: Vec<String> = questions.chain(queries::generated(&mut random, generated)).collect();
    let (mut wrong, mut answered, mut empty) = (Vec::new(), 0, 0);
    for query in &questions {
        for (path, params) in moments(&mut random, query) {
            let ours = ask(&client, &lab, path, &params);
            let theirs = ask(&client, &judge.url, path, &params);
            let (ours, theirs) = tokio::join!(ours, theirs);
            answered += usize::from(theirs.status == 200);
            empty += usize::from(theirs.is_empty());
            if let Some(difference) = ours.difference(&theirs, path == "query" && query.starts_with("sort")) {
                wrong.push(format!("{path} {params:?}\n    {difference}"));
            }
        }
    }
    eprintln!("{} questions, {answered} answers, {empty} of them empty, seed {seed}", questions.len());
    assert!(wrong.is_empty(), "{} differ, of seed {seed}:\n{}", wrong.len(), wrong.join("\n"));
    // Agreement about nothing would not say much.
    assert!(answered > 3 * questions.len() && empty * 3 < answered, "{answered} answers, {empty} empty");
}

/// Each question is asked at two moments and over two ranges; most moments are no multiple of a scrape.
fn moments(random: &mut StdRng, query: &str) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
    let mut asked = Vec::new();
    for _ in 0..2 {
        let at = random.random_range(data::START..data::END + 400_000);
        asked.push(("query", vec![("query", query.to_owned()), ("time", seconds(at))]));
    }
    for step in [15_000, random.random_range(1..400) * 1_000 + 7] {
        let start = random.random_range(data::START - 300_000..data::END - 600_000);
        // A start on a scrape meets the ends of ranges exactly.
        let start = if step == 15_000 { start / 15_000 * 15_000 } else { start };
        let end = start + step * random.random_range(1..40);
        let params = [("start", seconds(start)), ("end", seconds(end)), ("step", seconds(step))];
        asked.push(("query_range", [("query", query.to_owned())].into_iter().chain(params).collect()));
    }
    asked
}

#[tokio::test]
async fn the_programs_own_client_reads_it() {
    let series = data::series(&mut StdRng::seed_from_u64(3));
    let lab = lab(&series, data::END).await;
    let client = telemetry::Prometheus::new(&BackendSettings::at(&lab)).unwrap();
    let health = client.health().await;
    assert_eq!(health.state, BackendState::Up, "{:?}", health.detail);
    let at = Timestamp::from_millisecond(data::END).unwrap();
    let hour = client.query_range("sum(up)", at - Duration::from_secs(3600), at, Duration::from_secs(60));
    let points = &hour.await.unwrap().series[0].points;
    assert_eq!(points.len(), 61);
    assert!(points.iter().all(|(_, up)| (1.0..=6.0).contains(up)), "{points:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_is_told_as_a_real_prometheus_does() {
    if real::is_missing() {
        assert!(std::env::var_os("SAGETOP_CI").is_none(), "`prometheus` is not installed");
        return;
    }
    let series = data::series(&mut StdRng::seed_from_u64(2));
    let judge = real::Prometheus::empty();
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
    for request in remote_write::requests(&series, 60_000) {
        client.post(format!("{}/api/v1/write", judge.url)).body(request).send().await.unwrap();
    }
    let lab = lab(&series, data::END).await;
    let hour = data::START / 1000..data::END / 1000;
    for target in [
        "labels".to_owned(),
        "labels?match[]=requests_total".to_owned(),
        "label/job/values".to_owned(),
        "label/__name__/values".to_owned(),
        "label/job/values?match[]=level{zone=\"a\"}&match[]=version_info".to_owned(),
        "label/no-label/values".to_owned(),
        "label/nothing/values".to_owned(),
        format!("series?match[]=requests_total{{code=~\"5..\"}}&start={}&end={}", hour.start, hour.end),
        format!("series?match[]=up&match[]=level&start={}&end={}", hour.start, hour.end),
        "series".to_owned(),
        "series?match[]=rate(x[5m])".to_owned(),
        "series?match[]={a=~\".*\"}".to_owned(),
        "series?match[]=up&start=yesterday".to_owned(),
        "metadata".to_owned(),
        "rules".to_owned(),
        "alerts".to_owned(),
        "query?query=up&time=2026-11-22T01:30:00.5Z".to_owned(),
        "query?query=up&time=x".to_owned(),
        "query?query=up(".to_owned(),
        "query?query=".to_owned(),
        "query?query=up&timeout=x".to_owned(),
        "query_range?query=up&start=1&end=0&step=1".to_owned(),
        "query_range?query=up&start=1&end=2&step=0".to_owned(),
        "query_range?query=up&start=1&end=2".to_owned(),
        "query_range?query=up&start=0&end=11001&step=1".to_owned(),
        "query_range?query=up&start=0&end=11000&step=1".to_owned(),
        "query_range?query=up[5m]&start=1&end=2&step=1".to_owned(),
        "query_range?query=\"text\"&start=1&end=2&step=1".to_owned(),
        "query_range?query=1&start=2026-11-22T03:00:00Z&end=2026-11-22T03:00:01.5Z&step=500ms".to_owned(),
    ] {
        let get = async |url: &str| {
            let answer = client.get(format!("{url}/api/v1/{target}")).send().await.unwrap();
            Answer {
                status: answer.status().as_u16(),
                body: serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap(),
            }
        };
        let (ours, theirs) = (get(&lab).await, get(&judge.url).await);
        if let Some(difference) = ours.difference(&theirs, false) {
            panic!("{target}: {difference}");
        }
    }
}
