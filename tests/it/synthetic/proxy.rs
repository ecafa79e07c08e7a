//! A way to a server that breaks in the midst of an answer, can be mended, and can lead to another one:
//! the program knows backends by their address.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// Forwards connections to another address until it has delivered so many bytes.
pub struct Proxy {
    pub url: String,
    left: Arc<AtomicI64>,
    server: Arc<Mutex<String>>,
}

impl Proxy {
    /// To `server` (a URL); breaks after `bytes` of answers.
    pub fn to(server: &str, bytes: i64) -> Self {
        let server = Arc::new(Mutex::new(address(server)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let left = Arc::new(AtomicI64::new(bytes));
        let (budget, target) = (left.clone(), server.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, budget) = (target.lock().unwrap().clone(), budget.clone());
                std::thread::spawn(move || forward(&client, &server, &budget));
            }
        });
        Self { url, left, server }
    }

    /// Leads new connections to another server.
    pub fn lead_to(&self, server: &str) {
        *self.server.lock().unwrap() = address(server);
    }

    /// Whether it broke.
    pub fn is_broken(&self) -> bool {
        self.left.load(Ordering::SeqCst) <= 0
    }

    /// From now on it holds.
    pub fn mend(&self) {
        self.left.store(i64::MAX / 2, Ordering::SeqCst);
    }
}

fn address(url: &str) -> String {
    url.trim_start_matches("http://").to_owned()
}

/// Errors mean that a side has gone: then the other one goes, too.
fn forward(client: &TcpStream, server: &str, left: &AtomicI64) {
    if left.load(Ordering::SeqCst) <= 0 {
        return;
    }
    let Ok(server) = TcpStream::connect(server) else { return };
    std::thread::scope(|both| {
        both.spawn(|| {
            pump(client, &server, |_| true);
            let _ = server.shutdown(Shutdown::Both);
        });
        pump(&server, client, |n| left.fetch_sub(n, Ordering::SeqCst) > n);
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    });
}

fn pump(mut from: &TcpStream, mut to: &TcpStream, go_on: impl Fn(i64) -> bool) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if !go_on(n as i64) || to.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
}
