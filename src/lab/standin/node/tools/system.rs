//! Tools that tell what a machine is and what runs on it.

use jiff::Timestamp;
use serde_json::json;

use super::NAMES;
use crate::lab::standin::node::shell::{Io, Shell};
use crate::lab::standin::node::{Container, KERNEL, cgroup};

pub fn call(shell: &mut Shell<'_>, name: &str, arguments: &[&str], io: &mut Io) -> Option<i32> {
    match name {
        "nproc" => io.say(shell.machine.node.cores.to_string()),
        "uname" => {
            let host = shell.machine.name.clone();
            io.say(match arguments.first() {
                Some(&"-r") => KERNEL.to_owned(),
                Some(&"-m") => "x86_64".to_owned(),
                Some(&"-n") => host,
                Some(&"-a") => format!("Linux {host} {KERNEL} #1 SMP x86_64 GNU/Linux"),
                _ => "Linux".to_owned(),
            });
        }
        "hostname" => io.say(shell.machine.name.clone()),
        "whoami" => io.say(shell.user()),
        "id" => {
            let (number, user) = if shell.root { (0, "root") } else { (1000, shell.user()) };
            let text = match arguments.first() {
                Some(&"-u") => number.to_string(),
                Some(&"-un") => user.to_owned(),
                _ => format!("uid={number}({user}) gid={number}({user}) groups={number}({user})"),
            };
            io.say(text);
        }
        "date" => {
            let seconds = shell.machine.now_ms.div_euclid(1000);
            let time = Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default();
            io.say(if arguments.contains(&"+%s") { seconds.to_string() } else { time });
        }
        "uptime" => io.say("up 1 day, load average: 0.50, 0.50, 0.50"),
        "which" => {
            let found: Vec<&&str> = arguments.iter().filter(|name| NAMES.contains(name)).collect();
            found.iter().for_each(|name| io.say(format!("/usr/bin/{name}")));
            return Some(i32::from(found.len() != arguments.len()));
        }
        "mountpoint" => {
            let path = arguments.last().copied().unwrap_or_default();
            let is = ["/sys/fs/resctrl", "/sys/fs/cgroup", "/"].contains(&path);
            if !arguments.contains(&"-q") {
                io.say(format!("{path} is {}a mountpoint", if is { "" } else { "not " }));
            }
            return Some(i32::from(!is));
        }
        "lsblk" => io.say(format!("{} disk\n  8:1 part", cgroup::DISK)),
        "pgrep" => {
            let pattern = arguments.last().copied().unwrap_or_default();
            let pids: Vec<u32> = shell
                .machine
                .containers
                .iter()
                .filter(|container| container.name.contains(pattern))
                .map(|container| container.pid)
                .collect();
            pids.iter().for_each(|pid| io.say(pid.to_string()));
            return Some(i32::from(pids.is_empty()));
        }
        "tc" => {
            let root = shell.root;
            return Some(match shell.machine.traffic.run(arguments, root) {
                Ok(text) => {
                    io.out += &text;
                    0
                }
                Err((message, code)) => io.fail(message, code),
            });
        }
        "ip" => return Some(ip(shell, arguments, io)),
        "crictl" => return Some(crictl(shell, arguments, io)),
        _ => return None,
    }
    Some(0)
}

fn ip(shell: &Shell<'_>, arguments: &[&str], io: &mut Io) -> i32 {
    let words: Vec<&str> = arguments.iter().copied().filter(|word| !word.starts_with('-')).collect();
    if !matches!(words.as_slice(), ["link" | "l"] | ["link" | "l", "show", ..]) {
        return io.fail("Object is unknown, try \"ip help\": the lab's ip knows link show", 1);
    }
    let wanted = words
        .get(2)
        .map(|word| if *word == "dev" { words.get(3).copied().unwrap_or_default() } else { word });
    let own = (2, "eth0".to_owned());
    let links = shell
        .machine
        .containers
        .iter()
        .map(|container| (container.interface.1, container.interface.0.clone()));
    let links: Vec<(u32, String)> = [own]
        .into_iter()
        .chain(links)
        .filter(|(_, name)| wanted.is_none_or(|wanted| wanted == name))
        .collect();
    if links.is_empty() {
        return io.fail(format!("Device {:?} does not exist.", wanted.unwrap_or_default()), 1);
    }
    let json = arguments.iter().any(|word| ["-j", "-json"].contains(word));
    if json {
        let entries: Vec<_> = links
            .iter()
            .map(|(index, name)| json!({ "ifindex": index, "ifname": name, "mtu": 1500, "operstate": "UP", "link_type": "ether" }))
            .collect();
        io.say(json!(entries).to_string());
    } else {
        for (index, name) in links {
            io.say(format!(
                "{index}: {name}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP mode DEFAULT"
            ));
        }
    }
    0
}

fn crictl(shell: &Shell<'_>, arguments: &[&str], io: &mut Io) -> i32 {
    if !shell.root {
        return io.fail("crictl: connect: permission denied", 1);
    }
    let containers = &shell.machine.containers;
    let labels = |container: &Container| {
        json!({
            "io.kubernetes.container.name": container.name,
            "io.kubernetes.pod.name": container.pod,
            "io.kubernetes.pod.namespace": container.namespace,
            "io.kubernetes.pod.uid": container.uid,
        })
    };
    match arguments.first() {
        Some(&"inspect") => {
            let id = arguments.last().copied().unwrap_or_default();
            let Some(container) =
                containers.iter().find(|container| container.id.starts_with(id) && !id.is_empty())
            else {
                return io
                    .fail(format!("E rpc error: code = NotFound desc = could not find container {id:?}"), 1);
            };
            let status =
                json!({ "id": container.id, "labels": labels(container), "state": "CONTAINER_RUNNING" });
            io.say(format!("{:#}", json!({ "status": status, "info": { "pid": container.pid } })));
            0
        }
        Some(&"ps") => {
            let list: Vec<_> = containers
                .iter()
                .map(|container| json!({ "id": container.id, "labels": labels(container) }))
                .collect();
            io.say(format!("{:#}", json!({ "containers": list })));
            0
        }
        _ => io.fail("crictl: the lab's knows inspect and ps", 1),
    }
}
