//! What every grid of images must hold.
#![allow(clippy::unwrap_used)]

mod checks;

use checks::{MARKUP, check_svg, png_size, texts};
use ndarray::Array3;
use roxmltree::Document;
use zbridge_plot::{ColumnCaption, Gallery, ImageGrid, Neighbour, Tile};

fn tile(width: usize, height: usize, value: f32) -> Tile {
    Tile::new(Array3::from_elem((height, width, 1), value).view()).unwrap()
}

fn grid() -> ImageGrid {
    let tile = |value| tile(4, 3, value);
    ImageGrid {
        row_captions: vec!["0".into(), MARKUP.into()],
        column_captions: vec![ColumnCaption {
            text: "N = 256".into(),
            columns: 2,
        }],
        scale: 5,
        gap: 2,
        ..ImageGrid::new(vec![
            vec![tile(1.0), tile(0.5), tile(0.0)],
            vec![tile(0.25)],
        ])
    }
}

#[test]
fn grids_show_every_tile_crisply() {
    let svg = grid().to_svg().unwrap();
    check_svg(&svg);
    let document = Document::parse(&svg).unwrap();
    let image = document
        .descendants()
        .find(|node| node.has_tag_name("image"))
        .unwrap();
    assert!(
        image
            .attribute("href")
            .unwrap()
            .starts_with("data:image/png;base64,")
    );
    // Three columns of 20, two gaps of 2, one break between groups of 18; two rows of 15, one gap
    // of 2.
    assert_eq!(
        (image.attribute("width"), image.attribute("height")),
        (Some("82"), Some("32"))
    );
    let plain = ImageGrid {
        row_captions: vec![],
        column_captions: vec![],
        ..grid()
    }
    .to_png()
    .unwrap();
    assert_eq!(png_size(&plain), (12 + 64 + 12 + 12, 12 + 32 + 12));
}

#[test]
fn a_grid_without_tiles_says_so() {
    for tiles in [vec![], vec![vec![]], vec![vec![tile(0, 0, 0.0)]]] {
        let grid = ImageGrid::new(tiles);
        assert!(texts(&grid.to_svg().unwrap()).contains(&"no images".to_owned()));
        png_size(&grid.to_png().unwrap());
    }
}

#[test]
fn grids_side_by_side_become_one_picture() {
    let part = |columns| ImageGrid {
        scale: 3,
        ..ImageGrid::new(vec![vec![tile(4, 4, 0.5); columns]; 2])
    };
    let ragged = ImageGrid::new(vec![vec![tile(4, 4, 1.0)]]);
    let gallery = Gallery::default()
        .with("a", part(2))
        .with("b", ragged)
        .with("c", part(3));
    let merged = gallery.to_grid();
    assert_eq!(
        merged.tiles.iter().map(Vec::len).collect::<Vec<_>>(),
        [6, 6]
    );
    assert_eq!(
        merged
            .headings
            .iter()
            .map(|caption| caption.columns)
            .collect::<Vec<_>>(),
        [2, 1, 3]
    );
    check_svg(&merged.to_svg().unwrap());
    assert!(texts(&merged.to_svg().unwrap()).contains(&"c".to_owned()));
    assert!(
        texts(&Gallery::default().to_grid().to_svg().unwrap()).contains(&"no images".to_owned())
    );
}

#[test]
fn neighbours_stand_in_pairs_with_their_distance_below() {
    let tile = |value| tile(4, 4, value);
    let pairs: Vec<Neighbour> = (0..13)
        .map(|at| Neighbour::new(tile(0.2), tile(0.3), format!("{at}.5")))
        .collect();
    let grid = ImageGrid::of_neighbours(&pairs);
    assert_eq!(
        grid.tiles.iter().map(Vec::len).collect::<Vec<_>>(),
        [10, 10, 3, 3]
    );
    let written = texts(&grid.to_svg().unwrap());
    assert!(
        written.contains(&"0.5".to_owned())
            && written.iter().filter(|text| *text == "generated").count() == 2
    );
}

#[test]
fn a_picture_has_its_tiles_where_the_svg_has_them() {
    let png = grid().to_png().unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(png))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let svg = grid().to_svg().unwrap();
    let document = Document::parse(&svg).unwrap();
    let image = document
        .descendants()
        .find(|node| node.has_tag_name("image"))
        .unwrap();
    let side = |name| image.attribute(name).unwrap().parse::<usize>().unwrap();
    let width = reader.info().width as usize;
    let grey = |x: usize, y: usize| pixels[3 * ((side("y") + y) * width + side("x") + x)];
    // The second tile is 22 pixels right of the first, and 20 × 15 pixels large.
    assert_eq!(
        [grey(21, 0), grey(22, 0), grey(41, 14), grey(42, 14)],
        [255, 128, 128, 255]
    );
}
