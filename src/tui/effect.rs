//! What `update` wants done outside of the state; the loop does it.

use crate::domain::Clean;
use crate::engine::Request;

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask the engine.
    Ask(Request),
    /// Put text on the clipboard of the user's terminal.
    Copy(String),
    /// Go on with another context.
    Context(Clean),
    /// Forget what the terminal shows and draw all of it.
    Redraw,
    /// Stop the process until it is continued.
    Suspend,
    /// Leave.
    Quit,
}
