//! What a tracer would have recorded, in the legacy JSON of Jaeger.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::app::{EDGES, SHAPE, State};

/// Traces a minute at 60 requests a second.
const SAMPLED: f64 = 40.0;

struct Span {
    id: u64,
    parent: Option<u64>,
    service: &'static str,
    operation: String,
    kind: &'static str,
    start_us: i64,
    duration_us: i64,
}

/// Ids and moments of the requests that were sampled in a minute.
fn sampled(minute: i64) -> Vec<(u64, i64)> {
    let n = (SAMPLED * State::at(minute).of("web").rate / 60.0) as i64;
    (0..n).map(|i| ((minute * 1000 + i).unsigned_abs(), minute * 1_000_000 + i * 60_000_000 / n)).collect()
}

/// The answer to a search for web's traces: from `from` to `to`, microseconds, both inclusive, of which
/// the newest `limit`, the newest first.
pub fn search(from: i64, to: i64, limit: usize) -> Value {
    let minute = |us: i64| us.div_euclid(60_000_000) * 60;
    let mut found = Vec::new();
    let mut at = minute(from);
    while at <= minute(to) {
        found.extend(sampled(at).into_iter().filter(|(_, start)| (from..=to).contains(start)));
        at += 60;
    }
    let traces: Vec<Value> = found.iter().rev().take(limit).map(|(id, start)| trace(*id, *start)).collect();
    json!({ "data": traces, "total": 0, "limit": 0, "offset": 0, "errors": null })
}

fn trace(id: u64, start_us: i64) -> Value {
    let mut request = Request {
        state: State::at(start_us.div_euclid(1_000_000)),
        random: StdRng::seed_from_u64(id),
        spans: Vec::new(),
    };
    request.serve("web", None, start_us);
    let name = format!("{id:032x}");
    let spans: Vec<Value> = request.spans.iter().map(|span| span.json(&name)).collect();
    let processes: serde_json::Map<String, Value> = request
        .spans
        .iter()
        .map(|span| (span.service.to_owned(), json!({ "serviceName": span.service, "tags": [] })))
        .collect();
    json!({ "traceID": name, "spans": spans, "processes": processes, "warnings": null })
}

impl Span {
    fn json(&self, trace: &str) -> Value {
        let id = |id: u64| format!("{id:016x}");
        let parent = |parent| json!({ "refType": "CHILD_OF", "traceID": trace, "spanID": id(parent) });
        json!({
            "traceID": trace,
            "spanID": id(self.id),
            "operationName": self.operation,
            "references": self.parent.map(parent).into_iter().collect::<Vec<_>>(),
            "startTime": self.start_us,
            "duration": self.duration_us,
            "tags": [{ "key": "span.kind", "type": "string", "value": self.kind }],
            "logs": [],
            "processID": self.service,
            "warnings": null,
        })
    }
}

struct Request {
    state: State,
    random: StdRng,
    spans: Vec<Span>,
}

impl Request {
    /// Somewhere around a median, microseconds; log-logistic as the histograms are.
    fn around(&mut self, median_ms: f64) -> i64 {
        let share: f64 = self.random.random_range(0.001..0.999);
        (1000.0 * median_ms * (share / (1.0 - share)).powf(1.0 / SHAPE)) as i64
    }

    /// Adds the spans of one service and all that it calls; gives the end.
    fn serve(&mut self, service: &'static str, parent: Option<u64>, start_us: i64) -> i64 {
        let own = self.around(self.state.of(service).own_ms);
        let place = self.add(service, format!("{service} request"), "server", parent, start_us);
        let id = self.spans[place].id;
        let mut now = start_us + own / 2;
        for (e, (caller, callee, share)) in EDGES.iter().enumerate() {
            if *caller != service || self.random.random::<f64>() >= *share {
                continue;
            }
            let underway = self.around(self.state.underway_ms[e]);
            let call = self.add(service, format!("call {callee}"), "client", Some(id), now);
            now = self.serve(callee, Some(self.spans[call].id), now + underway / 2) + underway - underway / 2;
            self.end(call, now);
        }
        let end = now + own - own / 2;
        self.end(place, end);
        end
    }

    fn add(
        &mut self,
        service: &'static str,
        operation: String,
        kind: &'static str,
        parent: Option<u64>,
        start_us: i64,
    ) -> usize {
        let id = self.random.random();
        self.spans.push(Span { id, parent, service, operation, kind, start_us, duration_us: 0 });
        self.spans.len() - 1
    }

    fn end(&mut self, span: usize, end_us: i64) {
        self.spans[span].duration_us = end_us - self.spans[span].start_us;
    }
}
