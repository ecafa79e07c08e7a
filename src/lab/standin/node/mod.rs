//! The lab's machines as an operator with a shell sees them: resctrl, cgroup v2, traffic control.
//!
//! Commands are read by a shell of the lab's own, for which there are only the files and tools
//! below: nothing of a remote command ever runs on the machine the lab is on.

mod cgroup;
mod files;
mod resctrl;
mod settings;
mod shell;
mod tc;
#[cfg(test)]
mod tests;
mod tools;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kube::SshManner;
use crate::lab::app::ServiceId;
use crate::lab::cluster::Node;
use crate::lab::sim::Change;
use files::Files;
use resctrl::Resctrl;
use tc::Traffic;

/// Kernel that the machines run.
pub const KERNEL: &str = "6.8.0-lab";
/// Exit code of ssh for its own failures, and for a command that a signal ended.
const LOST: i32 = 255;

/// A command for one of the machines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshRequest {
    /// Name or address of the machine.
    pub host: String,
    /// Who logs in.
    pub user: String,
    /// What the remote shell reads.
    pub command: String,
    /// Standard input.
    pub stdin: String,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshResponse {
    /// Exit code; 255 when ssh itself failed.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl SshResponse {
    fn failed(message: impl Into<String>) -> Self {
        Self { code: LOST, stdout: String::new(), stderr: message.into() + "\n" }
    }

    /// No machine of that name.
    pub fn unknown_host(host: &str) -> Self {
        Self::failed(format!("ssh: Could not resolve hostname {host}: Name or service not known"))
    }
}

/// A container on a machine.
#[derive(Clone, Debug, PartialEq)]
struct Container {
    pod: String,
    uid: String,
    name: String,
    namespace: String,
    id: String,
    address: String,
    /// Its first process; the threads are numbered on from it.
    pid: u32,
    threads: u32,
    /// Interface of the machine that leads to it, and its number.
    interface: (String, u32),
    /// Folder below `/sys/fs/cgroup`.
    cgroup: String,
    /// Service and replica; `None` for the machine's other tenant.
    replica: Option<(ServiceId, u32)>,
}

/// An inverse that runs by itself unless it is stopped.
#[derive(Clone, Debug, PartialEq)]
struct Timer {
    unit: String,
    due_ms: i64,
    argv: Vec<String>,
}

/// A machine.
#[derive(Clone, Debug)]
pub struct Machine {
    name: String,
    index: usize,
    address: String,
    node: Node,
    now_ms: i64,
    files: Files,
    resctrl: Resctrl,
    traffic: Traffic,
    containers: Vec<Container>,
    timers: Vec<Timer>,
    next_pid: u32,
    next_interface: u32,
    /// What the simulation was told last.
    told: Vec<Change>,
    changes: Vec<Change>,
}

impl Machine {
    /// The machine as it is after its start.
    pub fn new(node: &Node, index: usize) -> Self {
        let (_, ways) = node.llc;
        let mut machine = Self {
            name: node.name.to_string(),
            index,
            address: super::kube::address(index),
            node: node.clone(),
            now_ms: 0,
            files: Files::of_machine(node),
            resctrl: Resctrl::new(ways.clamp(1, 31)),
            traffic: Traffic::new(&["eth0"]),
            containers: Vec::new(),
            timers: Vec::new(),
            next_pid: 2000,
            next_interface: 10,
            told: Vec::new(),
            changes: Vec::new(),
        };
        machine.told = settings::of(&machine);
        machine
    }

    /// Whether `host` means this machine.
    pub fn answers_to(&self, host: &str) -> bool {
        host == self.name || host == self.address
    }

    /// A container has started here.
    pub fn start(&mut self, pod: &Value, replica: Option<(ServiceId, u32)>) {
        let text =
            |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (uid, id) = (text("/metadata/uid"), text("/status/containerStatuses/0/containerID"));
        let id = id.trim_start_matches("containerd://").to_owned();
        let class = text("/status/qosClass").to_ascii_lowercase();
        let slice = uid.replace('-', "_");
        let cgroup = format!(
            "kubepods.slice/kubepods-{class}.slice/kubepods-{class}-pod{slice}.slice/cri-containerd-{id}.scope"
        );
        let interface = (format!("veth{}", uid.get(..8).unwrap_or_default()), self.next_interface);
        self.traffic.add(&interface.0);
        let container = Container {
            pod: text("/metadata/name"),
            uid,
            name: text("/spec/containers/0/name"),
            namespace: text("/metadata/namespace"),
            id,
            address: text("/status/podIP"),
            pid: self.next_pid,
            threads: 4,
            interface,
            cgroup,
            replica,
        };
        self.next_pid += 50;
        self.next_interface += 2;
        cgroup::make(&mut self.files, &container, pod);
        self.containers.push(container);
        self.told = settings::of(self);
    }

    /// A pod has gone.
    pub fn stop(&mut self, pod: &str) {
        let Some(at) = self.containers.iter().position(|container| container.pod == pod) else { return };
        let container = self.containers.remove(at);
        self.files.remove_tree(&cgroup::folder(&container));
        self.traffic.remove(&container.interface.0);
        self.resctrl.forget(container.pid..container.pid + container.threads);
        self.told = settings::of(self);
    }

    /// The kubelet has given a container other resources.
    pub fn resized(&mut self, pod: &Value) {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        if let Some(container) = self.containers.iter().find(|container| container.pod == name) {
            cgroup::limit(&mut self.files, container, pod);
        }
        self.told = settings::of(self);
    }

    /// Time has come to `now_ms`: what was scheduled runs.
    pub fn tick(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
        while let Some(at) = self.timers.iter().position(|timer| timer.due_ms <= now_ms) {
            let timer = self.timers.remove(at);
            shell::run_argv(self, &timer.argv);
            self.tell();
        }
    }

    /// Runs a command, as well as `manner` lets it.
    pub fn run(&mut self, request: &SshRequest, manner: SshManner, now_ms: i64) -> SshResponse {
        let host = &request.host;
        match manner {
            SshManner::HostKey => return SshResponse::failed("Host key verification failed."),
            SshManner::Refused => {
                return SshResponse::failed(format!(
                    "ssh: connect to host {host} port 22: Connection refused"
                ));
            }
            SshManner::LostBefore => return lost(host),
            _ => {}
        }
        self.tick(now_ms);
        let ran = shell::run(self, request, manner);
        self.tell();
        match manner {
            SshManner::LostAfter | SshManner::Midway => lost(host),
            _ => ran,
        }
    }

    /// What the commands have changed, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Notes which settings are other than the simulation knows.
    fn tell(&mut self) {
        let now = settings::of(self);
        let news = now.iter().filter(|change| !self.told.contains(change)).cloned();
        self.changes.extend(news);
        self.told = now;
    }
}

fn lost(host: &str) -> SshResponse {
    SshResponse::failed(format!("Connection to {host} closed by remote host."))
}
