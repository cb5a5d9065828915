mod drawing;

use crate::reference::Reference;
use crate::scale::Scale;

/// A place on the band around a line.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BandPoint {
    /// Horizontal position.
    pub x: f64,
    /// Lower edge of the band.
    pub low: f64,
    /// Upper edge of the band.
    pub high: f64,
}

/// A named line, with a band around it that shows an uncertainty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// The name in the legend; the same name has the same colour in every panel.
    pub name: String,
    /// Points `(x, y)` in the order in which they are joined; a value that is not finite leaves a
    /// gap.
    pub points: Vec<(f64, f64)>,
    /// The band; empty for none.
    pub band: Vec<BandPoint>,
}

impl Series {
    /// A line without a band.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.into(),
            points,
            band: Vec::new(),
        }
    }

    /// The same line with a band.
    pub fn with_band(self, band: Vec<BandPoint>) -> Self {
        Self { band, ..self }
    }
}

/// Lines over a common axis.
///
/// ```
/// use zbridge_plot::{Figure, LineChart, Reference, Scale, Series};
///
/// let chart = LineChart {
///     title: "Accuracy from image to label".into(),
///     x_label: "pairs N".into(),
///     y_label: "accuracy".into(),
///     series: vec![Series::new("bridge", vec![(256.0, 0.72), (8192.0, 0.88)])],
///     x_scale: Scale::Log,
///     references: vec![Reference::new("classifier on real images", 0.995)],
///     ..LineChart::default()
/// };
/// assert!(Figure::from(chart).to_svg().contains("classifier on real images"));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LineChart {
    /// The title above the chart.
    pub title: String,
    /// What the horizontal axis measures, with its unit.
    pub x_label: String,
    /// What the vertical axis measures, with its unit.
    pub y_label: String,
    /// The lines.
    pub series: Vec<Series>,
    /// How the horizontal axis is divided.
    pub x_scale: Scale,
    /// How the vertical axis is divided.
    pub y_scale: Scale,
    /// Values to compare the lines with, drawn as dashed lines from left to right.
    pub references: Vec<Reference>,
}
