//! Figures as files: SVG, and PNG with the font that the program carries.

use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::drawing::IntoDrawingArea;
use plotters::style::WHITE;

use super::canvas::{Canvas, FINE};
use super::{Drawing, paint};

/// A PNG's pixels to a side of an SVG's: for screens that are dense, and for print.
const DENSE: u32 = 2;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The plotting library.
    #[error("a figure cannot be drawn: {0}")]
    Draw(String),
    /// The encoder.
    #[error("a figure cannot be written as PNG: {0}")]
    Png(#[from] png::EncodingError),
}

/// The drawing as SVG.
///
/// # Errors
/// It cannot be drawn.
pub fn svg(drawing: &Drawing) -> Result<String, PlotError> {
    let (width, height) = paint::size(drawing);
    let (wide, high) = (width * FINE, height * FINE);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (wide, high)).into_drawing_area();
        area.fill(&WHITE).map_err(|error| PlotError::Draw(error.to_string()))?;
        paint::paint(drawing, &Canvas::new(&area, false)?)?;
        area.present().map_err(|error| PlotError::Draw(error.to_string()))?;
    }
    // The view box keeps the finer units; shown it is as large as it was meant to be.
    let size = |width: u32, height: u32| format!("<svg width=\"{width}\" height=\"{height}\"");
    Ok(text.replacen(&size(wide, high), &size(width, height), 1))
}

/// The drawing as PNG. The same drawing gives the same bytes on every machine.
///
/// # Errors
/// It cannot be drawn.
pub fn png(drawing: &Drawing) -> Result<Vec<u8>, PlotError> {
    let (width, height) = paint::size(drawing);
    let (wide, high) = (width * FINE, height * FINE);
    let mut fine = vec![0; (3 * wide * high) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut fine, (wide, high)).into_drawing_area();
        area.fill(&WHITE).map_err(|error| PlotError::Draw(error.to_string()))?;
        paint::paint(drawing, &Canvas::new(&area, true)?)?;
        area.present().map_err(|error| PlotError::Draw(error.to_string()))?;
    }
    let pixels = smooth(&fine, wide as usize, (FINE / DENSE) as usize);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width * DENSE, height * DENSE);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// The means of squares of `side` by `side` pixels of an RGB image `wide` pixels wide.
fn smooth(fine: &[u8], wide: usize, side: usize) -> Vec<u8> {
    let rows = fine.chunks_exact(3 * wide * side);
    let mean = |rows: &[u8], column: usize, channel: usize| {
        let cells = (0..side * side).map(|i| 3 * ((i / side) * wide + column * side + i % side) + channel);
        let sum: usize = cells.filter_map(|cell| rows.get(cell)).map(|value| usize::from(*value)).sum();
        ((sum + side * side / 2) / (side * side)) as u8
    };
    let pixels = rows.flat_map(|rows| {
        (0..wide / side).flat_map(move |column| (0..3).map(move |channel| mean(rows, column, channel)))
    });
    pixels.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::example;
    use super::*;

    #[test]
    fn a_picture_has_its_words_and_its_size() {
        let mut drawing = example().drawing;
        drawing.panels.truncate(2);
        drawing.height = 120;
        let (width, height) = paint::size(&drawing);
        let svg = svg(&drawing).unwrap();
        assert!(
            svg.starts_with(&format!("<svg width=\"{width}\" height=\"{height}\" viewBox=")),
            "{svg:.200}"
        );
        for word in
            ["exactly right", "share of incidents", "autoscaling 50 %", "objective", "fan-out", "100 %"]
        {
            assert!(svg.contains(word), "{word}");
        }
        let bytes = png(&drawing).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (width * DENSE, height * DENSE));
        let dark = pixels.chunks_exact(3).filter(|pixel| pixel.iter().all(|value| *value < 90)).count();
        assert!(dark > 500, "words are there without any font of the machine's: {dark}");
        assert_eq!(bytes, png(&drawing).unwrap());
    }

    #[test]
    fn smoothing_takes_means_of_squares() {
        let fine =
            [[0, 0, 0], [100, 0, 8], [9, 9, 9], [9, 9, 9], [0, 4, 0], [100, 4, 8], [9, 9, 9], [9, 9, 9]];
        assert_eq!(smooth(fine.as_flattened(), 4, 2), [50, 2, 4, 9, 9, 9]);
    }
}
