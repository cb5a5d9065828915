use crate::axis::{Axis, Scale, Span};
use crate::chart::{LineChart, Scatter};
use crate::ink::Ink;
use crate::legend::Legend;
use crate::panel::Panel;
use crate::plot::{Frame, LABEL_SIZE, LINE_HEIGHT, Plot, TICK_SIZE, intervals_height};
use crate::raster;
use crate::svg::{Anchor, Line, Svg};
use crate::{Histogram, IntervalPlot, ReliabilityDiagram, ReportError, Table, chart_data, typeface};

const TITLE_SIZE: f64 = 17.0;
const MARGIN: f64 = 16.0;
/// Between panels, wide enough for half of a tick's label on both sides.
const GUTTER: f64 = 26.0;
/// A figure is at least so wide, so that notes fit below it.
const NARROWEST: f64 = 480.0;

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
        Self { title: String::new(), panels: vec![panel], columns: 1, shared_axes: false }
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
    /// Every number that the figure shows: a table for each kind of chart in it, its panels below one another.
    ///
    /// [`Table::to_csv`] writes them in full precision.
    pub fn data(&self) -> Vec<Table> {
        chart_data::of(&self.panels)
    }

    /// The figure as an SVG file: dark on white, without anything from outside.
    ///
    /// Points without a place on their axes (not finite, or not positive on a logarithmic axis) are not drawn; a note
    /// below the figure says how many.
    pub fn to_svg(&self) -> String {
        self.draw(Ink::Standalone, &self.description())
    }

    /// The figure as a PNG file with `scale` pixels for each unit of the SVG; 2 suits most screens and papers.
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
        layout.legend.draw(&mut svg, layout.first_left, layout.legend_top, inside + MARGIN - layout.first_left);
        if let Some(note) = self.note() {
            let place = (MARGIN, layout.height - MARGIN);
            svg.line(&Line::new(&note, place, TICK_SIZE, Anchor::Start).muted());
        }
        svg.finish()
    }

    /// The titles, for those who cannot see the figure.
    fn description(&self) -> String {
        let titles = std::iter::once(self.title.as_str()).chain(self.panels.iter().map(Panel::title));
        titles.filter(|title| !title.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// What is said about points that are not drawn.
    fn note(&self) -> Option<String> {
        match self.panels.iter().map(Panel::omitted).sum::<usize>() {
            0 => None,
            1 => Some("Not drawn: 1 value that is not finite, or not positive on a logarithmic axis.".to_owned()),
            n => Some(format!("Not drawn: {n} values that are not finite, or not positive on a logarithmic axis.")),
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
        let alike = |of: fn(&Panel) -> Scale| self.panels.windows(2).all(|pair| of(&pair[0]) == of(&pair[1]));
        let (x, y) = (alike(|panel| panel.scales().0), alike(|panel| panel.scales().1));
        (self.shared_axes && x, self.shared_axes && y && self.panels.iter().all(Panel::can_share_y))
    }

    /// Ranges for each panel: its own, or everybody's.
    fn spans(&self) -> Vec<(Option<Span>, Option<Span>)> {
        let own: Vec<_> = self.panels.iter().map(Panel::spans).collect();
        let all = own.iter().fold((None, None), |all, own| (Span::join(all.0, own.0), Span::join(all.1, own.1)));
        let (x, y) = self.shares();
        own.into_iter().map(|own| (if x { all.0 } else { own.0 }, if y { all.1 } else { own.1 })).collect()
    }

    /// Widths of the columns and heights of the rows in which every panel finds the room it wants.
    fn cells(&self) -> (Vec<f64>, Vec<f64>) {
        let columns = self.columns();
        let wanted: Vec<(f64, f64)> = self.panels.iter().map(|panel| wanted_size(panel, columns)).collect();
        let widest = |column: usize| wanted.iter().skip(column).step_by(columns).map(|size| size.0).fold(0.0, f64::max);
        let tallest = |row: &[(f64, f64)]| row.iter().map(|size| size.1).fold(0.0, f64::max);
        ((0..columns).map(widest).collect(), wanted.chunks(columns).map(tallest).collect())
    }

    fn plots(&self, widths: &[f64], heights: &[f64]) -> Vec<Plot<'_>> {
        let (columns, (shared_x, shared_y)) = (self.columns(), self.shares());
        let plot = |(place, (panel, spans)): (usize, (_, _))| {
            let (x, y) = axes(panel, spans, (widths[place % columns], heights[place / columns]));
            let (writes_x, writes_y) = (!shared_x || !self.has_below(place), !shared_y || place % columns == 0);
            Plot { panel, x, y, writes_x, writes_y, is_alone: columns == 1 }
        };
        self.panels.iter().zip(self.spans()).enumerate().map(plot).collect()
    }
}

/// Where everything stands.
struct Layout<'a> {
    title: Vec<String>,
    plots: Vec<Plot<'a>>,
    frames: Vec<Frame>,
    legend: Legend,
    first_left: f64,
    legend_top: f64,
    width: f64,
    height: f64,
}

impl<'a> Layout<'a> {
    fn of(figure: &'a Figure) -> Self {
        let (widths, heights) = figure.cells();
        let plots = figure.plots(&widths, &heights);
        let (lefts, right) = column_lefts(&plots, &widths, &heights);
        let width = (right + MARGIN + GUTTER / 2.0).max(NARROWEST).ceil();
        let title = typeface::wrap(&figure.title, TITLE_SIZE, true, width - 2.0 * MARGIN);
        let title_height = if title.is_empty() { 0.0 } else { title.len() as f64 * TITLE_SIZE * LINE_HEIGHT + 6.0 };
        let (tops, legend_top) = row_tops(&plots, &widths, &heights, MARGIN + title_height);
        let columns = widths.len();
        let frames = (0..plots.len()).map(|place| Frame {
            left: lefts[place % columns],
            top: tops[place / columns],
            width: widths[place % columns],
            height: heights[place / columns],
        });
        let frames = frames.collect();
        let (legend, first_left) = (Legend::of(&figure.panels), legend_left(&lefts, width));
        let note = if figure.note().is_some() { TICK_SIZE * LINE_HEIGHT + 6.0 } else { 0.0 };
        let height = legend_top + legend.height(width - MARGIN - first_left) + note + MARGIN * 0.75;
        let height = height.ceil();
        Self { title, plots, frames, legend, first_left, legend_top, width, height }
    }
}

/// Where the legend begins: below the first frame, or further left where long names would leave it little room.
fn legend_left(lefts: &[f64], width: f64) -> f64 {
    lefts.first().copied().filter(|&left| left < 0.25 * width).unwrap_or(MARGIN)
}

/// Width and height that a panel's data wants where so many stand in a row.
fn wanted_size(panel: &Panel, columns: usize) -> (f64, f64) {
    let (width, height) = plot_size(columns);
    match panel {
        Panel::Intervals(chart) if columns == 1 => (460.0, intervals_height(chart, true)),
        Panel::Intervals(chart) => (0.75 * width, intervals_height(chart, false)),
        Panel::Reliability(_) if columns == 1 => (400.0, 360.0),
        Panel::Reliability(_) => (width.min(1.1 * height), height),
        Panel::Scatter(chart) if columns == 1 && chart.equal_aspect => (560.0, 460.0),
        _ => (width, height),
    }
}

/// Width and height of a panel's data where so many stand in a row; a row is about 1000 pixels wide.
fn plot_size(columns: usize) -> (f64, f64) {
    match columns {
        1 => (640.0, 360.0),
        2 => (410.0, 290.0),
        3 => (270.0, 240.0),
        4 => (215.0, 215.0),
        _ => (180.0, 180.0),
    }
}

/// Left edges of the columns' frames, and the right end of the last column.
fn column_lefts(plots: &[Plot<'_>], widths: &[f64], heights: &[f64]) -> (Vec<f64>, f64) {
    let (columns, mut x) = (widths.len(), MARGIN - GUTTER);
    let mut lefts = Vec::with_capacity(columns);
    for (column, width) in widths.iter().enumerate() {
        let below = || plots.iter().enumerate().skip(column).step_by(columns);
        let before = below().map(|(place, plot)| plot.room_left(heights[place / columns])).fold(0.0, f64::max);
        let behind = below().map(|(_, plot)| plot.room_right()).fold(0.0, f64::max);
        lefts.push(x + GUTTER + before);
        x += GUTTER + before + width + behind;
    }
    (lefts, x)
}

/// Upper edges of the rows' frames, and the lower end of the last row.
fn row_tops(plots: &[Plot<'_>], widths: &[f64], heights: &[f64], from: f64) -> (Vec<f64>, f64) {
    let (mut y, mut tops) = (from, Vec::new());
    for (row, height) in plots.chunks(widths.len()).zip(heights) {
        let each = || row.iter().zip(widths);
        let above = each().map(|(plot, &width)| plot.room_above(width)).fold(0.0, f64::max);
        let below = each().map(|(plot, &width)| plot.room_below(width)).fold(0.0, f64::max);
        tops.push(y + above);
        y += above + height + below + 12.0;
    }
    (tops, y)
}

/// The axes of a panel whose frame has the given size.
fn axes(panel: &Panel, spans: (Option<Span>, Option<Span>), (width, height): (f64, f64)) -> (Axis, Axis) {
    let (x_scale, y_scale) = panel.scales();
    let up = ((height / 52.0) as usize).max(2);
    let across = || fitting(width, 60.0, |wanted| Axis::covering(spans.0, x_scale, wanted));
    match panel {
        Panel::Intervals(chart) => return (across(), Axis::of_rows(chart.rows.len())),
        Panel::Reliability(_) => return (Axis::within(0.0, 1.0, 5), Axis::within(0.0, 1.0, 5)),
        _ => {}
    }
    if panel.has_equal_aspect()
        && let (Some(x), Some(y)) = spans
    {
        return equal_axes(x, y, (width, height), up);
    }
    (across(), Axis::covering(spans.1, y_scale, up))
}

/// The axis with the most steps of at least `step` pixels whose labels do not touch along `width` pixels.
fn fitting(width: f64, step: f64, axis: impl Fn(usize) -> Axis) -> Axis {
    let most = ((width / step) as usize).max(2);
    (2..=most).rev().map(&axis).find(|axis| labels_fit(axis, width)).unwrap_or_else(|| axis(2))
}

fn labels_fit(axis: &Axis, width: f64) -> bool {
    axis.ticks.windows(2).all(|pair| {
        let apart = (axis.fraction(pair[1].value) - axis.fraction(pair[0].value)) * width;
        let written = pair.iter().map(|tick| typeface::width(&tick.label, TICK_SIZE, false)).sum::<f64>() / 2.0;
        written + LABEL_SIZE <= apart
    })
}

/// Axes on which a unit is as long across as up, a little wider than the data.
fn equal_axes(x: Span, y: Span, (width, height): (f64, f64), up: usize) -> (Axis, Axis) {
    let across = (x.high - x.low).max((y.high - y.low) * width / height);
    let across = 1.08 * if across > 1e-9 * reach(x).max(reach(y)) { across } else { reach(x).max(reach(y)).max(1.0) };
    let around = |span: Span, length: f64| {
        let middle = span.low / 2.0 + span.high / 2.0;
        (middle - length / 2.0, middle + length / 2.0)
    };
    let (x, y) = (around(x, across), around(y, across * height / width));
    (fitting(width, 40.0, |wanted| Axis::within(x.0, x.1, wanted)), Axis::within(y.0, y.1, up))
}

fn reach(span: Span) -> f64 {
    span.low.abs().max(span.high.abs())
}
