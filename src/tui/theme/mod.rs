//! Styles by meaning: the embedded themes, the user's own, and what NO_COLOR leaves of them.

mod depth;
mod file;
mod role;
#[cfg(test)]
mod tests;

use ratatui::style::Style;

pub use depth::Depth;
pub use role::Role;

use crate::config::Problems;
use crate::config::problem::did_you_mean;

/// The embedded theme files, the default first; those that inherit stand after what they inherit from.
const BUILTIN: [(&str, &str); 7] = [
    ("themes/dark.toml", include_str!("../../../themes/dark.toml")),
    ("themes/light.toml", include_str!("../../../themes/light.toml")),
    ("themes/ansi16.toml", include_str!("../../../themes/ansi16.toml")),
    ("themes/mono.toml", include_str!("../../../themes/mono.toml")),
    ("themes/high-contrast.toml", include_str!("../../../themes/high-contrast.toml")),
    ("themes/deuteranopia.toml", include_str!("../../../themes/deuteranopia.toml")),
    ("themes/deuteranopia-light.toml", include_str!("../../../themes/deuteranopia-light.toml")),
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

    /// The same theme in as many colours as a terminal shows.
    fn limited(mut self, depth: Depth) -> Self {
        let ground = self.style(Role::Text).bg;
        for style in &mut self.styles {
            *style = depth.limit(*style, ground);
        }
        self
    }
}

/// A theme file of the user's.
#[derive(Clone, Debug, PartialEq)]
struct Source {
    file: String,
    text: String,
}

/// The name that the theme file `text` gives itself, if it can be told.
pub fn name(text: &str) -> Option<String> {
    file::name(text)
}

/// The themes the user can choose from.
#[derive(Clone, Debug, PartialEq)]
pub struct Themes {
    list: Vec<Theme>,
    current: usize,
    /// What the themes that are not embedded were read from, to read them again when one of them changes.
    own: Vec<Source>,
    depth: Depth,
}

impl Themes {
    /// The embedded themes.
    ///
    /// # Errors
    /// Never for a released program: a test reads the embedded files.
    pub fn builtin() -> Result<Self, Problems> {
        Ok(Self { list: compose(&[])?, current: 0, own: Vec::new(), depth: Depth::True })
    }

    /// Adds the user's theme `text`, which was read from `file`, and makes it the current one. It builds on the
    /// theme it `inherits`, else on the first. A file that was read before is replaced.
    ///
    /// # Errors
    /// All mistakes of the file with line and column; nothing is changed then.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), Problems> {
        let name = self.read(file, text)?;
        self.current = self.position(&name).unwrap_or(self.current);
        Ok(())
    }

    /// Adds the user's theme `text`, which was read from `file`, or replaces what that file said before, for
    /// itself and for the themes that inherit from it. The current theme stays the current one, also when its
    /// file gave it another name. Returns the theme's name.
    ///
    /// # Errors
    /// All mistakes of the file with line and column; nothing is changed then.
    pub fn read(&mut self, file: &str, text: &str) -> Result<String, Problems> {
        let mut own = self.own.clone();
        let mut before = None;
        match own.iter_mut().find(|source| source.file == file) {
            Some(source) => {
                before = file::name(&source.text);
                source.text = text.to_owned();
            }
            None => own.push(Source { file: file.to_owned(), text: text.to_owned() }),
        }
        let list: Vec<_> = compose(&own)?.into_iter().map(|theme| theme.limited(self.depth)).collect();
        let name = file::name(text).unwrap_or_default();
        let current = self.current().name.clone();
        let wanted = if before.as_ref() == Some(&current) { &name } else { &current };
        self.current = list.iter().position(|t| t.name == *wanted).unwrap_or(0);
        self.list = list;
        self.own = own;
        Ok(name)
    }

    /// Makes the theme of that name the current one.
    ///
    /// # Errors
    /// The name is unknown; the message lists the known ones.
    pub fn select(&mut self, name: &str) -> Result<(), String> {
        match self.position(name) {
            Some(i) => {
                self.current = i;
                Ok(())
            }
            None => {
                let known: Vec<_> = self.names().collect();
                let hint = did_you_mean(name, known.iter().copied());
                let hint = hint.map_or_else(String::new, |hint| format!(", {hint}"));
                Err(format!("unknown theme `{name}`{hint} Known: {}", known.join(", ")))
            }
        }
    }

    /// Their names, in the order they are stepped through.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(Theme::name)
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
        self.limited(Depth::None)
    }

    /// The same themes in as many colours as the terminal shows.
    pub fn limited(self, depth: Depth) -> Self {
        let depth = depth.min(self.depth);
        let list = self.list.into_iter().map(|theme| theme.limited(depth)).collect();
        Self { list, depth, ..self }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|t| t.name == name)
    }
}

/// The embedded themes and those of `own`, in an order in which every theme stands after its parent.
fn compose(own: &[Source]) -> Result<Vec<Theme>, Problems> {
    let mut list: Vec<Theme> = Vec::new();
    for (file, text) in BUILTIN {
        let theme = file::read(file, text, &list)?;
        list.push(theme);
    }
    let mut waiting: Vec<&Source> = own.iter().collect();
    while !waiting.is_empty() {
        // A parent that is itself waiting comes first; its own name means the embedded theme of that name.
        let names: Vec<_> = waiting.iter().map(|source| file::name(&source.text)).collect();
        let ready = waiting.iter().zip(&names).position(|(source, name)| {
            let parent = file::parent(&source.text);
            parent.is_none() || parent == *name || !names.contains(&parent)
        });
        let Some(ready) = ready else {
            let source = waiting[0];
            return Err(file::circle(&source.file, &source.text));
        };
        let source = waiting.remove(ready);
        let theme = file::read(&source.file, &source.text, &list)?;
        match list.iter_mut().find(|t| t.name == theme.name) {
            Some(embedded) => *embedded = theme,
            None => list.push(theme),
        }
    }
    Ok(list)
}
