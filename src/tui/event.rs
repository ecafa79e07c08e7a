//! Everything that can happen to the screens.

use crossterm::event::KeyEvent;

use crate::domain::Timestamp;
use crate::engine::EngineEvent;
use crate::tui::guide::Scene;

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// It is this late now; sent before every other event, so that `update` needs no clock.
    Time(Timestamp),
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has this many columns and rows now.
    Resize(u16, u16),
    /// The engine tells something.
    Engine(EngineEvent),
    /// The demo's story went on.
    Scene(Scene),
    /// The engine is gone: what is shown will not change any more.
    EngineGone,
}
