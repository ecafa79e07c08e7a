//! How machines are reached: one ssh command, whose remote words are quoted, and what its end says.
//!
//! ssh joins its last arguments with spaces and the remote shell reads them again (ssh(1)), so that
//! exactly one argument is given, made of words in single quotes. What is done there is said by the
//! constant script on standard input.

use std::path::PathBuf;

use super::script::{Exit, HELPER_PATH, SCRIPT};
use crate::domain::Clean;
use crate::remedy::names::{Host, User};
use crate::remedy::plan::Step;

/// How root is reached on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `sudo -n sh -s`, the script on standard input.
    Shell,
    /// The helper that was installed there: nothing else may be run as root.
    Helper,
}

impl Entry {
    /// By what `sudo -n -l` prints: the helper where it may be run, else a shell where all may be.
    /// `None` if neither may.
    pub fn of_rights(listed: &str) -> Option<Self> {
        let commands =
            || listed.lines().filter_map(|line| line.split_once("NOPASSWD:")).map(|(_, rest)| rest);
        let names = |wanted: &str| {
            commands().flat_map(|rest| rest.split(',')).any(|item| {
                // A digest may stand in front of the command, arguments behind it.
                item.split_whitespace().find(|word| !word.contains(':')) == Some(wanted)
            })
        };
        if names(HELPER_PATH) {
            return Some(Self::Helper);
        }
        names("ALL").then_some(Self::Shell)
    }
}

/// A machine and who logs in there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// ssh by absolute path.
    pub program: String,
    /// Its configuration; without one, none is read: neither the user's nor the system's.
    pub config: Option<PathBuf>,
    /// Who logs in.
    pub user: User,
    /// Where.
    pub host: Host,
}

/// A word as a POSIX shell reads it back: in single quotes, whatever it is.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl Login {
    /// The command that runs the script there with these words.
    pub fn step(&self, entry: Entry, words: &[String]) -> Step {
        let quoted = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
        match entry {
            Entry::Shell => self.command(format!("sudo -n sh -s -- '/' {quoted}"), Some(SCRIPT.to_owned())),
            Entry::Helper => self.command(format!("sudo -n {HELPER_PATH} {quoted}"), None),
        }
    }

    /// The command that asks what may be run as root there.
    pub fn rights(&self) -> Step {
        self.command("sudo -n -l".to_owned(), None)
    }

    fn command(&self, remote: String, stdin: Option<String>) -> Step {
        let config = self.config.as_ref().map_or("/dev/null".into(), |path| path.to_string_lossy());
        let mut argv = vec![self.program.clone(), "-F".to_owned(), config.into_owned(), "-T".to_owned()];
        for option in [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "ConnectTimeout=5",
            "ServerAliveInterval=5",
            "ServerAliveCountMax=3",
            "ForwardAgent=no",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "ControlPath=none",
            "EscapeChar=none",
            "LogLevel=ERROR",
        ] {
            argv.extend(["-o".to_owned(), option.to_owned()]);
        }
        argv.extend(["-l", self.user.as_str(), "--", self.host.as_str()].map(str::to_owned));
        argv.push(remote);
        Step { argv, stdin }
    }
}

/// What an ssh command's end says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The script ended so, and said this.
    Script(Exit, Clean),
    /// There was no session: nothing was run. ssh's words.
    NeverConnected(Clean),
    /// There is no such program on the machine, or it may not be run: nothing was done.
    NoProgram(Clean),
    /// The session was lost, or the remote command was killed: both end alike, and nobody can tell what
    /// was done before. A new session can ask for the outcome.
    Lost(Clean),
}

/// Words of ssh before there is a session (OpenSSH 9.2). All go with 255, which is also its code for a
/// session that was lost.
const BEFORE_A_SESSION: [&str; 18] = [
    "Host key verification failed.",
    "REMOTE HOST IDENTIFICATION HAS CHANGED!",
    "host key is known for",
    "Could not resolve hostname",
    "Connection refused",
    "No route to host",
    "Network is unreachable",
    "hostname contains invalid characters",
    "remote username contains invalid characters",
    "Permission denied (",
    "Too many authentication failures",
    "Bad configuration option",
    "Can't open user config file",
    "no matching host key type found",
    "no matching key exchange method found",
    "no matching cipher found",
    "Bad owner or permissions on",
    "kex_exchange_identification:",
];

/// What the end of an ssh command says: its exit code (`None` if it was killed) and its outputs.
pub fn ending(code: Option<i32>, stdout: &[u8], stderr: &[u8]) -> Ending {
    let said = |bytes: &[u8]| Clean::capped(String::from_utf8_lossy(bytes).trim(), MOST_SAID);
    let complaint = String::from_utf8_lossy(stderr);
    match code {
        Some(255) => {
            let mut lines = complaint.lines();
            match lines.find(|line| BEFORE_A_SESSION.iter().any(|words| line.contains(words))) {
                // The remote command's own words come by the same way, but only a session has any: ssh's
                // own are the last ones then.
                Some(_) if !stdout.is_empty() => Ending::Lost(said(stderr)),
                Some(line) => Ending::NeverConnected(Clean::capped(line.trim(), MOST_SAID)),
                None if timed_out_connecting(&complaint) => Ending::NeverConnected(said(stderr)),
                None => Ending::Lost(said(stderr)),
            }
        }
        Some(127) => Ending::NoProgram(said(stderr)),
        Some(1) if complaint.contains("sudo: ") => Ending::NoProgram(said(stderr)),
        Some(code) => match Exit::of(code) {
            Some(Exit::Words) => Ending::Script(Exit::Words, said(stderr)),
            Some(exit) => Ending::Script(exit, said(stdout)),
            // Not a code of ours: a shell that met an error, or a helper that is something else.
            None => Ending::Lost(Clean::capped(&format!("exit {code}: {}", complaint.trim()), MOST_SAID)),
        },
        None => Ending::Lost(Clean::new("ssh was stopped")),
    }
}

/// Longest text that is taken from a machine into a sentence.
const MOST_SAID: usize = 2_000;

/// `ssh: connect to host x port 22: Connection timed out`; the same words about a session mean its loss.
fn timed_out_connecting(complaint: &str) -> bool {
    complaint
        .lines()
        .any(|line| line.starts_with("ssh: connect to host ") || line.contains("during banner exchange"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn login() -> Login {
        Login {
            program: "/usr/bin/ssh".to_owned(),
            config: None,
            user: User::new("ops").unwrap(),
            host: Host::new("node-1").unwrap(),
        }
    }

    #[test]
    fn the_command_is_as_it_should_be() {
        let step = login().step(Entry::Shell, &["probe".to_owned(), "machine".to_owned()]);
        assert_eq!(
            step.argv.join(" "),
            "/usr/bin/ssh -F /dev/null -T -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=5 \
             -o ServerAliveInterval=5 -o ServerAliveCountMax=3 -o ForwardAgent=no -o ClearAllForwardings=yes \
             -o PermitLocalCommand=no -o ControlPath=none -o EscapeChar=none -o LogLevel=ERROR -l ops -- node-1 \
             sudo -n sh -s -- '/' 'probe' 'machine'"
        );
        assert_eq!(step.stdin.as_deref(), Some(SCRIPT));
        let step = login().step(Entry::Helper, &["probe".to_owned()]);
        assert_eq!(step.argv.last().unwrap(), "sudo -n /usr/local/sbin/sagetop-node 'probe'");
        assert_eq!((step.stdin, login().rights().argv.last().unwrap().as_str()), (None, "sudo -n -l"));
    }

    #[test]
    fn ends_are_told_apart() {
        let of = |code, err: &str| ending(Some(code), b"", err.as_bytes());
        for words in [
            "Host key verification failed.\r\n",
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @",
            "No ED25519 host key is known for 10.0.0.1 and you have requested strict checking.",
            "ssh: Could not resolve hostname nowhere: Name or service not known",
            "ssh: connect to host node-1 port 22: Connection refused",
            "ssh: connect to host node-1 port 22: Connection timed out",
            "hostname contains invalid characters",
            "ops@node-1: Permission denied (publickey).",
        ] {
            assert!(matches!(of(255, words), Ending::NeverConnected(_)), "{words}");
        }
        for words in
            ["", "Connection to node-1 closed by remote host.", "Timeout, server node-1 not responding."]
        {
            assert!(matches!(of(255, words), Ending::Lost(_)), "{words}");
        }
        // A session has said something: whatever ssh complains of, it was there.
        assert!(matches!(
            ending(Some(255), b"x", b"ssh: connect to host a: Connection refused"),
            Ending::Lost(_)
        ));
        assert!(matches!(of(127, "bash: line 1: sudo: command not found"), Ending::NoProgram(_)));
        assert!(matches!(of(1, "sudo: a password is required"), Ending::NoProgram(_)));
        assert!(matches!(of(1, ""), Ending::Lost(_)) && matches!(of(139, ""), Ending::Lost(_)));
        assert_eq!(ending(Some(76), b"absent\n", b""), Ending::Script(Exit::Changed, Clean::new("absent")));
        assert_eq!(ending(None, b"", b""), Ending::Lost(Clean::new("ssh was stopped")));
    }

    #[test]
    fn rights_are_read() {
        let head = "Matching Defaults entries for ops on n:\n    env_reset\n\nUser ops may run the following commands on n:\n";
        for (line, entry) in [
            ("    (ALL) NOPASSWD: ALL", Some(Entry::Shell)),
            ("    (ALL : ALL) NOPASSWD: ALL", Some(Entry::Shell)),
            ("    (root) NOPASSWD: /usr/local/sbin/sagetop-node", Some(Entry::Helper)),
            ("    (root) NOPASSWD: sha256:ab12 /usr/local/sbin/sagetop-node", Some(Entry::Helper)),
            ("    (root) NOPASSWD: /bin/ls, /usr/local/sbin/sagetop-node *", Some(Entry::Helper)),
            ("    (root) NOPASSWD: /usr/local/sbin/sagetop-node-old", None),
            ("    (ALL : ALL) ALL", None),
            ("    (root) NOPASSWD: /bin/ls", None),
        ] {
            assert_eq!(Entry::of_rights(&format!("{head}{line}\n")), entry, "{line}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Words reach the script as they are, whatever they are.
        #[test]
        fn a_remote_shell_reads_back_each_word(words in prop::collection::vec("[^\\x00]{0,12}", 1..5)) {
            let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
            let line = format!("printf '%s\\0' {}", quoted.join(" "));
            let output = Command::new("/bin/sh").args(["-c", &line]).output().unwrap();
            let read: Vec<String> = String::from_utf8(output.stdout).unwrap()
                .split_terminator('\0').map(str::to_owned).collect();
            prop_assert_eq!(read, words);
        }
    }
}
