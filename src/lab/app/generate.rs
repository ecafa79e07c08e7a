//! The synthetic applications of Sage (ASPLOS'21, section 5.1): a chain of services that each call
//! the next and wait, and a front end that calls all others at once and waits for all.
//!
//! The topologies are the paper's; demands and sizes are assumptions, since it names none.

use std::collections::BTreeMap;

use super::Kind;
use super::Transport;
use super::file::{AppFile, CallFile, DemandFile, FlowFile, ServiceFile, Settings, Step};

/// Fewest and most services.
pub const LENGTHS: std::ops::RangeInclusive<usize> = 2..=64;
/// CPU of the front end and of every other service, in microseconds.
const CPU_US: (f64, f64) = (200.0, 500.0);
/// With this scale a service of the chain uses about a fifth of a core at the rate below.
const TIME_SCALE: f64 = 8.0;
/// Requests per second.
const RATE: f64 = 50.0;

/// `chain-5` or `fanout-10`: the application of that name, or `None` if it is no such name.
pub fn generate(name: &str) -> Option<AppFile> {
    let (shape, length) = name.rsplit_once('-')?;
    // `chain-05` and `chain-+5` are no names: one application, one name.
    let services = length.parse().ok().filter(|services: &usize| services.to_string() == length)?;
    if !LENGTHS.contains(&services) {
        return None;
    }
    match shape {
        "chain" => Some(chain(name, services)),
        "fanout" => Some(fanout(name, services)),
        _ => None,
    }
}

/// Each service calls the next. Written with fragments, since JSON readers limit how deep objects
/// may lie in one another.
fn chain(name: &str, services: usize) -> AppFile {
    let hop = |i: usize| format!("chain-{i}");
    let next = |i: usize| if i + 1 < services { vec![vec![Step::Fragment(hop(i + 1))]] } else { Vec::new() };
    let fragments = (1..services).map(|i| (hop(i), call(&hop(i), next(i)))).collect();
    let title = format!("Thrift chain of {services} services, each waiting for the next");
    application(name, title, "chain", services, fragments, next(0))
}

fn fanout(name: &str, services: usize) -> AppFile {
    let leaf = |i: usize| Step::Call(Box::new(call(&format!("fanout-{i}"), Vec::new())));
    let title = format!("Thrift fan-out: a front end waits for {} services at once", services - 1);
    let stages = vec![(1..services).map(leaf).collect()];
    application(name, title, "fanout", services, BTreeMap::new(), stages)
}

fn call(service: &str, stages: Vec<Vec<Step>>) -> CallFile {
    CallFile {
        transport: Some(Transport::Thrift),
        client_span: Some(format!("{service}_client")),
        server_spans: vec![format!("{service}_server")],
        stages,
        ..CallFile::new(service, DemandFile { mean_us: CPU_US.1, cv: 1.0 })
    }
}

fn application(
    name: &str,
    title: String,
    prefix: &str,
    services: usize,
    fragments: BTreeMap<String, CallFile>,
    stages: Vec<Vec<Step>>,
) -> AppFile {
    let entry = format!("{prefix}-0");
    let service = |i: usize| {
        let name = format!("{prefix}-{i}");
        ServiceFile {
            traced_as: Some(name.clone()),
            name,
            kind: if i == 0 { Kind::Frontend } else { Kind::Stateless },
            settings: Settings::default(),
            note: None,
        }
    };
    let root = CallFile {
        client_span: None,
        cpu: DemandFile { mean_us: CPU_US.0, cv: 0.7 },
        ..call(&entry, stages)
    };
    AppFile {
        name: name.to_owned(),
        title,
        notes: vec![
            "Topology: Sage (ASPLOS'21), section 5.1. Demands are assumptions: the paper names none."
                .to_owned(),
        ],
        rate: RATE,
        time_scale: TIME_SCALE,
        target_utilisation: 0.4,
        trace_sampling: 1.0,
        objective: None,
        defaults: BTreeMap::new(),
        services: (0..services).map(service).collect(),
        fragments,
        flows: vec![FlowFile { name: prefix.to_owned(), share: 1.0, http: format!("GET /{prefix}"), root }],
    }
}
