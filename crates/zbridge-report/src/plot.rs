//! Drawing one panel: grid, axes, lines, bands and clouds.

use crate::axis::{Axis, Tick};
use crate::chart::{Group, Panel, Series};
use crate::legend::Legend;
use crate::marker::{Marker, rounded};
use crate::svg::{Anchor, Line, Svg, number};
use crate::typeface;

pub(crate) const TICK_SIZE: f64 = 12.0;
pub(crate) const LABEL_SIZE: f64 = 13.0;
pub(crate) const TITLE_SIZE: f64 = 14.0;
pub(crate) const LINE_HEIGHT: f64 = 1.3;

/// Between the plot and the labels of its ticks.
const TICK_GAP: f64 = 7.0;
/// Between the labels of the ticks and the label of the axis.
const LABEL_GAP: f64 = 8.0;
/// Lines of at most so many points mark each of them.
const ALL_MARKED: usize = 24;
/// How many points longer lines mark, so that they also differ in grey.
const SOME_MARKED: usize = 8;
/// Clouds larger than this are drawn in rounds, so that the last group does not hide the others.
const ROUND: usize = 64;

/// The rectangle in which data is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Frame {
    fn bottom(&self) -> f64 {
        self.top + self.height
    }

    fn right(&self) -> f64 {
        self.left + self.width
    }
}

/// A panel with everything that is decided before it is drawn.
pub(crate) struct Plot<'a> {
    pub(crate) panel: &'a Panel,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Whether ticks and label of the horizontal axis are written.
    pub(crate) writes_x: bool,
    /// Whether ticks and label of the vertical axis are written.
    pub(crate) writes_y: bool,
}

impl Plot<'_> {
    /// Room that the title takes above a frame of this width.
    pub(crate) fn room_above(&self, width: f64) -> f64 {
        let lines = typeface::wrap(self.panel.title(), TITLE_SIZE, true, width).len();
        if lines == 0 { 8.0 } else { lines as f64 * TITLE_SIZE * LINE_HEIGHT + 8.0 }
    }

    /// Room that ticks and label take left of a frame of this height.
    pub(crate) fn room_left(&self, height: f64) -> f64 {
        if !self.writes_y {
            return 0.0;
        }
        let lines = typeface::wrap(self.panel.labels().1, LABEL_SIZE, false, height).len();
        let label = if lines == 0 { 0.0 } else { LABEL_GAP + lines as f64 * LABEL_SIZE * LINE_HEIGHT };
        TICK_GAP + self.y_label_width() + label
    }

    /// Room that ticks and label take below a frame of this width.
    pub(crate) fn room_below(&self, width: f64) -> f64 {
        if !self.writes_x {
            return 4.0;
        }
        let lines = typeface::wrap(self.panel.labels().0, LABEL_SIZE, false, width).len();
        let label = if lines == 0 { 0.0 } else { lines as f64 * LABEL_SIZE * LINE_HEIGHT };
        TICK_GAP + TICK_SIZE * LINE_HEIGHT + label + 4.0
    }

    fn y_label_width(&self) -> f64 {
        self.y.ticks.iter().map(|tick| typeface::width(&tick.label, TICK_SIZE, false)).fold(0.0, f64::max)
    }

    /// Draws the panel in its frame.
    pub(crate) fn draw(&self, svg: &mut Svg, frame: Frame, legend: &Legend) {
        self.draw_grid(svg, frame);
        self.draw_data(svg, frame, legend);
        self.draw_axes(svg, frame);
        self.write_title(svg, frame);
        if self.writes_x {
            self.write_x(svg, frame);
        }
        if self.writes_y {
            self.write_y(svg, frame);
        }
    }

    fn draw_grid(&self, svg: &mut Svg, frame: Frame) {
        let mut path = String::new();
        for x in self.x.ticks.iter().map(|tick| self.x_at(frame, tick.value)) {
            path.push_str(&format!("M{} {}v{}", number(x), number(frame.top), number(frame.height)));
        }
        for y in self.y.ticks.iter().map(|tick| self.y_at(frame, tick.value)) {
            path.push_str(&format!("M{} {}h{}", number(frame.left), number(y), number(frame.width)));
        }
        let colour = svg.ink().grid();
        svg.leaf("path", &[("d", &path), ("stroke", colour), ("stroke-width", "1"), ("fill", "none")]);
    }

    /// The two axes, with a short stroke at each tick and a shorter one between decades.
    fn draw_axes(&self, svg: &mut Svg, frame: Frame) {
        let (left, bottom) = (number(frame.left), number(frame.bottom()));
        let mut path = format!("M{left} {}V{bottom}H{}", number(frame.top), number(frame.right()));
        for (value, length) in strokes(&self.x) {
            path.push_str(&format!("M{} {bottom}v{length}", number(self.x_at(frame, value))));
        }
        for (value, length) in strokes(&self.y) {
            path.push_str(&format!("M{left} {}h-{length}", number(self.y_at(frame, value))));
        }
        let colour = svg.ink().muted();
        svg.leaf("path", &[("d", &path), ("stroke", colour), ("stroke-width", "1"), ("fill", "none")]);
    }

    fn write_title(&self, svg: &mut Svg, frame: Frame) {
        let lines = typeface::wrap(self.panel.title(), TITLE_SIZE, true, frame.width);
        let mut y = frame.top - 10.0 - (lines.len().max(1) - 1) as f64 * TITLE_SIZE * LINE_HEIGHT;
        for line in lines {
            svg.line(&Line::new(&line, (frame.left, y), TITLE_SIZE, Anchor::Start).bold());
            y += TITLE_SIZE * LINE_HEIGHT;
        }
    }

    fn write_x(&self, svg: &mut Svg, frame: Frame) {
        let mut y = frame.bottom() + TICK_GAP + TICK_SIZE;
        for Tick { value, label } in &self.x.ticks {
            svg.line(&Line::new(label, (self.x_at(frame, *value), y), TICK_SIZE, Anchor::Middle).muted());
        }
        for line in typeface::wrap(self.panel.labels().0, LABEL_SIZE, false, frame.width) {
            y += LABEL_SIZE * LINE_HEIGHT + 2.0;
            svg.line(&Line::new(&line, (frame.left + frame.width / 2.0, y), LABEL_SIZE, Anchor::Middle));
        }
    }

    fn write_y(&self, svg: &mut Svg, frame: Frame) {
        let mut x = frame.left - TICK_GAP;
        for Tick { value, label } in &self.y.ticks {
            let y = self.y_at(frame, *value) + 0.36 * TICK_SIZE;
            svg.line(&Line::new(label, (x, y), TICK_SIZE, Anchor::End).muted());
        }
        x -= self.y_label_width() + LABEL_GAP;
        for line in typeface::wrap(self.panel.labels().1, LABEL_SIZE, false, frame.height).iter().rev() {
            let place = (x, frame.top + frame.height / 2.0);
            svg.line(&Line::new(line, place, LABEL_SIZE, Anchor::Middle).upright());
            x -= LABEL_SIZE * LINE_HEIGHT;
        }
    }

    fn draw_data(&self, svg: &mut Svg, frame: Frame, legend: &Legend) {
        if self.panel.spans().0.is_none() {
            let centre = (frame.left + frame.width / 2.0, frame.top + frame.height / 2.0);
            return svg.line(&Line::new("no data", centre, LABEL_SIZE, Anchor::Middle).muted());
        }
        match self.panel {
            Panel::Line(chart) => {
                chart.series.iter().for_each(|series| self.draw_band(svg, frame, series, legend));
                chart.series.iter().for_each(|series| self.draw_series(svg, frame, series, legend));
                chart.series.iter().for_each(|series| self.mark_series(svg, frame, series, legend));
            }
            Panel::Scatter(chart) => self.draw_clouds(svg, frame, &chart.groups, legend),
        }
    }

    fn draw_band(&self, svg: &mut Svg, frame: Frame, series: &Series, legend: &Legend) {
        let edge = |x, y| self.panel.can_draw((x, y)).then(|| self.place(frame, (x, y)));
        let edges: Vec<_> =
            series.band.iter().flatten().filter_map(|&(x, low, high)| Some((edge(x, low)?, edge(x, high)?))).collect();
        let around: Vec<_> =
            edges.iter().map(|pair| pair.1).chain(edges.iter().rev().map(|pair| pair.0)).map(Some).collect();
        let colour = svg.ink().series(legend.place(&series.name));
        if !around.is_empty() {
            let path = line_path(&around) + "Z";
            svg.leaf("path", &[("d", &path), ("fill", &colour), ("fill-opacity", "0.18")]);
        }
    }

    fn draw_series(&self, svg: &mut Svg, frame: Frame, series: &Series, legend: &Legend) {
        let places = self.places(frame, series);
        let (colour, path) = (svg.ink().series(legend.place(&series.name)), line_path(&thinned(&places)));
        let width = if places.len() <= ALL_MARKED { "2" } else { "1.4" };
        let style = [("stroke", colour.as_str()), ("stroke-width", width), ("stroke-linejoin", "round")];
        if !path.is_empty() {
            svg.leaf("path", &[&[("d", path.as_str()), ("fill", "none")], &style[..]].concat());
        }
    }

    fn mark_series(&self, svg: &mut Svg, frame: Frame, series: &Series, legend: &Legend) {
        let (place, edge) = (legend.place(&series.name), svg.ink().paper());
        let marks = marked(&self.places(frame, series), place);
        draw_markers(svg, &marks, place, 4.2, &[("stroke", edge), ("stroke-width", "10")]);
    }

    /// Where the points of a line are; nothing for one without a place.
    fn places(&self, frame: Frame, series: &Series) -> Vec<Option<(f64, f64)>> {
        let place = |&point| self.panel.can_draw(point).then(|| self.place(frame, point));
        series.points.iter().map(place).collect()
    }

    /// Clouds in rounds: a part of each group, then the next part of each.
    fn draw_clouds(&self, svg: &mut Svg, frame: Frame, groups: &[Group], legend: &Legend) {
        let clouds: Vec<(usize, Vec<(f64, f64)>)> =
            groups.iter().map(|group| (legend.place(&group.name), self.cloud(frame, group))).collect();
        let largest = clouds.iter().map(|(_, cloud)| cloud.len()).max().unwrap_or(0);
        let radius = marker_radius(clouds.iter().map(|(_, cloud)| cloud.len()).sum());
        let length = largest.div_ceil(4).max(ROUND);
        for round in 0..largest.div_ceil(length) {
            for (place, cloud) in &clouds {
                let part = cloud.chunks(length).nth(round).unwrap_or_default();
                draw_markers(svg, part, *place, radius, &[("fill-opacity", "0.8")]);
            }
        }
    }

    /// Places of a group's points, each tenth of a pixel at most once.
    fn cloud(&self, frame: Frame, group: &Group) -> Vec<(f64, f64)> {
        let mut seen = std::collections::HashSet::new();
        let drawn = group.points.iter().filter(|&&point| self.panel.can_draw(point));
        drawn.map(|&point| self.place(frame, point)).filter(|&place| seen.insert(tenths(place))).collect()
    }

    fn place(&self, frame: Frame, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x_at(frame, x), self.y_at(frame, y))
    }

    fn x_at(&self, frame: Frame, value: f64) -> f64 {
        frame.left + self.x.fraction(value) * frame.width
    }

    fn y_at(&self, frame: Frame, value: f64) -> f64 {
        frame.bottom() - self.y.fraction(value) * frame.height
    }
}

/// Places along an axis that get a stroke, and its length.
fn strokes(axis: &Axis) -> impl Iterator<Item = (f64, u8)> {
    axis.ticks.iter().map(|tick| (tick.value, 5)).chain(axis.minor.iter().map(|&value| (value, 3)))
}

/// Draws the marker of the series or group at `place` at each point; lengths in `style` are tenths of a pixel.
fn draw_markers(svg: &mut Svg, places: &[(f64, f64)], place: usize, radius: f64, style: &[(&str, &str)]) {
    let (marker, mut path) = (Marker::of(place, radius), String::new());
    places.iter().for_each(|&at| marker.draw_at(tenths(at), &mut path));
    let colour = svg.ink().series(place);
    if !path.is_empty() {
        svg.leaf("path", &[&[("transform", "scale(.1)"), ("d", &path), ("fill", &colour)], style].concat());
    }
}

/// The places of a line that get a marker: all of a few, some of many, at another beat for each series.
fn marked(places: &[Option<(f64, f64)>], series: usize) -> Vec<(f64, f64)> {
    if places.len() <= ALL_MARKED {
        return places.iter().copied().flatten().collect();
    }
    let beat = places.len() as f64 / SOME_MARKED as f64;
    let at = |mark: usize| ((mark as f64 + 0.35 + 0.1 * (series % 5) as f64) * beat) as usize;
    (0..SOME_MARKED).filter_map(|mark| places.get(at(mark)).copied().flatten()).collect()
}

fn tenths((x, y): (f64, f64)) -> (i64, i64) {
    (rounded(x * 10.0), rounded(y * 10.0))
}

/// Radius at which so many points neither vanish nor hide one another.
fn marker_radius(points: usize) -> f64 {
    match points {
        0..=300 => 3.6,
        301..=1500 => 2.8,
        1501..=4000 => 2.2,
        _ => 1.7,
    }
}

/// The path through the places; a missing one starts a new line.
fn line_path(places: &[Option<(f64, f64)>]) -> String {
    let (mut path, mut joined) = (String::new(), false);
    for place in places {
        if let Some((x, y)) = place {
            path.push_str(&format!("{}{} {}", if joined { 'L' } else { 'M' }, number(*x), number(*y)));
        }
        joined = place.is_some();
    }
    path
}

/// The same line with at most four places in each half pixel across: the first, lowest, highest and last.
fn thinned(places: &[Option<(f64, f64)>]) -> Vec<Option<(f64, f64)>> {
    let column = |place: &Option<(f64, f64)>| place.map(|(x, _)| rounded(x * 2.0));
    places.chunk_by(|a, b| a.is_some() && column(a) == column(b)).flat_map(extremes).collect()
}

/// First, lowest, highest and last of a run, in the order of the run.
fn extremes(run: &[Option<(f64, f64)>]) -> Vec<Option<(f64, f64)>> {
    if run.len() <= 4 {
        return run.to_vec();
    }
    let height = |at: &usize| run[*at].map_or(0.0, |place| place.1);
    let lowest = (0..run.len()).min_by(|a, b| height(a).total_cmp(&height(b))).unwrap_or(0);
    let highest = (0..run.len()).max_by(|a, b| height(a).total_cmp(&height(b))).unwrap_or(0);
    let kept = std::collections::BTreeSet::from([0, lowest, highest, run.len() - 1]);
    kept.into_iter().map(|at| run[at]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_gaps_and_extremes() {
        let mut places: Vec<_> = (0..1000).map(|step| Some((f64::from(step) / 1000.0, 5.0))).collect();
        places[100] = Some((0.1, -9.0));
        places[120] = None;
        places[200] = Some((0.2, 99.0));
        let thin = thinned(&places);
        assert!(thin.len() < 20, "{thin:?}");
        assert!(thin.contains(&Some((0.1, -9.0))) && thin.contains(&Some((0.2, 99.0))) && thin.contains(&None));
    }

    #[test]
    fn a_gap_starts_a_new_line() {
        assert_eq!(line_path(&[Some((1.0, 2.0)), None, Some((3.0, 4.0)), Some((5.0, 6.0))]), "M1 2M3 4L5 6");
    }
}
