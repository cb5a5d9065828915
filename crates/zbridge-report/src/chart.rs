use crate::axis::Scale;
use crate::{Figure, Reference, ReportError};

/// A named line, with a band around it where there is an uncertainty to show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// What the legend says; the same name gets the same colour in every panel.
    pub name: String,
    /// Places `(x, y)` in the order in which they are joined; a value that is not finite leaves a
    /// gap.
    pub points: Vec<(f64, f64)>,
    /// Places `(x, low, high)` of the band's edges.
    pub band: Option<Vec<(f64, f64, f64)>>,
}

impl Series {
    /// A line without a band.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.into(),
            points,
            band: None,
        }
    }

    /// The same line with a band of `(x, low, high)`.
    pub fn with_band(self, band: Vec<(f64, f64, f64)>) -> Self {
        Self {
            band: Some(band),
            ..self
        }
    }
}

/// Lines over a common axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LineChart {
    /// What stands above the chart.
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
    /// Values to compare the lines with, drawn dashed all the way across.
    pub references: Vec<Reference>,
}

impl LineChart {
    /// The chart alone as an SVG file; see [`Figure::to_svg`].
    pub fn to_svg(&self) -> String {
        Figure::from(self.clone()).to_svg()
    }

    /// The chart alone as a PNG file.
    ///
    /// # Errors
    /// As [`Figure::to_png`].
    pub fn to_png(&self, scale: f32) -> Result<Vec<u8>, ReportError> {
        Figure::from(self.clone()).to_png(scale)
    }
}

/// A named cloud of points.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Group {
    /// What the legend says; the same name gets the same colour and shape in every panel.
    pub name: String,
    /// Places `(x, y)`.
    pub points: Vec<(f64, f64)>,
    /// For points that are only there to compare others with: what they are. They are drawn small
    /// and pale behind the others, and the legend says once what small and pale means.
    pub backdrop: Option<String>,
}

impl Group {
    /// A cloud of points.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.into(),
            points,
            backdrop: None,
        }
    }

    /// A cloud behind the others in the colour of the group `name`, grey where that is empty;
    /// `what` says for the legend what all pale points are, such as “the label VAE's own latents”.
    pub fn backdrop(
        name: impl Into<String>,
        what: impl Into<String>,
        points: Vec<(f64, f64)>,
    ) -> Self {
        Self {
            backdrop: Some(what.into()),
            ..Self::new(name, points)
        }
    }
}

/// Clouds of points in a plane.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scatter {
    /// What stands above the chart.
    pub title: String,
    /// What the horizontal axis measures, with its unit.
    pub x_label: String,
    /// What the vertical axis measures, with its unit.
    pub y_label: String,
    /// The clouds.
    pub groups: Vec<Group>,
    /// Whether a unit is as long across as up.
    pub equal_aspect: bool,
}

impl Scatter {
    /// The chart alone as an SVG file; see [`Figure::to_svg`].
    pub fn to_svg(&self) -> String {
        Figure::from(self.clone()).to_svg()
    }

    /// The chart alone as a PNG file.
    ///
    /// # Errors
    /// As [`Figure::to_png`].
    pub fn to_png(&self, scale: f32) -> Result<Vec<u8>, ReportError> {
        Figure::from(self.clone()).to_png(scale)
    }
}
