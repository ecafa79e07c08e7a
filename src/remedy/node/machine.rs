//! What is known of a machine, of a container on it, and of the link that leads out of it, before
//! anything is proposed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::Deserialize;

use super::container::{Rate, Seat};
use super::report::Report;
use super::resctrl::{NoResctrl, Resctrl};
use super::traffic;
use crate::remedy::target::NodeTarget;

/// Who hands out processors on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuManager {
    /// The kernel: quotas mean what they say.
    Kernel,
    /// The kubelet gives whole processors away (`static`).
    Kubelet,
    /// Its state is not understood.
    Unclear,
}

/// A machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Programs it has, of those that changes need.
    pub tools: BTreeSet<String>,
    /// Controllers of its cgroup v2; none where it has cgroup v1.
    pub controllers: BTreeSet<String>,
    /// Who hands out processors.
    pub cpu_manager: CpuManager,
    /// Its cache and memory bandwidth.
    pub resctrl: Result<Resctrl, NoResctrl>,
    /// Whether threads that share a core are slowed down together.
    pub throttles_siblings: bool,
    /// The interface that leads out of it.
    pub way_out: Option<String>,
    /// Its whole disks, as `MAJ:MIN`.
    pub disks: Vec<String>,
}

#[derive(Deserialize)]
struct CpuManagerState {
    #[serde(rename = "policyName")]
    policy: String,
}

impl Machine {
    /// From a report on `probe machine`.
    pub fn of(report: &Report) -> Self {
        let words = |name: &str| report.lines(name).iter().flat_map(|line| line.split_whitespace());
        let owned = |words: &mut dyn Iterator<Item = &str>| words.map(str::to_owned).collect();
        let disks = report.lines("disks").iter().filter_map(|line| {
            let mut words = line.split_whitespace();
            let number = words.next()?.trim_start_matches(|c: char| !c.is_ascii_digit());
            let disk = words.next() == Some("disk") && is_device(number);
            disk.then(|| number.to_owned())
        });
        Self {
            tools: owned(&mut words("tools")),
            controllers: owned(&mut words("controllers")),
            cpu_manager: match report.text("cpu-manager") {
                None => CpuManager::Kernel,
                Some(text) => match serde_json::from_str::<CpuManagerState>(&text) {
                    Ok(state) if state.policy == "none" => CpuManager::Kernel,
                    Ok(state) if state.policy == "static" => CpuManager::Kubelet,
                    _ => CpuManager::Unclear,
                },
            },
            resctrl: Resctrl::read(report),
            throttles_siblings: report.word("info/MB/thread_throttle_mode") == Some("max"),
            way_out: traffic::way_out(report.lines("routes")).map(str::to_owned),
            disks: disks.collect(),
        }
    }
}

/// Whether it is a device's number, `MAJ:MIN`.
fn is_device(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once(':').is_some_and(|(major, minor)| digits(major) && digits(minor))
}

/// A container on a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    /// What an action on it is done to.
    pub target: NodeTarget,
    /// Where its processes are.
    pub seat: Seat,
    /// Annotations of its pod.
    pub annotations: BTreeMap<String, String>,
    /// `cpu.max` now.
    pub cpu_max: Option<String>,
    /// Lines of `io.max` now, by disk; `None` if its io controller is off.
    pub io_max: Option<BTreeMap<String, String>>,
    /// Bytes read and written so far, by disk.
    pub io_so_far: BTreeMap<String, u64>,
    /// What it uses, where that was measured.
    pub rate: Option<Rate>,
}

impl Tenant {
    /// From a report on `probe process`.
    pub fn of(
        target: NodeTarget,
        seat: Seat,
        annotations: BTreeMap<String, String>,
        report: &Report,
    ) -> Self {
        let by_disk = |name: &str| {
            let lines = report.lines(name).iter().filter_map(|line| {
                let (disk, _) = line.split_once(' ')?;
                is_device(disk).then(|| (disk.to_owned(), line.trim().to_owned()))
            });
            lines.collect::<BTreeMap<_, _>>()
        };
        let bytes = |line: &str| {
            let of = |word: &str| {
                let value = word.strip_prefix("rbytes=").or(word.strip_prefix("wbytes="))?;
                value.parse::<u64>().ok()
            };
            line.split_whitespace().filter_map(of).fold(0, u64::saturating_add)
        };
        Self {
            target,
            seat,
            annotations,
            cpu_max: report.word("cpu.max").map(str::to_owned),
            io_max: report.has("io.max").then(|| by_disk("io.max")),
            io_so_far: by_disk("io.stat").iter().map(|(disk, line)| (disk.clone(), bytes(line))).collect(),
            rate: None,
        }
    }

    /// The disk it uses most, of the machine's whole ones; the only one where there is one.
    pub fn disk<'a>(&self, machine: &'a Machine) -> Option<&'a str> {
        let used =
            machine.disks.iter().filter(|disk| self.io_so_far.get(*disk).is_some_and(|bytes| *bytes > 0));
        let most = used.max_by_key(|disk| self.io_so_far.get(*disk));
        match (most, machine.disks.as_slice()) {
            (Some(disk), _) => Some(disk),
            (None, [only]) => Some(only),
            _ => None,
        }
    }

    /// The pod's annotation by which somebody else gives it a share of the cache, if there is one.
    pub fn managed_by(&self) -> Option<&str> {
        let known = |key: &&str| {
            *key == "io.kubernetes.cri.rdt-class"
                || [
                    "rdt.resources.beta.kubernetes.io/",
                    "closid.rdt.noderesource.dev",
                    "node.koordinator.sh/",
                ]
                .iter()
                .any(|prefix| key.starts_with(prefix))
        };
        self.annotations.keys().map(String::as_str).find(known)
    }
}

/// The link that leads out of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// Its interface.
    pub interface: String,
    /// Kind of its root's queues, or whose they are if they are not the kernel's own.
    pub queues: Result<String, String>,
    /// Bits per second.
    pub speed: Option<u64>,
}

impl Uplink {
    /// From a report on `probe interface`.
    pub fn of(interface: &str, report: &Report) -> Self {
        let qdiscs = report.text("qdisc").and_then(|text| traffic::qdiscs(&text));
        Self {
            interface: interface.to_owned(),
            queues: qdiscs.map_or_else(|| Err("not told".to_owned()), |qdiscs| traffic::standing(&qdiscs)),
            speed: traffic::speed(report),
        }
    }
}

/// The service whose sending is preferred on a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sender {
    /// Its pod's address.
    pub address: Ipv4Addr,
    /// What it sends when it is busiest, bits per second.
    pub busiest: f64,
}
