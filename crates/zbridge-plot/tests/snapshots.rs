//! The SVG of small drawings, as it was when it was last checked by eye.
//!
//! `INSTA_UPDATE=always cargo test -p zbridge-plot --test snapshots` writes them again.
#![allow(clippy::unwrap_used)]

use ndarray::array;
use zbridge_plot::{
    BandPoint, ColumnCaption, Figure, ImageGrid, IntervalPlot, IntervalRow, LineChart, Reference,
    Scale, Series, Theme, Tile,
};

fn line_chart() -> LineChart {
    let band = [(1.0, 60.0, 110.0), (10.0, 8.0, 12.0), (100.0, 2.0, 4.0)];
    let band = band.map(|(x, low, high)| BandPoint { x, low, high });
    let points = vec![(1.0, 80.0), (10.0, 10.0), (100.0, 3.0)];
    LineChart {
        title: "KL(q ‖ p) → 0, and <never> \"below\"".into(),
        x_label: "step".into(),
        y_label: "nats per pair".into(),
        series: vec![Series::new("N = 256", points).with_band(band.into())],
        x_scale: Scale::Log,
        y_scale: Scale::Log,
        references: vec![Reference::new("best", 2.5)],
    }
}

#[test]
fn a_line_chart() {
    insta::assert_snapshot!(Figure::from(line_chart()).to_svg());
}

#[test]
fn two_panels_for_a_page() {
    let rows = vec![
        IntervalRow::new("bridge", -84.6).with_interval(-85.1, -84.1),
        IntervalRow::new("shuffled pairs", f64::NAN),
    ];
    let intervals = IntervalPlot {
        title: "log p(x | label)".into(),
        x_label: "nats".into(),
        rows,
        references: vec![Reference::new("log p(x)", -84.9)],
        digits: 1,
        ..IntervalPlot::default()
    };
    let figure = Figure {
        title: "Two panels".into(),
        panels: vec![line_chart().into(), intervals.into()],
        columns: 2,
        shared_axes: false,
    };
    insta::assert_snapshot!(figure.to_themed_svg(Theme::StyleSheet, "Two charts."));
}

#[test]
fn a_grid_of_images() {
    let tile = |value: f32| Tile::new(array![[[value]], [[1.0 - value]]].view()).unwrap();
    let grid = ImageGrid {
        row_captions: vec!["3".into(), "5".into()],
        column_captions: vec![ColumnCaption {
            text: "N = 256".into(),
            columns: 2,
        }],
        tile_captions: vec![vec!["0.1".into()]],
        scale: 40,
        ..ImageGrid::new(vec![vec![tile(0.0), tile(0.25)], vec![tile(1.0)]])
    };
    let svg = grid.to_svg().unwrap();
    // The compressed bytes of the tiles may change with the compressor, and are tested elsewhere.
    let (start, rest) = svg.split_once("base64,").unwrap();
    let (_, end) = rest.split_once('"').unwrap();
    insta::assert_snapshot!(format!("{start}base64,…\"{end}"));
}
