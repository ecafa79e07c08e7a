//! The loop: waits for keys, signals, the engine and the clock, in that order; draws when
//! something changed, but not more often than the frame interval allows.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Stdout};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::Event as TerminalEvent;
use ratatui::layout::Rect;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, block_in_place};
use tokio::time::{Instant, sleep_until};

use super::clipboard::{self, Between};
use super::effect::Effect;
use super::event::Event;
use super::state::State;
use super::terminal::{self, Guard, Keys, PANICKED, Painter, PanicHook, Signals, Wake};
use super::update::update;
use super::{Contexts, Link, TuiError, TuiOptions, pace, view, watch};
use crate::domain::{Clean, Timestamp};
use crate::engine::{EngineEvent, Request};

/// Most engine events taken in before the loop looks at the keyboard again.
const BATCH: usize = 256;

/// Shows the screens until the user leaves or a signal ends the program.
///
/// # Errors
/// There is no terminal, it fails, or another part of the program panicked.
pub async fn run(
    mut events: mpsc::Receiver<EngineEvent>,
    mut requests: mpsc::Sender<Request>,
    mut options: TuiOptions,
) -> Result<(), TuiError> {
    require_terminal()?;
    let mut signals = Signals::new()?;
    let _hook = PanicHook::install();
    terminal::use_mouse(options.mouse);
    let _guard = Guard::new()?;
    let mut input = Keys::default();
    let mut scenes = options.scenes.take();
    let mut themes = match std::mem::take(&mut options.theme_files) {
        files if files.is_empty() => None,
        files => Some(watch::watch(files)?),
    };
    let contexts = options.contexts.take();
    let mut ui = Ui::new(options, contexts.as_ref())?;
    let mut engine_alive = true;
    let mut opening: Option<Opening> = None;

    loop {
        ui.draw_if_due()?;
        let (frame, change) = (ui.frame_due(), ui.change_due());
        let mut linked = None;
        tokio::select! {
            biased;
            () = PANICKED.notified() => return Err(TuiError::Panicked),
            event = input.next() => match event {
                Some(event) => {
                    ui.tick();
                    ui.terminal(event?);
                    // What was read at once happened at once: text that a terminal pastes as keys is
                    // known by that.
                    for _ in 1..BATCH {
                        let Some(event) = input.at_once().await else { break };
                        ui.terminal(event?);
                    }
                }
                // Nobody can press a key any more.
                None => return Ok(()),
            },
            wake = signals.next() => match wake {
                Wake::Leave(signal) => {
                    tracing::info!(signal, "leaving");
                    return Ok(());
                }
                Wake::Continue => ui.resume()?,
            },
            permit = requests.reserve(), if !ui.wanted.is_empty() => match permit {
                Ok(permit) => {
                    if let Some(request) = ui.wanted.pop_front() {
                        permit.send(request);
                    }
                }
                Err(_) => {
                    ui.wanted.clear();
                    ui.handle(Event::EngineGone);
                }
            },
            () = at(frame), if frame.is_some() => {}
            event = events.recv(), if engine_alive => match event {
                Some(event) => {
                    ui.handle(Event::Engine(event));
                    for _ in 1..BATCH {
                        let Ok(event) = events.try_recv() else { break };
                        ui.handle(Event::Engine(event));
                    }
                }
                None => {
                    engine_alive = false;
                    ui.handle(Event::EngineGone);
                }
            },
            scene = next(&mut scenes), if scenes.is_some() => match scene {
                Some(scene) => ui.handle(Event::Scene(scene)),
                None => scenes = None,
            },
            opened = opened(&mut opening), if opening.is_some() => {
                opening = None;
                match opened {
                    (name, Ok(link)) => {
                        ui.wanted.clear();
                        ui.handle(Event::Context(name));
                        linked = Some(link);
                    }
                    (name, Err(why)) => ui.handle(Event::ContextFailed(name, why)),
                }
            },
            changed = next(&mut themes), if themes.is_some() => match changed {
                Some(changed) => ui.handle(Event::Theme(changed)),
                None => themes = None,
            },
            () = at(change), if change.is_some() => ui.tick(),
        }
        if let Some(link) = linked {
            // Without its ends the old engine stops; what it still tells is of no use any more.
            (events, requests) = link;
            engine_alive = true;
        }
        if let (Some(name), Some(contexts), None) = (ui.switch.take(), &contexts, &opening) {
            let (open, asked) = (Arc::clone(&contexts.open), name.clone());
            opening = Some((name, tokio::task::spawn_blocking(move || open(&asked))));
        }
        match ui.outcome.take() {
            Some(Outcome::Quit) => return Ok(()),
            Some(Outcome::Suspend) => {
                terminal::suspend()?;
                ui.redraw()?;
            }
            None => {}
        }
    }
}

/// Says so when there is nothing to draw on.
///
/// # Errors
/// Standard input or output is no terminal.
pub fn require_terminal() -> Result<(), TuiError> {
    for (is_terminal, name) in [(io::stdin().is_terminal(), "input"), (io::stdout().is_terminal(), "output")]
    {
        if !is_terminal {
            return Err(TuiError::NotATerminal(name));
        }
    }
    Ok(())
}

async fn next<T>(from: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    from.as_mut()?.recv().await
}

/// A context whose engine is being started.
type Opening = (Clean, JoinHandle<Result<Link, String>>);

/// Waits for the engine of a context.
async fn opened(opening: &mut Option<Opening>) -> (Clean, Result<Link, String>) {
    match opening {
        Some((name, task)) => {
            let link = task.await.unwrap_or_else(|error| Err(error.to_string()));
            (name.clone(), link)
        }
        None => std::future::pending().await,
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// What ends or interrupts the loop.
enum Outcome {
    Quit,
    Suspend,
}

/// The state, what the terminal shows of it, and what is still to be done.
struct Ui {
    state: State,
    painter: Painter,
    out: Stdout,
    /// Whether something happened since the last frame.
    dirty: bool,
    last_frame: Option<Instant>,
    interval: Duration,
    /// When the state was last brought up to date.
    last_tick: Instant,
    /// Requests the engine did not take yet; a full channel must not block the screens.
    wanted: VecDeque<Request>,
    outcome: Option<Outcome>,
    /// Where what is copied is written as well.
    copy_file: Option<PathBuf>,
    /// The context to go on with.
    switch: Option<Clean>,
}

impl Ui {
    fn new(options: TuiOptions, contexts: Option<&Contexts>) -> io::Result<Self> {
        let themes = options.themes.limited(options.depth);
        let mut state = State::new(Timestamp::now(), options.keymap, themes, options.ascii, options.slo);
        if let Some(contexts) = contexts {
            (state.contexts, state.context) = (contexts.names.clone(), Some(contexts.current.clone()));
        }
        if let Some(notice) = options.notice {
            state.say(notice);
        }
        let mut ui = Self {
            state,
            painter: Painter::default(),
            out: io::stdout(),
            dirty: true,
            last_frame: None,
            interval: options.frame_interval,
            last_tick: Instant::now(),
            wanted: VecDeque::new(),
            outcome: None,
            copy_file: options.copy_file,
            switch: None,
        };
        ui.resize()?;
        Ok(ui)
    }

    fn resize(&mut self) -> io::Result<()> {
        let (columns, rows) = crossterm::terminal::size()?;
        self.handle(Event::Resize(columns, rows));
        Ok(())
    }

    /// What the terminal sent, at the time of the last tick.
    fn terminal(&mut self, event: TerminalEvent) {
        match event {
            TerminalEvent::Key(key) => self.happen(Event::Key(key)),
            TerminalEvent::Paste(text) => self.happen(Event::Paste(text)),
            TerminalEvent::Resize(columns, rows) => self.happen(Event::Resize(columns, rows)),
            TerminalEvent::Mouse(mouse) => self.happen(Event::Mouse(mouse)),
            TerminalEvent::FocusGained | TerminalEvent::FocusLost => {}
        }
    }

    fn tick(&mut self) {
        self.last_tick = Instant::now();
        self.happen(Event::Time(Timestamp::now()));
        self.dirty = true;
    }

    fn handle(&mut self, event: Event) {
        self.tick();
        self.happen(event);
    }

    fn happen(&mut self, event: Event) {
        for effect in update(&mut self.state, event) {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Ask(request) => {
                // Of questions to the model, only the newest one is of interest.
                if matches!(request, Request::WhatIf(_)) {
                    self.wanted.retain(|wanted| !matches!(wanted, Request::WhatIf(_)));
                }
                if !self.wanted.contains(&request) {
                    self.wanted.push_back(request);
                }
            }
            Effect::Copy(text) => {
                let (between, file) = (Between::of_environment(), self.copy_file.as_deref());
                match block_in_place(|| clipboard::copy(&text, &mut self.out, between, file)) {
                    Ok(copied) => self.happen(Event::Copied(copied)),
                    Err(error) => tracing::warn!(%error, "copying failed"),
                }
            }
            Effect::Context(name) => self.switch = Some(name),
            Effect::Redraw => self.painter.forget(),
            Effect::Suspend => self.outcome = Some(Outcome::Suspend),
            Effect::Quit => self.outcome = Some(Outcome::Quit),
        }
    }

    /// After the process was stopped and continued.
    fn resume(&mut self) -> io::Result<()> {
        terminal::leave();
        terminal::enter()?;
        self.redraw()
    }

    fn redraw(&mut self) -> io::Result<()> {
        self.painter.forget();
        self.resize()
    }

    /// When the next frame may be drawn, if one is wanted.
    fn frame_due(&self) -> Option<Instant> {
        self.dirty.then(|| self.last_frame.map_or_else(Instant::now, |t| t + self.interval))
    }

    /// When the screen reads differently by itself.
    fn change_due(&self) -> Option<Instant> {
        // A little late rather than early: early would draw the same frame and wait again.
        pace::next_change(&self.state).map(|d| self.last_tick + d + Duration::from_millis(1))
    }

    fn draw_if_due(&mut self) -> io::Result<()> {
        if self.frame_due().is_none_or(|due| due > Instant::now()) || !terminal::is_entered() {
            return Ok(());
        }
        let area = Rect::new(0, 0, self.state.size.0, self.state.size.1);
        let state = &self.state;
        self.painter
            .paint(&mut self.out, area, |area, buf| view::draw(state, state.themes.current(), area, buf))?;
        self.dirty = false;
        self.last_frame = Some(Instant::now());
        Ok(())
    }
}
