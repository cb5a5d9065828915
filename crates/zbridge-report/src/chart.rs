use crate::axis::{Scale, Span};
use crate::{Figure, ReportError};

/// A named line, with a band around it where there is an uncertainty to show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// What the legend says; the same name gets the same colour in every panel.
    pub name: String,
    /// Places `(x, y)` in the order in which they are joined; a value that is not finite leaves a gap.
    pub points: Vec<(f64, f64)>,
    /// Places `(x, low, high)` of the band's edges.
    pub band: Option<Vec<(f64, f64, f64)>>,
}

impl Series {
    /// A line without a band.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, band: None }
    }

    /// The same line with a band of `(x, low, high)`.
    pub fn with_band(self, band: Vec<(f64, f64, f64)>) -> Self {
        Self { band: Some(band), ..self }
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
}

impl Group {
    /// A cloud of points.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points }
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

/// One chart of a figure.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Panel {
    /// Lines.
    Line(LineChart),
    /// Clouds of points.
    Scatter(Scatter),
}

impl From<LineChart> for Panel {
    fn from(chart: LineChart) -> Self {
        Self::Line(chart)
    }
}

impl From<Scatter> for Panel {
    fn from(chart: Scatter) -> Self {
        Self::Scatter(chart)
    }
}

impl Panel {
    pub(crate) fn title(&self) -> &str {
        match self {
            Self::Line(chart) => &chart.title,
            Self::Scatter(chart) => &chart.title,
        }
    }

    pub(crate) fn labels(&self) -> (&str, &str) {
        match self {
            Self::Line(chart) => (&chart.x_label, &chart.y_label),
            Self::Scatter(chart) => (&chart.x_label, &chart.y_label),
        }
    }

    pub(crate) fn scales(&self) -> (Scale, Scale) {
        match self {
            Self::Line(chart) => (chart.x_scale, chart.y_scale),
            Self::Scatter(_) => (Scale::Linear, Scale::Linear),
        }
    }

    pub(crate) fn has_equal_aspect(&self) -> bool {
        matches!(self, Self::Scatter(chart) if chart.equal_aspect)
    }

    /// Whether the point has a place on this panel's axes.
    pub(crate) fn can_draw(&self, (x, y): (f64, f64)) -> bool {
        let (x_scale, y_scale) = self.scales();
        x_scale.can_draw(x) && y_scale.can_draw(y)
    }

    /// How many points have no place on the axes.
    pub(crate) fn omitted(&self) -> usize {
        self.points().into_iter().filter(|&point| !self.can_draw(point)).count()
    }

    /// Ranges of what is drawn, across and up.
    pub(crate) fn spans(&self) -> (Option<Span>, Option<Span>) {
        let drawn: Vec<_> = self.points().into_iter().filter(|&point| self.can_draw(point)).collect();
        (Span::of(drawn.iter().map(|point| point.0)), Span::of(drawn.iter().map(|point| point.1)))
    }

    /// Every point of lines, bands and clouds.
    fn points(&self) -> Vec<(f64, f64)> {
        match self {
            Self::Line(chart) => chart.series.iter().flat_map(series_points).collect(),
            Self::Scatter(chart) => chart.groups.iter().flat_map(|group| group.points.iter().copied()).collect(),
        }
    }
}

fn series_points(series: &Series) -> impl Iterator<Item = (f64, f64)> {
    let edges = series.band.iter().flatten().flat_map(|&(x, low, high)| [(x, low), (x, high)]);
    series.points.iter().copied().chain(edges)
}
