//! Sends the lab's spans to a real collector: OTLP over HTTP as JSON, or Zipkin v2.
//!
//! The simulation never waits: a span that finds the queue full is dropped and counted. A task takes
//! spans from the queue in batches and sends one batch at a time; a collector that is overloaded or away
//! is tried again, ever more slowly, as the OTLP specification ("OTLP/HTTP Throttling") asks.

mod delivery;
mod zipkin;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::traces::Span;
use delivery::Delivery;

/// What a collector is spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `POST {url}/v1/traces`; OpenTelemetry collectors, Jaeger and Tempo listen on port 4318.
    Otlp,
    /// `POST {url}/api/v2/spans`; Zipkin and Jaeger listen on port 9411.
    Zipkin,
}

/// How to export. The defaults are those of OpenTelemetry's batch span processor and OTLP exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Base URL of the collector, such as `http://localhost:4318`.
    pub url: String,
    /// The protocol.
    pub protocol: Protocol,
    /// Spans that may wait.
    pub queue: usize,
    /// Spans sent at once.
    pub batch: usize,
    /// How long a batch waits to fill up.
    pub linger: Duration,
    /// How long the collector may take to answer.
    pub timeout: Duration,
    /// Attempts a batch gets.
    pub attempts: u32,
    /// Pause before the second attempt; each further one is twice as long, by up to a half less at random.
    pub backoff: Duration,
    /// Longest pause, also where the collector asks for a longer one.
    pub max_backoff: Duration,
}

impl Settings {
    /// The defaults, for the collector at `url`.
    pub fn new(url: impl Into<String>, protocol: Protocol) -> Self {
        Self {
            url: url.into(),
            protocol,
            queue: 2048,
            batch: 512,
            linger: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            attempts: 8,
            backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(30),
        }
    }
}

/// What became of the spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken by the collector.
    pub sent: u64,
    /// Refused by the collector, or given up on after the last attempt.
    pub failed: u64,
    /// Never tried: the queue was full, or the exporter was ended first.
    pub dropped: u64,
    /// Attempts that failed and were repeated.
    pub retries: u64,
    /// The last trouble, in words.
    pub trouble: Option<String>,
}

/// Why an exporter cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is no URL.
    #[error("`{url}` is no address of a collector, such as http://localhost:4318: {reason}")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client cannot be set up.
    #[error("spans cannot be exported: {0}")]
    Client(#[source] reqwest::Error),
    /// There is nothing for its task to run on.
    #[error("spans cannot be exported outside of the asynchronous runtime")]
    NoRuntime,
}

/// A running exporter. Dropping it ends it once the queue is empty; [`Exporter::finish`] waits for that.
#[derive(Debug)]
pub struct Exporter {
    queue: Sender<Span>,
    tally: Arc<Tally>,
    task: JoinHandle<()>,
}

/// Counts that the queue's both ends keep.
#[derive(Debug, Default)]
struct Tally {
    offered: AtomicU64,
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    retries: AtomicU64,
    trouble: Mutex<Option<String>>,
}

fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Ordering::Relaxed);
}

impl Tally {
    fn trouble(&self, words: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
    }

    fn counts(&self) -> Counts {
        Counts {
            sent: self.sent.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            trouble: self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl Exporter {
    /// Starts an exporter on the current Tokio runtime. Nothing is sent yet, so a collector that is away
    /// is no error.
    pub fn start(settings: &Settings) -> Result<Self, Error> {
        let runtime = Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let tally = Arc::new(Tally::default());
        let delivery = Delivery::new(settings, Arc::clone(&tally))?;
        let (queue, spans) = mpsc::channel(settings.queue.max(1));
        let task = runtime.spawn(run(spans, delivery, settings.batch.max(1), settings.linger));
        Ok(Self { queue, tally, task })
    }

    /// Hands over a span, or drops it if too many wait; false then. Never blocks.
    pub fn offer(&self, span: Span) -> bool {
        add(&self.tally.offered, 1);
        let is_taken = self.queue.try_send(span).is_ok();
        if !is_taken {
            add(&self.tally.dropped, 1);
        }
        is_taken
    }

    /// What has become of the spans so far.
    pub fn counts(&self) -> Counts {
        self.tally.counts()
    }

    /// Sends what waits, for at most `patience`, and ends. What could not be sent by then counts as
    /// dropped.
    pub async fn finish(self, patience: Duration) -> Counts {
        let Self { queue, tally, mut task } = self;
        drop(queue);
        if timeout(patience, &mut task).await.is_err() {
            task.abort();
        }
        let mut counts = tally.counts();
        // The last batch may have been cut off: whatever has no other end was dropped.
        counts.dropped = tally.offered.load(Ordering::Relaxed) - counts.sent - counts.failed;
        counts
    }
}

/// Takes spans in batches until nobody can offer any more and the queue is empty.
async fn run(mut spans: Receiver<Span>, delivery: Delivery, size: usize, linger: Duration) {
    let mut batch = Vec::with_capacity(size);
    while let Some(first) = spans.recv().await {
        batch.push(first);
        let deadline = Instant::now() + linger;
        while batch.len() < size {
            match timeout_at(deadline, spans.recv()).await {
                Ok(Some(span)) => batch.push(span),
                Ok(None) | Err(_) => break,
            }
        }
        delivery.deliver(&batch).await;
        batch.clear();
    }
}

/// The address that spans are sent to.
fn endpoint(settings: &Settings) -> Result<Url, Error> {
    let wrong = |reason: String| Error::Url { url: settings.url.clone(), reason };
    let mut url = Url::parse(&settings.url).map_err(|error| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(format!("it begins with {}:, not with http: or https:", url.scheme())));
    }
    let path = match settings.protocol {
        Protocol::Otlp => ["v1", "traces"].as_slice(),
        Protocol::Zipkin => &["api", "v2", "spans"],
    };
    match url.path_segments_mut() {
        Ok(mut segments) => segments.pop_if_empty().extend(path),
        Err(()) => return Err(wrong("it cannot have a path".to_owned())),
    };
    Ok(url)
}
