//! The ssh stand-in: one remote command on one of the lab's machines, without a terminal.

use std::io::{IsTerminal, Read};
use std::path::Path;

use super::Outcome;
use super::connection::{self, Ask, Lab, Lost};
use super::node::{SshRequest, SshResponse};

/// Options that are followed by a value (ssh(1)).
const WITH_VALUE: &str = "BbcDEeFIiJLlmOoPpQRSWw";
/// ssh's exit code for its own failures.
const FAILED: u8 = 255;

/// Runs a command line.
pub fn run(program: &Path, args: &[String]) -> Outcome {
    match parse(args).and_then(|request| send(program, request)) {
        Ok(response) => Outcome {
            stdout: response.stdout,
            stderr: response.stderr,
            code: u8::try_from(response.code).unwrap_or(FAILED),
        },
        Err(message) => Outcome { stdout: String::new(), stderr: format!("{message}\n"), code: FAILED },
    }
}

fn parse(args: &[String]) -> Result<SshRequest, String> {
    let mut request = SshRequest { user: "root".to_owned(), ..SshRequest::default() };
    let mut args = args.iter();
    let usage = || "usage: ssh [options] [user@]host command".to_owned();
    while let Some(arg) = args.next() {
        if request.host.is_empty() && arg == "-V" {
            return Err("OpenSSH_9.2p1, sagetop lab".to_owned());
        }
        match arg.strip_prefix('-') {
            Some("-") if request.host.is_empty() => {}
            Some(letters) if request.host.is_empty() && !letters.is_empty() => {
                let at = letters.find(|letter| WITH_VALUE.contains(letter));
                let Some(at) = at else { continue };
                let (option, value) = letters[at..].split_at(1);
                let value =
                    if value.is_empty() { args.next().ok_or_else(usage)?.clone() } else { value.to_owned() };
                if option == "l" {
                    request.user = value;
                }
            }
            _ if request.host.is_empty() => match arg.rsplit_once('@') {
                Some((user, host)) => (request.user, request.host) = (user.to_owned(), host.to_owned()),
                None => request.host = arg.clone(),
            },
            // ssh joins what is left with spaces, and the remote shell takes it apart again.
            _ => {
                if !request.command.is_empty() {
                    request.command.push(' ');
                }
                request.command += arg;
            }
        }
    }
    if request.host.is_empty() {
        return Err(usage());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]%".contains(c);
    if request.host.starts_with('-') || !request.host.chars().all(plain) {
        return Err("hostname contains invalid characters".to_owned());
    }
    if request.user.is_empty()
        || !request.user.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    {
        return Err("remote username contains invalid characters".to_owned());
    }
    if request.command.is_empty() {
        return Err("the lab's machines run commands, not terminals".to_owned());
    }
    Ok(request)
}

fn send(program: &Path, mut request: SshRequest) -> Result<SshResponse, String> {
    let config = connection::beside(program).and_then(|path| connection::kubeconfig(&path));
    let lab = Lab::find(config.as_ref()).map_err(|lost| lost.to_string())?;
    if !std::io::stdin().is_terminal() {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map_err(|error| format!("stdin: {error}"))?;
        request.stdin = String::from_utf8_lossy(&bytes).into_owned();
    }
    let host = request.host.clone();
    let body = serde_json::to_vec(&request).map_err(|error| error.to_string())?;
    let ask = Ask {
        method: "POST",
        path: "/lab/v1/ssh".to_owned(),
        content_type: "application/json",
        accept: "application/json",
        agent: "ssh",
        body,
        timeout: None,
    };
    let lost = |lost| match lost {
        Lost::Refused(_) => format!("ssh: connect to host {host} port 22: Connection refused"),
        lost => format!("Connection to {host} closed by remote host: {lost}"),
    };
    let (code, body) = lab.send(&ask).map_err(lost)?;
    if code == 401 {
        return Err(format!("{}@{host}: Permission denied (publickey).", request.user));
    }
    serde_json::from_slice(&body).map_err(|_| format!("Connection to {host} closed by remote host."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_command_line_is_taken_apart() {
        let line =
            "-F /dev/null -T -o BatchMode=yes -o ConnectTimeout=5 -l ops -- node-1 cat '/proc/loadavg'";
        let request = parse(&words(line)).unwrap();
        assert_eq!(
            (&*request.user, &*request.host, &*request.command),
            ("ops", "node-1", "cat '/proc/loadavg'")
        );
        let request = parse(&words("-Tlops node-1 uname -a")).unwrap();
        assert_eq!((&*request.user, &*request.command), ("ops", "uname -a"));
        assert_eq!(parse(&words("ops@n true")).unwrap().user, "ops");
    }

    #[test]
    fn names_that_a_shell_could_read_are_refused() {
        let host = ["a;b".to_owned(), "true".to_owned()];
        assert_eq!(parse(&host).unwrap_err(), "hostname contains invalid characters");
        assert_eq!(parse(&words("-l $x n true")).unwrap_err(), "remote username contains invalid characters");
    }
}
