//! Taking over the terminal, and giving it back in one place whatever ends the program.

mod keys;
mod painter;
mod panic;
mod signals;

use std::io::{self, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::style::{Attribute, SetAttribute};
use crossterm::terminal::{EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, queue};

pub use keys::Keys;
pub use painter::Painter;
pub use panic::{PANICKED, PanicHook};
pub use signals::{Signals, Wake, suspend};

/// Clicks and the wheel, with coordinates of any size; not every movement, which a slow line would have to carry.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";

/// What can be taken over: bytes go to it, and it can be switched to raw input.
pub trait Device: Write {
    /// Switches raw input on or off.
    ///
    /// # Errors
    /// The terminal refuses, or is gone.
    fn set_raw(&mut self, on: bool) -> io::Result<()>;
}

impl Device for Stdout {
    fn set_raw(&mut self, on: bool) -> io::Result<()> {
        if on { crossterm::terminal::enable_raw_mode() } else { crossterm::terminal::disable_raw_mode() }
    }
}

/// Whether a terminal is taken over now. Leaving twice would put the cursor over what was
/// printed in between, such as the message of a panic.
#[derive(Debug, Default)]
pub struct Gate {
    entered: AtomicBool,
    mouse: AtomicBool,
}

impl Gate {
    /// Not taken over.
    pub const fn new() -> Self {
        Self { entered: AtomicBool::new(false), mouse: AtomicBool::new(false) }
    }

    /// Whether the terminal is taken over.
    pub fn is_entered(&self) -> bool {
        self.entered.load(Ordering::SeqCst)
    }

    /// Whether the mouse is taken over as well, the next time.
    pub fn use_mouse(&self, on: bool) {
        self.mouse.store(on, Ordering::SeqCst);
    }

    /// Takes over `device`; does nothing if it is taken over already.
    ///
    /// # Errors
    /// The terminal refuses; it is left as it was.
    pub fn enter(&self, device: &mut impl Device) -> io::Result<()> {
        if self.entered.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let entered = device.set_raw(true).and_then(|()| {
            queue!(device, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
            if self.mouse.load(Ordering::SeqCst) {
                device.write_all(MOUSE_ON)?;
            }
            device.flush()
        });
        if entered.is_err() {
            self.leave(device);
        }
        entered
    }

    /// Gives `device` back; does nothing if it is not taken over. Errors are of no use to
    /// anyone here: after a hang-up there is no terminal to restore.
    pub fn leave(&self, device: &mut impl Device) {
        if !self.entered.swap(false, Ordering::SeqCst) {
            return;
        }
        if self.mouse.load(Ordering::SeqCst) {
            let _ = device.write_all(MOUSE_OFF);
        }
        let _ = queue!(
            device,
            EndSynchronizedUpdate,
            SetAttribute(Attribute::Reset),
            DisableBracketedPaste,
            cursor::Show,
            LeaveAlternateScreen
        );
        let _ = device.flush();
        let _ = device.set_raw(false);
    }
}

/// The state of the process's own terminal.
static TERMINAL: Gate = Gate::new();

/// Whether the mouse is taken over with the process's terminal.
pub fn use_mouse(on: bool) {
    TERMINAL.use_mouse(on);
}

/// Takes over the process's terminal.
///
/// # Errors
/// The terminal refuses.
pub fn enter() -> io::Result<()> {
    TERMINAL.enter(&mut io::stdout())
}

/// Gives the process's terminal back. Every way out leads here: the end of [`Guard`], the panic
/// hook, signals, and suspending.
pub fn leave() {
    TERMINAL.leave(&mut io::stdout());
}

/// Whether the process's terminal is taken over.
pub fn is_entered() -> bool {
    TERMINAL.is_entered()
}

/// Holds the process's terminal until it is dropped.
#[derive(Debug)]
pub struct Guard(());

impl Guard {
    /// Takes over the terminal.
    ///
    /// # Errors
    /// The terminal refuses.
    pub fn new() -> io::Result<Self> {
        enter()?;
        Ok(Self(()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        leave();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Keeps what a terminal would be told.
    #[derive(Default)]
    struct Recorder {
        bytes: Vec<u8>,
        raw: Vec<bool>,
        broken: bool,
    }

    impl Write for Recorder {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            if self.broken {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.bytes.write(buf)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Device for Recorder {
        fn set_raw(&mut self, on: bool) -> io::Result<()> {
            self.raw.push(on);
            Ok(())
        }
    }

    fn text(recorder: &Recorder) -> String {
        String::from_utf8(recorder.bytes.clone()).unwrap()
    }

    #[test]
    fn leaving_undoes_everything_that_entering_did() {
        let (gate, mut device) = (Gate::new(), Recorder::default());
        gate.enter(&mut device).unwrap();
        for on in ["\x1b[?1049h", "\x1b[?2004h", "\x1b[?25l"] {
            assert!(text(&device).contains(on), "{on:?}");
        }
        device.bytes.clear();
        gate.leave(&mut device);
        for off in ["\x1b[?2026l", "\x1b[?1049l", "\x1b[?2004l", "\x1b[?25h", "\x1b[0m"] {
            assert!(text(&device).contains(off), "{off:?}");
        }
        assert_eq!(device.raw, [true, false]);
    }

    #[test]
    fn the_mouse_is_taken_only_where_it_is_wanted_and_given_back() {
        let (gate, mut device) = (Gate::new(), Recorder::default());
        gate.enter(&mut device).unwrap();
        gate.leave(&mut device);
        assert!(!text(&device).contains("\x1b[?1000"), "{:?}", text(&device));
        gate.use_mouse(true);
        gate.enter(&mut device).unwrap();
        assert!(text(&device).contains("\x1b[?1000h"));
        gate.leave(&mut device);
        assert!(text(&device).contains("\x1b[?1000l"));
    }

    #[test]
    fn leaving_twice_says_nothing_the_second_time() {
        let (gate, mut device) = (Gate::new(), Recorder::default());
        gate.leave(&mut device);
        assert!(device.bytes.is_empty());
        gate.enter(&mut device).unwrap();
        gate.leave(&mut device);
        device.bytes.clear();
        gate.leave(&mut device);
        assert!(device.bytes.is_empty());
        assert_eq!(device.raw, [true, false]);
    }

    #[test]
    fn a_terminal_that_breaks_is_not_left_raw() {
        let (gate, mut device) = (Gate::new(), Recorder { broken: true, ..Recorder::default() });
        assert!(gate.enter(&mut device).is_err());
        assert_eq!(device.raw, [true, false]);
        assert!(!gate.is_entered());
    }
}
