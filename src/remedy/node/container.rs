//! A container on its machine: whose it is, where its processes are, and what it uses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::report::Report;
use crate::remedy::names::{ContainerId, NameError, Uid};

/// Where a container's processes are: what the script checks again before it changes anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Id of the container, without the runtime's prefix.
    pub container: String,
    /// `metadata.uid` of its pod.
    pub uid: String,
    /// Its cgroup, from the root of the hierarchy.
    pub cgroup: String,
}

/// Why a container's processes cannot be named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSeat {
    /// The machine does not know it, or belongs to a runtime that is not asked.
    #[error("the machine does not know the container")]
    Unknown,
    /// It is another pod's.
    #[error("on the machine the container belongs to another pod")]
    OfAnotherPod,
    /// It does not run.
    #[error("the container does not run")]
    Stopped,
    /// cgroup v1, or a layout that is not known.
    #[error(
        "its processes are not in a cgroup v2 that bears its id and its pod's: the machine is not supported"
    )]
    Layout,
    /// A name that is none.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Id of a container in a pod's status: `containerd://…`, `cri-o://…`.
///
/// # Errors
/// It is another runtime's, or no id.
pub fn container_id(status: &str) -> Result<ContainerId, NoSeat> {
    let (runtime, id) = status.split_once("://").ok_or(NoSeat::Unknown)?;
    if !["containerd", "cri-o"].contains(&runtime) {
        return Err(NoSeat::Unknown);
    }
    Ok(ContainerId::new(id)?)
}

/// The first process of a container, by `crictl inspect` in a report on `probe container`; checks whose it
/// is.
///
/// # Errors
/// It is not there, another pod's, or does not run.
pub fn process(report: &Report, uid: &Uid) -> Result<u32, NoSeat> {
    let text = report.text("inspect").ok_or(NoSeat::Unknown)?;
    let value: Value = serde_json::from_str(&text).map_err(|_| NoSeat::Unknown)?;
    if value["status"]["labels"]["io.kubernetes.pod.uid"] != uid.as_str() {
        return Err(NoSeat::OfAnotherPod);
    }
    if value["status"]["state"].as_str().is_some_and(|state| state != "CONTAINER_RUNNING") {
        return Err(NoSeat::Stopped);
    }
    let pid = value["info"]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    pid.filter(|pid| *pid > 1).ok_or(NoSeat::Stopped)
}

impl Seat {
    /// From a report on `probe process`, whose group of processes must bear both ids: process numbers are
    /// used again.
    ///
    /// # Errors
    /// It does not, or the machine has no cgroup v2.
    pub fn of(report: &Report, container: &ContainerId, uid: &Uid) -> Result<Self, NoSeat> {
        let line = report.lines("cgroup").iter().find_map(|line| line.strip_prefix("0::"));
        Self::at(line.ok_or(NoSeat::Layout)?, container, uid)
    }

    /// In this group of processes.
    ///
    /// # Errors
    /// It does not bear both ids.
    pub fn at(cgroup: &str, container: &ContainerId, uid: &Uid) -> Result<Self, NoSeat> {
        let systemd = uid.as_str().replace('-', "_");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:/@-".contains(&byte);
        let fits = cgroup.starts_with('/')
            && cgroup.len() <= 1_000
            && cgroup.bytes().all(plain)
            && !cgroup.contains("..")
            && cgroup.contains(container.as_str())
            && (cgroup.contains(uid.as_str()) || cgroup.contains(&systemd));
        if !fits {
            return Err(NoSeat::Layout);
        }
        Ok(Self { container: container.to_string(), uid: uid.to_string(), cgroup: cgroup.to_owned() })
    }

    /// The words by which the script finds it and checks it.
    ///
    /// # Errors
    /// A name in it is none: it did not come from a machine.
    pub fn words(&self) -> Result<[String; 3], NoSeat> {
        let (container, uid) = (ContainerId::new(&self.container)?, Uid::new(&self.uid)?);
        let Self { container, uid, cgroup } = Self::at(&self.cgroup, &container, &uid)?;
        Ok([cgroup, container, uid])
    }

    /// The systemd scope it is, where it is one: then its processor time is systemd's to set.
    pub fn scope(&self) -> Option<&str> {
        self.cgroup.rsplit('/').next().filter(|last| last.ends_with(".scope"))
    }
}

/// What a container has used up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, microseconds.
    pub cpu_us: u64,
    /// Read from all disks, bytes.
    pub read: u64,
    /// Written to all disks, bytes.
    pub written: u64,
}

/// What it used between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Cores.
    pub cores: f64,
    /// Read, bytes per second.
    pub read: f64,
    /// Written, bytes per second.
    pub written: f64,
}

/// Of a report on `probe usage`: by cgroup.
pub fn usage(report: &Report) -> BTreeMap<String, Usage> {
    let mut all: BTreeMap<String, Usage> = BTreeMap::new();
    for (cgroup, lines) in report.below("cpu.stat") {
        let cpu = lines.iter().find_map(|line| line.strip_prefix("usage_usec ")?.trim().parse().ok());
        all.entry(cgroup.to_owned()).or_default().cpu_us = cpu.unwrap_or(0);
    }
    for (cgroup, lines) in report.below("io.stat") {
        let sum = |key: &str| {
            let values = lines.iter().flat_map(|line| line.split_whitespace());
            let values =
                values.filter_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse::<u64>().ok());
            values.fold(0u64, u64::saturating_add)
        };
        let usage = all.entry(cgroup.to_owned()).or_default();
        (usage.read, usage.written) = (sum("rbytes"), sum("wbytes"));
    }
    all
}

/// What each container that was there at both moments used between them, `seconds` apart.
pub fn rates(
    before: &BTreeMap<String, Usage>,
    after: &BTreeMap<String, Usage>,
    seconds: f64,
) -> BTreeMap<String, Rate> {
    let per_second = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds;
    let rate = |from: &Usage, to: &Usage| Rate {
        cores: per_second(from.cpu_us, to.cpu_us) / 1e6,
        read: per_second(from.read, to.read),
        written: per_second(from.written, to.written),
    };
    let both = after.iter().filter_map(|(cgroup, to)| Some((cgroup, before.get(cgroup)?, to)));
    both.map(|(cgroup, from, to)| (cgroup.clone(), rate(from, to))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "5c1f2a10-93f1-4a5e-8e0b-6f2f7c0b1d11";

    fn names() -> (ContainerId, Uid) {
        (ContainerId::new(ID).unwrap(), Uid::new(UID).unwrap())
    }

    fn inspected(uid: &str, state: &str, pid: u32) -> Report {
        let labels = serde_json::json!({ "io.kubernetes.pod.uid": uid });
        let value =
            serde_json::json!({ "status": { "state": state, "labels": labels }, "info": { "pid": pid } });
        let lines: String = format!("{value:#}").lines().map(|line| format!(" {line}\n")).collect();
        Report::read(&format!("=inspect\n{lines}"))
    }

    #[test]
    fn a_container_is_found_and_checked() {
        let (id, uid) = names();
        assert_eq!(container_id(&format!("containerd://{ID}")), Ok(id.clone()));
        assert_eq!(container_id(&format!("docker://{ID}")), Err(NoSeat::Unknown));
        assert!(matches!(container_id("cri-o://short"), Err(NoSeat::Name(_))));
        assert_eq!(process(&inspected(UID, "CONTAINER_RUNNING", 4711), &uid), Ok(4711));
        assert_eq!(process(&inspected("other", "CONTAINER_RUNNING", 4711), &uid), Err(NoSeat::OfAnotherPod));
        assert_eq!(process(&inspected(UID, "CONTAINER_EXITED", 4711), &uid), Err(NoSeat::Stopped));
        assert_eq!(process(&inspected(UID, "CONTAINER_RUNNING", 0), &uid), Err(NoSeat::Stopped));
        assert_eq!(process(&Report::read(""), &uid), Err(NoSeat::Unknown));

        let slice = UID.replace('-', "_");
        let systemd = format!("/kubepods.slice/kubepods-pod{slice}.slice/cri-containerd-{ID}.scope");
        let cgroupfs = format!("/kubepods/besteffort/pod{UID}/{ID}");
        for (cgroup, scope) in [(&systemd, Some(format!("cri-containerd-{ID}.scope"))), (&cgroupfs, None)] {
            let report = Report::read(&format!("=cgroup\n 12:cpu:/x\n 0::{cgroup}\n"));
            let seat = Seat::of(&report, &id, &uid).unwrap();
            assert_eq!(seat.words().unwrap(), [cgroup.clone(), ID.to_owned(), UID.to_owned()]);
            assert_eq!(seat.scope().map(str::to_owned), scope);
        }
        for cgroup in [
            "",
            "/",
            &format!("/kubepods/{ID}"),
            &format!("/pod{UID}/x"),
            &systemd.replace("/kubepods.slice", "/../x"),
            &systemd.replace("/kubepods.slice", "/a b"),
            &systemd[1..],
        ] {
            let report = Report::read(&format!("=cgroup\n 0::{cgroup}\n"));
            assert_eq!(Seat::of(&report, &id, &uid), Err(NoSeat::Layout), "{cgroup}");
        }
        assert_eq!(Seat::of(&Report::read("=cgroup\n 4:memory:/x\n"), &id, &uid), Err(NoSeat::Layout));
    }

    #[test]
    fn use_between_two_moments() {
        let of = |cpu: u64, read: u64| {
            usage(&Report::read(&format!(
                "=cpu.stat/a\n usage_usec {cpu}\n user_usec 1\n=io.stat/a\n 8:0 rbytes={read} wbytes=10 rios=1\n 8:16 rbytes=5 wbytes=1\n=cpu.stat/new\n usage_usec 3\n"
            )))
        };
        let (before, mut after) = (of(1_000_000, 0), of(4_000_000, 2_000));
        after.remove("/new");
        let rates = rates(&before, &after, 2.0);
        assert_eq!(rates.len(), 1);
        assert_eq!(rates["/a"], Rate { cores: 1.5, read: 1_000.0, written: 0.0 });
    }

    proptest! {
        /// No group of processes that passes has a word in it that a shell or a path could read otherwise.
        #[test]
        fn what_passes_is_plain(rest in "(?s).{0,30}") {
            let (id, uid) = names();
            let cgroup = format!("/pod{UID}/{ID}{rest}");
            if let Ok(seat) = Seat::at(&cgroup, &id, &uid) {
                let words = seat.words().unwrap();
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:/@-".contains(&byte);
                let all_plain = words.iter().all(|word| word.bytes().all(plain));
                prop_assert!(all_plain);
                prop_assert!(!cgroup.contains(".."));
            }
        }
    }
}
