//! `sagetop` without a subcommand: the screens, with the engine behind them.

use std::fs;
use std::path::Path;

use tokio::sync::mpsc;

use super::session::Session;
use super::{Error, Exit};
use crate::cli::{Global, ScreenArgs};
use crate::config::{Problem, UiSettings};
use crate::domain::Clean;
use crate::engine;
use crate::tui::keymap::Keymap;
use crate::tui::{self, TuiOptions};

/// Events under way to the screens; the engine waits rather than piling up more.
const EVENTS: usize = 64;
/// Requests under way to the engine.
const REQUESTS: usize = 16;

/// Runs it.
pub fn run(global: &Global, args: &ScreenArgs) -> Result<Exit, Error> {
    let session = Session::quiet(global)?;
    let mut options = options(&session.config.ui, session.config.path.parent(), args)?;
    options.notice = notice(&session.config.warnings);
    let (to_screens, events) = mpsc::channel(EVENTS);
    let (requests, from_screens) = mpsc::channel(REQUESTS);
    let ended = session.runtime.block_on(async {
        tokio::spawn(engine::live(session.engine.clone(), session.fixed, from_screens, to_screens));
        tui::run(events, requests, options).await
    });
    // A training that is under way notices its cancellation at the next epoch: do not wait for it,
    // however the screens ended.
    session.runtime.shutdown_background();
    ended?;
    Ok(Exit::Ok)
}

/// What is odd about the configuration, in a line.
fn notice(warnings: &[Problem]) -> Option<String> {
    let first = warnings.first()?;
    let more = match warnings.len() - 1 {
        0 => String::new(),
        n => format!(" (and {n} more: `sagetop config check`)"),
    };
    Some(format!("{}:{}:{}: {}{more}", first.file, first.line, first.column, first.message))
}

/// How the screens look, by configuration and arguments.
pub fn options(ui: &UiSettings, folder: Option<&Path>, args: &ScreenArgs) -> Result<TuiOptions, Error> {
    let mut options = TuiOptions::builtin().map_err(|p| Error::Screen(p.to_string()))?;
    if let Some(path) = &ui.keymap {
        let text = read(path)?;
        options.keymap = Keymap::with_user(&path.display().to_string(), &text)
            .map_err(|problems| Error::Screen(problems.to_string()))?;
    }
    let theme = args.theme.as_deref().unwrap_or(&ui.theme);
    let file = folder.unwrap_or(Path::new("")).join(theme);
    if options.themes.select(theme).is_err() && file.is_file() {
        let text = read(&file)?;
        options
            .themes
            .add(&file.display().to_string(), &text)
            .map_err(|problems| Error::Screen(problems.to_string()))?;
    } else {
        options.themes.select(theme).map_err(Error::Screen)?;
    }
    options.ascii = args.ascii;
    // https://no-color.org: set and not empty.
    options.no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    options.slo = args.slo.as_deref().map(Clean::new);
    Ok(options)
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|e| Error::Screen(format!("cannot read {}: {e}", path.display())))
}
