//! The answer decoder against fixtures and arbitrary bytes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::decode::{Reply, reply};
use super::envelope::error_of;
use super::range::merge;
use crate::domain::Clean;
use crate::telemetry::Error;
use crate::telemetry::http::Undecodable;
use crate::telemetry::types::{Matrix, Series};

const LIMIT: u64 = 64 << 20;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/prometheus/", $name)).as_slice()
    };
}

fn decode(body: &[u8]) -> Reply {
    reply(body, LIMIT).unwrap()
}

fn matrix(body: &[u8]) -> Matrix {
    merge([decode(body)])
}

fn with_label<'m>(matrix: &'m Matrix, name: &str, value: &str) -> &'m Series {
    matrix.series.iter().find(|s| s.labels.get(name).is_some_and(|v| v.as_str() == value)).unwrap()
}

#[test]
fn a_matrix_with_everything() {
    let matrix = matrix(fixture!("matrix.json"));
    let cpu = &with_label(&matrix, "pod", "a-1").points;
    // A gap stays a gap: two steps are missing.
    let times: Vec<i64> = cpu.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [1_795_316_400_000, 1_795_316_460_000, 1_795_316_640_000, 1_795_316_700_123]);
    assert!(cpu[1].1.is_nan());
    assert_eq!((cpu[0].1, cpu[2].1, cpu[3].1), (0.5, f64::INFINITY, f64::NEG_INFINITY));
    // A counter reset is the query's business.
    assert_eq!(with_label(&matrix, "pod", "counter reset").points[2].1, 3.0);
    let utf8 = with_label(&matrix, "http.status_code", "200");
    assert_eq!(utf8.labels.get("größe").unwrap().as_str(), "klein\\e[31m");
    assert_eq!(utf8.points[0].1, 1e6);
    // `le` is not interpreted here: the two spellings stay two series.
    assert_eq!(with_label(&matrix, "le", "1").points[0].1, 7.0);
    assert_eq!(with_label(&matrix, "le", "1.0").points[0].1, 8.0);
    // Floats of a series with both kinds are kept, a series with histograms only is named.
    assert_eq!(with_label(&matrix, "__name__", "both").points, [(1_795_316_400_000, 1.0)]);
    assert!(!matrix.series.iter().any(|s| s.labels.get("__name__").is_some_and(|n| n.as_str() == "latency")));
    let told: Vec<_> = matrix.warnings.iter().map(Clean::as_str).collect();
    assert_eq!(told.len(), 3);
    assert_eq!(told[0], "results truncated due to limit");
    assert!(told[1].starts_with("metric might not be a counter"));
    assert!(told[2].starts_with("1 series skipped: they are native histograms"), "{}", told[2]);
}

#[test]
fn vector_scalar_string_and_nothing() {
    let vector = matrix(fixture!("vector.json"));
    assert_eq!(vector.series.len(), 2);
    assert_eq!(with_label(&vector, "job", "a").points, [(1_435_781_451_781, 1.0)]);
    assert!(with_label(&vector, "job", "b").points[0].1.is_nan());
    let scalar = matrix(fixture!("scalar.json"));
    assert_eq!(
        scalar.series,
        [Series { labels: Default::default(), points: vec![(1_435_781_451_781, 1.5)] }]
    );
    assert_eq!(matrix(fixture!("string.json")), Matrix::default());
    assert_eq!(matrix(fixture!("empty.json")), Matrix::default());
    assert_eq!(matrix(br#"{"status":"success","data":null,"warnings":null}"#), Matrix::default());
}

#[test]
fn errors_say_what_to_do() {
    let told = |body: &[u8], status| {
        let error = error_of(&decode(body), Clean::new("prom:9090"), status).unwrap();
        assert!(matches!(error, Error::Backend { .. }));
        error.to_string()
    };
    let points = told(fixture!("too-many-points.json"), 400);
    assert!(points.contains("11,000 points") && points.contains("larger step"), "{points}");
    let samples = told(fixture!("too-many-samples.json"), 422);
    assert!(samples.contains("too many samples") && samples.contains("narrow the window"), "{samples}");
    let timeout = told(fixture!("timeout.json"), 503);
    assert!(timeout.contains("timed out") && timeout.contains("shorten the window"), "{timeout}");
    // Data beside an error are not taken for an answer.
    assert!(told(fixture!("partial.json"), 200).contains("one store failed"));
    assert!(error_of(&decode(fixture!("empty.json")), Clean::new("h"), 200).is_none());
}

#[test]
fn what_is_no_answer_is_an_error() {
    for body in [
        fixture!("truncated.json"),
        fixture!("login.html"),
        b"",
        b"{\"data\":{\"result\":[{\"value\":[1,\"x\"]}]}}",
    ] {
        assert!(matches!(reply(body, LIMIT), Err(Undecodable::Json(_))));
    }
    let Err(Undecodable::Json(e)) = reply(fixture!("truncated.json"), LIMIT) else { unreachable!() };
    assert!(e.is_eof());
}

#[test]
fn chunks_are_merged_by_labels_without_repeats() {
    let chunk = |from: i64| {
        let values: Vec<String> = (from..=from + 2).map(|t| format!(r#"[{t},"{t}"]"#)).collect();
        let body = format!(
            r#"{{"status":"success","data":{{"result":[{{"metric":{{"a":"b"}},"values":[{}]}}]}},"warnings":["w"]}}"#,
            values.join(",")
        );
        decode(body.as_bytes())
    };
    let matrix = merge([chunk(0), chunk(2), chunk(5)]);
    assert_eq!(matrix.series.len(), 1);
    let times: Vec<i64> = matrix.series[0].points.iter().map(|(at, _)| at / 1000).collect();
    assert_eq!(times, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(matrix.warnings.len(), 1);
}

#[test]
fn a_flood_of_tiny_series_is_refused() {
    let item = r#"{"value":[1,"1"]},"#.repeat(1000);
    let body = format!(r#"{{"data":{{"result":[{}]}}}}"#, item.trim_end_matches(','));
    assert!(matches!(reply(body.as_bytes(), 1 << 17), Err(Undecodable::TooMuch)));
    assert!(reply(body.as_bytes(), 1 << 18).is_ok());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = reply(body.as_slice(), LIMIT);
    }

    #[test]
    fn truncation_and_damage_never_panic(end in 0usize..900, at in 0usize..900, byte: u8) {
        let body = fixture!("matrix.json");
        let cut = &body[..end.min(body.len() - 2)];
        prop_assert!(reply(cut, LIMIT).is_err());
        let mut damaged = body.to_vec();
        let at = at % damaged.len();
        damaged[at] = byte;
        let _ = reply(damaged.as_slice(), LIMIT);
    }

    #[test]
    fn samples_round_trip(points in prop::collection::vec((0i64..4_000_000_000_000, any::<f64>()), 1..50)) {
        let values: Vec<String> = points
            .iter()
            .map(|(at, x)| format!(r#"[{}.{:03},"{x:?}"]"#, at / 1000, at % 1000))
            .collect();
        let body = format!(
            r#"{{"status":"success","data":{{"result":[{{"metric":{{}},"values":[{}]}}]}}}}"#,
            values.join(",")
        );
        let decoded = decode(body.as_bytes());
        let mut expected = points;
        expected.sort_by_key(|(at, _)| *at);
        let read = &decoded.series[0].points;
        prop_assert_eq!(read.len(), expected.len());
        for (a, b) in read.iter().zip(&expected) {
            prop_assert_eq!(a.0, b.0);
            prop_assert!(a.1 == b.1 || (a.1.is_nan() && b.1.is_nan()));
        }
    }
}
