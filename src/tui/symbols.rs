//! The signs drawn beside words, in Unicode and in plain ASCII.
//!
//! A sign never stands alone: the word next to it says the same.

use crate::domain::{BackendState, SloState};
use crate::remedy::Weight;

/// One set of signs. All are one cell wide, except the arrow.
#[derive(Debug, PartialEq, Eq)]
pub struct Symbols {
    /// Left of the selected line.
    pub cursor: &'static str,
    /// Objective met, backend up.
    pub ok: &'static str,
    /// No data.
    pub unknown: &'static str,
    /// Budget burns, backend degraded.
    pub burning: &'static str,
    /// Objective violated, backend down.
    pub breached: &'static str,
    /// Unusual.
    pub suspect: &'static str,
    /// Named by the verdict.
    pub culprit: &'static str,
    /// An open branch.
    pub open: &'static str,
    /// A folded branch.
    pub folded: &'static str,
    /// Tree line past a branch that goes on.
    pub pass: &'static str,
    /// Tree line to a child that has later siblings.
    pub tee: &'static str,
    /// Tree line to the last child.
    pub corner: &'static str,
    /// Horizontal rule.
    pub rule: &'static str,
    /// Vertical rule.
    pub wall: &'static str,
    /// "leads to".
    pub arrow: &'static str,
    /// Between parts of a line.
    pub dot: &'static str,
    /// Marks text that was cut.
    pub ellipsis: &'static str,
    /// Sparkline levels: the first half is within the objective, the second over it.
    pub spark: [&'static str; 8],
    /// A gap in a sparkline.
    pub gap: &'static str,
    /// Filled and empty cell of a bar.
    pub bar: [&'static str; 2],
    /// Within an interval, on a scale.
    pub interval: &'static str,
    /// The middle of an interval.
    pub middle: &'static str,
    /// A measured value on a scale.
    pub measured: &'static str,
    /// In front of a line that goes on within one argument.
    pub goes_on: &'static str,
    /// Heads of lines to the right and to the left.
    pub heads: [&'static str; 2],
    /// "more this way": left, right, up, down.
    pub ways: [&'static str; 4],
    /// Thin and thick lines by their arms: up 1, right 2, down 4, left 8.
    pub lines: [[&'static str; 16]; 2],
    /// Broken lines: across and down.
    pub broken: [&'static str; 2],
}

impl Symbols {
    /// Needs a Unicode font.
    pub const UNICODE: Self = Self {
        cursor: "›",
        ok: "●",
        unknown: "?",
        burning: "▲",
        breached: "✖",
        suspect: "▲",
        culprit: "◆",
        open: "▾",
        folded: "▸",
        pass: "│",
        tee: "├",
        corner: "└",
        rule: "─",
        wall: "│",
        arrow: "→",
        dot: "·",
        ellipsis: "…",
        spark: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
        gap: " ",
        bar: ["█", "░"],
        interval: "━",
        middle: "●",
        measured: "×",
        goes_on: "↳",
        heads: ["▸", "◂"],
        ways: ["←", "→", "↑", "↓"],
        lines: [
            [" ", "│", "─", "└", "│", "│", "┌", "├", "─", "┘", "─", "┴", "┐", "┤", "┬", "┼"],
            [" ", "┃", "━", "┗", "┃", "┃", "┏", "┣", "━", "┛", "━", "┻", "┓", "┫", "┳", "╋"],
        ],
        broken: ["╌", "╎"],
    };

    /// For terminals and fonts without it, and for locales where it is drawn two cells wide.
    pub const ASCII: Self = Self {
        cursor: ">",
        ok: "o",
        unknown: "?",
        burning: "!",
        breached: "X",
        suspect: "!",
        culprit: "*",
        open: "-",
        folded: "+",
        pass: "|",
        tee: "|",
        corner: "`",
        rule: "-",
        wall: "|",
        arrow: "->",
        dot: "|",
        ellipsis: "~",
        spark: ["_", ".", "-", "=", "+", "*", "%", "#"],
        gap: " ",
        bar: ["#", "."],
        interval: "=",
        middle: "o",
        measured: "x",
        goes_on: "\\",
        heads: [">", "<"],
        ways: ["<", ">", "^", "v"],
        lines: [
            [" ", "|", "-", "+", "|", "|", "+", "+", "-", "+", "-", "+", "+", "+", "+", "+"],
            [" ", "#", "=", "#", "#", "#", "#", "#", "=", "#", "=", "#", "#", "#", "#", "#"],
        ],
        broken: [".", ":"],
    };

    /// The sign of an SLO's state.
    pub fn slo(&self, state: SloState) -> &'static str {
        match state {
            SloState::Ok => self.ok,
            SloState::Unknown => self.unknown,
            SloState::Burning => self.burning,
            SloState::Breached => self.breached,
        }
    }

    /// The sign of an obstacle.
    pub fn obstacle(&self, weight: Weight) -> &'static str {
        match weight {
            Weight::Note => self.dot,
            Weight::Warning => self.burning,
            Weight::Refusal => self.breached,
        }
    }

    /// The sign of a backend's state.
    pub fn backend(&self, state: BackendState) -> &'static str {
        match state {
            BackendState::Up => self.ok,
            BackendState::Connecting => self.unknown,
            BackendState::Degraded => self.burning,
            BackendState::Down => self.breached,
        }
    }
}
