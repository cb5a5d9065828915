use crate::axis::{Scale, Span};
use crate::chart::{LineChart, Scatter, Series};
use crate::{Histogram, IntervalPlot, ReliabilityDiagram};

/// One chart of a figure.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Panel {
    /// Lines.
    Line(LineChart),
    /// Clouds of points.
    Scatter(Scatter),
    /// Bars over bins.
    Histogram(Histogram),
    /// Accuracy over confidence.
    Reliability(ReliabilityDiagram),
    /// Estimates below one another with their intervals.
    Intervals(IntervalPlot),
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

impl From<Histogram> for Panel {
    fn from(chart: Histogram) -> Self {
        Self::Histogram(chart)
    }
}

impl From<ReliabilityDiagram> for Panel {
    fn from(chart: ReliabilityDiagram) -> Self {
        Self::Reliability(chart)
    }
}

impl From<IntervalPlot> for Panel {
    fn from(chart: IntervalPlot) -> Self {
        Self::Intervals(chart)
    }
}

impl Panel {
    pub(crate) fn title(&self) -> &str {
        match self {
            Self::Line(chart) => &chart.title,
            Self::Scatter(chart) => &chart.title,
            Self::Histogram(chart) => &chart.title,
            Self::Reliability(chart) => &chart.title,
            Self::Intervals(chart) => &chart.title,
        }
    }

    pub(crate) fn labels(&self) -> (&str, &str) {
        match self {
            Self::Line(chart) => (&chart.x_label, &chart.y_label),
            Self::Scatter(chart) => (&chart.x_label, &chart.y_label),
            Self::Histogram(chart) => (&chart.x_label, &chart.y_label),
            Self::Reliability(chart) => (&chart.x_label, &chart.y_label),
            Self::Intervals(chart) => (&chart.x_label, ""),
        }
    }

    pub(crate) fn scales(&self) -> (Scale, Scale) {
        match self {
            Self::Line(chart) => (chart.x_scale, chart.y_scale),
            Self::Intervals(chart) => (chart.x_scale, Scale::Linear),
            Self::Scatter(_) | Self::Histogram(_) | Self::Reliability(_) => {
                (Scale::Linear, Scale::Linear)
            }
        }
    }

    pub(crate) fn has_equal_aspect(&self) -> bool {
        matches!(self, Self::Scatter(chart) if chart.equal_aspect)
    }

    /// Whether its vertical axis measures something that other panels may measure too.
    pub(crate) fn can_share_y(&self) -> bool {
        !matches!(self, Self::Intervals(_))
    }

    /// Whether the point has a place on this panel's axes.
    pub(crate) fn can_draw(&self, (x, y): (f64, f64)) -> bool {
        if matches!(self, Self::Reliability(_)) {
            return (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y);
        }
        let (x_scale, y_scale) = self.scales();
        x_scale.can_draw(x) && y_scale.can_draw(y)
    }

    /// How many points have no place on the axes and are not said to be missing where they should
    /// stand.
    pub(crate) fn omitted(&self) -> usize {
        match self {
            Self::Intervals(_) => 0,
            Self::Histogram(chart) => chart
                .bins
                .iter()
                .filter(|bin| {
                    !self.can_draw((bin.low, bin.count)) || !self.can_draw((bin.high, 0.0))
                })
                .count(),
            _ => self
                .points()
                .into_iter()
                .filter(|&point| !self.can_draw(point))
                .count(),
        }
    }

    /// Ranges of what is drawn, across and up.
    pub(crate) fn spans(&self) -> (Option<Span>, Option<Span>) {
        let drawn: Vec<_> = self
            .points()
            .into_iter()
            .filter(|&point| self.can_draw(point))
            .collect();
        let up = Span::of(drawn.iter().map(|point| point.1));
        let up = match self {
            Self::Histogram(chart) => chart.heights(up),
            Self::Line(chart) => Span::join(
                up,
                self.span_of(chart.references.iter().map(|line| line.value)),
            ),
            _ => up,
        };
        (Span::of(drawn.iter().map(|point| point.0)), up)
    }

    /// The span of those values that the vertical axis can show.
    fn span_of(&self, values: impl Iterator<Item = f64>) -> Option<Span> {
        Span::of(values.filter(|&value| self.scales().1.can_draw(value)))
    }

    /// Every point of lines, bands and clouds, every corner of bars, every end of intervals.
    fn points(&self) -> Vec<(f64, f64)> {
        match self {
            Self::Line(chart) => chart.series.iter().flat_map(series_points).collect(),
            Self::Scatter(chart) => chart
                .groups
                .iter()
                .flat_map(|group| group.points.iter().copied())
                .collect(),
            Self::Histogram(chart) => chart.corners(),
            Self::Reliability(chart) => chart.points(),
            Self::Intervals(chart) => chart.values().map(|value| (value, 0.0)).collect(),
        }
    }
}

fn series_points(series: &Series) -> impl Iterator<Item = (f64, f64)> {
    let edges = series
        .band
        .iter()
        .flatten()
        .flat_map(|&(x, low, high)| [(x, low), (x, high)]);
    series.points.iter().copied().chain(edges)
}
