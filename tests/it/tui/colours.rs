//! The colours of the embedded themes, measured: contrast as WCAG 2.2 defines it, and what is left of the
//! differences for eyes that lack a kind of cones.

use ratatui::style::{Color, Modifier, Style};

use sagetop::tui::theme::{Role, Theme, Themes};

type Rgb = [f64; 3];

/// The backgrounds a theme must do on: black and white, and what popular palettes have instead.
const DARK: [&str; 4] = ["#000000", "#1e1e1e", "#002b36", "#282828"];
const LIGHT: [&str; 3] = ["#ffffff", "#fdf6e3", "#f5f5f5"];

fn theme(name: &str) -> Theme {
    let mut themes = Themes::builtin().unwrap();
    themes.select(name).unwrap();
    themes.current().clone()
}

/// sRGB, each channel from 0 to 1. The upper 240 of the 256 colours are the same everywhere.
fn rgb(colour: Color) -> Rgb {
    let bytes = match colour {
        Color::Rgb(r, g, b) => [r, g, b],
        Color::Indexed(i @ 16..=231) => {
            let level = |n: u8| [0, 95, 135, 175, 215, 255][usize::from(n % 6)];
            [level((i - 16) / 36), level((i - 16) / 6), level(i - 16)]
        }
        Color::Indexed(i @ 232..) => [8 + 10 * (i - 232); 3],
        other => panic!("{other} differs from terminal to terminal"),
    };
    bytes.map(|b| f64::from(b) / 255.0)
}

fn linear(colour: Rgb) -> Rgb {
    colour.map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) })
}

fn luminance(colour: Rgb) -> f64 {
    let [r, g, b] = linear(colour);
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn contrast_is_that_of_the_standard() {
    assert!((contrast([0.0; 3], [1.0; 3]) - 21.0).abs() < 1e-9);
    // The example everybody knows: #767676 is the lightest grey that passes on white.
    assert!(contrast(rgb(Color::Rgb(0x76, 0x76, 0x76)), [1.0; 3]) >= 4.5);
    assert!(contrast(rgb(Color::Rgb(0x77, 0x77, 0x77)), [1.0; 3]) < 4.5);
}

/// The least a role needs: text 4.5 (1.4.3), graphics 3 (1.4.11), what only decorates nothing but to be seen.
fn least(role: Role, text: f64) -> f64 {
    match role {
        Role::Guide => 2.0,
        Role::Bar | Role::Over => 3.0,
        _ => text,
    }
}

#[test]
fn every_text_is_readable_on_every_background_also_where_the_cursor_is() {
    let cases = [
        ("dark", 4.5, &DARK[..]),
        ("deuteranopia", 4.5, &DARK),
        ("light", 4.5, &LIGHT),
        ("deuteranopia-light", 4.5, &LIGHT),
        ("high-contrast", 7.0, &["#000000"]),
    ];
    let mut poor = Vec::new();
    for (name, text, grounds) in cases {
        let theme = theme(name);
        let selected = theme.style(Role::Selected);
        for ground in grounds {
            let ground = theme.style(Role::Text).bg.unwrap_or(ground.parse().unwrap());
            for role in Role::ALL.iter().filter(|r| !matches!(r, Role::Selected | Role::Matched)) {
                let style = theme.style(Role::Text).patch(theme.style(*role));
                let Some(fg) = style.fg else { continue };
                let alone = contrast(rgb(fg), rgb(ground));
                let style = style.patch(selected);
                let (fg, bg) = (style.fg.unwrap(), style.bg.unwrap_or(ground));
                // Under the cursor a bar or a rule may be fainter: the line is marked as it is.
                let under = contrast(rgb(fg), rgb(bg)) * if least(*role, text) < 4.5 { 1.5 } else { 1.0 };
                let least = least(*role, text);
                if alone < least || under < least {
                    poor.push(format!(
                        "{name} {role:?} on {ground}: {alone:.2}, selected {under:.2} < {least}"
                    ));
                }
            }
        }
    }
    assert!(poor.is_empty(), "{}", poor.join("\n"));
}

/// What is left of a colour, by Machado, Oliveira and Fernandes (2009) at full severity, on linear sRGB.
fn seen(colour: Rgb, matrix: [[f64; 3]; 3]) -> Rgb {
    let from = linear(colour);
    matrix.map(|row| row.iter().zip(from).map(|(m, c)| m * c).sum::<f64>().clamp(0.0, 1.0))
}

/// CIE L*a*b* (D65) of linear sRGB.
fn lab([r, g, b]: Rgb) -> Rgb {
    let f = |t: f64| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
    let x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
    let y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
    let z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

fn difference(a: Rgb, b: Rgb) -> f64 {
    lab(a).iter().zip(lab(b)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

const DEUTERANOPIA: [[f64; 3]; 3] =
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]];
const PROTANOPIA: [[f64; 3]; 3] =
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]];

/// A difference of 2 is just seen by a trained eye on large areas; letters need many times that.
const TOLD_APART: f64 = 25.0;

#[test]
fn without_red_or_green_cones_the_states_are_told_apart() {
    for name in ["deuteranopia", "deuteranopia-light"] {
        let theme = theme(name);
        let colour = |role| rgb(theme.style(role).fg.unwrap());
        let states = [Role::Ok, Role::Burning, Role::Breached];
        for (i, a) in states.iter().enumerate() {
            for b in &states[i + 1..] {
                for eyes in [DEUTERANOPIA, PROTANOPIA] {
                    let far = difference(seen(colour(*a), eyes), seen(colour(*b), eyes));
                    assert!(far >= TOLD_APART, "{name}: {a:?} and {b:?} look alike ({far:.1})");
                }
            }
        }
    }
}

#[test]
fn what_must_not_be_confused_differs_in_every_theme_without_colours_too() {
    let told = |style: Style| (style.fg, style.bg, style.add_modifier);
    for themes in [Themes::builtin().unwrap(), Themes::builtin().unwrap().without_colour()] {
        let names: Vec<_> = themes.names().map(str::to_owned).collect();
        for name in names {
            let mut themes = themes.clone();
            themes.select(&name).unwrap();
            let style = |role| told(themes.current().style(role));
            for (a, b) in [
                (Role::Ok, Role::Unknown),
                (Role::Ok, Role::Burning),
                (Role::Ok, Role::Breached),
                (Role::Burning, Role::Breached),
                (Role::Text, Role::Stale),
                (Role::Text, Role::Culprit),
                (Role::Text, Role::Selected),
                (Role::Text, Role::Armed),
            ] {
                assert_ne!(style(a), style(b), "{name}: {a:?} and {b:?} look alike");
            }
            let selected = themes.current().style(Role::Selected);
            let marked = selected.bg.is_some() || selected.add_modifier.contains(Modifier::REVERSED);
            assert!(marked, "{name}: the cursor is not seen");
        }
    }
}
