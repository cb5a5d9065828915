//! Accuracy over confidence, and below it how many answers were how sure.

use super::{Frame, Plot, TICK_GAP, TICK_SIZE, draw_markers};
use crate::axis::grouped;
use crate::legend::Legend;
use crate::panel::Panel;
use crate::reliability::{ConfidenceBin, ReliabilityDiagram};
use crate::svg::{Anchor, Line, Svg, number};

/// Height of the strip of counts.
const STRIP: f64 = 56.0;
/// Between diagram and strip.
const STRIP_GAP: f64 = 12.0;
/// Half the width of a whisker's end.
const CAP: f64 = 3.0;

impl Plot<'_> {
    /// Room that the strip of counts takes below the frame.
    pub(super) fn strip_height(&self) -> f64 {
        if matches!(self.panel, Panel::Reliability(_)) {
            STRIP + STRIP_GAP
        } else {
            0.0
        }
    }

    pub(super) fn draw_reliability(
        &self,
        svg: &mut Svg,
        frame: Frame,
        chart: &ReliabilityDiagram,
        legend: &Legend,
    ) {
        let from = self.place(frame, (0.0, 0.0));
        let to = self.place(frame, (1.0, 1.0));
        svg.dashed(
            &format!(
                "M{} {}L{} {}",
                number(from.0),
                number(from.1),
                number(to.0),
                number(to.1)
            ),
            0,
        );
        let place = legend.place(&chart.name);
        let colour = svg.ink().series(place);
        let bins = || {
            chart
                .bins
                .iter()
                .filter(|bin| bin.count > 0 && self.panel.can_draw((bin.confidence, bin.accuracy)))
        };
        let gaps: String = bins().map(|bin| self.gap_bar(frame, bin)).collect();
        if !gaps.is_empty() {
            svg.leaf(
                "path",
                &[("d", &gaps), ("fill", &colour), ("fill-opacity", "0.25")],
            );
        }
        let whiskers: String = bins().filter_map(|bin| self.whisker(frame, bin)).collect();
        if !whiskers.is_empty() {
            svg.leaf(
                "path",
                &[
                    ("d", &whiskers),
                    ("stroke", &colour),
                    ("stroke-width", "1.6"),
                    ("fill", "none"),
                ],
            );
        }
        let points: Vec<_> = bins()
            .map(|bin| self.place(frame, (bin.confidence, bin.accuracy)))
            .collect();
        let edge = svg.ink().paper();
        draw_markers(
            svg,
            &points,
            place,
            4.4,
            &[("stroke", edge), ("stroke-width", "10")],
        );
    }

    /// A bar from the diagonal to the accuracy, as wide as the bin.
    fn gap_bar(&self, frame: Frame, bin: &ConfidenceBin) -> String {
        let (left, right) = self.edges(frame, bin);
        let (ideal, found) = (
            self.y_at(frame, bin.confidence),
            self.y_at(frame, bin.accuracy),
        );
        format!(
            "M{} {}V{}H{}V{}Z",
            number(left),
            number(ideal),
            number(found),
            number(right),
            number(ideal)
        )
    }

    fn whisker(&self, frame: Frame, bin: &ConfidenceBin) -> Option<String> {
        let (low, high) = bin
            .interval
            .filter(|(low, high)| low.is_finite() && high.is_finite())?;
        let x = self.x_at(frame, bin.confidence);
        let (low, high) = (
            self.y_at(frame, low.clamp(0.0, 1.0)),
            self.y_at(frame, high.clamp(0.0, 1.0)),
        );
        let cap = |y: f64| format!("M{} {}h{}", number(x - CAP), number(y), number(2.0 * CAP));
        Some(format!(
            "M{} {}V{}{}{}",
            number(x),
            number(low),
            number(high),
            cap(low),
            cap(high)
        ))
    }

    /// Left and right edge of a bin's bar; of a bin without edges, a narrow bar around its
    /// confidence.
    fn edges(&self, frame: Frame, bin: &ConfidenceBin) -> (f64, f64) {
        let inside = |value: f64, other: f64| {
            if value.is_finite() {
                value.clamp(0.0, 1.0)
            } else {
                other
            }
        };
        let (low, high) = (
            inside(bin.low, bin.confidence),
            inside(bin.high, bin.confidence),
        );
        (
            self.x_at(frame, low) + 0.75,
            self.x_at(frame, high).max(self.x_at(frame, low) + 2.0) - 0.75,
        )
    }

    /// The numbers of answers as bars below the diagram.
    pub(super) fn draw_strip(&self, svg: &mut Svg, frame: Frame, chart: &ReliabilityDiagram) {
        let (head, foot) = (
            frame.bottom() + STRIP_GAP,
            frame.bottom() + STRIP_GAP + STRIP,
        );
        let most = chart.bins.iter().map(|bin| bin.count).max().unwrap_or(0);
        let bins = chart
            .bins
            .iter()
            .filter(|bin| bin.count > 0 && bin.low.is_finite() && bin.high.is_finite());
        let bars: String = bins
            .map(|bin| {
                let (left, right) = self.edges(frame, bin);
                let top = foot - STRIP * bin.count as f64 / most as f64;
                format!(
                    "M{} {}V{}H{}V{}Z",
                    number(left),
                    number(foot),
                    number(top),
                    number(right),
                    number(foot)
                )
            })
            .collect();
        let (muted, grid) = (svg.ink().muted(), svg.ink().grid());
        let rule = |y: f64| {
            format!(
                "M{} {}h{}",
                number(frame.left),
                number(y),
                number(frame.width)
            )
        };
        svg.leaf(
            "path",
            &[("d", &rule(head)), ("stroke", grid), ("fill", "none")],
        );
        if !bars.is_empty() {
            svg.leaf(
                "path",
                &[("d", &bars), ("fill", muted), ("fill-opacity", "0.75")],
            );
        }
        svg.leaf(
            "path",
            &[("d", &rule(foot)), ("stroke", muted), ("fill", "none")],
        );
        if self.writes_y {
            self.write_strip(svg, frame, most, (head, foot));
        }
    }

    fn write_strip(&self, svg: &mut Svg, frame: Frame, most: usize, (head, foot): (f64, f64)) {
        let x = frame.left - TICK_GAP;
        for (y, count) in [(head, most), (foot, 0)] {
            let text = grouped(&count.to_string());
            svg.line(&Line::new(&text, (x, y + 0.36 * TICK_SIZE), TICK_SIZE, Anchor::End).muted());
        }
        let middle = (head + foot) / 2.0 + 0.36 * TICK_SIZE;
        svg.line(&Line::new("answers", (x, middle), TICK_SIZE, Anchor::End).muted());
    }
}
