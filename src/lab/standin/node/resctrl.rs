//! `/sys/fs/resctrl`: cache ways and memory bandwidth by groups of threads, with the kernel's words
//! in `info/last_cmd_status` (Documentation/filesystems/resctrl.rst, Linux 6.8; one cache domain).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Machine;
use super::files::Errno;

const ROOT: &str = "/sys/fs/resctrl";
/// Classes of service: groups, the root included.
const CLOSIDS: usize = 8;
/// Least share of the memory bandwidth and its steps, in percent.
const BANDWIDTH: (u32, u32) = (10, 10);
const FILES: [&str; 7] = ["cpus", "cpus_list", "mode", "schemata", "size", "tasks", "mon_data"];
const MONITORS: [&str; 3] = ["llc_occupancy", "mbm_local_bytes", "mbm_total_bytes"];
const INFO_L3: [&str; 6] =
    ["bit_usage", "cbm_mask", "min_cbm_bits", "num_closids", "shareable_bits", "sparse_masks"];
const INFO_MB: [&str; 5] =
    ["bandwidth_gran", "delay_linear", "min_bandwidth", "num_closids", "thread_throttle_mode"];

/// A group: its ways, its share of the memory bandwidth in percent, its threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Ways it may fill, one bit each.
    pub mask: u32,
    /// Percent.
    pub bandwidth: u32,
    /// Threads; the root's are all that no other group has.
    pub tasks: BTreeSet<u32>,
    cpus: String,
}

/// State of the file system.
#[derive(Clone, Debug)]
pub struct Resctrl {
    ways: u32,
    groups: BTreeMap<String, Group>,
    status: String,
}

/// The path within the file system, without a slash in front; `None` outside of it.
pub fn inside(path: &str) -> Option<&str> {
    let inner = path.strip_prefix(ROOT)?;
    if inner.is_empty() { Some("") } else { inner.strip_prefix('/') }
}

impl Resctrl {
    /// A cache with so many ways, all of them everybody's.
    pub fn new(ways: u32) -> Self {
        let mut new = Self { ways, groups: BTreeMap::new(), status: "ok".to_owned() };
        new.groups.insert(String::new(), new.fresh());
        new
    }

    fn fresh(&self) -> Group {
        Group { mask: self.full(), bandwidth: 100, tasks: BTreeSet::new(), cpus: "0".to_owned() }
    }

    /// All ways.
    pub fn full(&self) -> u32 {
        u32::MAX >> (32 - self.ways)
    }

    /// The group a thread is in.
    pub fn of(&self, thread: u32) -> Option<&Group> {
        self.groups.values().find(|group| group.tasks.contains(&thread)).or_else(|| self.groups.get(""))
    }

    /// Threads that have ended.
    pub fn forget(&mut self, threads: Range<u32>) {
        for group in self.groups.values_mut() {
            group.tasks.retain(|thread| !threads.contains(thread));
        }
    }

    /// `mkdir`.
    pub fn make(&mut self, name: &str) -> Result<(), Errno> {
        if name.contains('/') || name == "info" {
            return Err(Errno::NotPermitted);
        }
        if self.groups.len() >= CLOSIDS {
            self.status = "Out of CLOSIDs".to_owned();
            return Err(Errno::NoSpace);
        }
        self.groups.insert(name.to_owned(), self.fresh());
        self.status = "ok".to_owned();
        Ok(())
    }

    /// `rmdir`: the threads are the root's again.
    pub fn remove(&mut self, name: &str) -> Result<(), Errno> {
        if name.is_empty() {
            return Err(Errno::NotPermitted);
        }
        self.groups.remove(name).map(drop).ok_or(Errno::NoEntry)
    }

    /// One write to a `schemata`: checked whole before any of it holds.
    fn set(&mut self, name: &str, text: &str) -> Result<(), Errno> {
        let Some(lines) = text.strip_suffix('\n') else { return Err(Errno::Invalid) };
        let Some(mut group) = self.groups.get(name).cloned() else { return Err(Errno::NoEntry) };
        for line in lines.lines() {
            if let Err(status) = self.set_line(&mut group, line.trim()) {
                self.status = status;
                return Err(Errno::Invalid);
            }
        }
        self.status = "ok".to_owned();
        self.groups.insert(name.to_owned(), group);
        Ok(())
    }

    fn set_line(&self, group: &mut Group, line: &str) -> Result<(), String> {
        let (resource, domains) = line.split_once(':').ok_or("Missing ':'")?;
        let resource = resource.trim();
        if !["L3", "MB"].contains(&resource) {
            return Err(format!("Unknown or unsupported resource name '{resource}'"));
        }
        let mut seen = BTreeSet::new();
        for domain in domains.split(';') {
            let (id, value) = domain.split_once('=').ok_or("Missing '=' or non-numeric domain")?;
            let id: u32 = id.trim().parse().map_err(|_| "Missing '=' or non-numeric domain")?;
            if !seen.insert(id) {
                return Err(format!("Duplicate domain {id}"));
            }
            if id != 0 {
                return Err(format!("Unknown domain {id}"));
            }
            match resource {
                "L3" => group.mask = self.mask(value.trim())?,
                _ => group.bandwidth = share(value.trim())?,
            }
        }
        Ok(())
    }

    fn mask(&self, text: &str) -> Result<u32, String> {
        let digits = text.trim_start_matches("0x");
        let mask =
            u64::from_str_radix(digits, 16).map_err(|_| format!("Non-hex character in the mask {text}"))?;
        let mask = u32::try_from(mask).ok().filter(|mask| *mask != 0 && mask & !self.full() == 0);
        let mask = mask.ok_or("Mask out of range")?;
        let run = mask >> mask.trailing_zeros();
        if run & (run + 1) != 0 {
            return Err(format!("The mask {mask:x} has non-consecutive 1-bits"));
        }
        Ok(mask)
    }
}

fn share(text: &str) -> Result<u32, String> {
    let (least, step) = BANDWIDTH;
    let percent: u32 = text.parse().map_err(|_| format!("Invalid MB value {text}"))?;
    if !(least..=100).contains(&percent) {
        return Err(format!("MB value {percent} out of range [{least},100]"));
    }
    Ok(percent.div_ceil(step) * step)
}

/// Names in a folder; `None` when there is no such folder.
pub fn list(machine: &Machine, path: &str) -> Option<Vec<String>> {
    let own = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    match path {
        "info" => own(&["L3", "L3_MON", "MB", "last_cmd_status"]),
        "info/L3" => own(&INFO_L3),
        "info/MB" => own(&INFO_MB),
        "info/L3_MON" => own(&["max_threshold_occupancy", "mon_features", "num_rmids"]),
        _ => {
            let (group, file) = split(machine, path)?;
            match file {
                "" if group.is_empty() => {
                    let groups = machine.resctrl.groups.keys().filter(|name| !name.is_empty()).cloned();
                    Some(
                        FILES
                            .iter()
                            .map(|name| (*name).to_owned())
                            .chain(["info".to_owned()])
                            .chain(groups)
                            .collect(),
                    )
                }
                "" => own(&FILES),
                "mon_data" => own(&["mon_L3_00"]),
                "mon_data/mon_L3_00" => own(&MONITORS),
                _ => None,
            }
        }
    }
}

/// Group and file of a path.
fn split<'a>(machine: &Machine, path: &'a str) -> Option<(&'a str, &'a str)> {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    match machine.resctrl.groups.contains_key(first) {
        true if !first.is_empty() => Some((first, rest)),
        _ if path.is_empty() || FILES.contains(&first) => Some(("", path)),
        _ => None,
    }
}

/// Reads a file.
pub fn read(machine: &Machine, path: &str) -> Result<String, Errno> {
    if list(machine, path).is_some() {
        return Err(Errno::Folder);
    }
    let state = &machine.resctrl;
    let full = state.full();
    let info = match path {
        "info/last_cmd_status" => Some(state.status.clone()),
        "info/L3/cbm_mask" => Some(format!("{full:x}")),
        "info/L3/min_cbm_bits" => Some("1".to_owned()),
        "info/L3/num_closids" | "info/MB/num_closids" => Some(CLOSIDS.to_string()),
        "info/L3/shareable_bits" | "info/L3/sparse_masks" => Some("0".to_owned()),
        "info/L3/bit_usage" => Some(format!("0={}", "S".repeat(state.ways as usize))),
        "info/MB/bandwidth_gran" => Some(BANDWIDTH.1.to_string()),
        "info/MB/min_bandwidth" => Some(BANDWIDTH.0.to_string()),
        "info/MB/delay_linear" => Some("1".to_owned()),
        "info/MB/thread_throttle_mode" => Some("max".to_owned()),
        "info/L3_MON/num_rmids" => Some("176".to_owned()),
        "info/L3_MON/mon_features" => Some("llc_occupancy\nmbm_total_bytes\nmbm_local_bytes".to_owned()),
        "info/L3_MON/max_threshold_occupancy" => Some("65536".to_owned()),
        _ => None,
    };
    if let Some(text) = info {
        return Ok(text + "\n");
    }
    let (name, file) = split(machine, path).ok_or(Errno::NoEntry)?;
    let group = state.groups.get(name).ok_or(Errno::NoEntry)?;
    let (cache, _) = machine.node.llc;
    let bytes = cache / u64::from(state.ways) * u64::from(group.mask.count_ones());
    Ok(match file {
        "schemata" => format!("    MB:0={}\n    L3:0={:x}\n", group.bandwidth, group.mask),
        "size" => format!("    MB:0={}\n    L3:0={bytes}\n", group.bandwidth),
        "mode" => "shareable\n".to_owned(),
        "cpus" if name.is_empty() => format!("{:x}\n", (1u64 << machine.node.cores.min(63)) - 1),
        "cpus_list" if name.is_empty() => format!("0-{}\n", machine.node.cores.saturating_sub(1)),
        "cpus" => format!("{}\n", group.cpus),
        "cpus_list" => "\n".to_owned(),
        "tasks" => {
            let threads = machine.containers.iter().flat_map(super::Container::threads);
            let mine = threads.filter(|thread| state.of(*thread) == Some(group));
            let tasks: Vec<u32> =
                if name.is_empty() { mine.collect() } else { group.tasks.iter().copied().collect() };
            tasks.iter().map(|thread| format!("{thread}\n")).collect()
        }
        // Threads that run all the time fill the ways they have.
        "mon_data/mon_L3_00/llc_occupancy" if name.is_empty() || !group.tasks.is_empty() => {
            format!("{bytes}\n")
        }
        "mon_data/mon_L3_00/llc_occupancy"
        | "mon_data/mon_L3_00/mbm_local_bytes"
        | "mon_data/mon_L3_00/mbm_total_bytes" => "0\n".to_owned(),
        _ => return Err(Errno::NoEntry),
    })
}

/// Writes a file.
pub fn write(machine: &mut Machine, path: &str, text: &str) -> Result<(), Errno> {
    let (name, file) = split(machine, path).ok_or(Errno::NoEntry)?;
    match file {
        "schemata" => machine.resctrl.set(name, text),
        "tasks" => {
            let thread: u32 = text.trim().parse().map_err(|_| Errno::Invalid)?;
            if !machine.containers.iter().any(|container| container.threads().contains(&thread)) {
                machine.resctrl.status = format!("No task {thread}");
                return Err(Errno::NoProcess);
            }
            machine.resctrl.forget(thread..thread + 1);
            if let Some(group) = machine.resctrl.groups.get_mut(name).filter(|_| !name.is_empty()) {
                group.tasks.insert(thread);
            }
            machine.resctrl.status = "ok".to_owned();
            Ok(())
        }
        "cpus" => {
            let mask = text.trim();
            if !mask.chars().all(|c| c.is_ascii_hexdigit() || c == ',') {
                return Err(Errno::Invalid);
            }
            if let Some(group) = machine.resctrl.groups.get_mut(name) {
                mask.clone_into(&mut group.cpus);
            }
            Ok(())
        }
        _ => Err(Errno::Denied),
    }
}
