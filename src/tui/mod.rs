//! The screens: one task owns the [`State`](state::State); events go in, effects come out.
//!
//! ```text
//!  keys, signals ─┐                        ┌─▶ requests to the engine
//!  engine events ─┼─▶ update(state, event) ┼─▶ clipboard, suspend, quit
//!  the clock     ─┘          │             └
//!                            ▼
//!               view::draw(state, theme) ─▶ cells ─▶ only what changed goes to the terminal
//! ```

pub mod action;
pub mod available;
pub mod clipboard;
pub mod effect;
pub mod event;
mod format;
pub mod graph;
pub mod guide;
pub mod inspect;
pub mod keymap;
pub mod ledger;
pub mod log;
pub mod pace;
pub mod palette;
pub mod pick;
pub mod picture;
pub mod play;
mod remedy_words;
pub mod review;
pub mod rhythm;
mod run;
pub mod sliders;
mod spoken;
pub mod state;
mod symbols;
pub mod terminal;
pub mod theme;
pub mod timeline;
pub mod tree;
pub mod update;
pub mod view;
pub mod watch;
mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use run::{require_terminal, run};
pub use spoken::verdict as spoken_verdict;
use tokio::sync::mpsc;
pub use words::report as verdict_text;

use crate::config::Problems;
use crate::domain::Clean;
use crate::engine::{EngineEvent, Request};
use guide::Scene;
use keymap::Keymap;
use theme::{Depth, Themes};

/// How the screens look and behave.
#[derive(Debug)]
pub struct TuiOptions {
    /// Which key does what.
    pub keymap: Keymap,
    /// The themes to step through, with the wanted one current.
    pub themes: Themes,
    /// The user's theme files, read again whenever they change.
    pub theme_files: Vec<PathBuf>,
    /// Take clicks and the wheel.
    pub mouse: bool,
    /// Draw plain ASCII only.
    pub ascii: bool,
    /// How many colours the terminal shows; none with `NO_COLOR`.
    pub depth: Depth,
    /// Least time between two frames.
    pub frame_interval: Duration,
    /// The SLO to select first.
    pub slo: Option<Clean>,
    /// What to say first, such as what is odd about the configuration.
    pub notice: Option<String>,
    /// Where what is copied is written as well; its folder must exist.
    pub copy_file: Option<PathBuf>,
    /// The contexts that can be switched to; without them it is the one engine for good.
    pub contexts: Option<Contexts>,
    /// The scenes of the demo, as they come; there is no guide without.
    pub scenes: Option<mpsc::Receiver<Scene>>,
}

/// Least time between two frames, unless told otherwise.
pub const FRAME_INTERVAL: Duration = Duration::from_millis(30);

impl TuiOptions {
    /// The embedded keymap and themes, in Unicode and colour.
    ///
    /// # Errors
    /// Never for a released program: tests read the embedded files.
    pub fn builtin() -> Result<Self, Problems> {
        Ok(Self {
            keymap: Keymap::builtin()?,
            themes: Themes::builtin()?,
            theme_files: Vec::new(),
            mouse: false,
            ascii: false,
            depth: Depth::True,
            frame_interval: FRAME_INTERVAL,
            slo: None,
            notice: None,
            copy_file: None,
            contexts: None,
            scenes: None,
        })
    }
}

/// The engine's end of the screens: what it tells, and where it is asked.
pub type Link = (mpsc::Receiver<EngineEvent>, mpsc::Sender<Request>);

/// Starts an engine for the context of that name, or says why not.
pub type Opener = dyn Fn(&Clean) -> Result<Link, String> + Send + Sync;

/// The contexts the screens can go on with.
pub struct Contexts {
    /// Their names, in the order they are stepped through.
    pub names: Vec<Clean>,
    /// The one the screens begin with.
    pub current: Clean,
    /// Starts an engine for one of them; may block.
    pub open: Arc<Opener>,
}

impl std::fmt::Debug for Contexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contexts").field("names", &self.names).field("current", &self.current).finish()
    }
}

/// Why the screens ended.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// There is nothing to draw on.
    #[error(
        "the screens need a terminal, but standard {0} is not one; try `sagetop status` or `sagetop diagnose`"
    )]
    NotATerminal(&'static str),
    /// The terminal does not take what is drawn, or cannot be set up.
    #[error("the terminal failed: {0}")]
    Terminal(#[from] std::io::Error),
    /// A part of the program panicked; the panic is in the log and on the terminal.
    #[error(
        "a part of sagetop failed unexpectedly, so the screens were closed; the reason is above and in the log"
    )]
    Panicked,
}
