use crate::chart::Chart;
use crate::histogram::Histogram;
use crate::interval_plot::IntervalPlot;
use crate::line_chart::LineChart;
use crate::reliability::ReliabilityDiagram;
use crate::scatter::Scatter;

/// One chart of a figure.
#[derive(Debug, Clone, PartialEq)]
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

impl Panel {
    /// The title above the chart.
    pub fn title(&self) -> &str {
        self.chart().title()
    }

    /// What the horizontal axis measures.
    pub fn x_label(&self) -> &str {
        self.chart().labels().x
    }

    /// What the vertical axis measures; empty for estimates below one another.
    pub fn y_label(&self) -> &str {
        self.chart().labels().y
    }

    pub(crate) fn chart(&self) -> &dyn Chart {
        match self {
            Self::Line(chart) => chart,
            Self::Scatter(chart) => chart,
            Self::Histogram(chart) => chart,
            Self::Reliability(chart) => chart,
            Self::Intervals(chart) => chart,
        }
    }
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
