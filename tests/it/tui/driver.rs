//! Drives the screens without a terminal: keys by name, the engine's events, a clock that stands.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use sagetop::domain::Clean;
use sagetop::engine::EngineEvent;
use sagetop::tui::effect::Effect;
use sagetop::tui::event::Event;
use sagetop::tui::keymap::Keymap;
use sagetop::tui::state::State;
use sagetop::tui::theme::{Role, Themes};
use sagetop::tui::update::update;
use sagetop::tui::view;

use super::fixture;

#[derive(Clone)]
pub struct Driver {
    pub state: State,
    /// Everything `update` wanted done so far.
    pub effects: Vec<Effect>,
}

/// A theme in which every role has a colour of its own, so that a cell tells its role.
fn probe() -> Themes {
    let mut text = "name = \"probe\"\n[styles]\n".to_owned();
    for (i, role) in Role::ALL.iter().enumerate() {
        let style = match role {
            Role::Text => String::new(),
            Role::Selected => "bg = \"200\"".to_owned(),
            _ => format!("fg = \"{i}\""),
        };
        text.push_str(&format!("{} = {{ {style} }}\n", role.name()));
    }
    let mut themes = Themes::builtin().unwrap();
    themes.add("probe", &text).unwrap();
    themes
}

impl Driver {
    pub fn new(columns: u16, rows: u16) -> Self {
        Self::with(columns, rows, false, None)
    }

    pub fn with(columns: u16, rows: u16, ascii: bool, slo: Option<&str>) -> Self {
        let state =
            State::new(fixture::now(), Keymap::builtin().unwrap(), probe(), ascii, slo.map(Clean::new));
        let mut driver = Self { state, effects: Vec::new() };
        driver.send(Event::Resize(columns, rows));
        driver
    }

    /// With everything a healthy engine tells.
    pub fn usual(columns: u16, rows: u16) -> Self {
        let mut driver = Self::new(columns, rows);
        driver.engine(fixture::usual());
        driver
    }

    pub fn send(&mut self, event: Event) {
        self.effects.extend(update(&mut self.state, event));
    }

    pub fn engine(&mut self, events: impl IntoIterator<Item = EngineEvent>) {
        for event in events {
            self.send(Event::Engine(event));
        }
    }

    pub fn wait(&mut self, time: Duration) {
        let now = self.state.now.checked_add(time).unwrap();
        self.send(Event::Time(now));
    }

    /// Presses keys, separated by spaces: "down down enter".
    pub fn press(&mut self, keys: &str) -> &mut Self {
        for key in keys.split_whitespace() {
            self.send(Event::Key(key_event(key)));
        }
        self
    }

    /// Presses keys as a person does: one at a time, with pauses.
    pub fn type_keys(&mut self, keys: &str) -> &mut Self {
        for key in keys.split_whitespace() {
            self.wait(Duration::from_millis(150));
            self.send(Event::Key(key_event(key)));
        }
        self.wait(Duration::from_millis(150));
        self
    }

    pub fn buffer(&self) -> Buffer {
        let area = Rect::new(0, 0, self.state.size.0, self.state.size.1);
        let mut buf = Buffer::empty(area);
        view::draw(&self.state, self.state.themes.current(), area, &mut buf);
        buf
    }

    /// The text on screen.
    pub fn text(&self) -> String {
        dump(&self.buffer())
    }

    /// The line with the cursor, without surrounding blanks.
    pub fn cursor_line(&self) -> String {
        let buf = self.buffer();
        let rows =
            (0..buf.area.height).filter(|y| (0..buf.area.width).any(|x| buf[(x, *y)].bg != Color::Reset));
        rows.map(|y| row_text(&buf, y).trim().trim_start_matches('›').trim().to_owned())
            .collect::<Vec<_>>()
            .join("\n")
    }
}

pub fn key_event(name: &str) -> KeyEvent {
    let (modifiers, name) = match name {
        "-" => (KeyModifiers::NONE, name),
        _ if name.starts_with("ctrl-") => (KeyModifiers::CONTROL, &name[5..]),
        _ => (KeyModifiers::NONE, name),
    };
    let code = match name {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "space" => KeyCode::Char(' '),
        "tab" => KeyCode::Tab,
        "backtab" => return KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT),
        "backspace" => KeyCode::Backspace,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "pageup" => KeyCode::PageUp,
        "pagedown" => KeyCode::PageDown,
        one => KeyCode::Char(one.chars().next().unwrap()),
    };
    KeyEvent::new(code, modifiers)
}

fn row_text(buf: &Buffer, y: u16) -> String {
    let mut line = String::new();
    let mut x = 0;
    while x < buf.area.width {
        let symbol = buf[(x, y)].symbol();
        line.push_str(symbol);
        x += unicode_width(symbol).max(1);
    }
    line
}

fn unicode_width(symbol: &str) -> u16 {
    ratatui::text::Span::raw(symbol).width() as u16
}

/// The cells as text; every line ends with a bar, so that width and trailing blanks show.
pub fn dump(buf: &Buffer) -> String {
    (0..buf.area.height).map(|y| row_text(buf, y) + "|\n").collect()
}

fn style_name(buf: &Buffer, x: u16, y: u16) -> String {
    let cell = &buf[(x, y)];
    let role = match cell.fg {
        Color::Indexed(i) => Role::ALL[usize::from(i)].name(),
        _ => "text",
    };
    let selected = if cell.bg == Color::Indexed(200) { "+selected" } else { "" };
    let reversed = if cell.modifier.contains(Modifier::REVERSED) { "+reversed" } else { "" };
    format!("{role}{selected}{reversed}")
}

/// The cells as text, and below it the runs of styles of every line, by the name of their role.
pub fn styled_dump(buf: &Buffer) -> String {
    let mut out = dump(buf);
    out.push('\n');
    for y in 0..buf.area.height {
        let mut runs: Vec<(String, u16, u16)> = Vec::new();
        for x in 0..buf.area.width {
            let blank = buf[(x, y)].symbol() == " ";
            let name = style_name(buf, x, y);
            match runs.last_mut() {
                Some((last, _, to)) if *last == name || (blank && name == "text" && !last.contains('+')) => {
                    *to = x
                }
                _ => runs.push((name, x, x)),
            }
        }
        let runs: Vec<_> = runs
            .iter()
            .filter(|(name, ..)| name != "text")
            .map(|(name, a, b)| format!("{name} {a}-{b}"))
            .collect();
        if !runs.is_empty() {
            out.push_str(&format!("{y:>3}: {}\n", runs.join(", ")));
        }
    }
    out
}
