//! Jaeger query API client: legacy JSON and v3 OTLP JSON behind one face.
//!
//! Which API a server speaks is found out by asking, since there is no version endpoint: v3 if
//! `/api/v3/services` answers as v3 does, else legacy. A page of the UI with status 200, as older servers
//! send for unknown paths, convinces nobody.

mod decode;
mod ids;
mod legacy;
mod search;
mod tags;
mod v3;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use super::http::{Answer, Call, Emit, Http, Source};
use super::settings::JaegerApi;
use super::{Dependency, JaegerSettings, Span, error::Error};
use crate::domain::{BackendHealth, BackendKind, Clean, ServiceName, Timestamp};

/// Most traces some clones (VictoriaTraces) allow in one search.
const CLONES_LIMIT: usize = 1000;

/// A client of one Jaeger-compatible backend. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Jaeger {
    http: Http,
    api: JaegerApi,
    /// What probing found; shared by clones.
    found: Arc<OnceCell<Flavour>>,
    /// Most traces the server was found to allow.
    allowed: Arc<AtomicUsize>,
}

/// The API a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavour {
    Legacy,
    V3,
}

impl Flavour {
    fn word(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::V3 => "v3",
        }
    }
}

/// A search for traces.
#[derive(Clone, Debug)]
pub struct TraceQuery {
    /// Service that must take part.
    pub service: ServiceName,
    /// Operation that must occur.
    pub operation: Option<Clean>,
    /// Inclusive.
    pub start: Timestamp,
    /// Exclusive.
    pub end: Timestamp,
    /// Only traces with a span at least this long.
    pub min_duration: Option<Duration>,
    /// Most traces.
    pub limit: usize,
}

/// What a search brought besides the spans.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceStats {
    /// Traces seen.
    pub traces: usize,
    /// Spans seen.
    pub spans: usize,
    /// Spans with warnings of the backend.
    pub warned: usize,
    /// Whether the limit was reached, so that what came is an arbitrary subset.
    pub truncated: bool,
    /// Warnings of the backend.
    pub warnings: Vec<Clean>,
}

/// The envelope of the legacy API.
#[derive(Deserialize)]
struct Legacy<T> {
    data: Option<T>,
}

#[derive(Deserialize)]
struct V3Services {
    /// A server without services omits it, as protobuf's JSON does with defaults.
    #[serde(default)]
    services: Vec<Clean>,
    /// Anything else in the object means that it is another API's.
    #[serde(flatten)]
    rest: std::collections::BTreeMap<String, serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct V3Operations {
    #[serde(default)]
    operations: Vec<V3Operation>,
}

#[derive(Deserialize)]
struct V3Operation {
    name: Clean,
}

#[derive(Deserialize)]
struct DependencyLink {
    parent: Clean,
    child: Clean,
    #[serde(rename = "callCount", default)]
    calls: f64,
}

impl Jaeger {
    /// Prepares a client; nothing is sent yet. Fails on a bad url, header name or secret.
    pub fn new(settings: &JaegerSettings) -> Result<Self, Error> {
        Ok(Self {
            http: Http::new(&settings.backend, "x-tenant")?,
            api: settings.api,
            found: Arc::default(),
            allowed: Arc::new(AtomicUsize::new(usize::MAX)),
        })
    }

    /// All services known to the backend, sorted.
    pub async fn services(&self) -> Result<Vec<ServiceName>, Error> {
        let mut names = match self.flavour().await? {
            Flavour::V3 => self.v3_services().await?,
            Flavour::Legacy => self.legacy_services().await?,
        };
        names.sort();
        names.dedup();
        Ok(names.into_iter().map(ServiceName).collect())
    }

    /// Operations of a service, sorted.
    pub async fn operations(&self, service: &ServiceName) -> Result<Vec<Clean>, Error> {
        let mut names: Vec<Clean> = match self.flavour().await? {
            Flavour::V3 => {
                let params = [("service", service.to_string())];
                let found: V3Operations = self.get(&["api", "v3", "operations"], &params).await?;
                found.operations.into_iter().map(|operation| operation.name).collect()
            }
            Flavour::Legacy => {
                let path = ["api", "services", service.as_str(), "operations"];
                self.get::<Legacy<_>>(&path, &[]).await?.data.unwrap_or_default()
            }
        };
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Searches traces and hands every span to `sink` while the response is being read; spans of
    /// one trace come together, one trace after the other. No match is no error.
    pub async fn traces(
        &self,
        query: &TraceQuery,
        sink: &mut (dyn FnMut(Span) + Send),
    ) -> Result<TraceStats, Error> {
        let flavour = self.flavour().await?;
        let allowed = self.allowed.load(Ordering::Relaxed);
        let limit = query.limit.clamp(1, allowed);
        match self.search(flavour, query, limit, sink).await {
            Err(Error::Backend { status: 400, message, .. })
                if limit > CLONES_LIMIT && message.as_str().contains("limit") =>
            {
                self.allowed.store(CLONES_LIMIT, Ordering::Relaxed);
                self.search(flavour, query, CLONES_LIMIT, sink).await
            }
            outcome => outcome,
        }
    }

    async fn search(
        &self,
        flavour: Flavour,
        query: &TraceQuery,
        limit: usize,
        sink: &mut (dyn FnMut(Span) + Send),
    ) -> Result<TraceStats, Error> {
        let (path, params): (&[&str], _) = match flavour {
            Flavour::V3 => (&["api", "v3", "traces"], search::v3(query, limit)),
            Flavour::Legacy => (&["api", "traces"], search::legacy(query, limit)),
        };
        let mut answer = self.http.send(&Call::get(path, &params)).await?;
        let (host, status) = (self.http.host(), answer.status());
        if status != 200 {
            let body = answer.error_body().await;
            let message = decode::refusal_message(&body);
            return match message {
                // This is how the APIs say that nothing matched.
                Some(text) if status == 404 && text.as_str().to_ascii_lowercase().contains("trace") => {
                    Ok(TraceStats::default())
                }
                message => Err(self.refused(&answer, message, &body)),
            };
        }
        let cap = self.http.limit_bytes();
        let outcome = answer
            .decode_batches(
                move |source: Source, emit: Emit<'_, Vec<Span>>| match flavour {
                    Flavour::V3 => v3::traces(source, cap, emit),
                    Flavour::Legacy => legacy::traces(source, cap, emit),
                },
                &mut |trace: Vec<Span>| trace.into_iter().for_each(&mut *sink),
            )
            .await?;
        let mut stats = outcome.stats;
        match outcome.errors.into_iter().next() {
            Some(message) if stats.traces == 0 => {
                if message.as_str().to_ascii_lowercase().contains("not found") {
                    return Ok(stats);
                }
                return Err(Error::Backend { host, status, kind: Clean::new("search"), message, hint: "" });
            }
            Some(message) => stats.warnings.push(message),
            None if !outcome.is_search => {
                let reason = Clean::new(match flavour {
                    Flavour::V3 => "it has no `result`",
                    Flavour::Legacy => "it has no `data`",
                });
                return Err(Error::Malformed { host, reason });
            }
            None => {}
        }
        stats.truncated = stats.traces >= limit;
        Ok(stats)
    }

    /// Call edges counted by the backend over `lookback` before `end`; empty where unsupported.
    /// Some storages count only when a batch job runs: never rely on it alone.
    pub async fn dependencies(&self, end: Timestamp, lookback: Duration) -> Result<Vec<Dependency>, Error> {
        // The legacy endpoint, on v3 servers too: v3 has none over HTTP yet.
        let params =
            [("endTs", end.as_millisecond().to_string()), ("lookback", lookback.as_millis().to_string())];
        let links = match self.get::<Legacy<Vec<DependencyLink>>>(&["api", "dependencies"], &params).await {
            Ok(envelope) => envelope.data.unwrap_or_default(),
            Err(Error::Status { status: 404 | 405 | 501, .. } | Error::NotJson { .. }) => Vec::new(),
            Err(Error::Backend { status: 404 | 405 | 501, .. }) => Vec::new(),
            Err(Error::Backend { message, .. }) if is_unsupported(&message) => Vec::new(),
            Err(Error::Status { start, .. }) if is_unsupported(&start) => Vec::new(),
            Err(e) => return Err(e),
        };
        let edge = |link: DependencyLink| Dependency {
            parent: ServiceName(link.parent),
            child: ServiceName(link.child),
            calls: link.calls.max(0.0) as u64,
        };
        Ok(links.into_iter().map(edge).collect())
    }

    /// How it is before anything was asked.
    pub fn unasked(&self) -> BackendHealth {
        self.http.unasked(BackendKind::Jaeger)
    }

    /// Asks for flavour and clock; never fails: what went wrong is in the answer.
    pub async fn health(&self) -> BackendHealth {
        // Probing is a request; once the flavour is known, another one must show that the server lives.
        let known = self.api != JaegerApi::Auto || self.found.initialized();
        let alive = if known { self.services().await.map(drop) } else { Ok(()) };
        let outcome = match alive {
            Ok(()) => self.flavour().await.map(|flavour| Clean::new(flavour.word())),
            Err(e) => Err(e),
        };
        self.http.health(BackendKind::Jaeger, outcome)
    }

    /// The API to use: as configured, or found by asking once.
    async fn flavour(&self) -> Result<Flavour, Error> {
        match self.api {
            JaegerApi::Legacy => Ok(Flavour::Legacy),
            JaegerApi::V3 => Ok(Flavour::V3),
            JaegerApi::Auto => self.found.get_or_try_init(|| self.probe()).await.copied(),
        }
    }

    async fn probe(&self) -> Result<Flavour, Error> {
        match self.v3_services().await {
            Ok(_) => return Ok(Flavour::V3),
            // Nobody there, or nobody let in: the other API would not tell more.
            Err(e) if !e.answered() => return Err(e),
            Err(e @ (Error::Redirected { .. } | Error::Throttled { .. })) => return Err(e),
            Err(e @ Error::Denied { status: 401 | 407, .. }) => return Err(e),
            Err(_) => {}
        }
        match self.legacy_services().await {
            Ok(_) => Ok(Flavour::Legacy),
            Err(Error::Status { host, status, attempts, start }) => {
                let text = format!(
                    "neither /api/v3/services nor /api/services; check the url's path prefix: {start}"
                );
                Err(Error::Status { host, status, attempts, start: Clean::new(&text) })
            }
            Err(e) => Err(e),
        }
    }

    async fn v3_services(&self) -> Result<Vec<Clean>, Error> {
        let found: V3Services = self.get(&["api", "v3", "services"], &[]).await?;
        if found.services.is_empty() && !found.rest.is_empty() {
            return Err(Error::Malformed {
                host: self.http.host(),
                reason: Clean::new("it has no `services`"),
            });
        }
        Ok(found.services)
    }

    async fn legacy_services(&self) -> Result<Vec<Clean>, Error> {
        // `data` is null on a server without services, but it is there.
        #[derive(Deserialize)]
        struct Envelope {
            #[serde(deserialize_with = "Option::deserialize")]
            data: Option<Vec<Clean>>,
        }
        let found: Envelope = self.get(&["api", "services"], &[]).await?;
        Ok(found.data.unwrap_or_default())
    }

    /// A small JSON answer as a whole.
    async fn get<T: DeserializeOwned + Send + 'static>(
        &self,
        path: &[&str],
        params: &[(&str, String)],
    ) -> Result<T, Error> {
        let mut answer = self.http.send(&Call::get(path, params)).await?;
        if answer.status() != 200 {
            let body = answer.error_body().await;
            return Err(self.refused(&answer, decode::refusal_message(&body), &body));
        }
        answer.decode(|source| serde_json::from_reader(source).map_err(Into::into)).await
    }

    /// The error for a refusal: in the API's words if it used any (as JSON under any content type).
    fn refused(&self, answer: &Answer, message: Option<Clean>, body: &[u8]) -> Error {
        let (host, status) = (self.http.host(), answer.status());
        match message {
            Some(message) if status != 403 => {
                let kind = Clean::new(&format!("status {status}"));
                let hint = match status {
                    500.. => "the backend's storage has trouble: narrow the window, or try again",
                    _ => "",
                };
                Error::Backend { host, status, kind, message, hint }
            }
            _ => answer.refusal(body),
        }
    }
}

/// Whether a message says that a storage has no dependencies at all.
fn is_unsupported(message: &Clean) -> bool {
    let message = message.as_str().to_ascii_lowercase();
    ["not supported", "unsupported", "not implemented", "unimplemented"].iter().any(|w| message.contains(w))
}
