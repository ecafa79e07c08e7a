//! Bodies: decoded on a thread of their own while they arrive, within the caps.
//!
//! ```text
//! socket → gunzip → pump ──bounded channel──▶ Source (Read) → serde_json → decoder
//!                    ▲ cap, idle and whole timeouts                         │ batches
//!          sink ◀────────────────────bounded channel────────────────────────┘
//! ```
//!
//! Both channels are bounded, so memory is bounded by what the decoder keeps. Whoever goes away first
//! closes its channel ends, and the other side stops at its next step.

use std::io::{self, BufReader, Read};
use std::time::Duration;

use serde_json::error::Category;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::{Answer, root_cause};
use crate::domain::Clean;
use crate::telemetry::Error;

/// Bytes handed to the decoder at once; a decompressor's frames are far smaller.
const BLOCK: usize = 32 * 1024;
/// Blocks under way.
const BLOCKS: usize = 8;
/// Decoded batches under way.
const BATCHES: usize = 4;
/// How much of an error's body is read.
const MAX_ERROR_BODY: usize = 64 * 1024;
/// How much of a body that is not understood is shown.
const SHOWN: usize = 200;

/// The body as the decoder reads it.
pub(crate) type Source = BufReader<Blocks>;
/// Hands a batch to the sink; false when nobody listens any more, so the decoder should stop.
pub(crate) type Emit<'a, B> = &'a mut dyn FnMut(B) -> bool;

/// Why a decoder gave up.
#[derive(Debug)]
pub(crate) enum Undecodable {
    /// Not JSON, or not of the expected shape.
    Json(serde_json::Error),
    /// More to keep than the cap allows.
    TooMuch,
}

impl From<serde_json::Error> for Undecodable {
    fn from(e: serde_json::Error) -> Self {
        Self::Json(e)
    }
}

/// The reading end of the channel between socket and decoder.
pub(crate) struct Blocks {
    incoming: mpsc::Receiver<Option<Vec<u8>>>,
    block: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Read for Blocks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() && !self.ended {
            match self.incoming.blocking_recv() {
                Some(Some(block)) => (self.block, self.at) = (block, 0),
                Some(None) => self.ended = true,
                // The pump failed or was dropped: what came is not a complete body.
                None => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
        let n = out.len().min(self.block.len() - self.at);
        out[..n].copy_from_slice(&self.block[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

impl Answer {
    /// HTTP status.
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// Decodes a JSON body as a whole.
    pub(crate) async fn decode<T: Send + 'static>(
        self,
        decode: impl FnOnce(Source) -> Result<T, Undecodable> + Send + 'static,
    ) -> Result<T, Error> {
        self.decode_batches(move |source, _: Emit<'_, ()>| decode(source), &mut |()| {}).await
    }

    /// Decodes a JSON body; batches reach `sink` while the rest is still arriving.
    pub(crate) async fn decode_batches<T: Send + 'static, B: Send + 'static>(
        self,
        decode: impl FnOnce(Source, Emit<'_, B>) -> Result<T, Undecodable> + Send + 'static,
        sink: &mut (dyn FnMut(B) + Send),
    ) -> Result<T, Error> {
        let (host, limit_mib) = (self.http.host(), self.http.inner.limit_mib);
        let (block_in, block_out) = mpsc::channel(BLOCKS);
        let (batch_in, mut batch_out) = mpsc::channel(BATCHES);
        let decoder = tokio::task::spawn_blocking(move || {
            let blocks = Blocks { incoming: block_out, block: Vec::new(), at: 0, ended: false };
            decode(BufReader::with_capacity(BLOCK, blocks), &mut |batch| {
                batch_in.blocking_send(batch).is_ok()
            })
        });
        let mut bytes = 0;
        let drain = async {
            while let Some(batch) = batch_out.recv().await {
                sink(batch);
            }
        };
        let (pumped, ()) = tokio::join!(self.pump(block_in, &mut bytes), drain);
        let decoded =
            decoder.await.map_err(|_| Error::Other(Clean::new("the decoder of an answer failed")))?;
        match (decoded, pumped) {
            (Ok(value), _) => Ok(value),
            (Err(_), Err(e)) => Err(e),
            (Err(Undecodable::TooMuch), Ok(())) => Err(Error::TooLarge { host, limit_mib }),
            (Err(Undecodable::Json(e)), Ok(())) if e.classify() == Category::Eof => {
                Err(Error::Truncated { host, bytes, reason: Clean::new("the JSON ends early") })
            }
            (Err(Undecodable::Json(e)), Ok(())) => {
                Err(Error::Malformed { host, reason: Clean::new(&e.to_string()) })
            }
        }
    }

    /// Moves the body into `blocks`. An early end of the decoder is no error here: it tells why itself.
    async fn pump(mut self, blocks: mpsc::Sender<Option<Vec<u8>>>, bytes: &mut u64) -> Result<(), Error> {
        let limit = self.http.limit_bytes();
        let mut block = Vec::with_capacity(BLOCK);
        let mut looks_like_json = None;
        loop {
            let more = self.chunk(*bytes, &mut block).await?;
            *bytes += more.unwrap_or(0) as u64;
            if *bytes > limit {
                return Err(Error::TooLarge { host: self.http.host(), limit_mib: self.http.inner.limit_mib });
            }
            if looks_like_json.is_none() {
                looks_like_json = block.iter().find(|b| !b.is_ascii_whitespace()).map(|b| b"{[".contains(b));
            }
            let ended = more.is_none();
            match looks_like_json {
                Some(true) if ended || block.len() >= BLOCK => {
                    let full = std::mem::replace(&mut block, Vec::with_capacity(BLOCK));
                    match timeout_at(self.deadline, blocks.send(Some(full))).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return Ok(()),
                        Err(_) => return Err(self.late("a complete answer", self.http.timeout())),
                    }
                }
                Some(true) => {}
                Some(false) if !ended && block.len() < SHOWN => {}
                None if !ended => block.clear(),
                _ => return Err(self.not_json(&block)),
            }
            if ended {
                // Fails only if the decoder has stopped, and then it knows why.
                let _ = blocks.send(None).await;
                return Ok(());
            }
        }
    }

    /// Appends the next part of the body to `block`; its length, or `None` at the end.
    async fn chunk(&mut self, so_far: u64, block: &mut Vec<u8>) -> Result<Option<usize>, Error> {
        let now = Instant::now();
        // A third of the whole, so that a stall is told apart from an answer that is merely long.
        let silence = self.http.timeout() / 3;
        let until = self.deadline.min(now + silence);
        // A part that is there already is never late for a timer: the end must be looked at as well.
        let read = match now < self.deadline {
            true => timeout_at(until, self.response.chunk()).await.ok(),
            false => None,
        };
        match read {
            Some(Ok(Some(part))) => {
                block.extend_from_slice(&part);
                Ok(Some(part.len()))
            }
            Some(Ok(None)) => Ok(None),
            Some(Err(e)) => {
                Err(Error::Truncated { host: self.http.host(), bytes: so_far, reason: root_cause(&e) })
            }
            None if until < self.deadline => Err(self.late("the next part of its answer", silence)),
            None => Err(self.late("a complete answer", self.http.timeout())),
        }
    }

    fn late(&self, awaited: &'static str, after: Duration) -> Error {
        Error::Timeout { host: self.http.host(), awaited, seconds: after.as_secs_f64() }
    }

    fn not_json(&self, body: &[u8]) -> Error {
        let body = body.trim_ascii();
        let what = match body.first() {
            None => "an empty body",
            Some(b'<') => "an HTML page",
            Some(_) => "plain text",
        };
        Error::NotJson { host: self.http.host(), what, start: beginning(body) }
    }

    /// Reads the body of an error as far as it is useful; what is missing is missing.
    pub(crate) async fn error_body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        while body.len() < MAX_ERROR_BODY && matches!(self.chunk(0, &mut body).await, Ok(Some(_))) {}
        body
    }

    /// The error for a status that is not a success, when `body` is not the API's own error.
    pub(crate) fn refusal(&self, body: &[u8]) -> Error {
        let (host, status) = (self.http.host(), self.status());
        match status {
            200..=299 => self.not_json(body),
            403 => {
                let start = beginning(body);
                let hint = format!("the account may not read this; check auth, headers and tenant: {start}");
                Error::Denied { host, status, hint: Clean::new(&hint) }
            }
            _ => Error::Status { host, status, attempts: self.attempts, start: beginning(body) },
        }
    }
}

/// The first bytes of a body, cleaned.
fn beginning(body: &[u8]) -> Clean {
    let body = body.trim_ascii();
    if body.is_empty() {
        return Clean::new("(empty body)");
    }
    Clean::new(&String::from_utf8_lossy(&body[..body.len().min(SHOWN)]))
}
