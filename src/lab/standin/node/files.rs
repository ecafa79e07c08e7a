//! A machine's files: plain ones in a map, those of resctrl and cgroups with the kernel's rules.

use std::collections::BTreeMap;

use super::{KERNEL, Machine, cgroup, resctrl};
use crate::lab::cluster::Node;

/// Why the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Errno {
    #[error("No such file or directory")]
    NoEntry,
    #[error("File exists")]
    Exists,
    #[error("Invalid argument")]
    Invalid,
    #[error("Permission denied")]
    Denied,
    #[error("Not a directory")]
    NoFolder,
    #[error("Is a directory")]
    Folder,
    #[error("No space left on device")]
    NoSpace,
    #[error("No such process")]
    NoProcess,
    #[error("No such device")]
    NoDevice,
    #[error("Directory not empty")]
    NotEmpty,
    #[error("Operation not permitted")]
    NotPermitted,
}

/// Plain files by absolute path; a folder has no text.
#[derive(Clone, Debug, Default)]
pub struct Files(BTreeMap<String, Option<String>>);

impl Files {
    /// What a machine has after its start.
    pub fn of_machine(node: &Node) -> Self {
        let mut files = Self::default();
        for folder in ["/tmp", "/run", "/var/lib/kubelet", "/dev", "/sys/class/net/eth0", "/root"] {
            files.folder(folder);
        }
        let controllers = "cpuset cpu io memory pids\n";
        for (path, text) in [
            ("/proc/filesystems", "nodev\tsysfs\nnodev\tcgroup2\nnodev\tresctrl\n\text4\n".to_owned()),
            (
                "/proc/mounts",
                "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\nresctrl /sys/fs/resctrl resctrl rw 0 0\n/dev/sda1 / ext4 rw 0 0\n"
                    .to_owned(),
            ),
            ("/proc/version", format!("Linux version {KERNEL}\n")),
            ("/proc/cpuinfo", cpus(node.cores)),
            ("/proc/meminfo", format!("MemTotal:       {} kB\n", node.memory / 1024)),
            ("/sys/fs/cgroup/cgroup.controllers", controllers.to_owned()),
            ("/sys/fs/cgroup/cgroup.subtree_control", controllers.to_owned()),
            ("/sys/fs/cgroup/kubepods.slice/cgroup.controllers", controllers.to_owned()),
            ("/sys/fs/cgroup/kubepods.slice/cgroup.subtree_control", controllers.to_owned()),
            ("/var/lib/kubelet/cpu_manager_state", "{\"policyName\":\"none\",\"defaultCpuSet\":\"\"}\n".to_owned()),
            ("/etc/hostname", format!("{}\n", node.name)),
            ("/etc/cni/net.d/10-lab.conflist", CNI.to_owned()),
            ("/sys/class/net/eth0/speed", format!("{}\n", (node.nic * 8.0 / 1e6).round())),
            ("/sys/class/net/eth0/ifindex", "2\n".to_owned()),
            ("/proc/net/route", ROUTES.to_owned()),
        ] {
            files.put(path, text);
        }
        files
    }

    /// A file with this text, with the folders above it.
    pub fn put(&mut self, path: &str, text: String) {
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.folder(folder);
        }
        self.0.insert(path.to_owned(), Some(text));
    }

    /// A folder, with those above it.
    pub fn folder(&mut self, path: &str) {
        for (at, _) in path.match_indices('/').filter(|(at, _)| *at > 0).chain([(path.len(), "")]) {
            self.0.entry(path[..at].to_owned()).or_insert(None);
        }
    }

    /// A file's text.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path)?.as_deref()
    }

    /// Takes away a folder and what is in it.
    pub fn remove_tree(&mut self, path: &str) {
        let inside = format!("{path}/");
        self.0.retain(|other, _| other != path && !other.starts_with(&inside));
    }

    fn children(&self, path: &str) -> Vec<String> {
        let inside = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        let names = self.0.keys().filter_map(|other| other.strip_prefix(&inside));
        names.filter(|name| !name.is_empty() && !name.contains('/')).map(str::to_owned).collect()
    }
}

fn cpus(count: u32) -> String {
    let flags = "fpu rdt_a cat_l3 cdp_l3 mba cqm cqm_llc cqm_occup_llc cqm_mbm_total cqm_mbm_local";
    (0..count)
        .map(|i| format!("processor\t: {i}\nvendor_id\t: GenuineIntel\nmodel name\t: sagetop lab\nflags\t\t: {flags}\n\n"))
        .collect()
}

/// A conflist with the bandwidth plugin, so that the annotations of a pod's bandwidth work.
const CNI: &str = r#"{"cniVersion":"1.0.0","name":"lab","plugins":[{"type":"ptp"},{"type":"bandwidth","capabilities":{"bandwidth":true}}]}
"#;

/// All that is not on the machine itself is behind its one interface.
const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
eth0\t00000000\t0140A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";

/// An absolute path without `.`, `..`, and double slashes.
pub fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

impl Machine {
    /// A file's text.
    pub(super) fn read(&self, path: &str) -> Result<String, Errno> {
        let path = normal(path);
        if let Some(inner) = resctrl::inside(&path) {
            return resctrl::read(self, inner);
        }
        if let Some(text) = self.process_file(&path) {
            return Ok(text);
        }
        match self.files.0.get(&path) {
            Some(Some(text)) => Ok(text.clone()),
            Some(None) => Err(Errno::Folder),
            None => Err(Errno::NoEntry),
        }
    }

    /// Writes a file, or makes it; `append` adds to it.
    pub(super) fn write(&mut self, path: &str, text: &str, append: bool) -> Result<(), Errno> {
        let path = normal(path);
        if path == "/dev/null" {
            return Ok(());
        }
        if let Some(inner) = resctrl::inside(&path) {
            return resctrl::write(self, inner, text);
        }
        if path.starts_with("/sys/fs/cgroup") {
            let now = self.files.text(&path).ok_or(Errno::Denied)?;
            let new = cgroup::written(&path, now, text)?;
            self.files.put(&path, new);
            return Ok(());
        }
        if path.starts_with("/proc") || path.starts_with("/sys") {
            return Err(Errno::Denied);
        }
        if self.is_folder(&path) {
            return Err(Errno::Folder);
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if !folder.is_empty() && !self.is_folder(folder) {
            return Err(Errno::NoEntry);
        }
        let before =
            if append { self.files.text(&path).unwrap_or_default().to_owned() } else { String::new() };
        self.files.put(&path, before + text);
        Ok(())
    }

    pub(super) fn is_folder(&self, path: &str) -> bool {
        let path = normal(path);
        match resctrl::inside(&path) {
            Some(inner) => resctrl::list(self, inner).is_some(),
            None => path == "/" || self.files.0.get(&path) == Some(&None),
        }
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        normal(path) == "/dev/null" || self.is_folder(path) || self.read(path).is_ok()
    }

    /// Names in a folder.
    pub(super) fn list(&self, path: &str) -> Result<Vec<String>, Errno> {
        let path = normal(path);
        if let Some(inner) = resctrl::inside(&path) {
            return resctrl::list(self, inner).ok_or(Errno::NoEntry);
        }
        match self.is_folder(&path) {
            true => Ok(self.files.children(&path)),
            false if self.exists(&path) => Err(Errno::NoFolder),
            false => Err(Errno::NoEntry),
        }
    }

    pub(super) fn make_folder(&mut self, path: &str) -> Result<(), Errno> {
        let path = normal(path);
        if self.exists(&path) {
            return Err(Errno::Exists);
        }
        if let Some(inner) = resctrl::inside(&path) {
            return self.resctrl.make(inner);
        }
        if path.starts_with("/proc") || path.starts_with("/sys") {
            return Err(Errno::NotPermitted);
        }
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        if !above.is_empty() && !self.is_folder(above) {
            return Err(Errno::NoEntry);
        }
        self.files.folder(&path);
        Ok(())
    }

    pub(super) fn remove_folder(&mut self, path: &str) -> Result<(), Errno> {
        let path = normal(path);
        if let Some(inner) = resctrl::inside(&path) {
            return self.resctrl.remove(inner);
        }
        match self.list(&path)?.is_empty() {
            true if path.starts_with("/sys") => Err(Errno::NotPermitted),
            true => {
                self.files.remove_tree(&path);
                Ok(())
            }
            false => Err(Errno::NotEmpty),
        }
    }

    pub(super) fn remove_file(&mut self, path: &str) -> Result<(), Errno> {
        let path = normal(path);
        if self.is_folder(&path) {
            return Err(Errno::Folder);
        }
        if !self.exists(&path) {
            return Err(Errno::NoEntry);
        }
        if path.starts_with("/proc") || path.starts_with("/sys") || path.starts_with("/dev") {
            return Err(Errno::NotPermitted);
        }
        self.files.remove_tree(&path);
        Ok(())
    }

    /// `/proc/PID/…` of a container's process.
    fn process_file(&self, path: &str) -> Option<String> {
        if path == "/proc/loadavg" {
            return Some(format!("0.50 0.50 0.50 1/{} {}\n", 100 + self.containers.len(), self.next_pid));
        }
        let (pid, file) = path.strip_prefix("/proc/")?.split_once('/')?;
        let pid: u32 = pid.parse().ok()?;
        let container = self.containers.iter().find(|container| container.threads().contains(&pid))?;
        match file {
            "cgroup" => Some(format!("0::/{}\n", container.cgroup)),
            "comm" => Some(format!("{}\n", container.name.chars().take(15).collect::<String>())),
            "cmdline" => Some(format!("{}\0", container.name)),
            _ => None,
        }
    }
}
