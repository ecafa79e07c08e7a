//! Tables, as Markdown and as CSV.

use std::borrow::Cow;
use std::fmt;

/// A table of text; columns of numbers are set flush right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Anything as the text of a cell.
pub fn cell(value: impl ToString) -> String {
    value.to_string()
}

impl Table {
    /// A table with these columns and no row.
    pub fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row; cells that are missing are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells = Vec::from_iter(cells);
        cells.resize(self.head.len(), String::new());
        self.rows.push(cells);
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// As CSV by RFC 4180, but with plain line feeds.
    pub fn csv(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(|f| {
            for row in std::iter::once(&self.head).chain(&self.rows) {
                let cells = Vec::from_iter(row.iter().map(|cell| quoted(cell)));
                writeln!(f, "{}", cells.join(","))?;
            }
            Ok(())
        })
    }

    fn is_number(&self, column: usize) -> bool {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty());
        let mut cells = cells.map(|cell| cell.trim_matches('*')).filter(|cell| *cell != "–").peekable();
        // Words may begin with a number, too: `5: web was scaled`.
        let first = |cell: &str| {
            !cell.contains(": ") && cell.starts_with(|c: char| c.is_ascii_digit() || "+−-".contains(c))
        };
        cells.peek().is_some() && cells.all(first)
    }
}

fn quoted(cell: &str) -> Cow<'_, str> {
    if cell.contains([',', '"', '\n']) {
        Cow::Owned(format!("\"{}\"", cell.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(cell)
    }
}

impl fmt::Display for Table {
    /// As Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", self.head.join(" | "))?;
        let rule = (0..self.head.len()).map(|column| if self.is_number(column) { "--:" } else { "---" });
        writeln!(f, "|{}|", Vec::from_iter(rule).join("|"))?;
        self.rows.iter().try_for_each(|row| {
            let cells = Vec::from_iter(row.iter().map(|cell| cell.replace('|', "\\|")));
            writeln!(f, "| {} |", cells.join(" | "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_commas_are_quoted() {
        let mut table = Table::new(&["method", "exact", "note"]);
        table.row([cell("a, b"), cell("76 % [53–90]"), cell("1: say \"x|y\"")]);
        table.row([cell("c"), cell("–")]);
        assert_eq!(
            table.to_string(),
            "| method | exact | note |\n|---|--:|---|\n| a, b | 76 % [53–90] | 1: say \"x\\|y\" |\n| c | – |  |\n"
        );
        assert_eq!(
            table.csv().to_string(),
            "method,exact,note\n\"a, b\",76 % [53–90],\"1: say \"\"x|y\"\"\"\nc,–,\n"
        );
    }
}
