//! Theme files: `name`, an optional `inherits`, and a `[styles]` table of roles.

use std::str::FromStr;

use ratatui::style::{Color, Modifier, Style};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Role, Theme};
use crate::config::Problems;
use crate::config::problem::{Findings, did_you_mean};
use crate::domain::Clean;

const ATTRIBUTES: [(&str, Modifier); 5] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underline", Modifier::UNDERLINED),
    ("reverse", Modifier::REVERSED),
];

/// Reads a theme that may build on one of `known`; without `inherits` it builds on the first.
pub(super) fn read(file: &str, text: &str, known: &[Theme]) -> Result<Theme, Problems> {
    let mut problems = Findings::default();
    let (root, errors) = DeTable::parse_recoverable(text);
    let syntax_is_fine = errors.is_empty();
    for e in errors {
        problems.error(e.span().unwrap_or(0..0), e.message(), None);
    }
    let (mut name, mut parent, mut table) = (None, known.first(), None);
    for (key, value) in root.get_ref() {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("name", DeValue::String(s)) if !s.is_empty() => name = Some(s.to_string()),
            ("inherits", DeValue::String(s)) => match known.iter().find(|t| t.name == *s) {
                Some(theme) => parent = Some(theme),
                None => {
                    let hint = did_you_mean(s, known.iter().map(Theme::name));
                    problems.error(value.span(), format!("unknown theme `{s}`"), hint);
                }
            },
            ("styles", DeValue::Table(t)) => table = Some(t),
            ("name" | "inherits", _) => problems.error(value.span(), "expected a name in quotes", None),
            ("styles", _) => problems.error(value.span(), "expected a table: [styles]", None),
            (other, _) => {
                let hint = did_you_mean(other, ["name", "inherits", "styles"]);
                problems.error(key.span(), format!("unknown setting `{other}`"), hint);
            }
        }
    }
    if name.is_none() && syntax_is_fine {
        let help = "for example name = \"mine\"".to_owned();
        problems.error(0..0, "a theme needs a name", Some(help));
    }
    let mut styles = parent.map_or([Style::new(); Role::ALL.len()], |t| t.styles);
    for (key, value) in table.into_iter().flatten() {
        match Role::from_name(key.get_ref()) {
            Some(role) => styles[role as usize] = style(value, &mut problems),
            None => {
                let hint = did_you_mean(key.get_ref(), Role::ALL.iter().map(|r| r.name()));
                problems.error(key.span(), format!("unknown style `{}`", key.get_ref()), hint);
            }
        }
    }
    problems.unless_fatal(Theme { name: name.unwrap_or_default(), styles }, file, text)
}

/// The name a theme file gives itself, if it can be told.
pub(super) fn name(text: &str) -> Option<String> {
    word(text, "name")
}

/// The theme it says it inherits from, if it can be told.
pub(super) fn parent(text: &str) -> Option<String> {
    word(text, "inherits")
}

fn word(text: &str, key: &str) -> Option<String> {
    let (root, _) = DeTable::parse_recoverable(text);
    Some(root.get_ref().get(key)?.get_ref().as_str()?.to_owned())
}

/// The mistake of a theme that inherits from itself by way of others.
pub(super) fn circle(file: &str, text: &str) -> Problems {
    let mut problems = Findings::default();
    let (root, _) = DeTable::parse_recoverable(text);
    let at = root.get_ref().get("inherits").map_or(0..0, Spanned::span);
    problems.error(at, "themes inherit from one another in a circle", None);
    Problems(problems.locate(&Clean::new(file), text))
}

fn style(value: &Spanned<DeValue<'_>>, problems: &mut Findings) -> Style {
    let mut style = Style::new();
    let Some(table) = value.get_ref().as_table() else {
        problems.error(value.span(), "expected a style such as { fg = \"red\", bold = true }", None);
        return style;
    };
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "fg" => style.fg = colour(value, problems),
            "bg" => style.bg = colour(value, problems),
            other => match (ATTRIBUTES.iter().find(|(n, _)| *n == other), value.get_ref().as_bool()) {
                (Some((_, attribute)), Some(true)) => style = style.add_modifier(*attribute),
                // Laid over another style, it takes the attribute away.
                (Some((_, attribute)), Some(false)) => style = style.remove_modifier(*attribute),
                (Some(_), None) => problems.error(value.span(), "expected true or false", None),
                (None, _) => {
                    let names = ATTRIBUTES.iter().map(|(n, _)| *n).chain(["fg", "bg"]);
                    let hint = did_you_mean(other, names);
                    problems.error(key.span(), format!("unknown attribute `{other}`"), hint);
                }
            },
        }
    }
    style
}

fn colour(value: &Spanned<DeValue<'_>>, problems: &mut Findings) -> Option<Color> {
    let Some(text) = value.get_ref().as_str() else {
        problems.error(value.span(), "expected a colour in quotes", None);
        return None;
    };
    match Color::from_str(text) {
        Ok(colour) => Some(colour),
        Err(_) => {
            let help = "use a name such as \"light red\", a number 0-255 or \"#rrggbb\"";
            problems.error(value.span(), format!("unknown colour `{text}`"), Some(help.to_owned()));
            None
        }
    }
}
