//! Everything that can happen to the screens.

use crossterm::event::{KeyEvent, MouseEvent};

use crate::domain::{Clean, Timestamp};
use crate::engine::EngineEvent;
use crate::tui::clipboard::Copied;
use crate::tui::guide::Scene;
use crate::tui::watch::Changed;

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// It is this late now; sent before every other event, so that `update` needs no clock.
    Time(Timestamp),
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was used; it is only told where it is wanted.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has this many columns and rows now.
    Resize(u16, u16),
    /// The engine tells something.
    Engine(EngineEvent),
    /// The demo's story went on.
    Scene(Scene),
    /// A theme file of the user's says something else now.
    Theme(Changed),
    /// The screens go on with the context called so; nothing is known of it yet.
    Context(Clean),
    /// They cannot, and why.
    ContextFailed(Clean, String),
    /// What came of copying.
    Copied(Copied),
    /// The engine is gone: what is shown will not change any more.
    EngineGone,
}
