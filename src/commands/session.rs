//! What subcommands that need data share: configuration, engine, moment, runtime, progress bar.

use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use jiff::SignedDuration;

use super::Error;
use super::output::complain;
use crate::cli::Global;
use crate::config::{self, Config, Dirs, paths};
use crate::domain::{Progress, Stage, Timestamp};
use crate::engine::{self, Engine};

/// How far `--at` may be ahead of this machine's clock, which may be late.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);

/// An engine for the chosen context, and the moment of the question.
pub struct Session {
    /// The configuration.
    pub config: Arc<Config>,
    /// Where the program's own files are.
    pub dirs: Dirs,
    /// The engine.
    pub engine: Arc<Engine>,
    /// `--at`.
    pub fixed: Option<Timestamp>,
    /// The wall clock at the start.
    pub now: Timestamp,
    /// Runs the engine's tasks.
    pub runtime: tokio::runtime::Runtime,
}

impl Session {
    /// Reads the configuration, warns about it on standard error, and opens the store; nothing is
    /// sent yet.
    pub fn open(global: &Global) -> Result<Self, Error> {
        let session = Self::quiet(global)?;
        for warning in &session.config.warnings {
            complain(&warning.to_string());
        }
        Ok(session)
    }

    /// The same without a word on standard error: that may be the terminal of the screens.
    pub fn quiet(global: &Global) -> Result<Self, Error> {
        let now = engine::now();
        if let Some(at) = global.at.filter(|at| now.duration_since(*at) < -AHEAD) {
            return Err(Error::Future { at, now });
        }
        let config = config::load(&paths::config_file(global.config())?)?;
        let dirs = Dirs::find(global.state_dir())?;
        let engine = Arc::new(engine(&config, &dirs, global.context.as_deref())?);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok(Self { config: Arc::new(config), dirs, engine, fixed: global.at, now, runtime })
    }

    /// What opens engines for other contexts of the same configuration.
    pub fn opener(&self) -> impl Fn(&str) -> Result<Arc<Engine>, Error> + Send + Sync + use<> {
        let (config, dirs) = (Arc::clone(&self.config), self.dirs.clone());
        move |context| Ok(Arc::new(engine(&config, &dirs, Some(context))?))
    }

    /// The moment of the question.
    pub fn at(&self) -> Timestamp {
        self.fixed.unwrap_or(self.now)
    }
}

/// An engine for the chosen context: its store is opened, nothing is sent yet.
fn engine(config: &Config, dirs: &Dirs, chosen: Option<&str>) -> Result<Engine, Error> {
    let context = config.context(chosen)?;
    let engine = Engine::open(config, context, dirs.cache()?)?;
    Ok(match context.remedy.enabled {
        true => engine.with_remedies(&context.remedy, dirs.state()?),
        false => engine,
    })
}

/// A progress bar on standard error; draws nothing where that is not a terminal.
pub struct Bar(ProgressBar);

impl Bar {
    /// An empty bar.
    pub fn new() -> Arc<Self> {
        let bar = ProgressBar::new(0);
        // The template is a constant; were it wrong, the default style would do.
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Arc::new(Self(bar))
    }

    /// Takes the bar off the screen.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn report(&self, stage: Stage, done: u64, total: u64, note: &str) {
        self.0.set_length(total);
        self.0.set_position(done);
        self.0.set_prefix(stage.word());
        self.0.set_message(note.to_owned());
    }
}
