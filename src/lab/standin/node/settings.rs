//! What a machine's files and queues amount to, as the simulation takes it.

use super::{Container, Machine, cgroup};
use crate::lab::sim::Change;

/// Every setting of the machine, whether it is the usual one or not: what differs between two
/// moments is what has changed.
pub fn of(machine: &Machine) -> Vec<Change> {
    let mut settings = Vec::new();
    let node = machine.index;
    let default = machine.traffic.default_rate("eth0");
    settings.push(Change::NetworkOfOthers(node, default));
    for container in &machine.containers {
        let cgroup = Cgroup { machine, container };
        let group = machine.resctrl.of(container.pid);
        let ways =
            group.map(|group| group.mask).filter(|mask| *mask != machine.resctrl.full()).map(u32::count_ones);
        match container.replica {
            None => {
                let share = group.map_or(1.0, |group| f64::from(group.bandwidth) / 100.0);
                settings.push(Change::CacheWaysOfOthers(node, ways));
                settings.push(Change::MemoryBandwidthOfOthers(node, share));
                settings.push(Change::CpuOfOthers(node, cgroup.cpu()));
                settings.push(Change::DiskOfOthers(node, cgroup.disk()));
            }
            Some((service, replica)) => {
                settings.push(Change::CacheWays(service, ways));
                settings.push(Change::ReplicaCpuLimit(service, replica, cgroup.cpu()));
                settings.push(Change::ReplicaMemoryLimit(service, replica, cgroup.memory()));
                // What leaves the machine towards the pod is what the pod receives.
                let to = machine.traffic.default_rate(&container.interface.0);
                settings.push(Change::Bandwidth(service, None, to));
            }
        }
    }
    settings
}

struct Cgroup<'a> {
    machine: &'a Machine,
    container: &'a Container,
}

impl Cgroup<'_> {
    fn text(&self, file: &str) -> &str {
        self.machine.files.text(&format!("{}/{file}", cgroup::folder(self.container))).unwrap_or_default()
    }

    fn cpu(&self) -> Option<f64> {
        cgroup::cpu_limit(self.text("cpu.max"))
    }

    fn memory(&self) -> u64 {
        self.text("memory.max").trim().parse().unwrap_or(self.machine.node.memory)
    }

    /// Reads and writes share a disk: the tighter limit counts.
    fn disk(&self) -> Option<f64> {
        let text = self.text("io.max");
        let limits = ["rbps", "wbps"].into_iter().filter_map(|key| cgroup::io_limit(text, key));
        limits.min().map(|bytes| bytes as f64)
    }
}
