//! Traffic control: HTB and TBF at the root of an interface, with the words of iproute2 6.1.

/// A queueing discipline that somebody put there.
#[derive(Clone, Debug, PartialEq)]
pub struct Root {
    kind: String,
    handle: String,
    /// HTB: class of what no filter catches; r2q.
    default: u32,
    r2q: u32,
    /// TBF: bits a second.
    rate: f64,
}

/// An HTB class.
#[derive(Clone, Debug, PartialEq)]
struct Class {
    id: String,
    parent: String,
    rate: f64,
    ceil: f64,
    prio: u32,
}

/// An interface's queues.
#[derive(Clone, Debug, Default, PartialEq)]
struct Interface {
    name: String,
    root: Option<Root>,
    classes: Vec<Class>,
    filters: Vec<Filter>,
}

/// What a u32 filter compares: bits of the word at an offset into the packet; and its class.
#[derive(Clone, Debug, PartialEq)]
struct Filter {
    value: u32,
    mask: u32,
    offset: u32,
    class: String,
}

/// The queues of all interfaces.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Vec<Interface>);

/// What a command prints, and its exit code: `Err` goes to standard error.
pub type Answer = Result<String, (String, i32)>;

fn no<T>(message: &str, code: i32) -> Result<T, (String, i32)> {
    Err((message.to_owned(), code))
}

impl Traffic {
    /// Interfaces without any discipline of their own.
    pub fn new(names: &[&str]) -> Self {
        let mut new = Self::default();
        names.iter().for_each(|name| new.add(name));
        new
    }

    /// One more interface.
    pub fn add(&mut self, name: &str) {
        self.0.push(Interface { name: name.to_owned(), ..Interface::default() });
    }

    /// An interface has gone.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|interface| interface.name != name);
    }

    /// Bytes a second that are left to what no filter sets apart; `None` when nothing limits it.
    pub fn default_rate(&self, name: &str) -> Option<f64> {
        let interface = self.0.iter().find(|interface| interface.name == name)?;
        let root = interface.root.as_ref()?;
        if root.kind == "tbf" {
            return Some(root.rate / 8.0);
        }
        let id = format!("{}{:x}", root.handle, root.default);
        interface.classes.iter().find(|class| class.id == id).map(|class| class.ceil / 8.0)
    }

    /// Runs `tc` with these arguments.
    pub fn run(&mut self, arguments: &[&str], root: bool) -> Answer {
        let json = arguments.iter().any(|word| ["-j", "-json"].contains(word));
        let words: Vec<&str> = arguments.iter().copied().filter(|word| !word.starts_with('-')).collect();
        let Some((object, rest)) = words.split_first() else {
            return no("Usage: tc [ OPTIONS ] OBJECT { COMMAND | help }", 255);
        };
        if !["qdisc", "class", "filter"].contains(object) {
            return no(&format!("Object {object:?} is unknown, try \"tc help\"."), 255);
        }
        let (command, rest) = rest.split_first().map_or(("show", rest), |(command, rest)| (*command, rest));
        let value =
            |key: &str| rest.iter().position(|word| *word == key).and_then(|at| rest.get(at + 1)).copied();
        if !["show", "list", "ls", "add", "del", "delete", "change", "replace"].contains(&command) {
            return no(&format!("Command {command:?} is unknown, try \"tc {object} help\"."), 255);
        }
        let shows = ["show", "list", "ls"].contains(&command);
        let Some(device) = value("dev") else {
            return if shows && *object == "qdisc" {
                Ok(self.all(json))
            } else {
                no("Option \"dev\" is required", 255)
            };
        };
        let Some(interface) = self.0.iter_mut().find(|interface| interface.name == device) else {
            return no(&format!("Cannot find device {device:?}"), 1);
        };
        if shows {
            return Ok(match *object {
                "qdisc" => list(json, &[interface.qdisc(json, false)]),
                "class" => interface.classes(),
                _ => interface.filters(json),
            });
        }
        if !root {
            return no("RTNETLINK answers: Operation not permitted", 2);
        }
        match *object {
            "qdisc" => interface.change_root(command, rest, &value),
            "class" => interface.change_class(command, &value),
            _ => interface.change_filter(command, &value),
        }
    }

    fn all(&self, json: bool) -> String {
        let entries: Vec<String> = self.0.iter().map(|interface| interface.qdisc(json, true)).collect();
        list(json, &entries)
    }
}

fn list(json: bool, entries: &[String]) -> String {
    if json { format!("[{}]\n", entries.join(",")) } else { entries.concat() }
}

impl Interface {
    fn qdisc(&self, json: bool, named: bool) -> String {
        let name = &self.name;
        let (dev_json, dev) =
            if named { (format!("\"dev\":\"{name}\","), format!("dev {name} ")) } else { Default::default() };
        let (kind, handle, plain, options) = match &self.root {
            None => ("noqueue", "0:", String::new(), String::new()),
            Some(root) if root.kind == "tbf" => (
                "tbf",
                root.handle.as_str(),
                format!("rate {} burst 4Kb lat 25ms ", rate(root.rate)),
                format!("\"rate\":{},\"burst\":4087,\"lat\":25000", root.rate / 8.0),
            ),
            Some(root) => (
                "htb",
                root.handle.as_str(),
                format!(
                    "r2q {} default {:#x} direct_packets_stat 0 direct_qlen 1000",
                    root.r2q, root.default
                ),
                format!(
                    "\"r2q\":{},\"default\":\"{:#x}\",\"direct_packets_stat\":0,\"direct_qlen\":1000",
                    root.r2q, root.default
                ),
            ),
        };
        if json {
            return format!(
                "{{\"kind\":\"{kind}\",\"handle\":\"{handle}\",{dev_json}\"root\":true,\"refcnt\":2,\"options\":{{{options}}}}}"
            );
        }
        format!("qdisc {kind} {handle} {dev}root refcnt 2 {plain}\n")
    }

    /// Plain text even where JSON was asked for, as iproute2 6.1 has it.
    fn classes(&self) -> String {
        let line = |class: &Class| {
            let place = if class.parent.ends_with(':') {
                "root".to_owned()
            } else {
                format!("parent {} prio {}", class.parent, class.prio)
            };
            format!(
                "class htb {} {place} rate {} ceil {} burst 1600b cburst 1600b \n",
                class.id,
                rate(class.rate),
                rate(class.ceil)
            )
        };
        self.classes.iter().map(line).collect()
    }

    fn filters(&self, json: bool) -> String {
        let handle = self.root.as_ref().map_or("", |root| &root.handle);
        let mut entries = Vec::new();
        for (i, Filter { value, mask, offset, class }) in self.filters.iter().enumerate() {
            let id = 0x800 + i;
            entries.push(match json {
                true => format!(
                    "{{\"parent\":\"{handle}\",\"protocol\":\"ip\",\"pref\":1,\"kind\":\"u32\",\"chain\":0,\"options\":\
                     {{\"fh\":\"800::{id:x}\",\"order\":{id},\"key_ht\":\"800\",\"bkt\":\"0\",\"flowid\":\"{class}\",\
                     \"not_in_hw\":true,\"match\":{{\"value\":\"{value:x}\",\"mask\":\"{mask:x}\",\"offmask\":\"\",\
                     \"off\":{offset}}}}}}}"
                ),
                false => format!(
                    "filter parent {handle} protocol ip pref 1 u32 chain 0 fh 800::{id:x} order {id} key ht 800 bkt 0 \
                     *flowid {class} not_in_hw \n  match {value:08x}/{mask:08x} at {offset}\n"
                ),
            });
        }
        list(json, &entries)
    }

    fn change_root<'a>(
        &mut self,
        command: &str,
        words: &[&str],
        value: &dyn Fn(&str) -> Option<&'a str>,
    ) -> Answer {
        if !words.contains(&"root") {
            return no("RTNETLINK answers: Operation not supported", 2);
        }
        match (command, &self.root) {
            ("del" | "delete", None) => return no("Error: Cannot delete qdisc with handle of zero.", 2),
            ("del" | "delete", Some(root)) => {
                if value("handle").is_some_and(|handle| handle != root.handle) {
                    return no("Error: Invalid handle.", 2);
                }
                *self = Self { name: std::mem::take(&mut self.name), ..Self::default() };
                return Ok(String::new());
            }
            ("add", Some(_)) => return no("Error: Exclusivity flag on, cannot modify.", 2),
            ("change", Some(_)) => return no("Error: Change operation not supported by specified qdisc.", 2),
            ("change", None) => return no("Error: Qdisc not found. To create specify NLM_F_CREATE flag.", 2),
            _ => {}
        }
        let Some(kind) = words.iter().find(|word| ["htb", "tbf"].contains(word)) else {
            return no("Error: Specified qdisc kind is unknown.", 2);
        };
        let bits = match value("rate").map(bits) {
            Some(Some(bits)) => bits,
            Some(None) => return no("Illegal \"rate\"", 1),
            None if *kind == "tbf" => return no("Both \"rate\" and \"burst\" are required.", 1),
            None => 0.0,
        };
        let hex = |key: &str| value(key).and_then(|text| u32::from_str_radix(text, 16).ok());
        self.classes.clear();
        self.filters.clear();
        self.root = Some(Root {
            kind: (*kind).to_owned(),
            handle: value("handle").unwrap_or("8001:").to_owned(),
            default: hex("default").unwrap_or(0),
            r2q: value("r2q").and_then(|text| text.parse().ok()).unwrap_or(10),
            rate: bits,
        });
        Ok(String::new())
    }

    fn change_class<'a>(&mut self, command: &str, value: &dyn Fn(&str) -> Option<&'a str>) -> Answer {
        let Some(id) = value("classid") else { return no("Error: Specified class not found.", 2) };
        let at = self.classes.iter().position(|class| class.id == id);
        let absent = "RTNETLINK answers: No such file or directory";
        let Some(root) = self.root.as_ref().filter(|root| root.kind == "htb" && id.starts_with(&root.handle))
        else {
            return no(absent, 2);
        };
        let handle = root.handle.clone();
        match (command, at) {
            ("del" | "delete", Some(at)) => {
                self.classes.remove(at);
                return Ok(String::new());
            }
            ("add", Some(_)) => return no("RTNETLINK answers: File exists", 2),
            ("change" | "del" | "delete", None) => return no(absent, 2),
            _ => {}
        }
        let parent = value("parent").unwrap_or(&handle);
        if parent != handle && !self.classes.iter().any(|class| class.id == parent) {
            return no(absent, 2);
        }
        let Some(rate) = value("rate").and_then(bits) else { return no("Illegal \"rate\"", 1) };
        let ceil = match value("ceil").map(bits) {
            None => rate,
            Some(Some(ceil)) => ceil,
            Some(None) => return no("Illegal \"ceil\"", 1),
        };
        let prio = value("prio").and_then(|text| text.parse().ok()).unwrap_or(0);
        let class = Class { id: id.to_owned(), parent: parent.to_owned(), rate, ceil, prio };
        match at {
            Some(at) => self.classes[at] = class,
            None => self.classes.push(class),
        }
        Ok(String::new())
    }

    fn change_filter<'a>(&mut self, command: &str, value: &dyn Fn(&str) -> Option<&'a str>) -> Answer {
        if ["del", "delete"].contains(&command) {
            self.filters.clear();
            return Ok(String::new());
        }
        let keys = ["src", "dst", "sport", "dport"];
        let found = keys.iter().find_map(|key| Some((*key, value(key)?)));
        let (Some((key, text)), Some(class)) = (found, value("flowid")) else {
            return no("What is \"match\"?", 1);
        };
        if self.root.is_none() {
            return no("Error: Parent Qdisc doesn't exists.", 2);
        }
        let Some((value, mask, offset)) = matched(key, text) else { return no("Illegal \"match\"", 1) };
        self.filters.push(Filter { value, mask, offset, class: class.to_owned() });
        Ok(String::new())
    }
}

/// What `match ip KEY TEXT` compares, and where in the packet (IPv4 without options).
fn matched(key: &str, text: &str) -> Option<(u32, u32, u32)> {
    let port = || text.parse::<u16>().ok().map(u32::from);
    let address = |offset| network(text).map(|(value, mask)| (value, mask, offset));
    match key {
        "src" => address(12),
        "dst" => address(16),
        "sport" => Some((port()? << 16, 0xffff_0000, 20)),
        _ => Some((port()?, 0xffff, 20)),
    }
}

/// `10.0.0.1/32` as value and mask.
fn network(text: &str) -> Option<(u32, u32)> {
    let (address, length) = text.split_once('/').unwrap_or((text, "32"));
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    let length: u32 = length.parse().ok().filter(|length| (1..=32).contains(length))?;
    let mask = u32::MAX << (32 - length);
    Some((u32::from(address) & mask, mask))
}

/// Bits a second: `600Mbit`, `1gbit`, `10kbps` (bytes), or plain bits.
fn bits(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    let units = [
        ("gbit", 1e9),
        ("mbit", 1e6),
        ("kbit", 1e3),
        ("gbps", 8e9),
        ("mbps", 8e6),
        ("kbps", 8e3),
        ("bit", 1.0),
        ("bps", 8.0),
        ("", 1.0),
    ];
    let (number, factor) =
        units.iter().find_map(|(unit, factor)| Some((lower.strip_suffix(unit)?, factor)))?;
    number.parse::<f64>().ok().filter(|value| value.is_finite() && *value > 0.0).map(|value| value * factor)
}

/// As tc prints rates: whole units of the largest that fits.
fn rate(bits: f64) -> String {
    let fits = |unit: f64| bits >= unit && bits % unit == 0.0;
    match bits {
        _ if fits(1e9) => format!("{}Gbit", bits / 1e9),
        _ if fits(1e6) => format!("{}Mbit", bits / 1e6),
        _ if bits >= 1e3 => format!("{}Kbit", (bits / 1e3).floor()),
        _ => format!("{bits}bit"),
    }
}
