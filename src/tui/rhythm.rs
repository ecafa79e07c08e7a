//! Whether keys come as a person presses them. A terminal hands over pasted text and held keys as key
//! presses too; what tells them apart is how fast they follow one another.

use std::time::Duration;

use super::picture::since;
use crate::domain::Timestamp;

/// Keys closer together than this were not pressed one by one.
pub const QUICK: Duration = Duration::from_millis(30);
/// So many quick keys in a row are pasted text: two that nearly coincide happen to fast typists.
const PASTED: u32 = 3;

/// The pace of the keys so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rhythm {
    last: Option<Timestamp>,
    /// How many of the newest keys came quickly after the one before.
    run: u32,
}

impl Rhythm {
    /// A key was pressed.
    pub fn key(&mut self, now: Timestamp) {
        let quick = self.last.is_some_and(|last| since(last, now) < QUICK);
        self.run = if quick { self.run + 1 } else { 0 };
        self.last = Some(now);
    }

    /// Whether the newest key came quickly after the one before.
    pub fn is_quick(&self) -> bool {
        self.run > 0
    }

    /// Whether the newest keys are more than a person types at once.
    pub fn is_burst(&self) -> bool {
        self.run >= PASTED
    }
}
