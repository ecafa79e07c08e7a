//! Queues and links of a machine: what tc(8) and ip(8) print.

use serde::Deserialize;

use super::report::Report;

/// Kinds that the kernel puts at the root of an interface by itself.
pub const DEFAULT_KINDS: [&str; 4] = ["noqueue", "mq", "fq_codel", "pfifo_fast"];

/// A queueing discipline, as `tc -j qdisc` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Qdisc {
    /// Such as `mq`.
    pub kind: String,
    /// `0:` where nobody set it.
    pub handle: String,
    /// Whether it is the interface's own.
    #[serde(default)]
    pub root: bool,
}

/// An HTB class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Such as `1a:10`.
    pub id: String,
    /// What it is sure of, bits per second.
    pub rate: u64,
    /// What it may have at most, bits per second.
    pub ceil: u64,
}

/// The disciplines of `tc -j qdisc show`; `None` if that is not what it is.
pub fn qdiscs(json: &str) -> Option<Vec<Qdisc>> {
    serde_json::from_str(json).ok()
}

/// The kind at an interface's root if all its disciplines are the kernel's own, else the first that is
/// not, as the script tells it.
pub fn standing(qdiscs: &[Qdisc]) -> Result<String, String> {
    let own = |qdisc: &&Qdisc| qdisc.handle != "0:" || !DEFAULT_KINDS.contains(&qdisc.kind.as_str());
    if let Some(other) = qdiscs.iter().find(own) {
        return Err(format!("{} {}", other.kind, other.handle));
    }
    qdiscs.iter().find(|qdisc| qdisc.root).map(|root| root.kind.clone()).ok_or_else(String::new)
}

/// HTB classes of `tc class show`: as JSON where tc prints that, in words where it prints those even with
/// `-j` (iproute2 6.1).
pub fn classes(text: &str) -> Option<Vec<Class>> {
    if text.trim_start().starts_with('[') { classes_of_json(text) } else { classes_of_words(text) }
}

#[derive(Deserialize)]
struct JsonClass {
    #[serde(alias = "kind")]
    class: String,
    handle: String,
    #[serde(default)]
    rate: Option<u64>,
    #[serde(default)]
    ceil: Option<u64>,
    #[serde(default)]
    options: Option<JsonRates>,
}

#[derive(Deserialize)]
struct JsonRates {
    rate: Option<u64>,
    ceil: Option<u64>,
}

/// In JSON rates are bytes per second (iproute2's `print_rate` multiplies for words only).
fn classes_of_json(text: &str) -> Option<Vec<Class>> {
    let all: Vec<JsonClass> = serde_json::from_str(text).ok()?;
    let htb = all.into_iter().filter(|class| class.class == "htb");
    htb.map(|class| {
        let rates = class.options.unwrap_or(JsonRates { rate: None, ceil: None });
        let bits = |bytes: Option<u64>| bytes?.checked_mul(8);
        Some(Class {
            id: class.handle,
            rate: bits(class.rate.or(rates.rate))?,
            ceil: bits(class.ceil.or(rates.ceil))?,
        })
    })
    .collect()
}

fn classes_of_words(text: &str) -> Option<Vec<Class>> {
    let mut all = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["class", "htb", id, rest @ ..] = words.as_slice() else { continue };
        let value = |key: &str| rest.iter().position(|word| *word == key).and_then(|at| rest.get(at + 1));
        all.push(Class { id: (*id).to_owned(), rate: rate(value("rate")?)?, ceil: rate(value("ceil")?)? });
    }
    Some(all)
}

/// A rate as tc prints it: `600Mbit`, `12345Kbit`, `800bit`; bits per second.
pub fn rate(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "bit" => 1,
        "Kbit" => 1_000,
        "Mbit" => 1_000_000,
        "Gbit" => 1_000_000_000,
        "Tbit" => 1_000_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[derive(Deserialize)]
struct Link {
    ifindex: u32,
    ifname: String,
}

/// The machine's end of a pod's link: the interface whose number the pod's `iflink` is.
pub fn peer(links: &str, iflink: &str) -> Option<String> {
    let index: u32 = iflink.trim().parse().ok()?;
    let links: Vec<Link> = serde_json::from_str(links).ok()?;
    // `veth1@if2` is how ip prints the name in words; in JSON the name stands alone.
    links.into_iter().find(|link| link.ifindex == index).map(|link| link.ifname)
}

/// The interface that leads out of the machine: that of the default route (`/proc/net/route`, where it is
/// the line with destination and mask 0). `None` if there is none, or several.
pub fn way_out(routes: &[String]) -> Option<&str> {
    let mut found: Vec<&str> = routes
        .iter()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [interface, "00000000", _, _, _, _, _, "00000000", ..] = fields.as_slice() else {
                return None;
            };
            Some(*interface)
        })
        .collect();
    found.dedup();
    match found.as_slice() {
        [only] => Some(only),
        _ => None,
    }
}

/// A link's speed, bits per second, from a report on `probe interface`. Virtual links have none, or -1.
pub fn speed(report: &Report) -> Option<u64> {
    let megabits: u64 = report.word("speed")?.parse().ok().filter(|megabits| *megabits > 0)?;
    megabits.checked_mul(1_000_000)
}

#[cfg(test)]
#[path = "traffic_tests.rs"]
mod tests;
