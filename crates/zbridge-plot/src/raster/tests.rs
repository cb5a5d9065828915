use super::*;
use crate::font::Font;

const FONT: Font = Font::regular(20.0);
/// The middle of a picture of 200 × 200 pixels.
const CENTRE: Point = Point::new(100.0, 100.0);

/// Columns and rows of the pixels that a text leaves dark, as `(first, last)`.
struct Ink {
    columns: (usize, usize),
    rows: (usize, usize),
}

fn draw(text: &Text<'_>) -> Raster {
    let mut raster = Raster::new(Size::new(200.0, 200.0), 1.0).unwrap();
    raster.text(text);
    raster
}

fn ink(text: &Text<'_>) -> Ink {
    let raster = draw(text);
    let mut columns = Vec::new();
    let mut rows = Vec::new();
    for (index, pixel) in raster.pixmap.pixels().iter().enumerate() {
        if pixel.red() < 128 {
            columns.push(index % 200);
            rows.push(index / 200);
        }
    }
    columns.sort_unstable();
    let ends = |sorted: &[usize]| (sorted[0], sorted[sorted.len() - 1]);
    Ink {
        columns: ends(&columns),
        rows: ends(&rows),
    }
}

#[test]
fn the_anchor_is_the_start_the_middle_or_the_end_of_the_text() {
    let text = Text::new("HHHH", CENTRE, FONT);
    let width = FONT.width("HHHH") as usize;
    let start = ink(&text);
    assert!(start.columns.0 >= 100 && start.columns.1 <= 100 + width);
    let end = ink(&text.anchored(Anchor::End));
    assert!(end.columns.1 <= 100 && end.columns.0 >= 100 - width);
    let middle = ink(&text.anchored(Anchor::Middle));
    let (left, right) = (100 - middle.columns.0, middle.columns.1 - 99);
    assert!(
        left.abs_diff(right) <= 1,
        "{left} left and {right} right of the middle"
    );
}

#[test]
fn letters_are_on_the_baseline_and_descenders_are_below_it() {
    let flat = ink(&Text::new("H−×±→", CENTRE, FONT));
    assert_eq!(flat.rows.1, 99);
    assert!(flat.rows.0 >= 100 - FONT.size as usize);
    let deep = ink(&Text::new("gpψ", CENTRE, FONT));
    assert!(deep.rows.1 > 101, "row {}", deep.rows.1);
}

#[test]
fn turned_text_reads_from_bottom_to_top() {
    // “L” has its foot at the end of the text: at the top once it is turned.
    let text = Text::new("LLLL", CENTRE, FONT).turned();
    let start = ink(&text);
    assert!(
        start.rows.1 <= 100,
        "the text starts at its point and goes up"
    );
    assert_eq!(start.columns.1, 99, "the baseline is right of the letters");
    let middle = ink(&text.anchored(Anchor::Middle));
    let (above, below) = (100 - middle.rows.0, middle.rows.1 - 99);
    assert!(
        above.abs_diff(below) <= 2,
        "{above} above and {below} below the middle"
    );
}

#[test]
fn a_halo_hides_the_line_behind_the_text() {
    let line = Path::horizontal(0.0, 200.0, 93.0);
    let dark_pixels = |has_halo: bool| {
        let mut raster = draw(&Text::new("", CENTRE, FONT));
        raster.stroke(&line, Stroke::solid(Colour::Text, 1.0));
        let text = Text::new("l l", CENTRE, FONT);
        raster.text(&Text { has_halo, ..text });
        let row = &raster.pixmap.pixels()[93 * 200 + 100..93 * 200 + 120];
        row.iter().filter(|pixel| pixel.red() < 200).count()
    };
    assert!(dark_pixels(true) < dark_pixels(false));
}

#[test]
fn a_letter_that_the_font_lacks_is_a_box() {
    let unknown = ink(&Text::new("漢", CENTRE, FONT));
    assert!(unknown.columns.1 - unknown.columns.0 > 4);
    let space = draw(&Text::new(" ", CENTRE, FONT));
    assert!(space.pixmap.pixels().iter().all(|pixel| pixel.red() == 255));
}
