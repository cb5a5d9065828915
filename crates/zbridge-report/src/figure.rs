use crate::axis::{Axis, Scale, Span};
use crate::chart::{LineChart, Panel, Scatter};
use crate::ink::Ink;
use crate::legend::Legend;
use crate::plot::{Frame, LABEL_SIZE, LINE_HEIGHT, Plot, TICK_SIZE};
use crate::raster;
use crate::svg::{Anchor, Line, Svg};
use crate::{ReportError, typeface};

const TITLE_SIZE: f64 = 17.0;
const MARGIN: f64 = 16.0;
/// Between panels, wide enough for half of a tick's label on both sides.
const GUTTER: f64 = 26.0;

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

impl Figure {
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
        (self.shared_axes && alike(|panel| panel.scales().0), self.shared_axes && alike(|panel| panel.scales().1))
    }

    /// Ranges for each panel: its own, or everybody's.
    fn spans(&self) -> Vec<(Option<Span>, Option<Span>)> {
        let own: Vec<_> = self.panels.iter().map(Panel::spans).collect();
        let all = own.iter().fold((None, None), |all, own| (Span::join(all.0, own.0), Span::join(all.1, own.1)));
        let (x, y) = self.shares();
        own.into_iter().map(|own| (if x { all.0 } else { own.0 }, if y { all.1 } else { own.1 })).collect()
    }

    fn plots(&self, size: (f64, f64)) -> Vec<Plot<'_>> {
        let (shared_x, shared_y) = self.shares();
        let axes = self.panels.iter().zip(self.spans()).map(|(panel, spans)| axes(panel, spans, size));
        let place = |(place, (panel, (x, y))): (usize, (_, _))| Plot {
            panel,
            x,
            y,
            writes_x: !shared_x || !self.has_below(place),
            writes_y: !shared_y || place % self.columns() == 0,
        };
        self.panels.iter().zip(axes).enumerate().map(place).collect()
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
        let (columns, size) = (figure.columns(), plot_size(figure.columns()));
        let plots = figure.plots(size);
        let lefts = column_lefts(&plots, columns, size);
        let width = (lefts.last().map_or(size.0, |left| left + size.0) + MARGIN + GUTTER / 2.0).ceil();
        let title = typeface::wrap(&figure.title, TITLE_SIZE, true, width - 2.0 * MARGIN);
        let title_height = if title.is_empty() { 0.0 } else { title.len() as f64 * TITLE_SIZE * LINE_HEIGHT + 6.0 };
        let (tops, legend_top) = row_tops(&plots, columns, size, MARGIN + title_height);
        let frames = (0..plots.len()).map(|place| Frame {
            left: lefts[place % columns],
            top: tops[place / columns],
            width: size.0,
            height: size.1,
        });
        let frames = frames.collect();
        let (legend, first_left) = (Legend::of(&figure.panels), lefts.first().copied().unwrap_or(MARGIN));
        let note = if figure.note().is_some() { TICK_SIZE * LINE_HEIGHT + 6.0 } else { 0.0 };
        let height = legend_top + legend.height(width - MARGIN - first_left) + note + MARGIN * 0.75;
        let height = height.ceil();
        Self { title, plots, frames, legend, first_left, legend_top, width, height }
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

/// Left edges of the columns' frames.
fn column_lefts(plots: &[Plot<'_>], columns: usize, (width, height): (f64, f64)) -> Vec<f64> {
    let mut x = MARGIN - GUTTER;
    let mut lefts = Vec::with_capacity(columns);
    for column in 0..columns {
        let room = plots.iter().skip(column).step_by(columns).map(|plot| plot.room_left(height)).fold(0.0, f64::max);
        lefts.push(x + GUTTER + room);
        x += GUTTER + room + width;
    }
    lefts
}

/// Upper edges of the rows' frames, and the lower end of the last row.
fn row_tops(plots: &[Plot<'_>], columns: usize, (width, height): (f64, f64), from: f64) -> (Vec<f64>, f64) {
    let (mut y, mut tops) = (from, Vec::new());
    for row in plots.chunks(columns) {
        let above = row.iter().map(|plot| plot.room_above(width)).fold(0.0, f64::max);
        let below = row.iter().map(|plot| plot.room_below(width)).fold(0.0, f64::max);
        tops.push(y + above);
        y += above + height + below + 12.0;
    }
    (tops, y)
}

/// The axes of a panel whose frame has the given size.
fn axes(panel: &Panel, spans: (Option<Span>, Option<Span>), (width, height): (f64, f64)) -> (Axis, Axis) {
    let (x_scale, y_scale) = panel.scales();
    let up = ((height / 52.0) as usize).max(2);
    if panel.has_equal_aspect()
        && let (Some(x), Some(y)) = spans
    {
        return equal_axes(x, y, (width, height), up);
    }
    (fitting(width, 60.0, |wanted| Axis::covering(spans.0, x_scale, wanted)), Axis::covering(spans.1, y_scale, up))
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
