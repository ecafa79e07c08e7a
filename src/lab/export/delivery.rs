//! One batch on its way: encoded once, sent until the collector takes it or all attempts are used up.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use rand::Rng as _;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use serde::{Deserialize, Serialize};

use super::{Error, Protocol, Settings, Tally, add, endpoint, zipkin};
use crate::lab::otlp::{self, ResourceSpans};
use crate::lab::traces::{Span, SpanRef};

/// How much of an answer is read, in bytes.
const MAX_ANSWER: usize = 16 << 10;

/// `ExportTraceServiceRequest`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'s> {
    resource_spans: Vec<ResourceSpans<'s>>,
}

/// `ExportTraceServiceResponse`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    partial_success: PartialSuccess,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PartialSuccess {
    rejected_spans: Count,
    error_message: String,
}

/// A 64-bit integer, which may be written as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u64),
    Text(String),
}

impl Default for Count {
    fn default() -> Self {
        Self::Number(0)
    }
}

/// How an attempt ended.
enum Outcome {
    /// The collector has them, save for some.
    Taken { rejected: usize },
    /// It will not have them.
    Refused(String),
    /// It may have them later.
    Later { why: String, pause: Option<Duration> },
}

/// The way to a collector.
pub(super) struct Delivery {
    client: Client,
    url: Url,
    protocol: Protocol,
    attempts: u32,
    backoff: Duration,
    max_backoff: Duration,
    tally: Arc<Tally>,
}

impl Delivery {
    pub(super) fn new(settings: &Settings, tally: Arc<Tally>) -> Result<Self, Error> {
        let url = endpoint(settings)?;
        let mut builder = Client::builder()
            .user_agent(concat!("sagetop-lab/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .timeout(settings.timeout);
        if url.scheme() == "http" {
            // No TLS will be spoken: do not fail on machines without a certificate store.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self {
            client: builder.build().map_err(Error::Client)?,
            url,
            protocol: settings.protocol,
            attempts: settings.attempts.max(1),
            backoff: settings.backoff,
            max_backoff: settings.max_backoff,
            tally,
        })
    }

    /// Sends a batch and counts what became of it.
    pub(super) async fn deliver(&self, batch: &[Span]) {
        let body = match self.encode(batch) {
            Ok(body) => body,
            Err(error) => {
                self.tally.trouble(format!("the spans cannot be written as JSON: {error}"));
                return add(&self.tally.failed, batch.len());
            }
        };
        let mut attempt = 1;
        loop {
            match self.attempt(body.clone()).await {
                Outcome::Taken { rejected } => {
                    let rejected = rejected.min(batch.len());
                    add(&self.tally.failed, rejected);
                    return add(&self.tally.sent, batch.len() - rejected);
                }
                Outcome::Later { why, pause } if attempt < self.attempts => {
                    self.tally.trouble(why);
                    add(&self.tally.retries, 1);
                    tokio::time::sleep(self.pause(attempt, pause)).await;
                    attempt += 1;
                }
                Outcome::Refused(why) | Outcome::Later { why, .. } => {
                    self.tally.trouble(why);
                    return add(&self.tally.failed, batch.len());
                }
            }
        }
    }

    fn encode(&self, batch: &[Span]) -> serde_json::Result<Bytes> {
        let spans = batch.iter().map(SpanRef::from);
        let no_warnings: &[String] = &[];
        let json = match self.protocol {
            Protocol::Otlp => serde_json::to_vec(&Request {
                resource_spans: otlp::resource_spans(spans.map(|span| (span, no_warnings))),
            }),
            Protocol::Zipkin => serde_json::to_vec(&spans.map(zipkin::Span::of).collect::<Vec<_>>()),
        };
        json.map(Bytes::from)
    }

    async fn attempt(&self, body: Bytes) -> Outcome {
        let json = HeaderValue::from_static("application/json");
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, json).body(body);
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let why = format!("no answer from {}: {}", self.url, root_cause(&error));
                return Outcome::Later { why, pause: None };
            }
        };
        let status = response.status();
        // A date instead of seconds is rare enough to be waited for as if nothing was said.
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let answer = beginning(&mut response).await;
        if status.is_success() {
            return Outcome::Taken { rejected: self.rejected(&answer) };
        }
        let words = String::from_utf8_lossy(&answer);
        let words: String = words.trim().chars().take(200).collect();
        let why = format!("{} answered {status}: {words}", self.url);
        match status {
            // Those that the OTLP specification calls retryable.
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Outcome::Later { why, pause: asked.map(Duration::from_secs) },
            _ => Outcome::Refused(why),
        }
    }

    /// How many spans an OTLP collector turned down although it took the batch.
    fn rejected(&self, answer: &[u8]) -> usize {
        // Zipkin has no such thing, and collectors may answer OTLP with nothing at all.
        if self.protocol == Protocol::Zipkin || answer.is_empty() {
            return 0;
        }
        let Answer { partial_success } = serde_json::from_slice(answer).unwrap_or_default();
        let rejected = match partial_success.rejected_spans {
            Count::Number(n) => n,
            Count::Text(text) => text.parse().unwrap_or(0),
        };
        if rejected > 0 || !partial_success.error_message.is_empty() {
            let words = partial_success.error_message;
            self.tally.trouble(format!("{} turned down {rejected} spans: {words}", self.url));
        }
        usize::try_from(rejected).unwrap_or(usize::MAX)
    }

    /// How long to wait after the given attempt, at random so that many clients do not come back at once.
    fn pause(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.backoff.saturating_mul(2u32.saturating_pow(attempt - 1)).min(self.max_backoff);
        let pause = doubled.mul_f64(rand::rng().random_range(0.5..=1.0));
        pause.max(asked.unwrap_or_default()).min(self.max_backoff)
    }
}

/// The beginning of an answer's body, which no collector makes long.
async fn beginning(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= MAX_ANSWER {
            break;
        }
    }
    body
}

/// What is at the bottom of a failed request: the outer errors only say that it failed.
fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
