//! Calls with names and fragments become calls with numbers and nothing left out.

use std::collections::BTreeMap;

use super::error::Problems;
use super::file::{AppFile, CallFile, ChanceFile, RepeatFile, Step};
use super::{Bytes, Call, Chance, Demand, Disk, Kind, Name, Repeat, ServiceId, Transport, defaults};

/// Longest chain of calls.
pub const MAX_DEPTH: usize = 64;
/// Most places where something is called in a flow, fragments written out.
pub const MAX_SITES: usize = 2000;
/// Most calls that one request can make, repetitions counted.
pub const MAX_CALLS: u64 = 10_000;

/// Writes out the flows of a file whose values have been checked.
pub struct Expander<'a> {
    file: &'a AppFile,
    services: BTreeMap<&'a str, (ServiceId, Kind)>,
    problems: &'a mut Problems,
    /// Fragments that are being written out.
    open: Vec<&'a str>,
    /// Sites of the flow so far.
    sites: usize,
    /// Calls that a request of the flow can make.
    calls: u64,
    /// Meeting points of the flow: how many are said to arrive, and how many do.
    groups: BTreeMap<&'a str, (u32, u32)>,
    /// Draws of the flow by name, and what they decide.
    draws: BTreeMap<&'a str, &'a ChanceFile>,
}

/// What a call has above it.
#[derive(Clone, Copy)]
struct Above {
    service: ServiceId,
    transport: Transport,
    depth: usize,
    /// How often it can happen in one request.
    times: u64,
    /// Whether it happens exactly once in every request.
    once: bool,
}

impl<'a> Expander<'a> {
    /// One that notes what it finds in `problems`.
    pub fn new(file: &'a AppFile, problems: &'a mut Problems) -> Self {
        let services = file.services.iter().enumerate();
        let services = services.map(|(id, service)| (service.name.as_str(), (id, service.kind))).collect();
        Self {
            file,
            services,
            problems,
            open: Vec::new(),
            sites: 0,
            calls: 0,
            groups: BTreeMap::new(),
            draws: BTreeMap::new(),
        }
    }

    /// The root call of a flow, or `None` with a problem noted.
    pub fn flow(&mut self, index: usize) -> Option<Call> {
        let file = self.file;
        let path = format!("flows[{index}].root");
        (self.sites, self.calls) = (0, 0);
        self.groups.clear();
        self.draws.clear();
        let root = self.call(&file.flows.get(index)?.root, None, &path);
        for (group, (of, arrive)) in std::mem::take(&mut self.groups) {
            self.problems.unless(
                of == arrive,
                &path,
                format_args!(
                    "`last_of` group `{group}` waits for {of} calls, and {arrive} stand in the flow"
                ),
            );
        }
        root
    }

    fn call(&mut self, call: &'a CallFile, above: Option<Above>, path: &str) -> Option<Call> {
        let &(service, kind) = self.services.get(call.service.as_str())?;
        let transport = match (call.transport, above) {
            (Some(transport), _) => transport,
            (None, None) => Transport::Http,
            (None, Some(above)) => defaults::transport(kind).unwrap_or(above.transport),
        };
        self.own_call(service, transport, above, path)?;
        let most = match call.repeat {
            RepeatFile::Once => 1,
            RepeatFile::Sequential(_, most) | RepeatFile::Parallel(_, most) => u64::from(most),
        };
        let here = Above {
            service,
            // What a local call calls in turn leaves the process again.
            transport: match (transport, above) {
                (Transport::Local, Some(above)) => above.transport,
                _ => transport,
            },
            depth: above.map_or(1, |above| above.depth + 1),
            times: above.map_or(1, |above| above.times).saturating_mul(most),
            once: above.is_none_or(|above| above.once)
                && most == 1
                && matches!(call.chance, ChanceFile::Always | ChanceFile::LastOf { .. }),
        };
        self.bounded(here, path)?;
        if let ChanceFile::LastOf { group, of } = &call.chance {
            self.arrive(group, *of, here.once, path);
        }
        let bytes = call.bytes.unwrap_or_else(|| defaults::bytes(transport));
        let disk = call.disk.or_else(|| defaults::disk(kind)).filter(|disk| disk.probability > 0.0);
        let scale = self.file.time_scale;
        Some(Call {
            service,
            transport,
            client_span: call.client_span.as_deref().map(Name::from),
            server_spans: call.server_spans.iter().map(|span| Name::from(span.as_str())).collect(),
            quirk: call.quirk,
            chance: self.chance(&call.chance, path)?,
            repeat: match call.repeat {
                RepeatFile::Once => Repeat::Once,
                RepeatFile::Sequential(from, to) => Repeat::Sequential(from, to),
                RepeatFile::Parallel(from, to) => Repeat::Parallel(from, to),
            },
            cpu: Demand { mean_us: call.cpu.mean_us * scale, cv: call.cpu.cv },
            disk: disk.map(|disk| Disk {
                probability: at_least_once(disk.probability, scale),
                mean_us: disk.mean_us,
                bytes: disk.bytes,
            }),
            bytes: Bytes { request: bytes.request, response: bytes.response },
            awaited: call.awaited,
            optional: call.optional,
            timeout_ms: call.timeout_ms,
            retries: call.retries,
            stages: self.stages(&call.stages, here, path)?,
        })
    }

    fn stages(&mut self, stages: &'a [Vec<Step>], above: Above, path: &str) -> Option<Vec<Vec<Call>>> {
        let mut all = Vec::with_capacity(stages.len());
        for (i, stage) in stages.iter().enumerate() {
            let mut calls = Vec::with_capacity(stage.len());
            for (j, step) in stage.iter().enumerate() {
                let path = format!("{path}.stages[{i}][{j}]");
                calls.push(match step {
                    Step::Call(call) => self.call(call, Some(above), &path)?,
                    Step::Fragment(name) => self.fragment(name, above, &path)?,
                });
            }
            all.push(calls);
        }
        Some(all)
    }

    fn fragment(&mut self, name: &'a str, above: Above, path: &str) -> Option<Call> {
        let call = self.file.fragments.get(name)?;
        if self.open.contains(&name) {
            let round = [self.open.as_slice(), &[name]].concat().join(" → ");
            self.problems.add(format_args!("fragments.{name}"), format_args!("it contains itself: {round}"));
            return None;
        }
        self.open.push(name);
        // A path through the fragment: what is wrong there depends on who calls it.
        let written = self.call(call, Some(above), &format!("{path}<{name}>"));
        self.open.pop();
        written
    }

    /// A service calls itself within its process, and others over a network.
    fn own_call(
        &mut self,
        service: ServiceId,
        transport: Transport,
        above: Option<Above>,
        path: &str,
    ) -> Option<()> {
        let own = above.is_some_and(|above| above.service == service);
        let name = &self.file.services.get(service)?.name;
        match (own, transport == Transport::Local) {
            (true, false) => {
                self.problems.add(
                    format_args!("{path}.service"),
                    format_args!("`{name}` calls itself: only transport `local` can"),
                );
                None
            }
            (false, true) if above.is_some() => {
                self.problems.add(
                    format_args!("{path}.transport"),
                    format_args!("`local` stays within the caller, and `{name}` is another service"),
                );
                None
            }
            _ => Some(()),
        }
    }

    fn bounded(&mut self, here: Above, path: &str) -> Option<()> {
        self.sites += 1;
        self.calls = self.calls.saturating_add(here.times);
        let too_much = if here.depth > MAX_DEPTH {
            format!("more than {MAX_DEPTH} calls lie above one another")
        } else if self.sites > MAX_SITES {
            format!("the flow has more than {MAX_SITES} calls")
        } else if self.calls > MAX_CALLS {
            format!("one request can make more than {MAX_CALLS} calls")
        } else {
            return Some(());
        };
        self.problems.add(path, too_much);
        None
    }

    fn arrive(&mut self, group: &'a str, of: u32, once: bool, path: &str) {
        let path = format!("{path}.chance.last_of");
        let (said, arrive) = self.groups.entry(group).or_insert((of, 0));
        *arrive += 1;
        let said = *said;
        self.problems.unless(
            said == of,
            format_args!("{path}.of"),
            format_args!("group `{group}` waits for {said} calls elsewhere, and for {of} here"),
        );
        self.problems.unless(
            once,
            &path,
            format_args!("a call of group `{group}` must arrive exactly once in every request"),
        );
    }

    /// Calls cannot agree on a draw that is likelier for one than for another.
    fn draw(&mut self, chance: &'a ChanceFile, path: &str) {
        let (ChanceFile::Shared { draw, .. } | ChanceFile::MissOf { draw: Some(draw), .. }) = chance else {
            return;
        };
        let first = *self.draws.entry(draw).or_insert(chance);
        self.problems.unless(
            first == chance,
            format_args!("{path}.chance"),
            format_args!("draw `{draw}` has another chance elsewhere in the flow"),
        );
    }

    fn chance(&mut self, chance: &'a ChanceFile, path: &str) -> Option<Chance> {
        self.draw(chance, path);
        Some(match chance {
            ChanceFile::Always => Chance::Always,
            ChanceFile::Probability(probability) => Chance::Probability(*probability),
            ChanceFile::Shared { draw, probability } => {
                Chance::Shared { draw: Name::from(draw.as_str()), probability: *probability }
            }
            ChanceFile::MissOf { cache, keys, draw } => Chance::MissOf {
                cache: self.services.get(cache.as_str())?.0,
                keys: *keys,
                draw: Name::from(draw.as_deref().unwrap_or(path)),
            },
            ChanceFile::LastOf { group, of } => Chance::LastOf { group: Name::from(group.as_str()), of: *of },
        })
    }
}

/// Probability of at least one among `times` independent events.
fn at_least_once(probability: f64, times: f64) -> f64 {
    // Exact where there is but one, and for small probabilities.
    if times == 1.0 { probability } else { -((-probability).ln_1p() * times).exp_m1() }
}
