//! Colours that people tell apart whatever their eyes see: Okabe and Ito (2008), then greys.

use plotters::style::RGBColor;

/// Of the series in order.
const SERIES: [(u8, u8, u8); 10] = [
    (0, 114, 178),
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (204, 121, 167),
    (213, 94, 0),
    (240, 228, 66),
    (110, 110, 110),
    (60, 60, 60),
    (170, 170, 170),
];

/// Text and axes.
pub const INK: RGBColor = RGBColor(40, 40, 40);
/// Words of less weight.
pub const FAINT: RGBColor = RGBColor(110, 110, 110);
/// Lines of the grid.
pub const GRID: RGBColor = RGBColor(225, 225, 225);
/// Stretches in which something is broken.
pub const SHADE: RGBColor = RGBColor(247, 236, 214);
/// The line that is not to be crossed.
pub const LIMIT: RGBColor = RGBColor(213, 94, 0);

/// The colour of a series.
pub fn of(series: usize) -> RGBColor {
    let (red, green, blue) = SERIES[series % SERIES.len()];
    RGBColor(red, green, blue)
}
