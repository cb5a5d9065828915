//! The pixel back end: everything becomes a path that tiny-skia fills, text included.

mod glyph_outlines;
#[cfg(test)]
mod tests;

use ndarray::Array3;
use tiny_skia::{FillRule, LineJoin, Paint, PathBuilder, Pixmap, StrokeDash, Transform};

use crate::PlotError;
use crate::canvas::{Anchor, Canvas, Dots, Fill, Markers, Stroke, Text};
use crate::colour::Colour;
use crate::geometry::{Point, Size};
use crate::marker::MarkerShape;
use crate::path::{Path, Segment};
use crate::pixels::{Pixels, check_size};
use glyph_outlines::GlyphOutlines;

/// A picture that is being drawn on a white background.
pub(crate) struct Raster {
    pixmap: Pixmap,
    /// From pixels of the drawing to pixels of the picture.
    to_picture: Transform,
}

impl Raster {
    /// An empty picture with `scale` pixels for each unit of the drawing.
    ///
    /// # Errors
    /// [`PlotError::Scale`] or [`PlotError::TooLarge`].
    pub(crate) fn new(size: Size, scale: f32) -> Result<Self, PlotError> {
        if !(scale.is_finite() && scale > 0.0) {
            return Err(PlotError::Scale { scale });
        }
        // At least one pixel: a drawing can be smaller than that at a small scale.
        let pixels = |units: f64| (units as f32 * scale).round().max(1.0) as usize;
        let (width, height) = (pixels(size.width), pixels(size.height));
        check_size(width, height)?;
        let mut pixmap = Pixmap::new(width as u32, height as u32)
            .expect("sides between 1 and the limit are valid");
        pixmap.fill(tiny_skia::Color::WHITE);
        Ok(Self {
            pixmap,
            to_picture: Transform::from_scale(scale, scale),
        })
    }

    /// The finished picture.
    pub(crate) fn finish(self) -> Pixels {
        let (width, height) = (self.pixmap.width() as usize, self.pixmap.height() as usize);
        let colours = self.pixmap.pixels();
        // On an opaque background, premultiplied colours are the colours themselves.
        let values = Array3::from_shape_fn((height, width, 3), |(y, x, channel)| {
            let colour = colours[y * width + x];
            [colour.red(), colour.green(), colour.blue()][channel]
        });
        Pixels::new(values)
    }

    fn fill_path(&mut self, path: &tiny_skia::Path, paint: &Paint<'_>, transform: Transform) {
        self.pixmap
            // The winding rule fills a place once that two markers of a path cover.
            .fill_path(path, paint, FillRule::Winding, transform, None);
    }

    fn stroke_path(
        &mut self,
        path: &tiny_skia::Path,
        paint: &Paint<'_>,
        stroke: &tiny_skia::Stroke,
        transform: Transform,
    ) {
        self.pixmap
            .stroke_path(path, paint, stroke, transform, None);
    }
}

impl Canvas for Raster {
    fn fill(&mut self, path: &Path, fill: Fill) {
        if let Some(path) = skia_path(path) {
            self.fill_path(&path, &paint(fill.colour, fill.opacity), self.to_picture);
        }
    }

    fn stroke(&mut self, path: &Path, stroke: Stroke) {
        let Some(path) = skia_path(path) else {
            return;
        };
        let join = if stroke.is_rounded {
            LineJoin::Round
        } else {
            LineJoin::Miter
        };
        let dashes = stroke.dashes.iter().map(|&length| length as f32).collect();
        let pen = tiny_skia::Stroke {
            width: stroke.width as f32,
            line_join: join,
            // `None` for an empty list, which is a solid line.
            dash: StrokeDash::new(dashes, 0.0),
            ..tiny_skia::Stroke::default()
        };
        self.stroke_path(&path, &paint(stroke.colour, 1.0), &pen, self.to_picture);
    }

    fn markers(&mut self, markers: &Markers) {
        let Some(path) = marker_path(markers) else {
            return;
        };
        let colour = Colour::Series(markers.series);
        self.fill_path(&path, &paint(colour, markers.opacity), self.to_picture);
        if markers.outline > 0.0 {
            let pen = tiny_skia::Stroke {
                width: markers.outline as f32,
                ..tiny_skia::Stroke::default()
            };
            self.stroke_path(&path, &paint(Colour::Paper, 1.0), &pen, self.to_picture);
        }
    }

    fn dots(&mut self, dots: &Dots) {
        let mut builder = PathBuilder::new();
        for &centre in &dots.centres {
            push_circle(&mut builder, centre, dots.radius as f32);
        }
        if let Some(path) = builder.finish() {
            self.fill_path(&path, &paint(dots.colour, dots.opacity), self.to_picture);
        }
    }

    fn text(&mut self, text: &Text<'_>) {
        let GlyphOutlines {
            path: Some(path),
            width,
        } = GlyphOutlines::of(text.text, text.font)
        else {
            return;
        };
        // A path starts at its origin: the anchor says how far left of the point that is.
        let start = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
            Anchor::End => -width,
        };
        let angle = if text.is_turned { -90.0 } else { 0.0 };
        // The anchor shifts the text along its line before the line is turned.
        let transform = Transform::from_translate(start, 0.0)
            .post_rotate(angle)
            .post_translate(text.at.x as f32, text.at.y as f32)
            .post_concat(self.to_picture);
        if text.has_halo {
            let pen = tiny_skia::Stroke {
                width: Text::HALO_WIDTH as f32,
                // Sharp corners of letters would give the halo spikes.
                line_join: LineJoin::Round,
                ..tiny_skia::Stroke::default()
            };
            self.stroke_path(&path, &paint(Colour::Paper, 1.0), &pen, transform);
        }
        self.fill_path(&path, &paint(text.colour, 1.0), transform);
    }
}

fn paint(colour: Colour, opacity: f64) -> Paint<'static> {
    let [red, green, blue] = colour.rgb();
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, (opacity * 255.0).round() as u8);
    paint
}

/// The path for tiny-skia; `None` if it draws nothing.
fn skia_path(path: &Path) -> Option<tiny_skia::Path> {
    let mut builder = PathBuilder::new();
    for segment in path.segments() {
        match *segment {
            Segment::Move(point) => builder.move_to(point.x as f32, point.y as f32),
            Segment::Line(point) => builder.line_to(point.x as f32, point.y as f32),
            Segment::Close => builder.close(),
        }
    }
    builder.finish()
}

/// The outlines of all markers as one path; `None` if there are none.
fn marker_path(markers: &Markers) -> Option<tiny_skia::Path> {
    let shape = MarkerShape::of_series(markers.series);
    let mut builder = PathBuilder::new();
    for &centre in &markers.centres {
        match shape {
            MarkerShape::Circle => push_circle(&mut builder, centre, markers.radius as f32),
            MarkerShape::Polygon(corners) => {
                push_polygon(&mut builder, centre, markers.radius, corners);
            }
        }
    }
    builder.finish()
}

fn push_circle(builder: &mut PathBuilder, centre: Point, radius: f32) {
    builder.push_circle(centre.x as f32, centre.y as f32, radius);
}

fn push_polygon(builder: &mut PathBuilder, centre: Point, radius: f64, corners: &[(f64, f64)]) {
    for (index, &(x, y)) in corners.iter().enumerate() {
        let corner = centre.shifted(x * radius, y * radius);
        if index == 0 {
            builder.move_to(corner.x as f32, corner.y as f32);
        } else {
            builder.line_to(corner.x as f32, corner.y as f32);
        }
    }
    builder.close();
}
