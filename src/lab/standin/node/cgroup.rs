//! cgroup v2 files of containers (Documentation/admin-guide/cgroup-v2.rst).

use std::ops::Range;

use serde_json::Value;

use super::Container;
use super::files::{Errno, Files};
use crate::lab::standin::kube::parse_quantity;

/// CFS period in microseconds, the kernel's default.
const PERIOD_US: u64 = 100_000;
/// The whole disk.
pub const DISK: &str = "8:0";

impl Container {
    /// Its threads.
    pub(super) fn threads(&self) -> Range<u32> {
        self.pid..self.pid + self.threads
    }
}

/// A container's folder.
pub fn folder(container: &Container) -> String {
    format!("/sys/fs/cgroup/{}", container.cgroup)
}

/// Makes a container's files.
pub fn make(files: &mut Files, container: &Container, pod: &Value) {
    let folder = folder(container);
    let threads: String = container.threads().map(|thread| format!("{thread}\n")).collect();
    for (name, text) in [
        ("cgroup.controllers", "cpuset cpu io memory pids\n".to_owned()),
        ("cgroup.procs", format!("{}\n", container.pid)),
        ("cgroup.threads", threads),
        ("cpu.stat", "usage_usec 0\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n".to_owned()),
        ("cpu.weight", "100\n".to_owned()),
        ("cpuset.cpus", "\n".to_owned()),
        ("io.max", String::new()),
        ("io.stat", String::new()),
        ("memory.high", "max\n".to_owned()),
    ] {
        files.put(&format!("{folder}/{name}"), text);
    }
    limit(files, container, pod);
}

/// Sets a container's limits to those of its pod.
pub fn limit(files: &mut Files, container: &Container, pod: &Value) {
    let folder = folder(container);
    let limit = |name: &str| {
        let limits = pod.pointer("/spec/containers/0/resources/limits")?;
        parse_quantity(limits.get(name)?.as_str()?)
    };
    let quota =
        limit("cpu").map_or("max".to_owned(), |cores| format!("{}", (cores * PERIOD_US as f64).round()));
    files.put(&format!("{folder}/cpu.max"), format!("{quota} {PERIOD_US}\n"));
    let memory = limit("memory").map_or("max".to_owned(), |bytes| format!("{bytes}"));
    files.put(&format!("{folder}/memory.max"), format!("{memory}\n"));
}

/// What a file says after `text` was written to it.
pub fn written(path: &str, now: &str, text: &str) -> Result<String, Errno> {
    let text = text.trim();
    match path.rsplit('/').next().unwrap_or_default() {
        "cpu.max" => cpu_max(now, text),
        "io.max" => io_max(now, text),
        "memory.max" | "memory.high" => match text {
            "max" => Ok("max\n".to_owned()),
            text => Ok(format!("{}\n", bytes(text).ok_or(Errno::Invalid)?)),
        },
        "cpu.weight" => match text.parse::<u32>() {
            Ok(weight) if (1..=10_000).contains(&weight) => Ok(format!("{weight}\n")),
            _ => Err(Errno::Invalid),
        },
        "cpuset.cpus" if text.chars().all(|c| c.is_ascii_digit() || ",-".contains(c)) => {
            Ok(format!("{text}\n"))
        }
        "cpuset.cpus" => Err(Errno::Invalid),
        "cgroup.subtree_control" => Ok(now.to_owned()),
        _ => Err(Errno::Denied),
    }
}

fn cpu_max(now: &str, text: &str) -> Result<String, Errno> {
    let mut words = text.split_whitespace();
    let quota = words.next().ok_or(Errno::Invalid)?;
    let before = now.split_whitespace().nth(1).unwrap_or("100000");
    let period: u64 = words.next().unwrap_or(before).parse().map_err(|_| Errno::Invalid)?;
    // The kernel's bounds: a millisecond and a second.
    let sound = quota == "max" || quota.parse::<u64>().is_ok_and(|quota| quota >= 1000);
    if !sound || !(1000..=1_000_000).contains(&period) || words.next().is_some() {
        return Err(Errno::Invalid);
    }
    Ok(format!("{quota} {period}\n"))
}

/// Keys of `io.max` in the kernel's order.
const IO_KEYS: [&str; 4] = ["rbps", "wbps", "riops", "wiops"];

fn io_max(now: &str, text: &str) -> Result<String, Errno> {
    let mut words = text.split_whitespace();
    if words.next().ok_or(Errno::Invalid)? != DISK {
        return Err(Errno::NoDevice);
    }
    let mut limits =
        IO_KEYS.map(|key| io_limit(now, key).map_or("max".to_owned(), |limit| limit.to_string()));
    for word in words {
        let (key, value) = word.split_once('=').ok_or(Errno::Invalid)?;
        let at = IO_KEYS.iter().position(|other| *other == key).ok_or(Errno::Invalid)?;
        if value != "max" && !value.parse::<u64>().is_ok_and(|value| value > 0) {
            return Err(Errno::Invalid);
        }
        value.clone_into(&mut limits[at]);
    }
    if limits.iter().all(|limit| limit == "max") {
        return Ok(String::new());
    }
    let words: Vec<String> =
        IO_KEYS.iter().zip(&limits).map(|(key, limit)| format!("{key}={limit}")).collect();
    Ok(format!("{DISK} {}\n", words.join(" ")))
}

/// A limit in the text of an `io.max`.
pub fn io_limit(text: &str, key: &str) -> Option<u64> {
    text.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
}

/// Cores that the text of a `cpu.max` allows; `None` is no limit.
pub fn cpu_limit(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

/// Bytes with a suffix of the kernel's (`64M`).
fn bytes(text: &str) -> Option<u64> {
    let (number, factor) = match text.char_indices().last()? {
        (at, 'K' | 'k') => (&text[..at], 1 << 10),
        (at, 'M' | 'm') => (&text[..at], 1 << 20),
        (at, 'G' | 'g') => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
