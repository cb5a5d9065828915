//! Accuracy over confidence, and below it a strip with the number of answers in each bin.

use super::{ConfidenceBin, ReliabilityDiagram};
use crate::axis::Axis;
use crate::canvas::{Anchor, Canvas, Fill, Markers, Stroke, Text};
use crate::chart::{Chart, PlotArea, usual_frame_size};
use crate::colour::Colour;
use crate::geometry::{Point, Size, Xy};
use crate::legend::{Legend, Sample};
use crate::number_text::group_thousands;
use crate::path::Path;
use crate::scale::Span;
use crate::style::{MIDDLE_TO_BASELINE, TICK_FONT, TICK_GAP};

const STRIP_HEIGHT: f64 = 56.0;
/// Between the frame and the strip.
const STRIP_GAP: f64 = 12.0;
/// Half the width of the end of an interval.
const HALF_CAP: f64 = 3.0;
/// Half the gap between two bars.
const HALF_GAP: f64 = 0.75;
/// Both axes go from 0 to 1.
const UNIT: Span = Span::new(0.0, 1.0);

impl Chart for ReliabilityDiagram {
    fn title(&self) -> &str {
        &self.title
    }

    fn labels(&self) -> Xy<&str> {
        Xy::new(&self.x_label, &self.y_label)
    }

    fn points(&self) -> Vec<(f64, f64)> {
        let bins = self.bins.iter().filter(|bin| bin.count > 0);
        bins.map(|bin| (bin.confidence, bin.accuracy)).collect()
    }

    fn can_draw(&self, (x, y): (f64, f64)) -> bool {
        (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y)
    }

    fn frame_size(&self, columns: usize) -> Size {
        if columns == 1 {
            return Size::new(400.0, 360.0);
        }
        let usual = usual_frame_size(columns);
        Size::new(usual.width.min(1.1 * usual.height), usual.height)
    }

    fn axes(&self, _spans: Xy<Option<Span>>, _size: Size) -> Xy<Axis> {
        Xy::new(Axis::within(UNIT, 5), Axis::within(UNIT, 5))
    }

    fn height_below(&self) -> f64 {
        STRIP_GAP + STRIP_HEIGHT
    }

    fn draw_below(&self, canvas: &mut dyn Canvas, area: &PlotArea<'_>) {
        let strip = Strip::below(area);
        let most = self.bins.iter().map(|bin| bin.count).max().unwrap_or(0);
        canvas.stroke(
            &strip.line(area, strip.top),
            Stroke::solid(Colour::Grid, 1.0),
        );
        canvas.fill(
            &self.count_bars(area, &strip, most),
            Fill::new(Colour::Muted, 0.75),
        );
        canvas.stroke(
            &strip.line(area, strip.bottom),
            Stroke::solid(Colour::Muted, 1.0),
        );
        if area.writes_y {
            strip.write_labels(canvas, area, most);
        }
    }

    fn draw(&self, canvas: &mut dyn Canvas, area: &PlotArea<'_>, legend: &Legend) {
        let diagonal = Path::line(area.point((0.0, 0.0)), area.point((1.0, 1.0)));
        canvas.stroke(&diagonal, Stroke::reference(0));
        let series = legend.index(&self.name);
        let colour = Colour::Series(series);
        let mut bars = Path::new();
        let mut whiskers = Path::new();
        let mut centres = Vec::new();
        let has_answers = |bin: &&ConfidenceBin| bin.count > 0;
        for bin in self.bins.iter().filter(has_answers) {
            let point = (bin.confidence, bin.accuracy);
            if self.can_draw(point) {
                add_gap_bar(&mut bars, area, bin);
                add_whisker(&mut whiskers, area, bin);
                centres.push(area.point(point));
            }
        }
        canvas.fill(&bars, Fill::new(colour, 0.25));
        canvas.stroke(&whiskers, Stroke::solid(colour, 1.6));
        canvas.markers(&Markers {
            centres,
            series,
            radius: 4.4,
            opacity: 1.0,
            outline: 1.0,
        });
    }

    fn add_to_legend(&self, legend: &mut Legend) {
        legend.add(&self.name, Sample::Marker);
        legend.add_note("accuracy equals confidence", Sample::Reference(0));
    }
}

impl ReliabilityDiagram {
    /// A bar for each bin that has answers and edges, the longest as high as the strip.
    fn count_bars(&self, area: &PlotArea<'_>, strip: &Strip, most: usize) -> Path {
        let mut bars = Path::new();
        for bin in &self.bins {
            if bin.count == 0 || !bin.low.is_finite() || !bin.high.is_finite() {
                continue;
            }
            let edges = Edges::of(area, bin);
            // `most` is not zero, for this bin has answers.
            let height = STRIP_HEIGHT * bin.count as f64 / most as f64;
            bars.add_rectangle(edges.left, strip.bottom, edges.right, strip.bottom - height);
        }
        bars
    }
}

/// Where the numbers of answers are drawn.
struct Strip {
    top: f64,
    bottom: f64,
}

impl Strip {
    fn below(area: &PlotArea<'_>) -> Self {
        let top = area.frame.bottom() + STRIP_GAP;
        Self {
            top,
            bottom: top + STRIP_HEIGHT,
        }
    }

    fn line(&self, area: &PlotArea<'_>, y: f64) -> Path {
        Path::horizontal(area.frame.left, area.frame.right(), y)
    }

    fn write_labels(&self, canvas: &mut dyn Canvas, area: &PlotArea<'_>, most: usize) {
        let most = group_thousands(&most.to_string());
        let middle = (self.top + self.bottom) / 2.0;
        for (y, text) in [
            (self.top, most.as_str()),
            (self.bottom, "0"),
            (middle, "answers"),
        ] {
            let baseline = y + MIDDLE_TO_BASELINE * TICK_FONT.size;
            let at = Point::new(area.frame.left - TICK_GAP, baseline);
            canvas.text(&Text::new(text, at, TICK_FONT).anchored(Anchor::End).muted());
        }
    }
}

/// Left and right edge of a bin's bars.
struct Edges {
    left: f64,
    right: f64,
}

impl Edges {
    /// A bin without edges has a narrow bar around its confidence.
    fn of(area: &PlotArea<'_>, bin: &ConfidenceBin) -> Self {
        let inside = |edge: f64| {
            // The axes end at 0 and 1, so edges beyond are drawn there.
            let edge = if edge.is_finite() {
                edge
            } else {
                bin.confidence
            };
            area.x_at(edge.clamp(0.0, 1.0))
        };
        let (left, right) = (inside(bin.low), inside(bin.high));
        Self {
            left: left + HALF_GAP,
            // A bin without width would vanish.
            right: right.max(left + 2.0) - HALF_GAP,
        }
    }
}

/// A bar from the diagonal to the accuracy, as wide as the bin.
fn add_gap_bar(bars: &mut Path, area: &PlotArea<'_>, bin: &ConfidenceBin) {
    let edges = Edges::of(area, bin);
    let diagonal = area.y_at(bin.confidence);
    bars.add_rectangle(edges.left, diagonal, edges.right, area.y_at(bin.accuracy));
}

/// The interval of the accuracy as a line with an end at both sides.
fn add_whisker(whiskers: &mut Path, area: &PlotArea<'_>, bin: &ConfidenceBin) {
    let Some((low, high)) = bin.interval else {
        return;
    };
    if !low.is_finite() || !high.is_finite() {
        return;
    }
    let x = area.x_at(bin.confidence);
    // A normal approximation can reach beyond 0 and 1.
    let ends = [low, high].map(|end| area.y_at(end.clamp(0.0, 1.0)));
    whiskers.add_vertical(x, ends[0], ends[1]);
    for end in ends {
        whiskers.add_horizontal(x - HALF_CAP, x + HALF_CAP, end);
    }
}
