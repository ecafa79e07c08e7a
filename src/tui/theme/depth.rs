//! How many colours a terminal shows, and what a theme with more becomes there.

use ratatui::style::{Color, Modifier, Style};

/// Colours a terminal shows, fewest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Attributes only.
    None,
    /// The 16 of its own palette.
    Sixteen,
    /// The 256 of xterm's.
    Palette,
    /// 24 bits.
    True,
}

/// Terminals that show 24 bits whatever their name says of colours.
const TRUE: [&str; 7] = ["kitty", "alacritty", "foot", "wezterm", "ghostty", "iterm", "contour"];
/// The levels of the 6 x 6 x 6 cube of the 256 colours.
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
/// Below this difference between its strongest and weakest part a colour is a grey.
const GREY: u8 = 40;

impl Depth {
    /// What the environment says of the terminal: `COLORTERM` and `TERM`. The terminal itself is not asked,
    /// since an answer may never come. One that nothing is known of has 16.
    pub fn of(colorterm: Option<&str>, term: Option<&str>) -> Self {
        let (colorterm, term) = (colorterm.unwrap_or(""), term.unwrap_or(""));
        let told = matches!(colorterm, "truecolor" | "24bit") || term.ends_with("-direct");
        if told || TRUE.iter().any(|name| term.contains(name)) {
            Self::True
        } else if term.contains("256color") {
            Self::Palette
        } else {
            Self::Sixteen
        }
    }

    /// `style` of a theme whose text stands on `ground`, in no more colours than these.
    pub(super) fn limit(self, style: Style, ground: Option<Color>) -> Style {
        match self {
            Self::True => style,
            Self::Palette => Style { fg: style.fg.map(nearest), bg: style.bg.map(nearest), ..style },
            Self::Sixteen => sixteen(style, ground),
            Self::None => {
                let marked = style.bg.is_some() && style.bg != ground;
                let style = Style { fg: None, bg: None, ..style };
                if marked { reversed(style) } else { style }
            }
        }
    }
}

/// The parts of a colour whose look does not depend on the terminal.
fn rgb(colour: Color) -> Option<[u8; 3]> {
    match colour {
        Color::Rgb(r, g, b) => Some([r, g, b]),
        Color::Indexed(i @ 16..232) => {
            let i = usize::from(i - 16);
            Some([LEVELS[i / 36], LEVELS[i / 6 % 6], LEVELS[i % 6]])
        }
        Color::Indexed(i @ 232..) => Some([8 + 10 * (i - 232); 3]),
        _ => None,
    }
}

/// The nearest of the 256 colours.
fn nearest(colour: Color) -> Color {
    let Color::Rgb(r, g, b) = colour else { return colour };
    let far =
        |of: [u8; 3]| -> u32 { of.iter().zip([r, g, b]).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum() };
    let best = (16..=255u8).min_by_key(|i| rgb(Color::Indexed(*i)).map_or(u32::MAX, far));
    best.map_or(colour, Color::Indexed)
}

/// In the terminal's own 16 colours. Which they are nobody knows, so that hues are kept and shades are not: a
/// grey becomes dim text, a marked ground reverse video.
fn sixteen(style: Style, ground: Option<Color>) -> Style {
    let own_ground = ground.and_then(rgb);
    let dark = own_ground.is_some_and(|of| luma(of) < 128);
    let mut out = Style { fg: None, bg: None, ..style };
    if let Some(fg) = style.fg {
        match rgb(fg) {
            None => out.fg = Some(fg),
            Some(of) if is_grey(of) && own_ground.is_none() => out = out.add_modifier(Modifier::DIM),
            Some(of) if is_grey(of) => {
                out.fg = Some(if luma(of) < 128 { Color::Black } else { Color::White })
            }
            Some(of) => out.fg = Some(hue(of, dark)),
        }
    }
    match style.bg {
        None => {}
        bg if bg == ground => out.bg = Some(if dark { Color::Black } else { Color::White }),
        Some(bg) => {
            // In one colour: in reverse video every hue of a text would be a block.
            let hued = rgb(bg).filter(|of| !is_grey(*of)).map(|of| hue(of, dark));
            out = reversed(out).fg(hued.unwrap_or(Color::Reset));
        }
    }
    out
}

/// Marked without a ground: what is dim would hardly be read there.
fn reversed(style: Style) -> Style {
    style.add_modifier(Modifier::REVERSED).remove_modifier(Modifier::DIM)
}

fn is_grey(of: [u8; 3]) -> bool {
    let (least, most) = ends(of);
    most - least < GREY
}

fn ends(of: [u8; 3]) -> (u8, u8) {
    (of[0].min(of[1]).min(of[2]), of[0].max(of[1]).max(of[2]))
}

/// How bright it looks, 0 to 255 (ITU-R BT.601).
fn luma([r, g, b]: [u8; 3]) -> u32 {
    (299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b)) / 1000
}

/// The one of the six hues that is meant; the light one on a dark ground of the theme's own.
fn hue(of: [u8; 3], dark: bool) -> Color {
    let [r, g, b] = of.map(f64::from);
    let (least, most) = ends(of);
    let spread = f64::from(most - least).max(1.0);
    let degrees = if most == of[0] {
        60.0 * ((g - b) / spread).rem_euclid(6.0)
    } else if most == of[1] {
        60.0 * ((b - r) / spread + 2.0)
    } else {
        60.0 * ((r - g) / spread + 4.0)
    };
    let pick = |light, normal| if dark { light } else { normal };
    match degrees as u32 {
        20..80 => pick(Color::LightYellow, Color::Yellow),
        80..165 => pick(Color::LightGreen, Color::Green),
        165..195 => pick(Color::LightCyan, Color::Cyan),
        195..265 => pick(Color::LightBlue, Color::Blue),
        265..330 => pick(Color::LightMagenta, Color::Magenta),
        _ => pick(Color::LightRed, Color::Red),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_tells_how_many_colours_there_are() {
        let of = |colorterm: &str, term: &str| Depth::of(Some(colorterm), Some(term));
        assert_eq!(of("truecolor", "xterm"), Depth::True);
        assert_eq!(of("24bit", "screen"), Depth::True);
        assert_eq!(of("", "xterm-direct"), Depth::True);
        assert_eq!(of("", "xterm-kitty"), Depth::True);
        assert_eq!(of("", "tmux-256color"), Depth::Palette);
        assert_eq!(of("yes", "xterm"), Depth::Sixteen);
        assert_eq!(of("", "linux"), Depth::Sixteen);
        assert_eq!(Depth::of(None, None), Depth::Sixteen);
    }

    #[test]
    fn hues_stay_greys_become_dim_and_grounds_reverse() {
        let limited = |style: Style| Depth::Sixteen.limit(style, None);
        let fg = |i| limited(Style::new().fg(Color::Indexed(i))).fg;
        assert_eq!(fg(210), Some(Color::Red));
        assert_eq!(fg(221), Some(Color::Yellow));
        assert_eq!(fg(114), Some(Color::Green));
        assert_eq!(fg(153), Some(Color::Blue));
        assert_eq!(fg(183), Some(Color::Magenta));
        assert_eq!(fg(3), Some(Color::Indexed(3)), "one of the 16 is one of the 16");
        let muted = limited(Style::new().fg(Color::Indexed(249)));
        assert_eq!((muted.fg, muted.add_modifier), (None, Modifier::DIM));
        let marked = muted.patch(limited(Style::new().bg(Color::Indexed(236))));
        assert_eq!((marked.bg, marked.add_modifier), (None, Modifier::REVERSED));
    }

    #[test]
    fn a_ground_of_its_own_stays_one() {
        let black = Some(Color::Rgb(0, 0, 0));
        let limited = |style: Style| Depth::Sixteen.limit(style, black);
        let text = limited(Style::new().fg(Color::Rgb(255, 255, 255)).bg(Color::Rgb(0, 0, 0)));
        assert_eq!((text.fg, text.bg), (Some(Color::White), Some(Color::Black)));
        assert_eq!(limited(Style::new().fg(Color::Rgb(255, 120, 120))).fg, Some(Color::LightRed));
    }

    #[test]
    fn twenty_four_bits_become_the_nearest_of_256() {
        let limited = |colour| Depth::Palette.limit(Style::new().fg(colour), None).fg;
        assert_eq!(limited(Color::Rgb(255, 135, 135)), Some(Color::Indexed(210)));
        assert_eq!(limited(Color::Rgb(9, 8, 8)), Some(Color::Indexed(232)));
        assert_eq!(limited(Color::Red), Some(Color::Red));
    }
}
