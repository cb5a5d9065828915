//! One legend for all panels: a name has the same colour, shape and dashes in each of them.

use crate::canvas::{Canvas, Dots, Fill, Markers, Stroke, Text};
use crate::colour::Colour;
use crate::font::WIDER_FONT;
use crate::geometry::Point;
use crate::path::Path;
use crate::style::{BACKDROP_RADIUS, LABEL_FONT};

const ROW_HEIGHT: f64 = 22.0;
/// Below the last row.
const SPACE_BELOW: f64 = 6.0;
/// Between two entries of a row.
const GAP: f64 = 20.0;
/// Between a sample and its name.
const NAME_GAP: f64 = 7.0;
const LINE_LENGTH: f64 = 30.0;
const MARKER_RADIUS: f64 = 4.5;
const BOX_HEIGHT: f64 = 10.0;
const BAR_WIDTH: f64 = 14.0;

/// What is drawn before a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sample {
    /// A line with a marker, in the colour of the name.
    Line,
    /// A marker, in the colour of the name.
    Marker,
    /// A bar, in the colour of the name.
    Bar,
    /// The dashed line of the reference with this index.
    Reference(usize),
    /// A grey band.
    Band,
    /// Small pale dots.
    Backdrop,
}

impl Sample {
    fn width(self) -> f64 {
        match self {
            Self::Line | Self::Reference(_) | Self::Band => LINE_LENGTH,
            Self::Marker => 10.0,
            Self::Bar | Self::Backdrop => 15.0,
        }
    }
}

/// A name and its sample.
struct Entry {
    name: String,
    sample: Sample,
}

/// The names of a figure in order of their first appearance.
#[derive(Default)]
pub(crate) struct Legend {
    /// Names with a colour of their own.
    series: Vec<Entry>,
    /// Names in grey, which explain reference lines, bands and backdrops.
    notes: Vec<Entry>,
}

impl Legend {
    /// Adds the name of a series or group. A name that is already there keeps its place; a line
    /// replaces its other sample.
    pub(crate) fn add(&mut self, name: &str, sample: Sample) {
        match self.series.iter_mut().find(|entry| entry.name == name) {
            // A line with a marker explains panels with lines and panels with points.
            Some(entry) if sample == Sample::Line => entry.sample = sample,
            Some(_) => {}
            None => self.series.push(Entry::new(name, sample)),
        }
    }

    /// Adds a name in grey, once.
    pub(crate) fn add_note(&mut self, name: &str, sample: Sample) {
        if self.notes.iter().all(|entry| entry.name != name) {
            self.notes.push(Entry::new(name, sample));
        }
    }

    /// Index of the series with this name, which decides its colour and shape.
    pub(crate) fn index(&self, name: &str) -> usize {
        let index = self.series.iter().position(|entry| entry.name == name);
        // A name that was never added still has a colour.
        index.unwrap_or(0)
    }

    /// Height in pixels if the rows may be `limit` pixels wide.
    pub(crate) fn height(&self, limit: f64) -> f64 {
        match self.rows(limit).len() {
            0 => 0.0,
            rows => rows as f64 * ROW_HEIGHT + SPACE_BELOW,
        }
    }

    /// Draws the legend with its upper left corner at a point.
    pub(crate) fn draw(&self, canvas: &mut dyn Canvas, corner: Point, limit: f64) {
        for (row, entries) in self.rows(limit).into_iter().enumerate() {
            let mut at = corner.shifted(0.0, ROW_HEIGHT * (row as f64 + 0.5));
            for entry in entries {
                draw_sample(canvas, entry.sample, self.index(&entry.name), at);
                entry.write(canvas, at, limit);
                at.x += entry.width(limit) + GAP;
            }
        }
    }

    /// The entries in rows no wider than `limit`, without those whose name is empty.
    fn rows(&self, limit: f64) -> Vec<Vec<&Entry>> {
        let mut rows: Vec<Vec<&Entry>> = Vec::new();
        // Fuller than any row, so that the first entry starts one.
        let mut used = f64::INFINITY;
        for entry in self.series.iter().chain(&self.notes) {
            if entry.name.is_empty() {
                continue;
            }
            let width = entry.width(limit) + GAP;
            // The last entry of a row needs no gap behind it.
            if used + width > limit + GAP {
                rows.push(Vec::new());
                used = 0.0;
            }
            used += width;
            rows.last_mut()
                .expect("the first entry starts a row")
                .push(entry);
        }
        rows
    }
}

impl Entry {
    fn new(name: &str, sample: Sample) -> Self {
        Self {
            name: name.to_owned(),
            sample,
        }
    }

    fn width(&self, limit: f64) -> f64 {
        // A browser without our font may write the name wider.
        let name_width = LABEL_FONT.width(&self.text(limit)) * WIDER_FONT;
        self.sample.width() + NAME_GAP + name_width
    }

    /// The name, cut if this entry alone is wider than a row.
    fn text(&self, limit: f64) -> String {
        let space = (limit - self.sample.width() - NAME_GAP) / WIDER_FONT;
        LABEL_FONT.cut(&self.name, space)
    }

    fn write(&self, canvas: &mut dyn Canvas, at: Point, limit: f64) {
        let start = at.shifted(self.sample.width() + NAME_GAP, 0.35 * LABEL_FONT.size);
        canvas.text(&Text::new(&self.text(limit), start, LABEL_FONT));
    }
}

/// Draws a sample whose left end is at a point.
fn draw_sample(canvas: &mut dyn Canvas, sample: Sample, index: usize, at: Point) {
    let colour = Colour::Series(index);
    let line = Path::horizontal(at.x, at.x + LINE_LENGTH, at.y);
    match sample {
        Sample::Line => {
            canvas.stroke(&line, Stroke::solid(colour, 2.0));
            canvas.markers(&marker(index, at.shifted(LINE_LENGTH / 2.0, 0.0)));
        }
        Sample::Marker => canvas.markers(&marker(index, at.shifted(5.0, 0.0))),
        Sample::Bar => canvas.fill(&middle_box(at, BAR_WIDTH), Fill::new(colour, 0.8)),
        Sample::Reference(reference) => canvas.stroke(&line, Stroke::reference(reference)),
        Sample::Band => {
            canvas.fill(&middle_box(at, LINE_LENGTH), Fill::new(Colour::Muted, 0.3));
        }
        Sample::Backdrop => canvas.dots(&three_dots(at)),
    }
}

fn marker(series: usize, centre: Point) -> Markers {
    Markers {
        centres: vec![centre],
        series,
        radius: MARKER_RADIUS,
        opacity: 1.0,
        outline: 0.0,
    }
}

/// A box whose left side has its middle at a point.
fn middle_box(at: Point, width: f64) -> Path {
    let half = BOX_HEIGHT / 2.0;
    Path::rectangle(at.x, at.y + half, at.x + width, at.y - half)
}

fn three_dots(at: Point) -> Dots {
    Dots {
        centres: vec![
            at.shifted(2.0, 1.5),
            at.shifted(8.0, -3.0),
            at.shifted(13.0, 2.5),
        ],
        radius: BACKDROP_RADIUS,
        colour: Colour::Muted,
        opacity: 0.6,
    }
}
