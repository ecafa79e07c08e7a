//! Signals: leave on TERM, HUP, INT and QUIT; draw again after CONT; stop on request.

use std::io;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Leave, because of the signal named.
    Leave(&'static str),
    /// The process was stopped and goes on: the terminal may have been used meanwhile.
    Continue,
}

#[cfg(unix)]
mod platform {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::Wake;

    /// The signals the screens listen to.
    #[derive(Debug)]
    pub struct Signals {
        terminate: Signal,
        hangup: Signal,
        interrupt: Signal,
        quit: Signal,
        cont: Signal,
    }

    impl Signals {
        /// Starts listening.
        ///
        /// # Errors
        /// The system refuses.
        pub fn new() -> io::Result<Self> {
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                hangup: signal(SignalKind::hangup())?,
                interrupt: signal(SignalKind::interrupt())?,
                quit: signal(SignalKind::quit())?,
                cont: signal(SignalKind::from_raw(signal_hook::consts::SIGCONT))?,
            })
        }

        /// Waits for the next one.
        pub async fn next(&mut self) -> Wake {
            tokio::select! {
                _ = self.terminate.recv() => Wake::Leave("SIGTERM"),
                _ = self.hangup.recv() => Wake::Leave("SIGHUP"),
                _ = self.interrupt.recv() => Wake::Leave("SIGINT"),
                _ = self.quit.recv() => Wake::Leave("SIGQUIT"),
                _ = self.cont.recv() => Wake::Continue,
            }
        }
    }

    /// Stops the process as ctrl-z does in a shell. TSTP and not STOP: without a shell to
    /// continue it, the system ignores TSTP, and the program would hang for ever on STOP.
    pub fn stop() -> io::Result<()> {
        signal_hook::low_level::raise(signal_hook::consts::SIGTSTP)
    }
}

#[cfg(not(unix))]
mod platform {
    use std::io;

    use super::Wake;

    /// The signals the screens listen to.
    #[derive(Debug)]
    pub struct Signals(());

    impl Signals {
        /// Starts listening.
        ///
        /// # Errors
        /// Never.
        pub fn new() -> io::Result<Self> {
            Ok(Self(()))
        }

        /// Waits for the next one.
        pub async fn next(&mut self) -> Wake {
            match tokio::signal::ctrl_c().await {
                Ok(()) => Wake::Leave("ctrl-c"),
                Err(_) => std::future::pending().await,
            }
        }
    }

    pub fn stop() -> io::Result<()> {
        Ok(())
    }
}

pub use platform::Signals;

/// Gives the terminal back, stops the process, and takes the terminal again when it is continued.
///
/// # Errors
/// The terminal refuses to be taken again.
pub fn suspend() -> io::Result<()> {
    super::leave();
    let stopped = platform::stop();
    super::enter()?;
    stopped
}
