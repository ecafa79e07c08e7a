//! Tools that run other commands: as somebody else, elsewhere, later, or one at a time.

use super::options;
use crate::lab::standin::node::Timer;
use crate::lab::standin::node::shell::{Io, Shell};

pub fn call(shell: &mut Shell<'_>, name: &str, arguments: &[&str], io: &mut Io) -> Option<i32> {
    Some(match name {
        "sudo" => sudo(shell, arguments, io),
        "sh" | "bash" => script(shell, name, arguments, io),
        "flock" => flock(shell, arguments, io),
        "env" | "timeout" | "nice" | "setsid" | "nohup" => {
            let mut words =
                arguments.iter().skip_while(|word| word.starts_with('-') || word.contains('=')).copied();
            if name == "timeout" {
                words.next();
            }
            shell.invoke(words.map(str::to_owned).collect(), io)
        }
        "nsenter" => nsenter(shell, arguments, io),
        "systemd-run" => systemd_run(shell, arguments, io),
        "systemctl" => systemctl(shell, arguments, io),
        _ => return None,
    })
}

fn sudo(shell: &mut Shell<'_>, arguments: &[&str], io: &mut Io) -> i32 {
    if shell.no_sudo && !shell.root {
        return io.fail("sudo: a password is required", 1);
    }
    let at = arguments.iter().position(|word| !word.starts_with('-')).unwrap_or(arguments.len());
    let (flags, command) = arguments.split_at(at);
    if flags.contains(&"-l") {
        let user = shell.user().to_owned();
        io.say(format!(
            "User {user} may run the following commands on {}:\n    (ALL) NOPASSWD: ALL",
            shell.host()
        ));
        return 0;
    }
    let before = std::mem::replace(&mut shell.root, true);
    let status = shell.invoke(command.iter().map(|word| (*word).to_owned()).collect(), io);
    shell.root = before;
    status
}

fn script(shell: &mut Shell<'_>, name: &str, arguments: &[&str], io: &mut Io) -> i32 {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let at =
        arguments.iter().position(|word| !word.starts_with('-') || *word == "--").unwrap_or(arguments.len());
    let (flags, rest) = arguments.split_at(at);
    let rest = if rest.first() == Some(&"--") { &rest[1..] } else { rest };
    let letters: String = flags.iter().map(|flag| flag.trim_start_matches('-')).collect();
    let switches: String = letters.chars().filter(|letter| "eu".contains(*letter)).collect();
    let prefix = if switches.is_empty() { String::new() } else { format!("set -{switches}\n") };
    if letters.contains('c') {
        let Some((script, rest)) = rest.split_first() else {
            return io.fail(format!("{name}: -c requires an argument"), 2);
        };
        let (name, rest) = rest.split_first().map_or((name, rest), |(name, rest)| (*name, rest));
        return shell.nested(name, owned(rest), &(prefix + script), io);
    }
    if letters.contains('s') || rest.is_empty() {
        let text = io.rest();
        return shell.nested(name, owned(rest), &(prefix + &text), io);
    }
    match shell.machine.read(rest[0]) {
        Ok(text) => shell.nested(rest[0], owned(&rest[1..]), &(prefix + &text), io),
        Err(why) => io.fail(format!("{name}: {}: {why}", rest[0]), 127),
    }
}

/// Nobody else holds a lock in the lab: it is always had.
fn flock(shell: &mut Shell<'_>, arguments: &[&str], io: &mut Io) -> i32 {
    let mut words = arguments.iter().copied();
    let file = loop {
        match words.next() {
            Some("-w" | "-E" | "--timeout" | "--conflict-exit-code") => drop(words.next()),
            Some(flag) if flag.starts_with('-') => {}
            file => break file,
        }
    };
    let Some(file) = file else { return io.fail("flock: requires file descriptor, file or directory", 64) };
    let command: Vec<String> = words.map(str::to_owned).collect();
    let there = file.parse::<u32>().is_ok() || shell.machine.exists(file);
    if !there && (!shell.may_write(file) || shell.machine.write(file, "", true).is_err()) {
        return io.fail(format!("flock: cannot open lock file {file}: Permission denied"), 66);
    }
    match command.as_slice() {
        [] => 0,
        [flag, script] if flag == "-c" => shell.nested("sh", Vec::new(), script, io),
        _ => shell.invoke(command, io),
    }
}

/// `nsenter -t PID -n CMD`: of a container's network only what leads out of it is told.
fn nsenter(shell: &mut Shell<'_>, arguments: &[&str], io: &mut Io) -> i32 {
    if !shell.root {
        return io.fail("nsenter: cannot open /proc: Permission denied", 1);
    }
    let (flags, command) = options(arguments, "t");
    let pid: u32 =
        flags.iter().find(|(flag, _)| *flag == 't').and_then(|(_, pid)| pid.parse().ok()).unwrap_or(0);
    let containers = &shell.machine.containers;
    let Some(container) = containers.iter().find(|container| container.threads().contains(&pid)) else {
        return io.fail(format!("nsenter: cannot open /proc/{pid}/ns/net: No such file or directory"), 1);
    };
    match command.as_slice() {
        ["cat", "/sys/class/net/eth0/iflink"] => {
            io.say(container.interface.1.to_string());
            0
        }
        ["cat", "/sys/class/net/eth0/ifindex"] => {
            io.say((container.interface.1 - 1).to_string());
            0
        }
        ["ip", ..] => {
            io.say(format!(
                "{}: eth0@if{}: inet {}/32",
                container.interface.1 - 1,
                container.interface.1,
                container.address
            ));
            0
        }
        _ => io.fail("nsenter: the lab's containers run no commands", 1),
    }
}

/// A command that runs by itself after a while.
fn systemd_run(shell: &mut Shell<'_>, arguments: &[&str], io: &mut Io) -> i32 {
    if !shell.root {
        return io.fail("Failed to start transient timer unit: Interactive authentication required.", 1);
    }
    let value = |key: &str| arguments.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let command =
        arguments.iter().position(|word| !word.starts_with('-')).map_or(&[][..], |at| &arguments[at..]);
    let seconds = value("--on-active").and_then(|text| text.trim_end_matches('s').parse::<i64>().ok());
    let (Some(seconds), false) = (seconds, command.is_empty()) else {
        return io.fail(
            "Failed to parse timer value: the lab's systemd-run needs --on-active=SECONDS and a command",
            1,
        );
    };
    let unit = value("--unit").unwrap_or("run-lab").trim_end_matches(".timer").to_owned();
    if shell.machine.timers.iter().any(|timer| timer.unit == unit) {
        let what = format!("Unit {unit}.timer was already loaded or has a fragment file.");
        return io.fail(format!("Failed to start transient timer unit: {what}"), 1);
    }
    let argv = command.iter().map(|word| (*word).to_owned()).collect();
    shell.machine.timers.push(Timer {
        unit: unit.clone(),
        due_ms: shell.machine.now_ms + seconds * 1000,
        argv,
    });
    io.err += &format!("Running timer as unit: {unit}.timer\nWill run service as unit: {unit}.service\n");
    0
}

fn systemctl(shell: &mut Shell<'_>, arguments: &[&str], io: &mut Io) -> i32 {
    let words: Vec<&str> = arguments.iter().copied().filter(|word| !word.starts_with('-')).collect();
    let unit_of = |name: &str| name.trim_end_matches(".timer").to_owned();
    match words.as_slice() {
        ["is-active", unit] => {
            let active = shell.machine.timers.iter().any(|timer| timer.unit == unit_of(unit));
            io.say(if active { "active" } else { "inactive" });
            if active { 0 } else { 3 }
        }
        ["stop", unit] => {
            if !shell.root {
                return io.fail(format!("Failed to stop {unit}: Interactive authentication required."), 1);
            }
            let before = shell.machine.timers.len();
            shell.machine.timers.retain(|timer| timer.unit != unit_of(unit));
            if shell.machine.timers.len() == before {
                return io.fail(format!("Failed to stop {unit}: Unit {unit} not loaded."), 5);
            }
            0
        }
        ["set-property", unit, properties @ ..] => set_property(shell, unit, properties, io),
        _ => io.fail("systemctl: the lab's knows is-active, stop and set-property", 1),
    }
}

fn set_property(shell: &mut Shell<'_>, unit: &str, properties: &[&str], io: &mut Io) -> i32 {
    if !shell.root {
        return io.fail(
            format!("Failed to set unit properties on {unit}: Interactive authentication required."),
            1,
        );
    }
    let found =
        shell.machine.containers.iter().find(|container| container.cgroup.ends_with(&format!("/{unit}")));
    let Some(folder) = found.map(crate::lab::standin::node::cgroup::folder) else {
        return io.fail(format!("Failed to set unit properties on {unit}: Unit {unit} not found."), 1);
    };
    for property in properties {
        let result = match property.split_once('=') {
            Some(("CPUQuota", "")) => shell.machine.write(&format!("{folder}/cpu.max"), "max 100000", false),
            Some(("CPUQuota", percent)) => match percent.trim_end_matches('%').parse::<u64>() {
                Ok(percent) => shell.machine.write(
                    &format!("{folder}/cpu.max"),
                    &format!("{} 100000", percent * 1000),
                    false,
                ),
                Err(_) => return io.fail(format!("Failed to parse CPUQuota= property: {percent}"), 1),
            },
            Some(("MemoryMax", text)) => shell.machine.write(&format!("{folder}/memory.max"), text, false),
            _ => return io.fail(format!("Unknown assignment: {property}"), 1),
        };
        if let Err(why) = result {
            return io.fail(format!("Failed to set unit properties on {unit}: {why}"), 1);
        }
    }
    0
}
