//! The shape of a trace: parents resolved, roles settled, questions about what stands above a span.

use std::collections::BTreeSet;

use crate::domain::ServiceName;
use crate::telemetry::{Span, SpanId, SpanKind};

/// What a span does, once missing and contradictory kinds are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Work inside a service.
    Internal,
    /// Serves a request.
    Server,
    /// Sends a request and waits.
    Client,
    /// Sends a message.
    Producer,
    /// Handles a message.
    Consumer,
}

/// Who sent the request that a server span serves.
pub enum Caller {
    /// A client span of another service.
    Client(usize),
    /// A client span of the same service: not a call between services.
    Itself(usize),
    /// Another service without a client span (here: a span of it). The way is unobserved.
    Unobserved(usize),
    /// Nobody, or nobody who waits.
    None,
}

/// A trace with parents resolved, without duplicates and cycles.
pub struct Tree<'a> {
    spans: &'a [Span],
    parent: Vec<Option<usize>>,
    /// Role by span.
    pub role: Vec<Role>,
    /// Copies of another span; ignored.
    copy: Vec<bool>,
    /// Whether a span without any parent reference exists.
    rooted: bool,
    /// Earliest span whose parent is not there.
    head: Option<usize>,
    /// Services whose tracer says what kind a span is.
    kinded: BTreeSet<&'a ServiceName>,
}

/// Where the children of a span are.
#[derive(Clone, Copy, Debug, Default)]
struct Children {
    /// In its own service.
    here: usize,
    /// In others.
    elsewhere: usize,
}

impl<'a> Tree<'a> {
    /// Resolves parents and roles.
    pub fn new(spans: &'a [Span]) -> Self {
        let mut by_id: Vec<(SpanId, usize)> = spans.iter().enumerate().map(|(i, s)| (s.id, i)).collect();
        by_id.sort_unstable();
        let with_id = |id: SpanId| {
            let from = by_id.partition_point(|(other, _)| *other < id);
            by_id[from..].iter().take_while(move |(other, _)| *other == id).map(|(_, i)| *i)
        };
        let copy: Vec<bool> = (0..spans.len())
            .map(|i| with_id(spans[i].id).any(|j| j < i && same(&spans[i], &spans[j])))
            .collect();
        let mut parent: Vec<Option<usize>> = (0..spans.len())
            .map(|i| {
                let span = &spans[i];
                let others = |id| with_id(id).filter(|j| *j != i && !copy[*j]);
                // Client and server may share one span id: then the client is the server's parent.
                let twin = (span.kind == SpanKind::Server)
                    .then(|| others(span.id).find(|j| spans[*j].kind == SpanKind::Client))
                    .flatten();
                let id = span.parent.filter(|id| *id != span.id);
                twin.or_else(|| {
                    others(id?).min_by_key(|j| {
                        let p = &spans[*j];
                        (p.service != span.service, p.kind != SpanKind::Server, *j)
                    })
                })
            })
            .collect();
        cut_cycles(&mut parent);
        let mut tree = Self {
            spans,
            parent,
            role: vec![Role::Internal; spans.len()],
            copy,
            rooted: spans.iter().any(|s| s.parent.is_none()),
            head: None,
            kinded: spans.iter().filter(|s| s.kind != SpanKind::Internal).map(|s| &s.service).collect(),
        };
        tree.head =
            tree.live().filter(|i| tree.parent[*i].is_none()).min_by_key(|i| (spans[*i].start_ns, *i));
        let mut children = vec![Children::default(); spans.len()];
        for i in tree.live() {
            if let Some(p) = tree.parent[i] {
                let of = &mut children[p];
                let side =
                    if spans[p].service == spans[i].service { &mut of.here } else { &mut of.elsewhere };
                *side += 1;
            }
        }
        tree.role = (0..spans.len()).map(|i| tree.role_of(i, children[i])).collect();
        tree
    }

    /// All spans but copies.
    pub fn live(&self) -> impl Iterator<Item = usize> + use<'_, 'a> {
        (0..self.spans.len()).filter(|i| !self.copy[*i])
    }

    fn role_of(&self, i: usize, children: Children) -> Role {
        let span = &self.spans[i];
        let parent = self.parent[i].map(|p| &self.spans[p]);
        let crossed = parent.filter(|p| p.service != span.service);
        match (span.kind, crossed) {
            (SpanKind::Client, _) => Role::Client,
            (SpanKind::Producer, _) => Role::Producer,
            (SpanKind::Consumer, _) => Role::Consumer,
            // Nested in the same service's own work: middleware, not a request.
            (SpanKind::Server, None) if parent.is_some_and(|p| p.kind != SpanKind::Client) => Role::Internal,
            (SpanKind::Server, _) => Role::Server,
            // Old tracers leave kinds out: a span whose parent is elsewhere serves a request.
            (SpanKind::Internal, Some(p)) if p.kind == SpanKind::Producer => Role::Consumer,
            (SpanKind::Internal, Some(_)) => Role::Server,
            (SpanKind::Internal, None) if self.kinded.contains(&span.service) => Role::Internal,
            // ... and what has nothing of its own below, but one request to elsewhere, is that request.
            (SpanKind::Internal, None)
                if named_client(span)
                    || (parent.is_some() && children.here == 0 && children.elsewhere == 1) =>
            {
                Role::Client
            }
            (SpanKind::Internal, None) if self.is_top(i) => Role::Server,
            (SpanKind::Internal, None) => Role::Internal,
        }
    }

    /// Whether nothing stands above the span: a root, or in a trace without one its earliest span.
    fn is_top(&self, i: usize) -> bool {
        self.parent[i].is_none() && (self.spans[i].parent.is_none() || (!self.rooted && self.head == Some(i)))
    }

    /// The nearest span above `i` in the same service whose role is not internal, if `wanted`.
    pub fn enclosing(&self, i: usize, wanted: impl Fn(Role) -> bool) -> Option<usize> {
        let mut at = self.parent[i];
        while let Some(p) = at {
            if self.spans[p].service != self.spans[i].service {
                return None;
            }
            if self.role[p] != Role::Internal {
                return wanted(self.role[p]).then_some(p);
            }
            at = self.parent[p];
        }
        None
    }

    /// Who sent the request that `server` serves.
    pub fn caller_of(&self, server: usize) -> Caller {
        let Some(p) = self.parent[server] else { return Caller::None };
        if self.spans[server].follows {
            return Caller::None;
        }
        if self.spans[p].service == self.spans[server].service {
            return Caller::Itself(p);
        }
        // Internal spans between the server span and the client span that caused it collapse.
        let (mut at, mut waits) = (p, true);
        loop {
            match self.role[at] {
                Role::Client if waits => return Caller::Client(at),
                Role::Client | Role::Producer => return Caller::None,
                Role::Server | Role::Consumer => break,
                Role::Internal => waits &= !self.spans[at].follows,
            }
            match self.parent[at] {
                Some(next) if self.spans[next].service == self.spans[p].service => at = next,
                _ => break,
            }
        }
        if waits { Caller::Unobserved(p) } else { Caller::None }
    }

    /// Whether whoever is above does not wait for the span: FOLLOWS_FROM or a message in between.
    pub fn is_off_path(&self, i: usize) -> bool {
        let mut at = Some(i);
        while let Some(p) = at {
            if self.spans[p].service != self.spans[i].service {
                break;
            }
            match self.role[p] {
                Role::Producer => return true,
                // A consumer follows its producer, but what it calls itself, it waits for.
                Role::Server | Role::Consumer => break,
                Role::Internal | Role::Client if self.spans[p].follows => return true,
                Role::Internal | Role::Client => at = self.parent[p],
            }
        }
        false
    }

    /// Whether a server span is the first to serve a request from outside: nothing above it serves
    /// another one. What is above may be an instrumented client or load generator.
    pub fn is_entry(&self, i: usize, cut: bool) -> bool {
        let mut top = i;
        while let Some(p) = self.parent[top] {
            let waits = !self.spans[top].follows && self.role[p] != Role::Producer;
            if !waits || matches!(self.role[p], Role::Server | Role::Consumer) {
                return false;
            }
            top = p;
        }
        // Below a missing parent only the very first span can be what came from outside.
        self.spans[top].parent.is_none() || (top == i && !cut && self.is_top(i))
    }
}

/// Whether a span without a kind is named after the side it is: `read_timeline_client`, as Thrift services
/// instrumented by hand have it (DeathStarBench). Its server's span may be lost, or its parent.
fn named_client(span: &Span) -> bool {
    let name = span.operation.as_str().as_bytes();
    let end = name.len().saturating_sub("client".len());
    name[end..].eq_ignore_ascii_case(b"client")
}

/// Whether two spans with one id are one span exported twice.
fn same(a: &Span, b: &Span) -> bool {
    (a.kind, a.start_ns, a.duration_ns, &a.service) == (b.kind, b.start_ns, b.duration_ns, &b.service)
}

/// Cuts one link of every cycle of parents, so that walking up always ends.
fn cut_cycles(parent: &mut [Option<usize>]) {
    // 0 not seen, otherwise the walk that saw the span.
    let mut seen = vec![0usize; parent.len()];
    for start in 0..parent.len() {
        let walk = start + 1;
        let mut at = start;
        while seen[at] == 0 {
            seen[at] = walk;
            match parent[at] {
                Some(p) if seen[p] == walk => parent[at] = None,
                Some(p) => at = p,
                None => {}
            }
        }
    }
}
