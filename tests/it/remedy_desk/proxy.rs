//! An HTTP proxy before the API server that lets one phase of an action go wrong, and counts what reaches
//! the server.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The answer comes late, but in time.
    Slow,
    /// The connection ends before the request is passed on.
    Reset,
    /// It ends after the server has answered, without the answer.
    Lost,
    /// It ends in the midst of the answer.
    Truncated,
    /// The server has too much to do, and does nothing.
    TooMany,
    /// The server has done it and says that it failed.
    Failed,
    /// Nothing comes, and nothing was passed on.
    Hang,
}

pub const FAULTS: [Fault; 7] =
    [Fault::Slow, Fault::Reset, Fault::Lost, Fault::Truncated, Fault::TooMany, Fault::Failed, Fault::Hang];

/// When it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reads before the write.
    Probe,
    /// The rehearsal.
    DryRun,
    /// The write.
    Write,
    /// Reads until the outcome is told.
    ReadBack,
    /// Reads after that.
    Settle,
}

pub const PHASES: [Phase; 5] = [Phase::Probe, Phase::DryRun, Phase::Write, Phase::ReadBack, Phase::Settle];

#[derive(Default)]
struct State {
    /// A real write was passed on or held back: what is read now is read back.
    wrote: bool,
    told: bool,
    /// How often the fault still strikes.
    left: usize,
    /// Writes of replicas that the server accepted.
    accepted: usize,
}

/// A proxy; it serves as long as the process lives.
pub struct Proxy {
    state: Arc<Mutex<State>>,
    pub kubeconfig: PathBuf,
}

impl Proxy {
    /// Before the server of `kubeconfig`, with a kubeconfig of its own in `folder`.
    pub fn before(kubeconfig: &Path, folder: &Path, fault: Fault, phase: Phase, times: usize) -> Self {
        let text = std::fs::read_to_string(kubeconfig).unwrap();
        let (_, rest) = text.split_once("http://").unwrap();
        let server = rest[..rest.find('/').unwrap()].to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().to_string();
        let through = folder.join("proxied");
        std::fs::write(&through, text.replace(&server, &own)).unwrap();
        let state = Arc::new(Mutex::new(State { left: times, ..State::default() }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (shared, server) = (shared.clone(), server.clone());
                std::thread::spawn(move || serve(client, &server, &shared, fault, phase));
            }
        });
        Self { state, kubeconfig: through }
    }

    /// From now on reads are for the effect.
    pub fn told(&self) {
        self.state.lock().unwrap().told = true;
    }

    /// Writes of replicas that the server accepted.
    pub fn accepted(&self) -> usize {
        self.state.lock().unwrap().accepted
    }
}

/// Reads a whole message with a length; `None` if there is none.
fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut part = [0; 16 << 10];
    loop {
        if let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
            let length =
                text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if bytes.len() >= head + 4 + length.unwrap_or(0usize) {
                return Some(bytes);
            }
        }
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&part[..read]),
        }
    }
}

fn serve(mut client: TcpStream, server: &str, state: &Mutex<State>, fault: Fault, phase: Phase) {
    let Some(request) = message(&mut client) else { return };
    let line = String::from_utf8_lossy(&request);
    let line = line.lines().next().unwrap_or_default().to_owned();
    let of_replicas = line.contains("/scale");
    let writes = line.starts_with("PUT") || line.starts_with("PATCH");
    let strikes = {
        let mut state = state.lock().unwrap();
        let now = match (writes, line.contains("dryRun="), state.wrote, state.told) {
            (true, true, ..) => Phase::DryRun,
            (true, false, ..) => Phase::Write,
            (false, _, false, _) => Phase::Probe,
            (false, _, true, false) => Phase::ReadBack,
            (false, _, true, true) => Phase::Settle,
        };
        // Notes about who acts are no part of it.
        let counts = now == phase && (!writes || of_replicas) && !line.contains("/leases");
        state.wrote |= now == Phase::Write && of_replicas;
        let strikes = counts && state.left > 0;
        state.left -= usize::from(strikes);
        strikes
    };
    let strike = strikes.then_some(fault);
    match strike {
        Some(Fault::Reset) => return,
        Some(Fault::Hang) => return std::thread::sleep(Duration::from_secs(40)),
        Some(Fault::TooMany) => return answer(&mut client, 429, "TooManyRequests"),
        _ => {}
    }
    let Some(response) = forward(&request, server) else { return };
    let accepted = response.starts_with(b"HTTP/1.1 20");
    if writes && of_replicas && accepted && !line.contains("dryRun=") {
        state.lock().unwrap().accepted += 1;
    }
    match strike {
        Some(Fault::Lost) => {}
        Some(Fault::Truncated) => drop(client.write_all(&response[..response.len() / 2])),
        Some(Fault::Failed) => answer(&mut client, 500, "InternalError"),
        Some(Fault::Slow) => {
            std::thread::sleep(Duration::from_millis(1500));
            drop(client.write_all(&response));
        }
        _ => drop(client.write_all(&response)),
    }
}

fn forward(request: &[u8], server: &str) -> Option<Vec<u8>> {
    let mut upstream = TcpStream::connect(server).ok()?;
    // One request a connection: the answer ends with it.
    let split = request.windows(2).position(|window| window == b"\r\n")? + 2;
    upstream.write_all(&request[..split]).ok()?;
    upstream.write_all(b"Connection: close\r\n").ok()?;
    upstream.write_all(&request[split..]).ok()?;
    let mut response = Vec::new();
    upstream.read_to_end(&mut response).ok()?;
    Some(response)
}

fn answer(client: &mut TcpStream, code: u16, reason: &str) {
    let body = format!(
        r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"by the proxy","reason":"{reason}","code":{code}}}"#
    );
    let head = format!(
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = client.write_all(format!("{head}{body}").as_bytes());
}
