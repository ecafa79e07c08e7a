//! The programs on a machine.

mod privilege;
mod system;
mod text;

use super::shell::{Io, Shell};

/// The tools there are; `awk` and `sed` are not among them.
pub const NAMES: [&str; 43] = [
    "basename",
    "bash",
    "cat",
    "cp",
    "crictl",
    "cut",
    "date",
    "dirname",
    "env",
    "flock",
    "grep",
    "head",
    "hostname",
    "id",
    "ip",
    "ls",
    "lsblk",
    "mkdir",
    "mountpoint",
    "mv",
    "nproc",
    "nsenter",
    "pgrep",
    "rm",
    "rmdir",
    "seq",
    "sh",
    "sort",
    "sudo",
    "systemctl",
    "systemd-run",
    "tail",
    "tc",
    "tee",
    "timeout",
    "touch",
    "tr",
    "uname",
    "uniq",
    "uptime",
    "wc",
    "which",
    "whoami",
];

/// Runs a tool; its exit code, or `None` if there is none of that name.
pub fn call(shell: &mut Shell<'_>, name: &str, arguments: &[String], io: &mut Io) -> Option<i32> {
    let name = name
        .strip_prefix("/usr/bin/")
        .or(name.strip_prefix("/bin/"))
        .or(name.strip_prefix("/usr/sbin/"))
        .unwrap_or(name);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    text::call(shell, name, &arguments, io)
        .or_else(|| system::call(shell, name, &arguments, io))
        .or_else(|| privilege::call(shell, name, &arguments, io))
}

/// Flags and the rest of a command line; `values` are the letters that are followed by a value.
fn options<'a>(arguments: &[&'a str], values: &str) -> (Vec<(char, &'a str)>, Vec<&'a str>) {
    let (mut flags, mut rest) = (Vec::new(), Vec::new());
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix('-') {
            Some("-") => {
                rest.extend(words.by_ref());
            }
            Some(letters) if !letters.is_empty() && !letters.starts_with('-') => {
                for (at, letter) in letters.char_indices() {
                    if values.contains(letter) {
                        let attached = &letters[at + letter.len_utf8()..];
                        let value = if attached.is_empty() {
                            words.next().copied().unwrap_or_default()
                        } else {
                            attached
                        };
                        flags.push((letter, value));
                        break;
                    }
                    flags.push((letter, ""));
                }
            }
            _ => rest.push(*word),
        }
    }
    (flags, rest)
}
