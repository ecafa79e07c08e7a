//! Styles by meaning: the embedded themes, the user's own, and what NO_COLOR leaves of them.

mod file;
mod role;

use ratatui::style::{Modifier, Style};

pub use role::Role;

use crate::config::Problems;
use crate::config::problem::did_you_mean;

/// The embedded theme files, the default first.
const BUILTIN: [(&str, &str); 3] = [
    ("themes/dark.toml", include_str!("../../../themes/dark.toml")),
    ("themes/light.toml", include_str!("../../../themes/light.toml")),
    ("themes/ansi16.toml", include_str!("../../../themes/ansi16.toml")),
];

/// One style for every [`Role`]. Foreground and background are the terminal's unless a role says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    name: String,
    styles: [Style; Role::ALL.len()],
}

impl Theme {
    /// Its name, as in `theme = "dark"`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The style of a meaning.
    pub fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }

    /// The same theme in attributes only. A background that marked something becomes reverse video.
    fn without_colour(mut self) -> Self {
        for style in &mut self.styles {
            if style.bg.is_some() {
                *style = style.add_modifier(Modifier::REVERSED);
            }
            style.fg = None;
            style.bg = None;
        }
        self
    }
}

/// The themes the user can step through.
#[derive(Clone, Debug, PartialEq)]
pub struct Themes {
    list: Vec<Theme>,
    current: usize,
}

impl Themes {
    /// The embedded themes.
    ///
    /// # Errors
    /// Never for a released program: a test reads the embedded files.
    pub fn builtin() -> Result<Self, Problems> {
        let mut list: Vec<Theme> = Vec::new();
        for (file, text) in BUILTIN {
            let theme = file::read(file, text, &list)?;
            list.push(theme);
        }
        Ok(Self { list, current: 0 })
    }

    /// Adds the user's theme `text`, which was read from `file`, and makes it the current one.
    /// It builds on the theme it `inherits`, else on the first.
    ///
    /// # Errors
    /// All mistakes of the file with line and column.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), Problems> {
        let theme = file::read(file, text, &self.list)?;
        self.list.retain(|t| t.name != theme.name);
        self.list.push(theme);
        self.current = self.list.len() - 1;
        Ok(())
    }

    /// Makes the theme of that name the current one.
    ///
    /// # Errors
    /// The name is unknown; the message lists the known ones.
    pub fn select(&mut self, name: &str) -> Result<(), String> {
        match self.list.iter().position(|t| t.name == name) {
            Some(i) => {
                self.current = i;
                Ok(())
            }
            None => {
                let known: Vec<_> = self.list.iter().map(Theme::name).collect();
                let hint = did_you_mean(name, known.iter().copied());
                let hint = hint.map_or_else(String::new, |hint| format!(", {hint}"));
                Err(format!("unknown theme `{name}`{hint} Known: {}", known.join(", ")))
            }
        }
    }

    /// The theme to draw with.
    pub fn current(&self) -> &Theme {
        &self.list[self.current]
    }

    /// Steps to the next theme.
    pub fn step(&mut self) {
        self.current = (self.current + 1) % self.list.len();
    }

    /// The same themes without colours, as NO_COLOR asks.
    pub fn without_colour(self) -> Self {
        Self { list: self.list.into_iter().map(Theme::without_colour).collect(), ..self }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ratatui::style::Color;

    use super::*;

    #[test]
    fn embedded_themes_name_every_role_and_leave_text_to_the_terminal() {
        let themes = Themes::builtin().unwrap();
        assert_eq!(themes.list.len(), 3);
        for (theme, (_, text)) in themes.list.iter().zip(BUILTIN) {
            for role in Role::ALL {
                assert!(
                    text.contains(&format!("\n{} ", role.name())),
                    "{} lacks {}",
                    theme.name,
                    role.name()
                );
            }
            assert_eq!(theme.style(Role::Text), Style::default());
        }
    }

    #[test]
    fn the_sixteen_colour_theme_keeps_to_sixteen() {
        let mut themes = Themes::builtin().unwrap();
        themes.select("ansi16").unwrap();
        for role in Role::ALL {
            let style = themes.current().style(*role);
            for colour in [style.fg, style.bg].into_iter().flatten() {
                assert!(!matches!(colour, Color::Rgb(..) | Color::Indexed(_)), "{role:?} uses {colour}");
            }
        }
    }

    #[test]
    fn without_colour_keeps_the_selection_visible() {
        let themes = Themes::builtin().unwrap().without_colour();
        for theme in &themes.list {
            for role in Role::ALL {
                let style = theme.style(*role);
                assert_eq!((style.fg, style.bg), (None, None));
            }
            assert!(!theme.style(Role::Selected).add_modifier.is_empty(), "{}", theme.name);
            assert!(!theme.style(Role::Breached).add_modifier.is_empty(), "{}", theme.name);
        }
    }

    #[test]
    fn a_user_theme_inherits_what_it_does_not_say() {
        let mut themes = Themes::builtin().unwrap();
        themes
            .add(
                "m.toml",
                "name = \"mine\"\ninherits = \"light\"\n[styles]\nok = { fg = \"#00ff00\", underline = true }\n",
            )
            .unwrap();
        let mine = themes.current().clone();
        assert_eq!(
            mine.style(Role::Ok),
            Style::new().fg(Color::Rgb(0, 255, 0)).add_modifier(Modifier::UNDERLINED)
        );
        themes.select("light").unwrap();
        assert_eq!(mine.style(Role::Breached), themes.current().style(Role::Breached));
    }

    #[test]
    fn mistakes_are_all_reported_with_their_place() {
        let text = "name = \"x\"\ninherits = \"drak\"\n[styles]\nbrached = { fg = \"red\" }\n\
                    ok = { fg = \"gren\", blink = true }\nmuted = { dim = 1 }\nfoo = 3\n";
        let problems = Themes::builtin().unwrap().add("x.toml", text).unwrap_err();
        assert_eq!(
            problems.to_string(),
            "x.toml:2:12: unknown theme `drak`\n\
             \x20 2 | inherits = \"drak\"\n    |            ^^^^^^\n  = did you mean `dark`?\n\
             x.toml:4:1: unknown style `brached`\n\
             \x20 4 | brached = { fg = \"red\" }\n    | ^^^^^^^\n  = did you mean `breached`?\n\
             x.toml:5:13: unknown colour `gren`\n\
             \x20 5 | ok = { fg = \"gren\", blink = true }\n    |             ^^^^^^\n\
             \x20 = use a name such as \"light red\", a number 0-255 or \"#rrggbb\"\n\
             x.toml:5:21: unknown attribute `blink`\n\
             \x20 5 | ok = { fg = \"gren\", blink = true }\n    |                     ^^^^^\n\
             x.toml:6:17: expected true or false\n\
             \x20 6 | muted = { dim = 1 }\n    |                 ^\n\
             x.toml:7:1: unknown style `foo`\n\
             \x20 7 | foo = 3\n    | ^^^"
        );
    }

    #[test]
    fn selecting_an_unknown_theme_lists_the_known() {
        let error = Themes::builtin().unwrap().select("lihgt").unwrap_err();
        assert_eq!(error, "unknown theme `lihgt`, did you mean `light`? Known: dark, light, ansi16");
    }
}
