//! The catalogue's entries on machines: what is known of a machine and a container becomes a change, its
//! size, its reasons, and what stands against it.

use super::amount;
use super::container::Seat;
use super::machine::{CpuManager, Machine, Sender, Tenant, Uplink};
use super::resctrl::{Bandwidth, NoBandwidth, Schemata};
use super::write::{Deed, NodeWrite};
use crate::domain::Clean;
use crate::remedy::kind::{ActionKind, Risk};
use crate::remedy::proposal::{Change, Obstacle, Weight};
use crate::remedy::target::NodeTarget;

/// The period of processor quotas, microseconds: the kernel's default, and systemd's.
const PERIOD: u64 = 100_000;

/// A change on a machine, worked out.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeDraft {
    /// Which.
    pub kind: ActionKind,
    /// To what.
    pub target: NodeTarget,
    /// What would be written.
    pub write: NodeWrite,
    /// The same for people.
    pub changes: Vec<Change>,
    /// How much can go wrong.
    pub risk: Risk,
    /// Why this, and why so much.
    pub why: Clean,
    /// What stands against it.
    pub obstacles: Vec<Obstacle>,
}

/// Why an action does not fit, for people.
pub type Unfit = Clean;

fn unfit<T>(why: impl AsRef<str>) -> Result<T, Unfit> {
    Err(Clean::capped(why.as_ref(), 400))
}

fn obstacle(weight: Weight, text: impl AsRef<str>) -> Obstacle {
    Obstacle { weight, text: Clean::capped(text.as_ref(), 500) }
}

fn change(field: &str, before: Option<&str>, after: &str) -> Change {
    Change { field: Clean::new(field), before: before.map(Clean::new), after: Some(Clean::new(after)) }
}

/// What stands against every change on a machine.
fn common(machine: &Machine, needs: &[&str]) -> Vec<Obstacle> {
    let mut all = vec![obstacle(
        Weight::Warning,
        "experimental: tested up to the kernel's files, not on real hardware",
    )];
    let missing: Vec<&str> = ["flock", "systemd-run", "systemctl"]
        .iter()
        .chain(needs)
        .copied()
        .filter(|tool| !machine.tools.contains(*tool))
        .collect();
    if !missing.is_empty() {
        let text = format!(
            "the machine has no {}: the change could not be made safely, or not take itself back",
            missing.join(", no ")
        );
        all.push(obstacle(Weight::Refusal, text));
    }
    if machine.controllers.is_empty() {
        all.push(obstacle(Weight::Refusal, "the machine has no cgroup v2"));
    }
    all.push(obstacle(
        Weight::Note,
        "takes itself back after 15 minutes unless it is kept; gone when the container restarts",
    ));
    all
}

fn made(
    kind: ActionKind,
    tenant: &Tenant,
    deed: Deed,
    change: Change,
    why: String,
    obstacles: Vec<Obstacle>,
) -> NodeDraft {
    NodeDraft {
        kind,
        target: tenant.target.clone(),
        write: NodeWrite { seat: tenant.seat.clone(), deed },
        changes: vec![change],
        risk: if kind == ActionKind::HostBandwidth { Risk::R3 } else { Risk::R2 },
        why: Clean::new(&why),
        obstacles,
    }
}

/// The group of a container: the same for all its lines, because a thread is in one group only.
fn group_of(seat: &Seat) -> String {
    format!("sagetop-{}", seat.container.chars().take(12).collect::<String>())
}

/// What stands against any group of our own in resctrl.
fn sharing(machine: &Machine, tenant: &Tenant, group: &str) -> Vec<Obstacle> {
    let mut all = common(machine, &[]);
    let Ok(resctrl) = &machine.resctrl else { return all };
    let foreign: Vec<&str> = resctrl.foreign().collect();
    if !foreign.is_empty() {
        let text = format!(
            "somebody else shares out this machine's cache (groups {}): change it there",
            foreign.join(", ")
        );
        all.push(obstacle(Weight::Refusal, text));
    }
    if let Some(key) = tenant.managed_by() {
        let text = format!("the pod's annotation {key} gives it its share of the cache: change it there");
        all.push(obstacle(Weight::Refusal, text));
    }
    let full = resctrl.groups_at_most.is_some_and(|most| resctrl.groups.len() + 1 >= most as usize);
    if full && !resctrl.groups.contains_key(group) {
        all.push(obstacle(Weight::Refusal, "the processor has no class of service left for another group"));
    }
    all
}

/// A change of the lines of `resources` in the container's group: the group's lines now, if there is one,
/// and those that `value` makes of them.
fn schemata(
    machine: &Machine,
    tenant: &Tenant,
    resources: &[&str],
    value: impl Fn(u32, &str) -> String,
) -> Option<(String, Option<String>, Schemata, Schemata)> {
    let resctrl = machine.resctrl.as_ref().ok()?;
    let group = group_of(&tenant.seat);
    let present = resctrl.groups.get(&group);
    let now = present.unwrap_or(&resctrl.root).only(resources);
    let after = now.with(resources, value);
    let before = present.map(|_| now.to_string());
    (!now.is_empty() && now != after).then_some((group, before, now, after))
}

/// B1: fewer last-level cache ways for the neighbour.
///
/// # Errors
/// The machine cannot do it, or the neighbour has no more ways than it would keep.
pub fn cache_ways(machine: &Machine, neighbour: &Tenant) -> Result<NodeDraft, Unfit> {
    let resctrl = machine.resctrl.as_ref().map_err(|why| Clean::new(&why.to_string()))?;
    let Some(cache) = &resctrl.cache else {
        return unfit("the machine's cache cannot be shared out (no CAT)");
    };
    let Some(mask) = amount::ways(cache.mask, cache.min_bits, cache.shareable) else {
        return unfit("the machine's cache has too few ways to share out");
    };
    let resources: Vec<&str> = cache.resources.clone();
    let narrower =
        |now: &str| u64::from_str_radix(now, 16).is_ok_and(|now| now.count_ones() <= mask.count_ones());
    let to = |_: u32, now: &str| if narrower(now) { now.to_owned() } else { format!("{mask:x}") };
    let Some((group, before, now, after)) = schemata(machine, neighbour, &resources, to) else {
        return unfit("the neighbour has no more than a quarter of the cache's ways already");
    };
    let mut obstacles = sharing(machine, neighbour, &group);
    if mask & cache.shareable != 0 {
        obstacles.push(obstacle(Weight::Note, "some of those ways are used by devices as well"));
    }
    obstacles.push(obstacle(
        Weight::Note,
        "others may still use the ways that it loses: nothing is reserved for the victim",
    ));
    let (kept, all) = (mask.count_ones(), cache.mask.count_ones());
    let change = change("cache ways", Some(&now.to_string()), &after.to_string());
    let deed = Deed::Schemata { group, before, after: after.to_string() };
    let why =
        format!("it keeps {kept} of {all} ways, a quarter: what it pushes out of the cache, others miss");
    Ok(made(ActionKind::CacheWays, neighbour, deed, change, why, obstacles))
}

/// B2: less memory bandwidth for the neighbour. `measured` is what it uses, bytes per second, where that is
/// known.
///
/// # Errors
/// The machine cannot do it, in what it counts is not clear, or there is no further step.
pub fn memory_bandwidth(
    machine: &Machine,
    neighbour: &Tenant,
    measured: Option<f64>,
) -> Result<NodeDraft, Unfit> {
    let resctrl = machine.resctrl.as_ref().map_err(|why| Clean::new(&why.to_string()))?;
    let unit = match resctrl.bandwidth {
        Ok(unit) => unit,
        Err(NoBandwidth::Absent) => {
            return unfit("the machine's memory bandwidth cannot be shared out (no MBA)");
        }
        Err(NoBandwidth::UnclearUnit) => {
            return unfit(
                "in what the machine counts memory bandwidth is not clear, so that no number is given to it",
            );
        }
    };
    let absolute =
        |unit_bytes: f64| measured.and_then(|bytes| amount::bandwidth_absolute(bytes / unit_bytes));
    let next = |now: u64| match unit {
        Bandwidth::Percent { least, step } => {
            amount::bandwidth_percent(u32::try_from(now).unwrap_or(100), least, step).map(u64::from)
        }
        Bandwidth::Megabytes => absolute(f64::from(1 << 20)).filter(|to| *to < now),
        Bandwidth::Eighths => absolute(1.25e8).filter(|to| *to < now),
    };
    if !matches!(unit, Bandwidth::Percent { .. }) && measured.is_none() {
        return unfit(
            "the machine limits memory bandwidth in absolute numbers, and what the neighbour uses is not measured",
        );
    }
    let to = |_: u32, now: &str| {
        now.parse().ok().and_then(next).map_or_else(|| now.to_owned(), |to| to.to_string())
    };
    let Some((group, before, now, after)) = schemata(machine, neighbour, &["MB"], to) else {
        return unfit("the neighbour's memory bandwidth is as low as it may be already");
    };
    let mut obstacles = sharing(machine, neighbour, &group);
    if machine.throttles_siblings {
        obstacles.push(obstacle(
            Weight::Warning,
            "whatever shares a core with it is slowed down as well (thread_throttle_mode is max)",
        ));
    }
    if matches!(unit, Bandwidth::Percent { .. }) {
        obstacles.push(obstacle(Weight::Note, "a percentage is per core: more threads use more"));
    }
    let change = change("memory bandwidth", Some(&now.to_string()), &after.to_string());
    let deed = Deed::Schemata { group, before, after: after.to_string() };
    let why = "half of the memory bandwidth first, a third if that is not enough".to_owned();
    Ok(made(ActionKind::MemoryBandwidth, neighbour, deed, change, why, obstacles))
}

/// C3: a share of the link out of the machine for the victim.
///
/// # Errors
/// The link's speed is not known, or somebody shapes it already.
pub fn host_bandwidth(
    machine: &Machine,
    victim: &Tenant,
    link: &Uplink,
    sender: Sender,
) -> Result<NodeDraft, Unfit> {
    let before = match &link.queues {
        Ok(kind) => kind.clone(),
        Err(other) => {
            return unfit(format!(
                "{} has queues that somebody put there ({other}): nothing is replaced",
                link.interface
            ));
        }
    };
    let Some(speed) = link.speed else {
        return unfit(format!("the speed of {} is not known", link.interface));
    };
    let Some(shares) = amount::shares(speed, sender.busiest) else {
        return unfit(format!(
            "{} is too slow to be shared out, or the service sends nothing",
            link.interface
        ));
    };
    let mut obstacles = common(machine, &["tc"]);
    obstacles
        .push(obstacle(Weight::Warning, "everything else on the machine gets the rest of the link together"));
    obstacles.push(obstacle(
        Weight::Note,
        "works where pods send with their own address: not behind an overlay network",
    ));
    let mbit = |bits: u64| bits / 1_000_000;
    let after = format!("{} Mbit/s kept of {}", mbit(shares.victim), mbit(shares.link));
    let change = change(&format!("queues of {}", link.interface), Some(&before), &after);
    let why = format!(
        "it sends {:.0} Mbit/s at its busiest; a quarter more is kept for it, {} for ssh, API server and kubelet",
        sender.busiest / 1e6,
        mbit(shares.management)
    );
    let deed = Deed::Link { interface: link.interface.clone(), before, shares, address: sender.address };
    Ok(made(ActionKind::HostBandwidth, victim, deed, change, why, obstacles))
}

/// D1: a processor quota for the neighbour.
///
/// # Errors
/// What it uses is not measured, or half of that is no less.
pub fn cpu_max(machine: &Machine, neighbour: &Tenant) -> Result<NodeDraft, Unfit> {
    let Some(before) = neighbour.cpu_max.clone() else { return unfit("the container has no cpu.max") };
    let Some(rate) = neighbour.rate else {
        return unfit("what the neighbour's processors do is not measured");
    };
    let parsed =
        before.split_once(' ').map(|(quota, period)| (quota.parse::<u64>().ok(), period.parse::<u64>()));
    let Some((quota, Ok(period))) = parsed else { return unfit("its cpu.max is not understood") };
    let now = quota.map(|quota| quota.saturating_mul(100) / period.max(1));
    let Some(percent) = amount::cpu_percent(rate.cores, now) else {
        return unfit(format!("the neighbour uses {:.2} cores, too little to take any from", rate.cores));
    };
    // systemd counts in whole percents of its own period: what it cannot give back is written by hand.
    let whole = period == PERIOD && quota.is_none_or(|quota| quota % (PERIOD / 100) == 0);
    let unit = neighbour.seat.scope().filter(|_| whole).map(str::to_owned);
    let mut obstacles = common(machine, &[]);
    match machine.cpu_manager {
        CpuManager::Kernel => {}
        CpuManager::Kubelet => obstacles.push(obstacle(
            Weight::Refusal,
            "the kubelet hands out processors itself (static CPU manager): change the pod's resources instead",
        )),
        CpuManager::Unclear => {
            obstacles.push(obstacle(Weight::Refusal, "the state of the kubelet's CPU manager is not understood"));
        }
    }
    obstacles.push(obstacle(
        Weight::Note,
        "the kubelet or systemd may put it back; resizing the pod is kept by them",
    ));
    let after = format!("{} {PERIOD}", percent * PERIOD / 100);
    let change = change("cpu.max", Some(&before), &after);
    let why = format!("it uses {:.2} cores; half of that stays for it", rate.cores);
    Ok(made(ActionKind::CpuMax, neighbour, Deed::Cpu { before, after, unit }, change, why, obstacles))
}

/// D2: a limit on the neighbour's disk traffic.
///
/// # Errors
/// What it reads and writes is not measured or too little, or which disk is not clear.
pub fn io_max(machine: &Machine, neighbour: &Tenant) -> Result<NodeDraft, Unfit> {
    let Some(limits) = &neighbour.io_max else { return unfit("the container's io controller is off") };
    let Some(rate) = neighbour.rate else { return unfit("the neighbour's disk traffic is not measured") };
    let Some(disk) = neighbour.disk(machine) else {
        return unfit("which disk the neighbour uses is not clear");
    };
    let before = limits.get(disk).cloned();
    let now = |key: &str| {
        let words = before.iter().flat_map(|line| line.split_whitespace());
        let found = words.filter_map(|word| word.strip_prefix(key)?.strip_prefix('=')).next();
        found.unwrap_or("max").to_owned()
    };
    let lower = |key: &str, measured: f64| {
        let limit = now(key);
        match amount::disk(measured) {
            Some(half) if limit.parse::<u64>().is_ok_and(|now| now <= half) => limit,
            Some(half) => half.to_string(),
            None => limit,
        }
    };
    let (rbps, wbps) = (lower("rbps", rate.read), lower("wbps", rate.written));
    let after = format!("{disk} rbps={rbps} wbps={wbps} riops={} wiops={}", now("riops"), now("wiops"));
    let same = match &before {
        Some(before) => *before == after,
        None => rbps == "max" && wbps == "max",
    };
    if same {
        return unfit("the neighbour's disk traffic is too little to take any from, or limited already");
    }
    let mut obstacles = common(machine, &[]);
    if wbps != now("wbps") {
        obstacles.push(obstacle(Weight::Note, "buffered writes count on ext4, xfs and btrfs only"));
    }
    let change = change("io.max", before.as_deref(), &after);
    let why = format!(
        "it reads {:.0} and writes {:.0} MB/s; half of that stays for it, 10 MB/s at least",
        rate.read / 1e6,
        rate.written / 1e6
    );
    Ok(made(ActionKind::IoMax, neighbour, Deed::Disk { before, after }, change, why, obstacles))
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
