//! Where subcommands print: text for people or one JSON value for machines.

use std::io::{self, BufWriter, Write};

use serde::Serialize;

/// Standard output, buffered. Unlike `println!` it reports a closed pipe instead of panicking.
pub struct Output {
    to: BufWriter<Box<dyn Write>>,
    json: bool,
}

impl Output {
    /// Writes to standard output.
    pub fn stdout(json: bool) -> Self {
        Self { to: BufWriter::new(Box::new(io::stdout())), json }
    }

    /// Whether JSON was asked for.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Writes one JSON value on one line.
    pub fn value(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, value)?;
        self.to.write_all(b"\n")
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Writes a line to standard error; if that is closed, too, nobody is there to be told.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
