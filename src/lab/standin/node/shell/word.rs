//! What a shell command is made of.

/// A word, before it is expanded.
pub type Word = Vec<Part>;

/// A part of a word; `quoted` parts are neither split nor matched against file names.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// As it stands.
    Text { text: String, quoted: bool },
    /// `$name`, `${name}`, `${name:-word}`.
    Variable { name: String, change: Option<(String, Word)>, quoted: bool },
    /// `$(…)` or backquotes.
    Command { list: Box<Command>, quoted: bool },
    /// `$((…))`.
    Arithmetic(Word),
}

/// A redirection.
#[derive(Clone, Debug, PartialEq)]
pub enum Redirect {
    /// `n> word`, `n>> word`.
    Out { from: u32, to: Word, append: bool },
    /// `n>&m`.
    Same { from: u32, to: String },
    /// `< word`.
    In(Word),
    /// A here-document.
    Here(Word),
}

/// A command.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Assignments, words, redirections.
    Simple { sets: Vec<(String, Word)>, words: Vec<Word>, redirects: Vec<Redirect> },
    /// `a | b`, with `!` in front or not.
    Pipe { parts: Vec<Command>, negated: bool },
    /// `a && b`.
    And(Box<Command>, Box<Command>),
    /// `a || b`.
    Or(Box<Command>, Box<Command>),
    /// One after the other.
    List(Vec<Command>),
    /// `if`.
    If { arms: Vec<(Command, Command)>, otherwise: Option<Box<Command>> },
    /// `while` and `until`.
    While { condition: Box<Command>, body: Box<Command>, until: bool },
    /// `for`; without words the positional parameters.
    For { name: String, words: Option<Vec<Word>>, body: Box<Command> },
    /// `case`.
    Case { word: Word, arms: Vec<(Vec<Word>, Command)> },
    /// `{ …; }` or `(…)`, or one of the above with redirections.
    Group { body: Box<Command>, redirects: Vec<Redirect>, apart: bool },
    /// `name() { …; }`.
    Function { name: String, body: Box<Command> },
}
