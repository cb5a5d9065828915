//! Where the parts of a figure are.

use crate::chart::Chart;
use crate::geometry::{Frame, Point, Size, Xy};
use crate::legend::Legend;
use crate::panel_plot::PanelPlot;
use crate::scale::{Scale, Span};
use crate::style::{GUTTER, MARGIN, TICK_FONT, TITLE_FONT, line_height};

/// A figure is at least this wide, so that notes fit below it.
const NARROWEST: f64 = 480.0;
/// Between two rows of panels.
const ROW_GAP: f64 = 12.0;
/// Below the title, and above the note.
const TEXT_GAP: f64 = 6.0;

/// Charts in rows.
pub(crate) struct PanelGrid<'a> {
    charts: Vec<&'a dyn Chart>,
    columns: usize,
    /// Whether all charts show the same range of an axis.
    shares: Xy<bool>,
}

/// Everything of a figure with its place.
pub(crate) struct Layout<'a> {
    /// The lines of the title.
    pub(crate) title: Vec<String>,
    pub(crate) panels: Vec<PlacedPanel<'a>>,
    pub(crate) legend: Legend,
    pub(crate) legend_corner: Point,
    pub(crate) legend_width: f64,
    /// What is written at the bottom about values that cannot be drawn.
    pub(crate) note: Option<String>,
    pub(crate) size: Size,
}

/// A panel and the frame for its data.
pub(crate) struct PlacedPanel<'a> {
    pub(crate) plot: PanelPlot<'a>,
    pub(crate) frame: Frame,
}

impl<'a> PanelGrid<'a> {
    pub(crate) fn new(charts: Vec<&'a dyn Chart>, columns: usize, shared_axes: bool) -> Self {
        let columns = columns.clamp(1, charts.len().max(1));
        let x_scales: Vec<Scale> = charts.iter().map(|chart| chart.scales().x).collect();
        let y_scales: Vec<Scale> = charts.iter().map(|chart| chart.scales().y).collect();
        let can_share_y = charts.iter().all(|chart| chart.can_share_y());
        let shares = Xy::new(
            shared_axes && all_equal(&x_scales),
            // One range cannot serve a linear and a logarithmic axis.
            shared_axes && all_equal(&y_scales) && can_share_y,
        );
        Self {
            charts,
            columns,
            shares,
        }
    }

    /// The plots of all charts in frames of these sizes.
    fn plots(&self, sizes: &FrameSizes) -> Vec<PanelPlot<'a>> {
        let mut plots = Vec::new();
        for (index, (&chart, spans)) in self.charts.iter().zip(self.spans()).enumerate() {
            let is_first = index % self.columns == 0;
            // The last row can be shorter, so the lowest panel of a column is not always in it.
            let is_lowest = index + self.columns >= self.charts.len();
            plots.push(PanelPlot {
                chart,
                axes: chart.axes(spans, sizes.of_panel(index)),
                writes: Xy::new(!self.shares.x || is_lowest, !self.shares.y || is_first),
                is_alone: self.columns == 1,
            });
        }
        plots
    }

    /// Ranges for each chart: its own, or those of all charts together.
    fn spans(&self) -> Vec<Xy<Option<Span>>> {
        let mut spans: Vec<Xy<Option<Span>>> =
            self.charts.iter().map(|chart| chart.spans()).collect();
        // The range of all charts together contains the range of each.
        let mut all = Xy::new(None, None);
        for own in &spans {
            all = Xy::new(Span::join(all.x, own.x), Span::join(all.y, own.y));
        }
        for own in &mut spans {
            if self.shares.x {
                own.x = all.x;
            }
            if self.shares.y {
                own.y = all.y;
            }
        }
        spans
    }

    fn legend(&self) -> Legend {
        let mut legend = Legend::default();
        for chart in &self.charts {
            chart.add_to_legend(&mut legend);
        }
        legend
    }

    /// What is said about values that are not drawn.
    fn note(&self) -> Option<String> {
        let omitted: usize = self.charts.iter().map(|chart| chart.omitted()).sum();
        let values = match omitted {
            0 => return None,
            1 => "1 value that is".to_owned(),
            n => format!("{n} values that are"),
        };
        Some(format!(
            "Not drawn: {values} not finite, or not positive on a logarithmic axis."
        ))
    }
}

impl<'a> Layout<'a> {
    pub(crate) fn of(title: &str, grid: &PanelGrid<'a>) -> Self {
        let sizes = FrameSizes::of(grid);
        let plots = grid.plots(&sizes);
        let columns = Edges::of_columns(&plots, &sizes);
        // Half of the last tick label is right of the last frame.
        let width = (columns.end + MARGIN + GUTTER / 2.0).max(NARROWEST).ceil();
        let title = TITLE_FONT.wrap(title, width - 2.0 * MARGIN);
        let rows = Edges::of_rows(&plots, &sizes, MARGIN + title_height(&title));
        let legend = grid.legend();
        let legend_corner = Point::new(legend_left(&columns, width), rows.end);
        let legend_width = width - MARGIN - legend_corner.x;
        let note = grid.note();
        let note_height = match note {
            Some(_) => line_height(TICK_FONT) + TEXT_GAP,
            None => 0.0,
        };
        let height = rows.end + legend.height(legend_width) + note_height + MARGIN * 0.75;
        Self {
            title,
            panels: place_panels(plots, &sizes, &columns, &rows),
            legend,
            legend_corner,
            legend_width,
            note,
            // Whole pixels, so that the SVG and a PNG at scale 1 have the same size.
            size: Size::new(width, height.ceil()),
        }
    }
}

fn title_height(lines: &[String]) -> f64 {
    match lines.len() {
        0 => 0.0,
        lines => lines as f64 * line_height(TITLE_FONT) + TEXT_GAP,
    }
}

/// Left side of the legend: that of the first frame, or of the figure if long names before the
/// frame would leave the legend little space.
fn legend_left(columns: &Edges, width: f64) -> f64 {
    match columns.starts.first() {
        Some(&left) if left < 0.25 * width => left,
        _ => MARGIN,
    }
}

fn place_panels<'a>(
    plots: Vec<PanelPlot<'a>>,
    sizes: &FrameSizes,
    columns: &Edges,
    rows: &Edges,
) -> Vec<PlacedPanel<'a>> {
    let mut panels = Vec::new();
    for (index, plot) in plots.into_iter().enumerate() {
        let Size { width, height } = sizes.of_panel(index);
        let frame = Frame {
            left: columns.starts[index % sizes.widths.len()],
            top: rows.starts[index / sizes.widths.len()],
            width,
            height,
        };
        panels.push(PlacedPanel { plot, frame });
    }
    panels
}

/// Widths of the frames of each column, and heights of those of each row.
struct FrameSizes {
    widths: Vec<f64>,
    heights: Vec<f64>,
}

impl FrameSizes {
    /// Sizes with enough space for each chart.
    fn of(grid: &PanelGrid<'_>) -> Self {
        let mut widths = vec![0.0; grid.columns];
        let mut heights = vec![0.0; grid.charts.len().div_ceil(grid.columns)];
        for (index, chart) in grid.charts.iter().enumerate() {
            let size = chart.frame_size(grid.columns);
            // Frames of a column have the same width, and those of a row the same height.
            let width: &mut f64 = &mut widths[index % grid.columns];
            *width = width.max(size.width);
            let height: &mut f64 = &mut heights[index / grid.columns];
            *height = height.max(size.height);
        }
        Self { widths, heights }
    }

    fn of_panel(&self, index: usize) -> Size {
        let columns = self.widths.len();
        Size::new(self.widths[index % columns], self.heights[index / columns])
    }
}

/// Where the frames of columns or rows start, and where the last column or row ends.
struct Edges {
    starts: Vec<f64>,
    end: f64,
}

impl Edges {
    fn of_columns(plots: &[PanelPlot<'_>], sizes: &FrameSizes) -> Self {
        let columns = sizes.widths.len();
        let mut before = vec![0.0; columns];
        let mut behind = vec![0.0; columns];
        for (index, plot) in plots.iter().enumerate() {
            let left = plot.width_left(sizes.of_panel(index).height);
            before[index % columns] = left.max(before[index % columns]);
            behind[index % columns] = plot.width_right().max(behind[index % columns]);
        }
        let mut edges = Self {
            starts: Vec::new(),
            // The loop adds a gutter before each column, and the first needs none.
            end: MARGIN - GUTTER,
        };
        for (column, width) in sizes.widths.iter().enumerate() {
            edges.starts.push(edges.end + GUTTER + before[column]);
            edges.end += GUTTER + before[column] + width + behind[column];
        }
        edges
    }

    fn of_rows(plots: &[PanelPlot<'_>], sizes: &FrameSizes, top: f64) -> Self {
        let mut edges = Self {
            starts: Vec::new(),
            end: top,
        };
        for (row, height) in plots.chunks(sizes.widths.len()).zip(&sizes.heights) {
            let (mut above, mut below) = (0.0, 0.0);
            for (plot, &width) in row.iter().zip(&sizes.widths) {
                above = plot.height_above(width).max(above);
                below = plot.height_below(width).max(below);
            }
            edges.starts.push(edges.end + above);
            edges.end += above + height + below + ROW_GAP;
        }
        edges
    }
}

fn all_equal(scales: &[Scale]) -> bool {
    scales.windows(2).all(|pair| pair[0] == pair[1])
}
