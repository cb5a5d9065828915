//! One legend for all panels: each name keeps its colour, shape and dash throughout.

use crate::chart::Panel;
use crate::marker::{Marker, rounded};
use crate::svg::{Anchor, Line, Svg, number};
use crate::typeface;

const SIZE: f64 = 13.0;
const ROW: f64 = 22.0;
const GAP: f64 = 20.0;
const ROOM_FOR_OTHER_FONTS: f64 = 1.06;

/// What a name looks like.
struct Entry {
    name: String,
    line: bool,
}

/// The names of a figure in order of their first appearance.
pub(crate) struct Legend {
    entries: Vec<Entry>,
}

impl Legend {
    pub(crate) fn of(panels: &[Panel]) -> Self {
        let mut legend = Self { entries: Vec::new() };
        for panel in panels {
            match panel {
                Panel::Line(chart) => {
                    chart.series.iter().for_each(|series| legend.add(&series.name, true));
                }
                Panel::Scatter(chart) => chart.groups.iter().for_each(|group| legend.add(&group.name, false)),
            }
        }
        legend
    }

    fn add(&mut self, name: &str, line: bool) {
        match self.entries.iter_mut().find(|entry| entry.name == name) {
            Some(entry) => {
                entry.line |= line;
            }
            None => self.entries.push(Entry { name: name.to_owned(), line }),
        }
    }

    /// Place of the name among all names; its colour, shape and dash.
    pub(crate) fn place(&self, name: &str) -> usize {
        self.entries.iter().position(|entry| entry.name == name).unwrap_or(0)
    }

    /// Height in pixels where the rows may be `limit` pixels wide.
    pub(crate) fn height(&self, limit: f64) -> f64 {
        let rows = self.rows(limit).len();
        if rows == 0 { 0.0 } else { rows as f64 * ROW + 6.0 }
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
        let colour = svg.ink().series(place);
        if entry.line {
            draw_line_sample(svg, &colour, (x, y));
        }
        let centre = (x + entry.sample_width() / 2.0, y);
        let mut path = String::new();
        Marker::of(place, 4.5).draw_at((rounded(centre.0 * 10.0), rounded(centre.1 * 10.0)), &mut path);
        svg.leaf("path", &[("transform", "scale(.1)"), ("d", &path), ("fill", &colour)]);
        let text = entry.text(limit);
        svg.line(&Line::new(&text, (x + entry.sample_width() + 7.0, y + 0.35 * SIZE), SIZE, Anchor::Start));
    }

    /// Entries in rows no wider than `limit`; names that are empty have none.
    fn rows(&self, limit: f64) -> Vec<Vec<&Entry>> {
        let mut rows: Vec<Vec<&Entry>> = Vec::new();
        let mut used = f64::INFINITY;
        for entry in self.entries.iter().filter(|entry| !entry.name.is_empty()) {
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
        if self.line { 30.0 } else { 10.0 }
    }

    fn width(&self, limit: f64) -> f64 {
        self.sample_width() + 7.0 + typeface::width(&self.text(limit), SIZE, false) * ROOM_FOR_OTHER_FONTS
    }

    /// The name, cut with an ellipsis where one entry alone would not fit.
    fn text(&self, limit: f64) -> String {
        let room = (limit - self.sample_width() - 7.0) / ROOM_FOR_OTHER_FONTS;
        if typeface::width(&self.name, SIZE, false) <= room {
            return self.name.clone();
        }
        let mut cut = self.name.clone();
        while typeface::width(&cut, SIZE, false) > room - SIZE && cut.pop().is_some() {}
        cut + "…"
    }
}

fn draw_line_sample(svg: &mut Svg, colour: &str, (x, y): (f64, f64)) {
    let path = format!("M{} {}h30", number(x), number(y));
    svg.leaf("path", &[("d", &path), ("stroke", colour), ("stroke-width", "2"), ("fill", "none")]);
}
