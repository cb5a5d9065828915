//! One legend for all panels: each name keeps its colour, shape and dash throughout.

use crate::chart::Group;
use crate::marker::{Marker, rounded};
use crate::panel::Panel;
use crate::plot::{BACKDROP_RADIUS, draw_dots};
use crate::svg::{Anchor, Line, Svg, number};
use crate::typeface;

const SIZE: f64 = 13.0;
const ROW: f64 = 22.0;
const GAP: f64 = 20.0;
/// Length of a line in the legend.
const SAMPLE: f64 = 30.0;

/// What stands before a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sample {
    /// A line with a marker, in the colour of the name's place.
    Line,
    /// A marker, in the colour of the name's place.
    Marker,
    /// A bar, in the colour of the name's place.
    Bar,
    /// A dashed line in grey, the dashes of that reference.
    Dashed(usize),
    /// A grey band.
    Band,
    /// Small pale dots.
    Backdrop,
}

/// A name and what it looks like.
struct Entry {
    name: String,
    sample: Sample,
}

/// The names of a figure in order of their first appearance.
pub(crate) struct Legend {
    /// Those with a colour of their own.
    entries: Vec<Entry>,
    /// Those in grey, which explain lines, bands and backdrops.
    notes: Vec<Entry>,
}

impl Legend {
    pub(crate) fn of(panels: &[Panel]) -> Self {
        let mut legend = Self {
            entries: Vec::new(),
            notes: Vec::new(),
        };
        panels.iter().for_each(|panel| legend.add_panel(panel));
        legend
    }

    fn add_panel(&mut self, panel: &Panel) {
        match panel {
            Panel::Line(chart) => {
                chart
                    .series
                    .iter()
                    .for_each(|series| self.add(&series.name, Sample::Line));
                let lines = chart.references.iter().enumerate();
                lines.for_each(|(place, line)| self.note(&line.name, Sample::Dashed(place)));
            }
            Panel::Scatter(chart) => chart.groups.iter().for_each(|group| self.add_group(group)),
            Panel::Histogram(chart) => {
                self.add(&chart.name, Sample::Bar);
                chart
                    .band
                    .iter()
                    .for_each(|band| self.note(&band.name, Sample::Band));
            }
            Panel::Reliability(chart) => {
                self.add(&chart.name, Sample::Marker);
                self.note("as sure as right", Sample::Dashed(0));
            }
            Panel::Intervals(chart) => chart
                .rows
                .iter()
                .for_each(|row| self.add(&row.group, Sample::Line)),
        }
    }

    fn add_group(&mut self, group: &Group) {
        match &group.backdrop {
            None => self.add(&group.name, Sample::Marker),
            Some(what) => {
                self.note(what, Sample::Backdrop);
                if !group.name.is_empty() {
                    self.add(&group.name, Sample::Marker);
                }
            }
        }
    }

    fn add(&mut self, name: &str, sample: Sample) {
        match self.entries.iter_mut().find(|entry| entry.name == name) {
            Some(entry) if sample == Sample::Line => entry.sample = sample,
            Some(_) => {}
            None => self.entries.push(Entry {
                name: name.to_owned(),
                sample,
            }),
        }
    }

    fn note(&mut self, name: &str, sample: Sample) {
        if self.notes.iter().all(|entry| entry.name != name) {
            self.notes.push(Entry {
                name: name.to_owned(),
                sample,
            });
        }
    }

    /// Place of the name among all names; its colour, shape and dash.
    pub(crate) fn place(&self, name: &str) -> usize {
        self.entries
            .iter()
            .position(|entry| entry.name == name)
            .unwrap_or(0)
    }

    /// Height in pixels where the rows may be `limit` pixels wide.
    pub(crate) fn height(&self, limit: f64) -> f64 {
        let rows = self.rows(limit).len();
        if rows == 0 {
            0.0
        } else {
            rows as f64 * ROW + 6.0
        }
    }

    /// Draws the legend below `top`.
    pub(crate) fn draw(&self, svg: &mut Svg, left: f64, top: f64, limit: f64) {
        for (row, entries) in self.rows(limit).into_iter().enumerate() {
            let mut x = left;
            for entry in entries {
                self.draw_entry(svg, entry, (x, top + ROW * (row as f64 + 0.5)), limit);
                x += entry.width(limit) + GAP;
            }
        }
    }

    fn draw_entry(&self, svg: &mut Svg, entry: &Entry, (x, y): (f64, f64), limit: f64) {
        let place = self.place(&entry.name);
        let (colour, muted) = (svg.ink().series(place), svg.ink().muted());
        match entry.sample {
            Sample::Line => {
                draw_line(svg, &colour, (x, y));
                draw_marker(svg, place, &colour, (x + SAMPLE / 2.0, y));
            }
            Sample::Marker => draw_marker(svg, place, &colour, (x + 5.0, y)),
            Sample::Bar => draw_box(svg, (x, y), 14.0, &colour, "0.8"),
            Sample::Dashed(dashes) => {
                svg.dashed(&format!("M{} {}h{SAMPLE}", number(x), number(y)), dashes)
            }
            Sample::Band => draw_box(svg, (x, y), SAMPLE, muted, "0.3"),
            Sample::Backdrop => {
                let dots = [(2.0, 1.5), (8.0, -3.0), (13.0, 2.5)].map(|(dx, dy)| (x + dx, y + dy));
                draw_dots(svg, &dots, BACKDROP_RADIUS, muted, "0.6");
            }
        }
        let text = entry.text(limit);
        svg.line(&Line::new(
            &text,
            (x + entry.sample_width() + 7.0, y + 0.35 * SIZE),
            SIZE,
            Anchor::Start,
        ));
    }

    /// Entries in rows no wider than `limit`; names that are empty have none.
    fn rows(&self, limit: f64) -> Vec<Vec<&Entry>> {
        let mut rows: Vec<Vec<&Entry>> = Vec::new();
        let mut used = f64::INFINITY;
        for entry in self
            .entries
            .iter()
            .chain(&self.notes)
            .filter(|entry| !entry.name.is_empty())
        {
            let width = entry.width(limit) + GAP;
            if used + width > limit + GAP {
                rows.push(Vec::new());
                used = 0.0;
            }
            used += width;
            if let Some(row) = rows.last_mut() {
                row.push(entry);
            }
        }
        rows
    }
}

impl Entry {
    fn sample_width(&self) -> f64 {
        match self.sample {
            Sample::Line | Sample::Dashed(_) | Sample::Band => SAMPLE,
            Sample::Marker => 10.0,
            Sample::Bar | Sample::Backdrop => 15.0,
        }
    }

    fn width(&self, limit: f64) -> f64 {
        self.sample_width()
            + 7.0
            + typeface::width(&self.text(limit), SIZE, false) * typeface::ROOM_FOR_OTHERS
    }

    /// The name, cut with an ellipsis where one entry alone would not fit.
    fn text(&self, limit: f64) -> String {
        let room = (limit - self.sample_width() - 7.0) / typeface::ROOM_FOR_OTHERS;
        typeface::cut(&self.name, SIZE, false, room)
    }
}

fn draw_line(svg: &mut Svg, colour: &str, (x, y): (f64, f64)) {
    let path = format!("M{} {}h{SAMPLE}", number(x), number(y));
    svg.leaf(
        "path",
        &[
            ("d", &path),
            ("stroke", colour),
            ("stroke-width", "2"),
            ("fill", "none"),
        ],
    );
}

fn draw_marker(svg: &mut Svg, place: usize, colour: &str, (x, y): (f64, f64)) {
    let mut path = String::new();
    Marker::of(place, 4.5).draw_at((rounded(x * 10.0), rounded(y * 10.0)), &mut path);
    svg.leaf(
        "path",
        &[("transform", "scale(.1)"), ("d", &path), ("fill", colour)],
    );
}

fn draw_box(svg: &mut Svg, (x, y): (f64, f64), width: f64, colour: &str, opacity: &str) {
    let path = format!("M{} {}h{width}v10h-{width}z", number(x), number(y - 5.0));
    svg.leaf(
        "path",
        &[("d", &path), ("fill", colour), ("fill-opacity", opacity)],
    );
}
