//! Bars over bins, and the band in which they should end.

use super::{Frame, Plot};
use crate::histogram::{Bin, ExpectedBand, Histogram};
use crate::legend::Legend;
use crate::svg::{Svg, number};

/// Between two bars.
const GAP: f64 = 1.5;

impl Plot<'_> {
    pub(super) fn draw_histogram(
        &self,
        svg: &mut Svg,
        frame: Frame,
        chart: &Histogram,
        legend: &Legend,
    ) {
        let colour = svg.ink().series(legend.place(&chart.name));
        let bars: String = chart
            .bins
            .iter()
            .filter_map(|bin| self.bar(frame, bin))
            .collect();
        if !bars.is_empty() {
            svg.leaf(
                "path",
                &[("d", &bars), ("fill", &colour), ("fill-opacity", "0.8")],
            );
        }
        if let Some(band) = &chart.band {
            self.draw_expected(svg, frame, band);
        }
    }

    /// A bar's outline; nothing where it has no place.
    fn bar(&self, frame: Frame, bin: &Bin) -> Option<String> {
        if !self.panel.can_draw((bin.low, bin.count)) || !self.panel.can_draw((bin.high, bin.count))
        {
            return None;
        }
        let (left, right) = (self.x_at(frame, bin.low), self.x_at(frame, bin.high));
        let gap = GAP.min((right - left).abs() / 4.0);
        let (foot, head) = (self.y_at(frame, 0.0), self.y_at(frame, bin.count));
        let (from, to) = (number(left + gap / 2.0), number(right - gap / 2.0));
        Some(format!(
            "M{from} {}V{}H{to}V{}Z",
            number(foot),
            number(head),
            number(foot)
        ))
    }

    /// The band over the whole width, with its edges and the expected height as lines.
    fn draw_expected(&self, svg: &mut Svg, frame: Frame, band: &ExpectedBand) {
        if ![band.low, band.expected, band.high]
            .into_iter()
            .all(|height| self.y.can_draw(height))
        {
            return;
        }
        let (low, high) = (
            self.y_at(frame, band.low.max(0.0)),
            self.y_at(frame, band.high),
        );
        let (left, width) = (number(frame.left), number(frame.width));
        let area = format!("M{left} {}h{width}V{}h-{width}Z", number(low), number(high));
        let (muted, ink) = (svg.ink().muted(), svg.ink().text());
        svg.leaf(
            "path",
            &[("d", &area), ("fill", muted), ("fill-opacity", "0.22")],
        );
        let edges = format!(
            "M{left} {}h{width}M{left} {}h{width}",
            number(low),
            number(high)
        );
        svg.leaf(
            "path",
            &[
                ("d", &edges),
                ("stroke", muted),
                ("stroke-width", "1"),
                ("fill", "none"),
            ],
        );
        let expected = format!(
            "M{left} {}h{width}",
            number(self.y_at(frame, band.expected))
        );
        let style = [
            ("stroke", ink),
            ("stroke-width", "1.5"),
            ("stroke-dasharray", "6 4"),
            ("fill", "none"),
        ];
        svg.leaf("path", &[&[("d", expected.as_str())], &style[..]].concat());
    }
}
