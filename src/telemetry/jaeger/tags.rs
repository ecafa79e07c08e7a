//! What tags mean: kind, error, peer, service, host and node, in the old and the new spellings of the
//! semantic conventions.

use std::net::IpAddr;

use url::Url;

use crate::domain::{Clean, ServiceName};
use crate::telemetry::json::Value;
use crate::telemetry::names::Names;
use crate::telemetry::types::SpanKind;

/// Stands for a service that did not give its name, as in the OpenTelemetry SDKs.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// Parses a kind, as a word or as OTLP's enum name.
fn kind_word(word: &str) -> Option<SpanKind> {
    let word = word.strip_prefix("SPAN_KIND_").unwrap_or(word);
    [
        ("internal", SpanKind::Internal),
        ("server", SpanKind::Server),
        ("client", SpanKind::Client),
        ("producer", SpanKind::Producer),
        ("consumer", SpanKind::Consumer),
    ]
    .into_iter()
    .find_map(|(name, kind)| word.eq_ignore_ascii_case(name).then_some(kind))
}

/// OTLP's `kind`: a number, a number as text, or an enum name; `None` if unspecified.
pub(super) fn otlp_kind(value: Value<'_>) -> Option<SpanKind> {
    if let Value::Text(word) = value
        && let Some(kind) = kind_word(word)
    {
        return Some(kind);
    }
    match value.as_int()? {
        1 => Some(SpanKind::Internal),
        2 => Some(SpanKind::Server),
        3 => Some(SpanKind::Client),
        4 => Some(SpanKind::Producer),
        5 => Some(SpanKind::Consumer),
        _ => None,
    }
}

/// OTLP's `status.code`: whether the call failed; `None` if unset.
pub(super) fn otlp_status(value: Value<'_>) -> Option<bool> {
    match value {
        Value::Text("STATUS_CODE_ERROR" | "ERROR") => Some(true),
        Value::Text("STATUS_CODE_OK" | "OK") => Some(false),
        other => match other.as_int()? {
            2 => Some(true),
            1 => Some(false),
            _ => None,
        },
    }
}

/// A text that has an old and a new spelling; the new one wins.
#[derive(Debug, Default)]
struct Spelled {
    text: Option<Clean>,
    by_new: bool,
}

impl Spelled {
    fn put(&mut self, value: Value<'_>, new: bool, names: &mut Names) {
        if self.by_new && !new {
            return;
        }
        let text = match value {
            Value::Text(text) if !text.is_empty() => names.get(text),
            Value::Int(n) => names.get(&n.to_string()),
            _ => return,
        };
        (self.text, self.by_new) = (Some(text), new);
    }

    fn get(&self) -> Option<&str> {
        self.text.as_ref().map(Clean::as_str)
    }
}

/// The tags of a span, reduced.
#[derive(Debug, Default)]
pub(super) struct SpanTags {
    kind: Option<SpanKind>,
    /// `otel.status_code`, or OTLP's `status`.
    pub(super) status: Option<bool>,
    error: Option<bool>,
    error_type: bool,
    http_status: Option<i64>,
    rpc_failed: Option<bool>,
    /// Whether the backend attached warnings.
    pub(super) warned: bool,
    service_peer: Option<Clean>,
    peer_service: Option<Clean>,
    db_system: Spelled,
    db_namespace: Spelled,
    messaging_system: Option<Clean>,
    destination: Spelled,
    address: Spelled,
    port: Spelled,
    url_host: Spelled,
}

impl SpanTags {
    /// Takes one tag; those that mean nothing here are passed over.
    pub(super) fn absorb(&mut self, key: &str, value: Value<'_>, names: &mut Names) {
        let text = match value {
            Value::Text(text) => Some(text),
            _ => None,
        };
        match key {
            "span.kind" => self.kind = text.and_then(kind_word).or(self.kind),
            "otel.status_code" => self.status = otlp_status(value).or(self.status),
            "error" => self.error = truth(value).or(self.error),
            "error.type" => self.error_type |= text.is_some_and(|t| !t.is_empty()),
            "http.response.status_code" => self.http_status = value.as_int().or(self.http_status),
            "http.status_code" => self.http_status = self.http_status.or(value.as_int()),
            "rpc.status_code" | "rpc.response.status_code" | "rpc.grpc.status_code" | "grpc.status_code" => {
                self.rpc_failed = rpc_failed(value).or(self.rpc_failed);
            }
            "@jaeger@warnings" => {
                self.warned |= matches!(value, Value::Items(1..)) || text.is_some_and(|t| !t.is_empty());
            }
            "service.peer.name" => self.service_peer = text.map(|t| names.get(t)),
            "peer.service" => self.peer_service = text.map(|t| names.get(t)),
            "db.system.name" => self.db_system.put(value, true, names),
            "db.system" => self.db_system.put(value, false, names),
            "db.namespace" => self.db_namespace.put(value, true, names),
            "db.name" => self.db_namespace.put(value, false, names),
            "messaging.system" => self.messaging_system = text.map(|t| names.get(t)),
            "messaging.destination.name" => self.destination.put(value, true, names),
            "messaging.destination" => self.destination.put(value, false, names),
            "server.address" => self.address.put(value, true, names),
            "net.peer.name" | "net.sock.peer.addr" | "peer.hostname" => self.address.put(value, false, names),
            "server.port" => self.port.put(value, true, names),
            "net.peer.port" | "net.sock.peer.port" | "peer.port" => self.port.put(value, false, names),
            "url.full" | "http.url" => {
                // Only the host is kept: whole URLs would fill the name table.
                if let Some(host) = text.and_then(url_host) {
                    self.url_host.put(Value::Text(&host), key == "url.full", names);
                }
            }
            _ => {}
        }
    }

    /// Role, unless the span itself says so.
    pub(super) fn kind(&self) -> SpanKind {
        self.kind.unwrap_or_default()
    }

    /// Whether the call failed: the first of status, `error`, `error.type`, HTTP and RPC codes that is
    /// there decides.
    pub(super) fn is_error(&self, kind: SpanKind) -> bool {
        if let Some(failed) = self.status.or(self.error) {
            return failed;
        }
        let worst = if kind == SpanKind::Client { 400 } else { 500 };
        self.error_type
            || self.http_status.is_some_and(|status| status >= worst)
            || self.rpc_failed == Some(true)
    }

    /// Who is called, as far as a client's or producer's tags tell.
    pub(super) fn peer(&self, kind: SpanKind, names: &mut Names) -> Option<ServiceName> {
        if !matches!(kind, SpanKind::Client | SpanKind::Producer) {
            return None;
        }
        let mut named = [&self.service_peer, &self.peer_service].into_iter().flatten();
        if let Some(name) = named.find(|n| !n.as_str().is_empty()) {
            return Some(ServiceName(name.clone()));
        }
        let systems = [
            (self.db_system.get(), self.db_namespace.get()),
            (self.messaging_system.as_ref().map(Clean::as_str), self.destination.get()),
        ];
        for (system, detail) in systems {
            match (system.filter(|s| !s.is_empty()), detail) {
                (Some(system), Some(detail)) => {
                    return Some(ServiceName(names.get(&format!("{system}/{detail}"))));
                }
                (Some(system), None) => return Some(ServiceName(names.get(system))),
                (None, _) => {}
            }
        }
        let Some(address) = self.address.get() else {
            return self.url_host.text.clone().map(ServiceName);
        };
        // A name stands for a service; a bare address needs its port to tell services apart.
        let bare = address.parse::<IpAddr>().is_ok() || address == "localhost";
        let peer = match self.port.get() {
            Some(port) if bare => names.get(&format!("{address}:{port}")),
            _ => names.get(address),
        };
        Some(ServiceName(peer))
    }
}

fn truth(value: Value<'_>) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(b),
        Value::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Value::Int(n) => Some(n != 0),
        _ => None,
    }
}

fn rpc_failed(value: Value<'_>) -> Option<bool> {
    match value.as_int() {
        Some(code) => Some(code != 0),
        None => match value {
            Value::Text(word) if !word.is_empty() => Some(!word.eq_ignore_ascii_case("ok")),
            _ => None,
        },
    }
}

fn url_host(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    match url.port() {
        Some(port) if host == "localhost" || host.parse::<IpAddr>().is_ok() => Some(format!("{host}:{port}")),
        _ => Some(host.to_owned()),
    }
}

/// The process or resource a span belongs to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Resource {
    /// Name of the service.
    pub(super) service: Option<Clean>,
    host: Option<Clean>,
    /// How good a clock key `host` is; lower is better.
    host_rank: u8,
    /// Machine.
    pub(super) node: Option<Clean>,
}

impl Resource {
    /// Takes one tag or attribute; those that mean nothing here are passed over.
    pub(super) fn absorb(&mut self, key: &str, value: Value<'_>, names: &mut Names) {
        let Value::Text(text) = value else { return };
        let rank = match key {
            "service.name" => {
                self.service = Some(names.get(text));
                return;
            }
            "k8s.node.name" => {
                self.node = Some(names.get(text));
                return;
            }
            "host.id" => 1,
            "host.name" => 2,
            "hostname" => 3,
            "k8s.pod.name" => 4,
            "container.id" => 5,
            "host.ip" | "ip" => 6,
            _ => return,
        };
        // Every machine calls itself localhost: that is no clock.
        let better = self.host.is_none() || rank < self.host_rank;
        if better && !text.is_empty() && text != "localhost" {
            (self.host, self.host_rank) = (Some(names.get(text)), rank);
        }
    }

    /// Key for "same clock".
    pub(super) fn host(&self) -> Option<Clean> {
        self.host.clone()
    }

    /// Name of the service, or a stand-in.
    pub(super) fn service(&self, names: &mut Names) -> ServiceName {
        let given = self.service.clone().filter(|name| !name.as_str().is_empty());
        ServiceName(given.unwrap_or_else(|| names.get(UNKNOWN_SERVICE)))
    }
}
