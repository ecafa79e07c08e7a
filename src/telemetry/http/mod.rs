//! The HTTP policy both clients share: timeouts, retries, login, caps, concurrency.
//!
//! Redirects are never followed, since credentials would travel with them. Everything under way is
//! cancelled by dropping its future: the connection closes, the permit returns, the decoding thread ends.

mod base;
mod body;
mod login;
mod retry;

use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Response, StatusCode, redirect};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};
use url::form_urlencoded;

pub(crate) use body::{Emit, Source, Undecodable};

use super::Error;
use super::settings::BackendSettings;
use crate::domain::{BackendHealth, BackendKind, BackendState, Clean};
use base::Base;
use login::Login;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest time a whole request may take, whatever the settings say.
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_secs(30);
/// Clock difference beyond which asking for "the last minute" goes wrong.
const CLOCK_TOLERANCE_MS: i64 = 10_000;

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// POST with a form, or GET with a query string.
    pub(crate) post: bool,
    /// Path below the base URL; segments are percent-encoded.
    pub(crate) path: &'a [&'a str],
    /// Parameters.
    pub(crate) params: &'a [(&'a str, String)],
}

impl<'a> Call<'a> {
    /// A GET request.
    pub(crate) fn get(path: &'a [&'a str], params: &'a [(&'a str, String)]) -> Self {
        Self { post: false, path, params }
    }
}

/// What the last answers told about the backend.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Vitals {
    /// Server clock minus ours.
    offset_ms: Option<i64>,
    /// From sending to the answer's headers.
    latency_ms: Option<f64>,
    /// When it last answered with a success.
    last_ok: Option<Timestamp>,
}

/// A client of one backend. Cheap to clone; clones share connections, permits and vitals.
#[derive(Clone)]
pub(crate) struct Http {
    inner: Arc<Inner>,
}

struct Inner {
    client: reqwest::Client,
    base: Base,
    login: Login,
    /// Resolved credentials; replaced after a 401 if they come from files.
    headers: RwLock<HeaderMap>,
    permits: Arc<Semaphore>,
    timeout: Duration,
    limit_mib: u64,
    vitals: Mutex<Vitals>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("url", &self.inner.base.shown()).finish_non_exhaustive()
    }
}

/// An answer whose body has not been read yet; 3xx, 401, 407 and 429 never get this far.
pub(crate) struct Answer {
    response: Response,
    http: Http,
    deadline: Instant,
    attempts: u32,
    /// Held until the body is read: it is the backend's work that is limited.
    _permit: OwnedSemaphorePermit,
}

enum Failure {
    Transport(reqwest::Error),
    Late,
}

impl Http {
    /// Checks settings and resolves secrets; sends nothing.
    pub(crate) fn new(settings: &BackendSettings, tenant_header: &'static str) -> Result<Self, Error> {
        let base = Base::parse(&settings.url)?;
        let login = Login::new(settings, tenant_header)?;
        let headers = RwLock::new(login.headers()?);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("sagetop/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .gzip(true);
        if !base.is_tls() {
            // No TLS will be spoken: do not fail on machines without a certificate store.
            builder = builder.tls_certs_only([]);
        }
        let client = builder
            .build()
            .map_err(|e| Error::Settings(Clean::new(&format!("TLS cannot be set up: {}", root_cause(&e)))))?;
        Ok(Self {
            inner: Arc::new(Inner {
                client,
                base,
                login,
                headers,
                permits: Arc::new(Semaphore::new(settings.concurrency.clamp(1, 64))),
                timeout: settings.timeout.clamp(Duration::from_millis(100), MAX_TIMEOUT),
                limit_mib: settings.max_response_mib.max(1),
                vitals: Mutex::default(),
            }),
        })
    }

    /// Host and port, for messages.
    pub(crate) fn host(&self) -> Clean {
        self.inner.base.host.clone()
    }

    /// Whole-request timeout, retries included.
    pub(crate) fn timeout(&self) -> Duration {
        self.inner.timeout
    }

    /// Largest decoded answer, bytes.
    pub(crate) fn limit_bytes(&self) -> u64 {
        self.inner.limit_mib.saturating_mul(1 << 20)
    }

    /// Sends `call`, with retries; returns once the headers of an answer are there.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let permits = Arc::clone(&self.inner.permits);
        let permit =
            permits.acquire_owned().await.map_err(|_| Error::Other(Clean::new("the client is closed")))?;
        let deadline = Instant::now() + self.inner.timeout;
        let (mut attempts, mut renewed) = (1, false);
        loop {
            let outcome = self.attempt(call, deadline).await;
            let pause = match &outcome {
                Ok(response) if response.status() == StatusCode::UNAUTHORIZED && !renewed => {
                    renewed = true;
                    if self.renew_login().await? {
                        continue;
                    }
                    None
                }
                Ok(response) if retry::is_transient(response.status()) => {
                    retry::pause(attempts, retry::retry_after(response.headers(), Timestamp::now()))
                }
                Err(Failure::Transport(e)) if e.is_connect() => retry::pause(attempts, None),
                _ => None,
            };
            match pause {
                Some(pause) if attempts < retry::MAX_ATTEMPTS && Instant::now() + pause < deadline => {
                    drop(outcome);
                    sleep(pause).await;
                    attempts += 1;
                }
                _ => {
                    let response = outcome.map_err(|failure| self.failure(failure))?;
                    self.admit(&response)?;
                    return Ok(Answer { response, http: self.clone(), deadline, attempts, _permit: permit });
                }
            }
        }
    }

    async fn attempt(&self, call: &Call<'_>, deadline: Instant) -> Result<Response, Failure> {
        let mut url = self.inner.base.join(call.path);
        // In one statement: a serializer alive over the await would keep the future from being `Send`.
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(call.params).finish();
        let headers = self.inner.headers.read().unwrap_or_else(PoisonError::into_inner).clone();
        let builder = if call.post {
            self.inner
                .client
                .post(url)
                .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
                .body(form)
        } else {
            if !form.is_empty() {
                url.set_query(Some(&form));
            }
            self.inner.client.get(url)
        };
        let builder = builder.header(ACCEPT, HeaderValue::from_static("application/json")).headers(headers);
        let (sent, sent_at) = (Instant::now(), Timestamp::now());
        let response = match timeout_at(deadline, builder.send()).await {
            Ok(outcome) => outcome.map_err(Failure::Transport)?,
            Err(_) => return Err(Failure::Late),
        };
        self.observe(&response, sent_at, sent.elapsed());
        Ok(response)
    }

    fn observe(&self, response: &Response, sent_at: Timestamp, took: Duration) {
        let ms = took.as_secs_f64() * 1000.0;
        let mut vitals = self.inner.vitals.lock().unwrap_or_else(PoisonError::into_inner);
        vitals.latency_ms = Some(ms);
        if response.status().is_success() {
            vitals.last_ok = Some(Timestamp::now());
        }
        // A cache's copy carries the date of the original.
        let cached = response.headers().contains_key("age");
        let date = response.headers().get(DATE).and_then(|v| v.to_str().ok()).and_then(retry::http_date);
        if let (Some(date), false) = (date, cached) {
            // The header counts whole seconds, so the server's clock was half a second past it on average.
            let ours = sent_at.as_millisecond() + (ms / 2.0) as i64;
            vitals.offset_ms = Some(date.as_millisecond() + 500 - ours);
        }
    }

    /// Reads secrets from their files again; true if they changed.
    async fn renew_login(&self) -> Result<bool, Error> {
        if !self.inner.login.reads_files() {
            return Ok(false);
        }
        let login = self.inner.login.clone();
        let fresh = tokio::task::spawn_blocking(move || login.headers())
            .await
            .map_err(|_| Error::Other(Clean::new("reading the credentials was interrupted")))??;
        let mut headers = self.inner.headers.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *headers != fresh;
        *headers = fresh;
        Ok(changed)
    }

    /// Turns statuses that mean the same for every API into errors.
    fn admit(&self, response: &Response) -> Result<(), Error> {
        let (host, status) = (self.host(), response.status());
        match status.as_u16() {
            300..=399 => {
                let location = response.headers().get(LOCATION).and_then(|v| v.to_str().ok());
                Err(Error::Redirected { host, target: self.inner.base.redirect_target(location) })
            }
            401 | 407 => {
                let by_proxy = status == StatusCode::PROXY_AUTHENTICATION_REQUIRED;
                let hint = if by_proxy { "the proxy wants credentials" } else { self.inner.login.hint() };
                Err(Error::Denied { host, status: status.as_u16(), hint: Clean::new(hint) })
            }
            429 => {
                let asked = retry::retry_after(response.headers(), Timestamp::now());
                Err(Error::Throttled { host, retry_after_s: asked.map(|d| d.as_secs()) })
            }
            _ => Ok(()),
        }
    }

    fn failure(&self, failure: Failure) -> Error {
        let host = self.host();
        match failure {
            Failure::Late => {
                let seconds = self.inner.timeout.as_secs_f64();
                Error::Timeout { host, awaited: "an answer", seconds }
            }
            Failure::Transport(e) if e.is_connect() && e.is_timeout() => Error::Connect {
                host,
                reason: Clean::new(&format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())),
            },
            Failure::Transport(e) if e.is_connect() => Error::Connect { host, reason: root_cause(&e) },
            Failure::Transport(e) => Error::Truncated { host, bytes: 0, reason: root_cause(&e) },
        }
    }

    /// Health before anything was asked.
    pub(crate) fn unasked(&self, kind: BackendKind) -> BackendHealth {
        BackendHealth {
            kind,
            url: self.inner.base.shown(),
            state: BackendState::Connecting,
            detail: None,
            flavour: None,
            clock_offset_ms: None,
            latency_ms: None,
            last_ok: None,
        }
    }

    fn vitals(&self) -> Vitals {
        *self.inner.vitals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Server clock minus ours, as of the last answer.
    pub(crate) fn clock_offset_ms(&self) -> Option<i64> {
        self.vitals().offset_ms
    }

    /// Health as seen by a request that ended with `outcome`: the flavour, or what went wrong.
    pub(crate) fn health(&self, kind: BackendKind, outcome: Result<Clean, Error>) -> BackendHealth {
        let vitals = self.vitals();
        let (state, detail, flavour) = match outcome {
            Ok(flavour) => match vitals.offset_ms.filter(|ms| ms.abs() > CLOCK_TOLERANCE_MS) {
                Some(ms) => {
                    let (s, way) = (ms.abs() / 1000, if ms > 0 { "ahead of" } else { "behind" });
                    let detail = format!("its clock is {s} s {way} this machine's: set one of them right");
                    (BackendState::Degraded, Some(Clean::new(&detail)), Some(flavour))
                }
                None => (BackendState::Up, None, Some(flavour)),
            },
            Err(e) => {
                let state = if e.answered() { BackendState::Degraded } else { BackendState::Down };
                (state, Some(Clean::new(&e.to_string())), None)
            }
        };
        BackendHealth {
            kind,
            url: self.inner.base.shown(),
            state,
            detail,
            flavour,
            clock_offset_ms: vitals.offset_ms,
            latency_ms: vitals.latency_ms,
            last_ok: vitals.last_ok,
        }
    }
}

/// The innermost reason of a transport error. Outer layers repeat the URL with its query, or say less.
fn root_cause(error: &reqwest::Error) -> Clean {
    let mut cause: Option<&dyn std::error::Error> = error.source();
    let mut text = None;
    while let Some(inner) = cause {
        text = Some(inner.to_string());
        cause = inner.source();
    }
    Clean::new(&text.unwrap_or_else(|| "the request failed".to_owned()))
}
