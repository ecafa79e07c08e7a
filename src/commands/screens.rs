//! `sagetop` without a subcommand: the screens, with the engine behind them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::session::Session;
use super::{Error, Exit};
use crate::cli::{Global, ScreenArgs};
use crate::config::{Problem, Problems, UiSettings};
use crate::domain::Clean;
use crate::engine;
use crate::tui::keymap::Keymap;
use crate::tui::theme::Depth;
use crate::tui::{self, Contexts, TuiOptions, theme};

/// Events under way to the screens; the engine waits rather than piling up more.
const EVENTS: usize = 64;
/// Requests under way to the engine.
const REQUESTS: usize = 16;

/// What was copied last, in the state folder.
const COPY_FILE: &str = "copied.txt";

/// Runs it.
pub fn run(global: &Global, args: &ScreenArgs) -> Result<Exit, Error> {
    let session = Session::quiet(global)?;
    let mut options = options(&session.config.ui, session.config.path.parent(), args)?;
    options.notice = notice(&session.config.warnings).or(options.notice);
    let (to_screens, events) = mpsc::channel(EVENTS);
    let (requests, from_screens) = mpsc::channel(REQUESTS);
    options.contexts = Some(contexts(&session));
    options.copy_file = Some(session.dirs.state()?.join(COPY_FILE));
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

/// The contexts of the configuration, each with an engine of its own that is started when it is wanted.
fn contexts(session: &Session) -> Contexts {
    let (opener, fixed, runtime) = (session.opener(), session.fixed, session.runtime.handle().clone());
    Contexts {
        names: session.config.contexts.keys().map(|name| Clean::new(name.as_str())).collect(),
        current: session.engine.context.clone(),
        open: Arc::new(move |name| {
            let engine = opener(name.as_str()).map_err(|error| error.to_string())?;
            let (to_screens, events) = mpsc::channel(EVENTS);
            let (requests, from_screens) = mpsc::channel(REQUESTS);
            runtime.spawn(engine::live(engine, fixed, from_screens, to_screens));
            Ok((events, requests))
        }),
    }
}

/// What is odd about the configuration, in a line.
fn notice(warnings: &[Problem]) -> Option<String> {
    let more = if warnings.len() > 1 { ": see `sagetop config check`" } else { "" };
    Problems(warnings.to_vec()).brief().map(|first| first + more)
}

/// How the screens look, by configuration and arguments.
pub fn options(ui: &UiSettings, folder: Option<&Path>, args: &ScreenArgs) -> Result<TuiOptions, Error> {
    let mut options = TuiOptions::builtin().map_err(|p| Error::Screen(p.to_string()))?;
    options.keymap = keymap(folder, &ui.keymap)?;
    themes(&mut options, folder, args.theme.as_deref().unwrap_or(&ui.theme))?;
    options.mouse = ui.mouse;
    options.ascii = args.ascii;
    options.depth = depth(|name| std::env::var(name).ok());
    options.slo = args.slo.as_deref().map(Clean::new);
    Ok(options)
}

/// How many colours the terminal shows, by the environment's variables.
fn depth(variable: impl Fn(&str) -> Option<String>) -> Depth {
    // https://no-color.org: set and not empty.
    if variable("NO_COLOR").is_some_and(|v| !v.is_empty()) {
        return Depth::None;
    }
    Depth::of(variable("COLORTERM").as_deref(), variable("TERM").as_deref())
}

/// The `wanted` keymap: the name of an embedded one, or a file relative to `folder`.
fn keymap(folder: Option<&Path>, wanted: &str) -> Result<Keymap, Error> {
    let read = match Keymap::named(wanted) {
        Some(read) => read,
        None => {
            let file = folder.unwrap_or(Path::new("")).join(wanted);
            let text = read(&file).map_err(|error| {
                let names: Vec<_> = Keymap::names().collect();
                Error::Screen(format!("{error}; keymaps that need no file: {}", names.join(", ")))
            })?;
            Keymap::with_user(&file.display().to_string(), &text)
        }
    };
    read.map_err(|problems| Error::Screen(problems.to_string()))
}

/// The folder of the user's themes, beside the configuration.
const THEMES: &str = "themes";

/// Reads the user's themes and makes the `wanted` one current: the name of a theme, or a file relative to
/// `folder`. Only the wanted one must be without mistakes; those of others are told on the screens.
fn themes(options: &mut TuiOptions, folder: Option<&Path>, wanted: &str) -> Result<(), Error> {
    let mut files = folder.map_or_else(Vec::new, |folder| own_themes(&folder.join(THEMES)));
    let asked = folder.unwrap_or(Path::new("")).join(wanted);
    if asked.is_file() && !files.contains(&asked) {
        files.push(asked.clone());
    }
    let mut waiting = Vec::new();
    for file in &files {
        waiting.push((file.display().to_string(), read(file)?));
    }
    // A theme may inherit from one whose file is read later: whatever is left when nothing more can be read is
    // wrong.
    let mut wrong = Vec::new();
    loop {
        let before = waiting.len();
        wrong.clear();
        waiting.retain(|(file, text)| match options.themes.read(file, text) {
            Ok(_) => false,
            Err(problems) => {
                wrong.push((file.clone(), problems));
                true
            }
        });
        if waiting.is_empty() || waiting.len() == before {
            break;
        }
    }
    let name = |file: &Path| fs::read_to_string(file).ok().and_then(|text| theme::name(&text));
    let chosen = if asked.is_file() { name(&asked).unwrap_or_default() } else { wanted.to_owned() };
    let broken = |file: &str| Path::new(file) == asked || name(Path::new(file)).as_deref() == Some(wanted);
    if let Some((_, problems)) = wrong.iter().find(|(file, _)| broken(file)) {
        return Err(Error::Screen(problems.to_string()));
    }
    if let Some((_, problems)) = wrong.first() {
        options.notice = problems.brief();
    }
    options.theme_files = files;
    options.themes.select(&chosen).map_err(Error::Screen)
}

/// The theme files of a folder, by name; none if there is no such folder.
fn own_themes(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> =
        entries.map(|entry| entry.path()).filter(|p| p.extension() == Some("toml".as_ref())).collect();
    files.sort();
    files
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|e| Error::Screen(format!("cannot read {}: {e}", path.display())))
}
