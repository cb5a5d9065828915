use crate::axis::{Scale, Span};
use crate::chart::{LineChart, Scatter};
use crate::ink::Ink;
use crate::layout::{Layout, wanted_size};
use crate::panel::Panel;
use crate::panel_axes::axes;
use crate::plot::{LINE_HEIGHT, Plot, TICK_SIZE};
use crate::raster;
use crate::svg::{Anchor, Line, Svg};
use crate::{Histogram, IntervalPlot, ReliabilityDiagram, ReportError, Table, chart_data};

pub(crate) const TITLE_SIZE: f64 = 17.0;
pub(crate) const MARGIN: f64 = 16.0;
/// Between panels, wide enough for half of a tick's label on both sides.
pub(crate) const GUTTER: f64 = 26.0;

/// Charts side by side under one title and above one legend.
///
/// ```
/// use zbridge_report::{Figure, Group, Scatter};
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
    /// What stands above all panels; may be empty.
    pub title: String,
    /// The charts, row by row.
    pub panels: Vec<Panel>,
    /// How many charts stand in a row.
    pub columns: usize,
    /// Whether all panels show the same ranges; ticks are then written at the outer edges only.
    pub shared_axes: bool,
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

impl Figure {
    /// Every number that the figure shows: a table for each kind of chart in it, its panels below
    /// one another.
    ///
    /// [`Table::to_csv`] writes them in full precision.
    pub fn data(&self) -> Vec<Table> {
        chart_data::of(&self.panels)
    }

    /// The figure as an SVG file: dark on white, without anything from outside.
    ///
    /// Points without a place on their axes (not finite, or not positive on a logarithmic axis) are
    /// not drawn; a note below the figure says how many.
    pub fn to_svg(&self) -> String {
        self.draw(Ink::Standalone, &self.description())
    }

    /// The figure as a PNG file with `scale` pixels for each unit of the SVG; 2 suits most screens
    /// and papers.
    ///
    /// # Errors
    /// [`ReportError::Scale`] or [`ReportError::TooLarge`] where the scale makes no picture.
    pub fn to_png(&self, scale: f32) -> Result<Vec<u8>, ReportError> {
        raster::rasterise(&self.to_svg(), scale)?.to_png()
    }

    /// The figure for a page, whose style sheet brings fonts and colours.
    pub(crate) fn to_page_svg(&self, alt: &str) -> String {
        self.draw(Ink::Page, alt)
    }

    fn draw(&self, ink: Ink, alt: &str) -> String {
        let layout = Layout::of(self);
        let mut svg = Svg::new((layout.width, layout.height), ink, alt);
        let mut y = MARGIN;
        for line in &layout.title {
            y += TITLE_SIZE * LINE_HEIGHT;
            svg.line(&Line::new(line, (MARGIN, y - 6.0), TITLE_SIZE, Anchor::Start).bold());
        }
        for (plot, frame) in layout.plots.iter().zip(&layout.frames) {
            plot.draw(&mut svg, *frame, &layout.legend);
        }
        let inside = layout.width - 2.0 * MARGIN;
        layout.legend.draw(
            &mut svg,
            layout.first_left,
            layout.legend_top,
            inside + MARGIN - layout.first_left,
        );
        if let Some(note) = self.note() {
            let place = (MARGIN, layout.height - MARGIN);
            svg.line(&Line::new(&note, place, TICK_SIZE, Anchor::Start).muted());
        }
        svg.finish()
    }

    /// The titles, for those who cannot see the figure.
    fn description(&self) -> String {
        let titles =
            std::iter::once(self.title.as_str()).chain(self.panels.iter().map(Panel::title));
        titles
            .filter(|title| !title.is_empty())
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// What is said about points that are not drawn.
    pub(crate) fn note(&self) -> Option<String> {
        match self.panels.iter().map(Panel::omitted).sum::<usize>() {
            0 => None,
            1 => Some(
                "Not drawn: 1 value that is not finite, or not positive on a logarithmic axis."
                    .to_owned(),
            ),
            n => Some(format!(
                "Not drawn: {n} values that are not finite, or not positive on a logarithmic axis."
            )),
        }
    }

    fn columns(&self) -> usize {
        self.columns.clamp(1, self.panels.len().max(1))
    }

    /// Whether a panel stands directly below this one.
    fn has_below(&self, place: usize) -> bool {
        place + self.columns() < self.panels.len()
    }

    /// Whether all panels divide their axes alike, across and up, so that ranges can be shared.
    fn shares(&self) -> (bool, bool) {
        let alike = |of: fn(&Panel) -> Scale| {
            self.panels
                .windows(2)
                .all(|pair| of(&pair[0]) == of(&pair[1]))
        };
        let (x, y) = (
            alike(|panel| panel.scales().0),
            alike(|panel| panel.scales().1),
        );
        (
            self.shared_axes && x,
            self.shared_axes && y && self.panels.iter().all(Panel::can_share_y),
        )
    }

    /// Ranges for each panel: its own, or everybody's.
    fn spans(&self) -> Vec<(Option<Span>, Option<Span>)> {
        let own: Vec<_> = self.panels.iter().map(Panel::spans).collect();
        let all = own.iter().fold((None, None), |all, own| {
            (Span::join(all.0, own.0), Span::join(all.1, own.1))
        });
        let (x, y) = self.shares();
        own.into_iter()
            .map(|own| (if x { all.0 } else { own.0 }, if y { all.1 } else { own.1 }))
            .collect()
    }

    /// Widths of the columns and heights of the rows in which every panel finds the room it wants.
    pub(crate) fn cells(&self) -> (Vec<f64>, Vec<f64>) {
        let columns = self.columns();
        let wanted: Vec<(f64, f64)> = self
            .panels
            .iter()
            .map(|panel| wanted_size(panel, columns))
            .collect();
        let widest = |column: usize| {
            wanted
                .iter()
                .skip(column)
                .step_by(columns)
                .map(|size| size.0)
                .fold(0.0, f64::max)
        };
        let tallest = |row: &[(f64, f64)]| row.iter().map(|size| size.1).fold(0.0, f64::max);
        (
            (0..columns).map(widest).collect(),
            wanted.chunks(columns).map(tallest).collect(),
        )
    }

    pub(crate) fn plots(&self, widths: &[f64], heights: &[f64]) -> Vec<Plot<'_>> {
        let (columns, (shared_x, shared_y)) = (self.columns(), self.shares());
        let plot = |(place, (panel, spans)): (usize, (_, _))| {
            let (x, y) = axes(
                panel,
                spans,
                (widths[place % columns], heights[place / columns]),
            );
            let (writes_x, writes_y) = (
                !shared_x || !self.has_below(place),
                !shared_y || place % columns == 0,
            );
            Plot {
                panel,
                x,
                y,
                writes_x,
                writes_y,
                is_alone: columns == 1,
            }
        };
        self.panels
            .iter()
            .zip(self.spans())
            .enumerate()
            .map(plot)
            .collect()
    }
}
