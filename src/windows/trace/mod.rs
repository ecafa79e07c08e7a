//! One trace → the facts it holds about calls.
//!
//! Real traces are incomplete and inconsistent: this is where every wart of spans is dealt
//! with, so that whatever comes out can be counted without further thought.

mod tree;

use crate::domain::{Clean, ServiceName};
use crate::telemetry::Span;
use tree::{Caller, Role, Tree};

/// Something a trace tells. Durations are nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact<'a> {
    /// `caller` called `callee` and waited.
    Call {
        /// Who called.
        caller: &'a ServiceName,
        /// Who served, or the peer that a client span names.
        callee: &'a ServiceName,
        /// The callee's operation, or the client's name for it.
        operation: &'a Clean,
        /// Duration at the caller, if it has a span for the call.
        client: Option<u64>,
        /// Duration at the callee, if it has one.
        server: Option<u64>,
        /// Where both spans of the call are known one to one.
        way: Option<Way>,
    },
    /// `service` served a request, whoever sent it.
    Served {
        /// Who served.
        service: &'a ServiceName,
        /// How long.
        server: u64,
    },
    /// A request entered the application.
    Entry {
        /// Who served.
        service: &'a ServiceName,
        /// What was asked for.
        operation: &'a Clean,
        /// How long.
        server: u64,
    },
}

/// What lies between the two spans of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// client − server duration: needs no common clock; negative if the server outlived the call.
    pub total: i64,
    /// server.start − client.start, by two clocks.
    pub request: i64,
    /// client.end − server.end, by two clocks.
    pub response: i64,
    /// Whether both spans were stamped by the same clock.
    pub same_clock: bool,
    /// Whether the backend attached warnings to a span: it may have moved it in time.
    pub adjusted: bool,
}

/// Start of the trace: of its earliest root, or of its earliest span when the root is missing.
pub fn start_ns(spans: &[Span]) -> Option<u64> {
    let roots = spans.iter().filter(|s| s.parent.is_none()).map(|s| s.start_ns).min();
    roots.or_else(|| spans.iter().map(|s| s.start_ns).min())
}

/// Tells `emit` every fact of a trace. With `cut`, spans are known to be missing at the top
/// (unfinished when read), so a span without its parent is no request from outside.
pub fn facts<'a>(spans: &'a [Span], cut: bool, emit: &mut dyn FnMut(Fact<'a>)) {
    let tree = Tree::new(spans);
    let mut calls = Calls::new(spans.len());
    for i in tree.live().filter(|i| tree.role[*i] == Role::Server) {
        emit(Fact::Served { service: &spans[i].service, server: spans[i].duration_ns });
        if tree.is_entry(i, cut) {
            emit(Fact::Entry {
                service: &spans[i].service,
                operation: &spans[i].operation,
                server: spans[i].duration_ns,
            });
        }
        match tree.caller_of(i) {
            Caller::Client(c) => calls.served[c].push(i),
            Caller::Itself(c) => calls.explained[c] = true,
            Caller::Unobserved(p) => emit(Fact::Call {
                caller: &spans[p].service,
                callee: &spans[i].service,
                operation: &spans[i].operation,
                client: None,
                server: Some(spans[i].duration_ns),
                way: None,
            }),
            Caller::None => {}
        }
    }
    for c in tree.live().filter(|i| tree.role[*i] == Role::Client) {
        // A client span around another one (a retry loop, a connection pool) is not a call of its own.
        if let Some(outer) = tree.enclosing(c, |role| role == Role::Client) {
            calls.explained[outer] = true;
        }
    }
    for c in tree.live().filter(|i| tree.role[*i] == Role::Client && !tree.is_off_path(*i)) {
        calls.emit(c, spans, emit);
    }
}

/// Client spans and what is known about the other end.
struct Calls {
    /// Server spans in other services, by client span.
    served: Vec<Vec<usize>>,
    /// Client spans that need no peer: the other end is another span of the same service.
    explained: Vec<bool>,
}

impl Calls {
    fn new(n: usize) -> Self {
        Self { served: vec![Vec::new(); n], explained: vec![false; n] }
    }

    fn emit<'a>(&self, c: usize, spans: &'a [Span], emit: &mut dyn FnMut(Fact<'a>)) {
        let client = &spans[c];
        let call = |callee, operation, client_ns, server_ns, way| Fact::Call {
            caller: &client.service,
            callee,
            operation,
            client: client_ns,
            server: server_ns,
            way,
        };
        match self.served[c].as_slice() {
            [] => {
                let peer = client.peer.as_ref().filter(|p| **p != client.service && !self.explained[c]);
                if let Some(peer) = peer {
                    emit(call(peer, &client.operation, Some(client.duration_ns), None, None));
                }
            }
            [s] => {
                let server = &spans[*s];
                let way = Some(way(client, server));
                let (c_ns, s_ns) = (Some(client.duration_ns), Some(server.duration_ns));
                emit(call(&server.service, &server.operation, c_ns, s_ns, way));
            }
            // Retries or redirects under one client span: which part of its time belongs to
            // which server is unknown, so only the durations themselves are kept.
            several => {
                for (n, s) in several.iter().enumerate() {
                    let server = &spans[*s];
                    let first = several[..n].iter().all(|e| spans[*e].service != server.service);
                    let client_ns = first.then_some(client.duration_ns);
                    emit(call(&server.service, &server.operation, client_ns, Some(server.duration_ns), None));
                }
            }
        }
    }
}

fn way(client: &Span, server: &Span) -> Way {
    let minus = |a: u64, b: u64| i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(i64::MAX);
    Way {
        total: minus(client.duration_ns, server.duration_ns),
        request: minus(server.start_ns, client.start_ns),
        response: minus(end_ns(client), end_ns(server)),
        same_clock: client.host.is_some() && client.host == server.host,
        adjusted: client.warned || server.warned,
    }
}

/// When a span ended, by its own clock.
pub fn end_ns(span: &Span) -> u64 {
    span.start_ns.saturating_add(span.duration_ns)
}

#[cfg(test)]
pub(crate) mod tests;
