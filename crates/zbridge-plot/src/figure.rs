use crate::PlotError;
use crate::canvas::{Canvas, Text};
use crate::colour::Theme;
use crate::geometry::Point;
use crate::histogram::Histogram;
use crate::interval_plot::IntervalPlot;
use crate::layout::{Layout, PanelGrid};
use crate::line_chart::LineChart;
use crate::panel::Panel;
use crate::raster::Raster;
use crate::reliability::ReliabilityDiagram;
use crate::scatter::Scatter;
use crate::style::{MARGIN, TICK_FONT, TITLE_FONT, line_height};
use crate::svg::SvgDocument;

/// Charts side by side under one title and above one legend.
///
/// ```
/// use zbridge_plot::{Figure, Group, Scatter};
///
/// let plane = |title: &str| Scatter {
///     title: title.into(),
///     x_label: "z₁".into(),
///     y_label: "z₂".into(),
///     groups: vec![Group::new("0", vec![(0.1, 0.2), (0.3, -0.4)])],
///     equal_aspect: true,
/// };
/// let figure = Figure {
///     title: "Label latents inferred from images".into(),
///     panels: vec![plane("N = 256").into(), plane("label VAE").into()],
///     columns: 2,
///     shared_axes: true,
/// };
/// assert!(figure.to_svg().starts_with("<svg"));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figure {
    /// The title above all panels; may be empty.
    pub title: String,
    /// The charts, row by row.
    pub panels: Vec<Panel>,
    /// The number of charts in a row.
    pub columns: usize,
    /// Whether all panels show the same ranges; ticks are then written at the outer edges only.
    pub shared_axes: bool,
}

impl Figure {
    /// The figure as an SVG file: dark on white, without anything from outside.
    ///
    /// Points without a place on their axes (not finite, or not positive on a logarithmic axis) are
    /// not drawn; a note below the figure says how many.
    pub fn to_svg(&self) -> String {
        self.to_themed_svg(Theme::Standalone, &self.description())
    }

    /// The figure as SVG for the given place; `alt` describes it to readers who cannot see it.
    pub fn to_themed_svg(&self, theme: Theme, alt: &str) -> String {
        let grid = self.grid();
        let layout = Layout::of(&self.title, &grid);
        let mut document = SvgDocument::new(layout.size, theme, alt);
        draw(&layout, &mut document);
        document.finish()
    }

    /// The figure as a PNG file with `scale` pixels for each unit of the SVG; 2 suits most screens
    /// and papers.
    ///
    /// Text is set letter by letter from left to right: scripts that need more, such as Arabic, are
    /// right in the SVG only.
    ///
    /// # Errors
    /// [`PlotError::Scale`] if the scale is not a positive number, [`PlotError::TooLarge`] if it
    /// makes a side too long.
    pub fn to_png(&self, scale: f32) -> Result<Vec<u8>, PlotError> {
        let grid = self.grid();
        let layout = Layout::of(&self.title, &grid);
        let mut raster = Raster::new(layout.size, scale)?;
        draw(&layout, &mut raster);
        raster.finish().to_png()
    }

    fn grid(&self) -> PanelGrid<'_> {
        let charts = self.panels.iter().map(Panel::chart).collect();
        PanelGrid::new(charts, self.columns, self.shared_axes)
    }

    /// The titles, for readers who cannot see the figure.
    fn description(&self) -> String {
        let mut titles = vec![self.title.as_str()];
        titles.extend(self.panels.iter().map(Panel::title));
        titles.retain(|title| !title.is_empty());
        titles.join("; ")
    }
}

fn draw(layout: &Layout<'_>, canvas: &mut dyn Canvas) {
    // The baseline of a line is 6 pixels above its lower end.
    let mut baseline = MARGIN - 6.0;
    for line in &layout.title {
        baseline += line_height(TITLE_FONT);
        canvas.text(&Text::new(line, Point::new(MARGIN, baseline), TITLE_FONT));
    }
    for panel in &layout.panels {
        panel.plot.draw(canvas, panel.frame, &layout.legend);
    }
    layout
        .legend
        .draw(canvas, layout.legend_corner, layout.legend_width);
    if let Some(note) = &layout.note {
        let at = Point::new(MARGIN, layout.size.height - MARGIN);
        canvas.text(&Text::new(note, at, TICK_FONT).muted());
    }
}

impl From<Panel> for Figure {
    fn from(panel: Panel) -> Self {
        Self {
            title: String::new(),
            panels: vec![panel],
            columns: 1,
            shared_axes: false,
        }
    }
}

impl From<LineChart> for Figure {
    fn from(chart: LineChart) -> Self {
        Panel::from(chart).into()
    }
}

impl From<Scatter> for Figure {
    fn from(chart: Scatter) -> Self {
        Panel::from(chart).into()
    }
}

impl From<Histogram> for Figure {
    fn from(chart: Histogram) -> Self {
        Panel::from(chart).into()
    }
}

impl From<ReliabilityDiagram> for Figure {
    fn from(chart: ReliabilityDiagram) -> Self {
        Panel::from(chart).into()
    }
}

impl From<IntervalPlot> for Figure {
    fn from(chart: IntervalPlot) -> Self {
        Panel::from(chart).into()
    }
}
