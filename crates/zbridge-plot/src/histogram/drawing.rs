//! Bars over bins, and the band in which they should end.

use super::{Bin, ExpectedBand, Histogram};
use crate::canvas::{Canvas, Fill, Stroke};
use crate::chart::{Chart, PlotArea};
use crate::colour::Colour;
use crate::geometry::Xy;
use crate::legend::{Legend, Sample};
use crate::path::Path;
use crate::scale::Span;

/// Between two bars.
const GAP: f64 = 1.5;

impl Chart for Histogram {
    fn title(&self) -> &str {
        &self.title
    }

    fn labels(&self) -> Xy<&str> {
        Xy::new(&self.x_label, &self.y_label)
    }

    fn points(&self) -> Vec<(f64, f64)> {
        let mut corners = Vec::new();
        for bin in &self.bins {
            corners.extend([(bin.low, bin.count), (bin.high, bin.count)]);
        }
        corners
    }

    fn omitted(&self) -> usize {
        self.bins
            .iter()
            .filter(|bin| !self.can_draw_bar(bin))
            .count()
    }

    fn spans(&self) -> Xy<Option<Span>> {
        let spans = self.point_spans();
        Xy::new(spans.x, spans.y.map(|bars| self.heights(bars)))
    }

    fn draw(&self, canvas: &mut dyn Canvas, area: &PlotArea<'_>, legend: &Legend) {
        let mut bars = Path::new();
        for bin in &self.bins {
            if self.can_draw_bar(bin) {
                add_bar(&mut bars, area, bin);
            }
        }
        let colour = Colour::Series(legend.index(&self.name));
        canvas.fill(&bars, Fill::new(colour, 0.8));
        if let Some(band) = &self.band {
            draw_band(canvas, area, band);
        }
    }

    fn add_to_legend(&self, legend: &mut Legend) {
        legend.add(&self.name, Sample::Bar);
        if let Some(band) = &self.band {
            legend.add_note(&band.name, Sample::Band);
        }
    }
}

impl Histogram {
    fn can_draw_bar(&self, bin: &Bin) -> bool {
        self.can_draw((bin.low, bin.count)) && self.can_draw((bin.high, bin.count))
    }

    /// Heights from zero to the top of bars and band; up to one if all are zero.
    fn heights(&self, bars: Span) -> Span {
        let band = self.band.as_ref().map_or(0.0, |band| band.high);
        // A band without a height must not take the bars out of sight.
        let band = if band.is_finite() { band } else { 0.0 };
        let high = bars.high.max(band);
        // Bars start at zero, so zero must be on the axis.
        Span::new(bars.low.min(0.0), if high > 0.0 { high } else { 1.0 })
    }
}

fn add_bar(bars: &mut Path, area: &PlotArea<'_>, bin: &Bin) {
    let (left, right) = (area.x_at(bin.low), area.x_at(bin.high));
    // A quarter of a narrow bar at most, so that some of it is left.
    let margin = GAP.min((right - left).abs() / 4.0) / 2.0;
    let (bottom, top) = (area.y_at(0.0), area.y_at(bin.count));
    bars.add_rectangle(left + margin, bottom, right - margin, top);
}

/// The band over the whole width, its edges, and the expected height.
fn draw_band(canvas: &mut dyn Canvas, area: &PlotArea<'_>, band: &ExpectedBand) {
    let heights = [band.low, band.expected, band.high];
    if !heights.iter().all(|&height| area.axes.y.can_draw(height)) {
        return;
    }
    let (left, right) = (area.frame.left, area.frame.right());
    let (low, high) = (area.y_at(band.low.max(0.0)), area.y_at(band.high));
    // Transparent and above the bars, so that their ends inside the band can be seen.
    let inside = Path::rectangle(left, low, right, high);
    canvas.fill(&inside, Fill::new(Colour::Muted, 0.22));
    let mut edges = Path::horizontal(left, right, low);
    edges.add_horizontal(left, right, high);
    canvas.stroke(&edges, Stroke::solid(Colour::Muted, 1.0));
    let expected = Path::horizontal(left, right, area.y_at(band.expected));
    let stroke = Stroke {
        colour: Colour::Text,
        ..Stroke::reference(0)
    };
    canvas.stroke(&expected, stroke);
}
