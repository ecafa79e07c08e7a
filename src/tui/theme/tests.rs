//! What theme files may say, and what the embedded ones keep to.
#![allow(clippy::unwrap_used)]

use ratatui::style::{Color, Modifier};

use super::*;

#[test]
fn embedded_themes_name_every_role_and_leave_text_to_the_terminal() {
    let themes = Themes::builtin().unwrap();
    assert_eq!(themes.list.len(), BUILTIN.len());
    for (theme, (file, text)) in themes.list.iter().zip(BUILTIN) {
        assert_eq!(file, format!("themes/{}.toml", theme.name));
        for role in Role::ALL.iter().filter(|_| file::parent(text).is_none()) {
            assert!(text.contains(&format!("\n{} ", role.name())), "{} lacks {}", theme.name, role.name());
        }
        // That of high contrast is its own: the terminal's palette may not have any.
        assert_eq!(theme.style(Role::Text) == Style::default(), theme.name != "high-contrast");
    }
}

#[test]
fn mono_has_no_colours() {
    let themes = Themes::builtin().unwrap();
    let mono = themes.list.iter().find(|t| t.name == "mono").unwrap();
    assert_eq!(*mono, mono.clone().limited(Depth::None));
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
    assert_eq!(
        error,
        "unknown theme `lihgt`, did you mean `light`? Known: dark, light, ansi16, \
         mono, high-contrast, deuteranopia, deuteranopia-light"
    );
}

fn own(name: &str, parent: &str, ok: &str) -> String {
    format!("name = \"{name}\"\ninherits = \"{parent}\"\n[styles]\nok = {{ fg = \"{ok}\" }}\n")
}

#[test]
fn a_theme_that_changes_takes_along_what_inherits_from_it() {
    let mut themes = Themes::builtin().unwrap();
    themes.add("base.toml", &own("base", "dark", "1")).unwrap();
    themes.add("child.toml", "name = \"child\"\ninherits = \"base\"\n").unwrap();
    assert_eq!(themes.current().style(Role::Ok).fg, Some(Color::Indexed(1)));
    themes.read("base.toml", &own("base", "dark", "2")).unwrap();
    assert_eq!(themes.current().name(), "child");
    assert_eq!(themes.current().style(Role::Ok).fg, Some(Color::Indexed(2)));
}

#[test]
fn a_theme_that_becomes_wrong_stays_as_it_was() {
    let mut themes = Themes::builtin().unwrap();
    themes.add("mine.toml", &own("mine", "light", "1")).unwrap();
    let before = themes.clone();
    let problems = themes.read("mine.toml", &own("mine", "light", "reed")).unwrap_err();
    assert_eq!(
        problems.brief().unwrap(),
        "mine.toml:4:13: unknown colour `reed`, use a name such as \"light red\", a number 0-255 or \"#rrggbb\""
    );
    assert_eq!(themes, before);
    // One that gives itself another name while it is shown goes on being shown.
    themes.read("mine.toml", &own("ours", "light", "2")).unwrap();
    assert_eq!(themes.current().name(), "ours");
    assert!(!themes.names().any(|name| name == "mine"));
}

#[test]
fn a_theme_may_build_on_the_embedded_one_of_its_name_but_not_on_its_heirs() {
    let mut themes = Themes::builtin().unwrap();
    themes.add("dark.toml", &own("dark", "dark", "1")).unwrap();
    assert_eq!(themes.current().style(Role::Ok).fg, Some(Color::Indexed(1)));
    assert_eq!(themes.names().filter(|name| *name == "dark").count(), 1);
    themes.add("a.toml", "name = \"a\"").unwrap();
    themes.add("b.toml", "name = \"b\"\ninherits = \"a\"").unwrap();
    let problems = themes.read("a.toml", "name = \"a\"\ninherits = \"b\"").unwrap_err();
    assert_eq!(problems.brief().unwrap(), "a.toml:2:12: themes inherit from one another in a circle");
}

#[test]
fn without_colour_a_theme_read_later_has_none_either() {
    let mut themes = Themes::builtin().unwrap().without_colour();
    themes.add("mine.toml", &own("mine", "light", "1")).unwrap();
    assert_eq!(themes.current().style(Role::Ok), Style::new());
}
