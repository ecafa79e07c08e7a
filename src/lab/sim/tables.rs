//! The application compiled for the event loop: flat tables instead of trees.

use std::collections::BTreeMap;
use std::ops::Range;

use super::error::SimError;
use super::random::LogNormal;
use super::{MICROSECOND, MILLISECOND, Nanos};
use crate::lab::app::{Application, Call, Chance, Flow, Name, Repeat, ServiceId, Transport};

/// A call of a flow.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// Number within the flow.
    pub number: u32,
    pub service: u32,
    /// Which of the caller's connection pools it takes from.
    pub pool: u32,
    pub local: bool,
    pub chance: SiteChance,
    pub repeat: Repeat,
    /// CPU demand in nanoseconds.
    pub cpu: LogNormal,
    pub disk: Option<SiteDisk>,
    /// Bytes of request and response.
    pub bytes: (f64, f64),
    pub awaited: bool,
    pub optional: bool,
    pub timeout: Option<Nanos>,
    pub retries: u16,
    /// Indices into [`Tables::stages`].
    pub stages: Range<u32>,
}

/// [`Chance`] with names resolved to numbers within the flow.
#[derive(Clone, Copy, Debug)]
pub(super) enum SiteChance {
    Always,
    Probability(f64),
    Shared { draw: u32, probability: f64 },
    MissOf { cache: u32, keys: u32, draw: u32 },
    LastOf { group: u32, of: u32 },
}

/// A disk access.
#[derive(Clone, Copy, Debug)]
pub(super) struct SiteDisk {
    pub probability: f64,
    /// Mean of the disk's own time in nanoseconds.
    pub mean: f64,
    pub bytes: f64,
}

/// A flow.
#[derive(Clone, Debug)]
pub(super) struct FlowTable {
    pub root: u32,
    pub draws: usize,
    pub groups: usize,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    pub sites: Vec<Site>,
    /// Each stage is a range of [`Self::children`].
    pub stages: Vec<Range<u32>>,
    /// Sites.
    pub children: Vec<u32>,
    pub flows: Vec<FlowTable>,
    /// Services that a service calls, which number its connection pools.
    pub targets: Vec<Vec<u32>>,
}

/// Numbers for names, in order of appearance.
#[derive(Default)]
struct Numbers<'a>(BTreeMap<&'a Name, u32>);

impl<'a> Numbers<'a> {
    fn of(&mut self, name: &'a Name) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(name).or_insert(next)
    }
}

/// Compiles one flow.
struct Compiler<'a> {
    app: &'a Application,
    flow: &'a Flow,
    tables: &'a mut Tables,
    first: u32,
    draws: Numbers<'a>,
    groups: Numbers<'a>,
}

impl Tables {
    pub(super) fn new(app: &Application) -> Result<Self, SimError> {
        let mut tables = Self { targets: vec![Vec::new(); app.services.len()], ..Self::default() };
        for flow in &app.flows {
            let first = tables.sites.len() as u32;
            let mut compiler = Compiler {
                app,
                flow,
                tables: &mut tables,
                first,
                draws: Numbers::default(),
                groups: Numbers::default(),
            };
            let root = compiler.call(&flow.root, None)?;
            let (draws, groups) = (compiler.draws.0.len(), compiler.groups.0.len());
            tables.flows.push(FlowTable { root, draws, groups });
        }
        Ok(tables)
    }
}

impl<'a> Compiler<'a> {
    fn call(&mut self, call: &'a Call, caller: Option<ServiceId>) -> Result<u32, SimError> {
        let services = &self.app.services;
        let flow = || self.flow.name.to_string();
        if call.service >= services.len() {
            return Err(SimError::NoSuchCallee {
                flow: flow(),
                service: call.service,
                services: services.len(),
            });
        }
        let local = call.transport == Transport::Local;
        if let Some(from) = caller.filter(|from| local && *from != call.service) {
            let name = |service: ServiceId| services[service].name.to_string();
            return Err(SimError::LocalCallLeaves { flow: flow(), from: name(from), to: name(call.service) });
        }
        check(call.cpu.mean_us, || format!("the CPU demand of a call in flow `{}`", self.flow.name))?;
        check(call.cpu.cv, || format!("the CPU variation of a call in flow `{}`", self.flow.name))?;

        let index = self.tables.sites.len() as u32;
        let site = Site {
            number: index - self.first,
            service: call.service as u32,
            pool: caller.map_or(0, |caller| self.pool(caller, call.service)),
            local: local && caller.is_some(),
            chance: self.chance(&call.chance)?,
            repeat: call.repeat,
            cpu: LogNormal::new(call.cpu.mean_us * MICROSECOND as f64, call.cpu.cv),
            disk: call.disk.map(|disk| SiteDisk {
                probability: disk.probability,
                mean: disk.mean_us * MICROSECOND as f64,
                bytes: f64::from(disk.bytes),
            }),
            bytes: (f64::from(call.bytes.request), f64::from(call.bytes.response)),
            awaited: call.awaited,
            optional: call.optional,
            timeout: call.timeout_ms.map(|ms| (ms * MILLISECOND as f64) as Nanos),
            // The load generator does not try again.
            retries: if caller.is_some() { call.retries.min(100) as u16 } else { 0 },
            stages: 0..0,
        };
        self.tables.sites.push(site);
        let mut stages = Vec::new();
        for stage in &call.stages {
            let children: Vec<u32> =
                stage.iter().map(|child| self.call(child, Some(call.service))).collect::<Result<_, _>>()?;
            let from = self.tables.children.len() as u32;
            self.tables.children.extend(children);
            stages.push(from..self.tables.children.len() as u32);
        }
        let from = self.tables.stages.len() as u32;
        self.tables.stages.extend(stages);
        self.tables.sites[index as usize].stages = from..self.tables.stages.len() as u32;
        Ok(index)
    }

    fn pool(&mut self, caller: ServiceId, callee: ServiceId) -> u32 {
        let targets = &mut self.tables.targets[caller];
        let found = targets.iter().position(|target| *target == callee as u32);
        found.unwrap_or_else(|| {
            targets.push(callee as u32);
            targets.len() - 1
        }) as u32
    }

    fn chance(&mut self, chance: &'a Chance) -> Result<SiteChance, SimError> {
        Ok(match chance {
            Chance::Always => SiteChance::Always,
            Chance::Probability(probability) => {
                check(*probability, || format!("a probability in flow `{}`", self.flow.name))?;
                SiteChance::Probability(*probability)
            }
            Chance::Shared { draw, probability } => {
                SiteChance::Shared { draw: self.draws.of(draw), probability: *probability }
            }
            Chance::MissOf { cache, keys, draw } => {
                if *cache >= self.app.services.len() {
                    return Err(SimError::NoSuchCallee {
                        flow: self.flow.name.to_string(),
                        service: *cache,
                        services: self.app.services.len(),
                    });
                }
                SiteChance::MissOf { cache: *cache as u32, keys: *keys, draw: self.draws.of(draw) }
            }
            Chance::LastOf { group, of } => SiteChance::LastOf { group: self.groups.of(group), of: *of },
        })
    }
}

fn check(value: f64, what: impl FnOnce() -> String) -> Result<(), SimError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(SimError::Number { what: what(), value, must: "a number that is not negative" })
}
