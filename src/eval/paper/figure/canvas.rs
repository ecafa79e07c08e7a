//! What a figure is painted on: shapes and words at places in pixels, whatever becomes of them.

use std::sync::OnceLock;

use plotters::backend::DrawingBackend;
use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::element::{Circle, Drawable, PathElement, PointCollection, Polygon, Rectangle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontFamily, FontStyle, FontTransform, IntoFont, RGBColor, ShapeStyle, TextStyle, register_font,
};

use super::PlotError;

/// Units of the backends in a pixel: their coordinates are whole numbers.
pub const FINE: u32 = 4;
/// What figures call their font. In an SVG the reader's own takes its place.
const FAMILY: FontFamily<'static> = FontFamily::SansSerif;
/// The line height of the font in its em, as the backends count it.
const LINE: f64 = 1.24;
/// From the middle of capitals down to their base line, in font sizes.
const HALF_CAPITAL: f64 = 0.36;
/// Where bitmaps put the base line of a word whose middle is asked for: below it, in line heights.
const BITMAP_BASE: f64 = 0.5 - 0.5 / LINE;
/// Where SVG readers put it: half an x-height, in font sizes.
const SVG_BASE: f64 = 0.27;

/// Which end of a word is at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Its beginning.
    Left,
    /// Its middle.
    Middle,
    /// Its end.
    Right,
}

/// How words look.
#[derive(Clone, Copy, Debug)]
pub struct Ink {
    /// Size of the font in pixels.
    pub size: f64,
    /// Colour.
    pub colour: RGBColor,
    /// Heavier.
    pub bold: bool,
}

/// A place to paint on; all places are in pixels from the upper left corner.
pub struct Canvas<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    /// How far the backend's words are too high, in font sizes.
    drop: f64,
}

/// Makes the font known, once.
fn fonts() -> Result<(), PlotError> {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let name = FAMILY.as_str();
        let regular = register_font(name, FontStyle::Normal, include_bytes!("font/DejaVuSans.ttf"));
        let bold = register_font(name, FontStyle::Bold, include_bytes!("font/DejaVuSans-Bold.ttf"));
        regular.is_ok() && bold.is_ok()
    });
    if *known { Ok(()) } else { Err(PlotError::Draw("its font is damaged".to_owned())) }
}

/// Width of a word in pixels.
pub fn width(text: &str, ink: Ink) -> f64 {
    let style = if ink.bold { FontStyle::Bold } else { FontStyle::Normal };
    let font = (FAMILY, ink.size * LINE * f64::from(FINE), style).into_font();
    fonts().ok().and_then(|()| font.box_size(text).ok()).map_or(0.0, |(w, _)| f64::from(w) / f64::from(FINE))
}

fn unit((x, y): (f64, f64)) -> (i32, i32) {
    let fine = |pixel: f64| (pixel * f64::from(FINE)).round() as i32;
    (fine(x), fine(y))
}

fn stroke(colour: RGBColor, width: f64) -> ShapeStyle {
    colour.stroke_width((width * f64::from(FINE)).round() as u32)
}

fn style(hold: Hold, ink: Ink, transform: FontTransform) -> TextStyle<'static> {
    let style = if ink.bold { FontStyle::Bold } else { FontStyle::Normal };
    let h = match hold {
        Hold::Left => HPos::Left,
        Hold::Middle => HPos::Center,
        Hold::Right => HPos::Right,
    };
    let font = (FAMILY, ink.size * LINE * f64::from(FINE), style).into_font().transform(transform);
    TextStyle { font, color: ink.colour.to_backend_color(), pos: Pos::new(h, VPos::Center) }
}

impl<'a, B: DrawingBackend> Canvas<'a, B> {
    /// A canvas on `area`, in which a pixel is [`FINE`] units wide. `bitmap` says of what kind it is.
    pub fn new(area: &'a DrawingArea<B, Shift>, bitmap: bool) -> Result<Self, PlotError> {
        fonts()?;
        let base = if bitmap { BITMAP_BASE * LINE } else { SVG_BASE };
        Ok(Self { area, drop: HALF_CAPITAL - base })
    }

    /// A filled rectangle.
    pub fn block(&self, from: (f64, f64), to: (f64, f64), colour: RGBColor) -> Result<(), PlotError> {
        self.draw(&Rectangle::new([unit(from), unit(to)], colour.filled()))
    }

    /// A line through these places.
    pub fn line(&self, places: &[(f64, f64)], colour: RGBColor, width: f64) -> Result<(), PlotError> {
        let places = Vec::from_iter(places.iter().copied().map(unit));
        self.draw(&PathElement::new(places, stroke(colour, width)))
    }

    /// A filled polygon.
    pub fn polygon(&self, places: &[(f64, f64)], colour: RGBColor) -> Result<(), PlotError> {
        let places = Vec::from_iter(places.iter().copied().map(unit));
        self.draw(&Polygon::new(places, colour.filled()))
    }

    /// A disc.
    pub fn disc(&self, at: (f64, f64), radius: f64, colour: RGBColor) -> Result<(), PlotError> {
        self.draw(&Circle::new(unit(at), (radius * f64::from(FINE)).round() as i32, colour.filled()))
    }

    /// A line of words; `at` is in the middle of its height.
    pub fn words(&self, text: &str, at: (f64, f64), hold: Hold, ink: Ink) -> Result<(), PlotError> {
        let at = (at.0, at.1 + self.drop * ink.size);
        self.write(text, at, &style(hold, ink, FontTransform::None))
    }

    /// A line of words from below to above; `at` is its middle.
    pub fn upright(&self, text: &str, at: (f64, f64), ink: Ink) -> Result<(), PlotError> {
        let at = (at.0 + self.drop * ink.size, at.1);
        self.write(text, at, &style(Hold::Middle, ink, FontTransform::Rotate270))
    }

    fn write(&self, text: &str, at: (f64, f64), style: &TextStyle<'_>) -> Result<(), PlotError> {
        self.area.draw_text(text, style, unit(at)).map_err(|error| PlotError::Draw(error.to_string()))
    }

    fn draw<E>(&self, element: &E) -> Result<(), PlotError>
    where
        for<'b> &'b E: PointCollection<'b, (i32, i32)>,
        E: Drawable<B>,
    {
        self.area.draw(element).map_err(|error| PlotError::Draw(error.to_string()))
    }
}
