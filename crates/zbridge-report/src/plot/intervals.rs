//! Estimates below one another with their intervals.

use super::{Frame, LABEL_SIZE, LINE_HEIGHT, Plot, TICK_GAP, TICK_SIZE, draw_markers};
use crate::interval_plot::{IntervalPlot, IntervalRow};
use crate::legend::Legend;
use crate::panel::Panel;
use crate::svg::{Anchor, Line, Svg, number};
use crate::typeface;

/// Longest line of a row's name where the chart stands alone, and where others stand beside it.
const NAME_LIMITS: [f64; 2] = [280.0, 150.0];
/// Height of a row with one line of words, where there are few and where there are many.
const ROW_HEIGHTS: [f64; 2] = [34.0, 24.0];
/// More rows than this stand closer together.
const FEW_ROWS: usize = 14;
/// Between the frame and the numbers beside it.
const NUMBER_GAP: f64 = 14.0;
/// Height of a line of references' names.
const REFERENCE_LINE: f64 = 17.0;
/// Half the height of an interval's end.
const CAP: f64 = 4.5;

/// Height in which all rows fit.
pub(crate) fn height(chart: &IntervalPlot, is_alone: bool) -> f64 {
    let most = chart
        .rows
        .iter()
        .map(|row| name_lines(row, is_alone).len())
        .max()
        .unwrap_or(1)
        .max(1);
    let row = ROW_HEIGHTS[usize::from(chart.rows.len() > FEW_ROWS)]
        + (most - 1) as f64 * LABEL_SIZE * LINE_HEIGHT;
    (chart.rows.len() as f64 * row).max(60.0)
}

/// Width of the widest name.
pub(super) fn names_width(chart: &IntervalPlot, is_alone: bool) -> f64 {
    let lines = chart.rows.iter().flat_map(|row| name_lines(row, is_alone));
    lines
        .map(|line| typeface::width(&line, LABEL_SIZE, false) * typeface::ROOM_FOR_OTHERS)
        .fold(0.0, f64::max)
}

/// Width of the widest number, with the gap before it.
pub(super) fn numbers_width(chart: &IntervalPlot) -> f64 {
    let numbers = chart
        .rows
        .iter()
        .map(|row| typeface::width(&chart.cell(row).written(), TICK_SIZE, false));
    NUMBER_GAP + typeface::ROOM_FOR_OTHERS * numbers.fold(0.0, f64::max)
}

fn name_lines(row: &IntervalRow, is_alone: bool) -> Vec<String> {
    typeface::wrap(
        &row.name,
        LABEL_SIZE,
        false,
        NAME_LIMITS[usize::from(!is_alone)],
    )
}

/// The name of a reference above the frame.
struct ReferenceName {
    text: String,
    /// Where its line stands, and the left edge of the words, both from the frame's left edge.
    line: f64,
    left: f64,
    /// How many lines of words above the frame.
    level: usize,
}

impl Plot<'_> {
    /// Height of the references' names above a frame of this width.
    pub(super) fn references_height(&self, width: f64) -> f64 {
        let levels = self
            .reference_names(width)
            .iter()
            .map(|name| name.level + 1)
            .max()
            .unwrap_or(0);
        levels as f64 * REFERENCE_LINE
    }

    /// Names of the references, each as low as it can stand without touching another.
    fn reference_names(&self, width: f64) -> Vec<ReferenceName> {
        let Panel::Intervals(chart) = self.panel else {
            return Vec::new();
        };
        let mut lines: Vec<_> = chart
            .references
            .iter()
            .filter(|line| self.x.can_draw(line.value))
            .collect();
        lines.sort_by(|a, b| a.value.total_cmp(&b.value));
        let (mut ends, mut names): (Vec<f64>, Vec<ReferenceName>) = (Vec::new(), Vec::new());
        for reference in lines {
            let text = typeface::cut(&reference.name, TICK_SIZE, false, width);
            let (line, long) = (
                self.x.fraction(reference.value) * width,
                typeface::width(&text, TICK_SIZE, false),
            );
            let left = (line - long / 2.0).min(width - long).max(0.0);
            let level = ends
                .iter()
                .position(|&end| end + LABEL_SIZE <= left)
                .unwrap_or(ends.len());
            if level == ends.len() {
                ends.push(0.0);
            }
            ends[level] = left + long;
            names.push(ReferenceName {
                text,
                line,
                left,
                level,
            });
        }
        names
    }

    pub(super) fn draw_intervals(
        &self,
        svg: &mut Svg,
        frame: Frame,
        chart: &IntervalPlot,
        legend: &Legend,
    ) {
        self.draw_reference_lines(svg, frame);
        for (at, row) in chart.rows.iter().enumerate() {
            let y = self.y_at(frame, -(at as f64));
            if self.x.can_draw(row.value) {
                self.draw_interval(svg, frame, (row, y), legend);
            } else {
                let text = crate::cell::written(row.value, 0);
                let place = (frame.left + 8.0, y + 0.36 * LABEL_SIZE);
                svg.line(&Line::new(&text, place, LABEL_SIZE, Anchor::Start).muted());
            }
        }
    }

    fn draw_reference_lines(&self, svg: &mut Svg, frame: Frame) {
        let names = self.reference_names(frame.width);
        let foot = |name: &ReferenceName| frame.top - 4.0 - name.level as f64 * REFERENCE_LINE;
        for (place, name) in names.iter().enumerate() {
            let x = number(frame.left + name.line);
            svg.dashed(
                &format!("M{x} {}V{}", number(foot(name)), number(frame.bottom())),
                place,
            );
        }
        for name in &names {
            let at = (frame.left + name.left, foot(name) - 4.0);
            svg.line(
                &Line::new(&name.text, at, TICK_SIZE, Anchor::Start)
                    .muted()
                    .with_halo(),
            );
        }
    }

    fn draw_interval(
        &self,
        svg: &mut Svg,
        frame: Frame,
        (row, y): (&IntervalRow, f64),
        legend: &Legend,
    ) {
        let place = legend.place(&row.group);
        let colour = svg.ink().series(place);
        if let Some((low, high)) = row.ends() {
            let (from, low_cap) = self.end(frame, low, y);
            let (to, high_cap) = self.end(frame, high, y);
            let path = format!(
                "M{} {}H{}{low_cap}{high_cap}",
                number(from),
                number(y),
                number(to)
            );
            svg.leaf(
                "path",
                &[
                    ("d", &path),
                    ("stroke", &colour),
                    ("stroke-width", "2"),
                    ("fill", "none"),
                ],
            );
        }
        let edge = svg.ink().paper();
        draw_markers(
            svg,
            &[(self.x_at(frame, row.value), y)],
            place,
            5.0,
            &[("stroke", edge), ("stroke-width", "10")],
        );
    }

    /// Where an interval ends and what stands there: a short stroke, or nothing where it goes on
    /// beyond the frame.
    fn end(&self, frame: Frame, value: f64, y: f64) -> (f64, String) {
        if !self.x.can_draw(value) {
            let edge = if value == f64::INFINITY {
                frame.right()
            } else {
                frame.left
            };
            return (edge, String::new());
        }
        let x = self.x_at(frame, value);
        (
            x,
            format!("M{} {}v{}", number(x), number(y - CAP), number(2.0 * CAP)),
        )
    }

    /// Names left of the rows, and numbers right of them where there is room.
    pub(super) fn write_rows(&self, svg: &mut Svg, frame: Frame, chart: &IntervalPlot) {
        for (at, row) in chart.rows.iter().enumerate() {
            let (y, lines) = (
                self.y_at(frame, -(at as f64)),
                name_lines(row, self.is_alone),
            );
            let mut baseline = y + 0.36 * LABEL_SIZE
                - (lines.len().max(1) - 1) as f64 * LABEL_SIZE * LINE_HEIGHT / 2.0;
            for line in lines {
                svg.line(&Line::new(
                    &line,
                    (frame.left - TICK_GAP, baseline),
                    LABEL_SIZE,
                    Anchor::End,
                ));
                baseline += LABEL_SIZE * LINE_HEIGHT;
            }
            if self.is_alone {
                let place = (frame.right() + self.room_right(), y + 0.36 * TICK_SIZE);
                svg.line(&Line::new(
                    &chart.cell(row).written(),
                    place,
                    TICK_SIZE,
                    Anchor::End,
                ));
            }
        }
    }
}
