//! The load that an application puts on its services, computed rather than simulated, and the CPU
//! limits that follow from it.

use super::error::Problems;
use super::file::Settings;
use super::{Application, Call, Chance, Flow, Repeat, ServiceId, Site, sites};

/// Length of a CFS period in seconds, the kernel's default: a container that has used its quota
/// waits for the next one.
pub const CFS_PERIOD_S: f64 = 0.1;
/// Standard deviations of the demand of a CFS period that a limit leaves room for above the mean.
/// At the mean of the day a period is throttled now and then; at its peak often enough to be seen.
const HEADROOM: f64 = 2.5;
/// Standard deviations above the mean that a single call may need within one period.
const LARGE: f64 = 4.0;
/// Limits are multiples of this many cores, and not below [`LEAST`].
const STEP: f64 = 0.05;
/// The smallest limit in cores: the default of DeathStarBench's Helm charts (100m).
const LEAST: f64 = 0.1;
/// Above this utilisation of what it may use, a service cannot keep up with the day's peaks.
const STABLE: f64 = 0.9;

/// Expected load of a service at the application's mean rate, all replicas together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Utilisation {
    /// Calls per second.
    pub calls: f64,
    /// CPU-seconds per second.
    pub cpu: f64,
    /// Disk-seconds per second.
    pub disk: f64,
    /// `cpu` over what the replicas may use: their limits, or their threads where those are fewer.
    pub of_limit: f64,
    /// Variance of the CPU-seconds demanded per second, over seconds (requests come independently).
    pub variance: f64,
    /// CPU-seconds that a single call may well need: its mean and some deviations, of the largest.
    pub single: f64,
    /// Bytes a second that come in and go out, on either side of a call.
    pub bytes: (f64, f64),
}

/// Calls of one service by another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// The caller.
    pub from: ServiceId,
    /// The callee.
    pub to: ServiceId,
    /// Calls per second.
    pub calls: f64,
}

/// Expected calls between services at the application's mean rate, while nothing is wrong.
pub fn edges(app: &Application) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    for flow in &app.flows {
        let table = sites(flow);
        for (site, times) in table.iter().zip(visits(app, &table)) {
            let caller = site.parent.and_then(|parent| table.get(parent as usize));
            let Some(from) = caller.map(|caller| caller.call.service) else { continue };
            let (to, calls) = (site.call.service, app.rate * flow.share * times);
            match edges.iter_mut().find(|edge| (edge.from, edge.to) == (from, to)) {
                Some(edge) => edge.calls += calls,
                None => edges.push(Edge { from, to, calls }),
            }
        }
    }
    edges
}

/// Expected load of every service, by [`ServiceId`], while nothing is wrong: no time-outs, retries
/// or failures.
pub fn offered(app: &Application) -> Vec<Utilisation> {
    let mut all = vec![Utilisation::default(); app.services.len()];
    for flow in &app.flows {
        add(app, flow, &mut all);
    }
    for (load, service) in all.iter_mut().zip(&app.services) {
        let threads = f64::from(service.threads);
        let usable = service.cpu_limit.map_or(threads, |limit| limit.min(threads));
        load.of_limit = load.cpu / (usable * f64::from(service.replicas));
    }
    all
}

/// What one request demands of a service.
#[derive(Clone, Copy, Default)]
struct Share {
    calls: f64,
    cpu: f64,
    disk: f64,
    /// Sum over calls of the second moment of their CPU demand.
    second: f64,
    /// Sum over calls of the variance of their CPU demand.
    spread: f64,
    /// What the largest call may well need.
    single: f64,
}

fn add(app: &Application, flow: &Flow, all: &mut [Utilisation]) {
    let mut shares = vec![Share::default(); app.services.len()];
    let rate = app.rate * flow.share;
    let table = sites(flow);
    for (site, times) in table.iter().zip(visits(app, &table)) {
        if let Some(share) = shares.get_mut(site.call.service) {
            share.demand(site.call, times);
        }
        let (request, response) = (
            f64::from(site.call.bytes.request) * rate * times,
            f64::from(site.call.bytes.response) * rate * times,
        );
        let mut carry = |service: ServiceId, received: f64, sent: f64| {
            if let Some(load) = all.get_mut(service) {
                load.bytes = (load.bytes.0 + received, load.bytes.1 + sent);
            }
        };
        carry(site.call.service, request, response);
        if let Some(caller) = site.parent.and_then(|parent| table.get(parent as usize)) {
            carry(caller.call.service, response, request);
        }
    }
    for (load, share) in all.iter_mut().zip(shares) {
        load.calls += rate * share.calls;
        load.cpu += rate * share.cpu;
        load.disk += rate * share.disk;
        load.single = load.single.max(share.single);
        // All calls of a request come at once, or each comes alone: whichever is burstier.
        load.variance += rate * share.second.max(share.cpu.powi(2) + share.spread);
    }
}

impl Share {
    fn demand(&mut self, call: &Call, times: f64) {
        let mean = call.cpu.mean_us / 1e6;
        self.calls += times;
        self.cpu += times * mean;
        self.disk += times * call.disk.map_or(0.0, |disk| disk.probability * disk.mean_us / 1e6);
        self.spread += times * (mean * call.cpu.cv).powi(2);
        self.single = self.single.max(mean * (1.0 + LARGE * call.cpu.cv));
        self.second += times * mean.powi(2) * (1.0 + call.cpu.cv.powi(2));
    }
}

/// How often each call of a flow's table is expected in one request.
fn visits(app: &Application, table: &[Site<'_>]) -> Vec<f64> {
    let mut visits: Vec<f64> = Vec::with_capacity(table.len());
    for site in table {
        let above = site.parent.and_then(|parent| visits.get(parent as usize)).copied().unwrap_or(1.0);
        visits.push(above * frequency(app, site.call));
    }
    visits
}

/// How often a call is expected to happen each time its caller works.
fn frequency(app: &Application, call: &Call) -> f64 {
    let times = match call.repeat {
        Repeat::Once => 1.0,
        Repeat::Sequential(from, to) | Repeat::Parallel(from, to) => f64::from(from + to) / 2.0,
    };
    probability(app, &call.chance) * times
}

pub(super) fn probability(app: &Application, chance: &Chance) -> f64 {
    match chance {
        Chance::Always => 1.0,
        Chance::Probability(probability) | Chance::Shared { probability, .. } => *probability,
        Chance::MissOf { cache, keys, .. } => {
            let hit = app.services.get(*cache).map_or(1.0, |cache| cache.hit_ratio);
            1.0 - hit.powf(f64::from(*keys))
        }
        // One of them is the last.
        Chance::LastOf { of, .. } => 1.0 / f64::from(*of),
    }
}

/// Gives every service whose settings name no CPU limit one that its load asks for: `target` of it
/// used at the mean rate, or less where that leaves too little room for what comes in one CFS
/// period. Limits stay within the threads, which nothing can exceed.
pub(super) fn limit(app: &mut Application, settings: &[Settings], target: f64) {
    let loads = offered(app);
    for (id, load) in loads.iter().enumerate() {
        let (Some(service), Some(settings)) = (app.services.get_mut(id), settings.get(id)) else { continue };
        if settings.cpu_limit.is_some() {
            continue;
        }
        let replicas = f64::from(service.replicas);
        let room = (load.variance / replicas / CFS_PERIOD_S).sqrt() * HEADROOM;
        let mean = load.cpu / replicas;
        let need = [mean / target, mean + room, load.single / CFS_PERIOD_S].into_iter().fold(LEAST, f64::max);
        // Rounded first, lest 0.15 cores become 0.2 for a bit in the last place.
        let steps = (need / STEP * 1e6).round() / 1e6;
        let limit = (steps.ceil() * STEP * 1e3).round() / 1e3;
        service.cpu_limit = Some(limit.min(f64::from(service.threads)));
    }
}

/// Notes services that cannot keep up.
pub(super) fn check(app: &Application, problems: &mut Problems) {
    for (id, load) in offered(app).iter().enumerate() {
        problems.unless(
            load.of_limit <= STABLE,
            format_args!("services[{id}]"),
            format_args!(
                "`{}` is asked for {:.2} CPU-seconds a second, {:.0} % of what it may use: \
                 raise its cpu_limit, threads or replicas, or lower rate or time_scale",
                name(app, id),
                load.cpu,
                load.of_limit * 100.0
            ),
        );
        let replicas = app.services.get(id).map_or(1.0, |service| f64::from(service.replicas));
        problems.unless(
            load.disk / replicas <= STABLE,
            format_args!("services[{id}]"),
            format_args!(
                "`{}` keeps a disk busy {:.0} % of the time: lower its disk's probability or time",
                name(app, id),
                load.disk / replicas * 100.0
            ),
        );
    }
}

fn name(app: &Application, id: ServiceId) -> &str {
    app.services.get(id).map_or("", |service| &*service.name)
}
