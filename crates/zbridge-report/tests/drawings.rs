//! What every drawing and page must hold, whatever it is given.
#![allow(clippy::unwrap_used)]

use roxmltree::Document;
use zbridge_report::{
    Block, Cell, Column, ColumnCaption, Figure, Grid, Group, LineChart, Page, Panel, ReportError, Scale, Scatter,
    Section, Series, Table, Tile,
};

const NASTY: &str = "<b>&\"quotes\" 'and' ]]> \u{1} | `ψ`";

fn line(points: Vec<(f64, f64)>) -> LineChart {
    LineChart {
        title: NASTY.into(),
        x_label: NASTY.into(),
        y_label: NASTY.into(),
        series: vec![Series::new(NASTY, points)],
        ..LineChart::default()
    }
}

fn cloud(points: Vec<(f64, f64)>) -> Scatter {
    Scatter { groups: vec![Group::new("0", points)], equal_aspect: true, ..Scatter::default() }
}

/// Values that have broken charts before.
fn hard_points() -> Vec<Vec<(f64, f64)>> {
    let infinite = f64::INFINITY;
    vec![
        vec![],
        vec![(f64::NAN, 1.0), (1.0, f64::NAN)],
        vec![(infinite, -infinite), (f64::MAX, f64::MIN)],
        vec![(0.0, 0.0)],
        vec![(3.0, -7.0); 5],
        vec![(1.0, 1.0), (f64::NAN, 2.0), (3.0, 3.0)],
        vec![(1e15, 1e-15), (1e15 + 0.1, 2e-15)],
        vec![(-1e290, 1e-310), (1e290, 5e-324)],
        vec![(1e-9, 1e9), (1e9, 1e-9)],
        vec![(-1.0, 0.0), (0.0, -1.0), (1.0, 1.0)],
    ]
}

fn hard_figures() -> Vec<Figure> {
    let mut figures = vec![Figure::default()];
    for points in hard_points() {
        let logarithmic = LineChart { x_scale: Scale::Log, y_scale: Scale::Log, ..line(points.clone()) };
        let band = points.iter().map(|&(x, y)| (x, y - 1.0, y + 1.0)).collect();
        let banded =
            LineChart { series: vec![Series::new("", points.clone()).with_band(band)], ..LineChart::default() };
        let panels: Vec<Panel> =
            vec![line(points.clone()).into(), logarithmic.into(), banded.into(), cloud(points).into()];
        for shared_axes in [false, true] {
            figures.push(Figure { title: NASTY.into(), panels: panels.clone(), columns: 3, shared_axes });
        }
        figures.extend(panels.into_iter().map(Figure::from));
    }
    figures
}

/// Every number of a well-formed SVG document is a number.
fn check_svg(svg: &str) {
    let document = Document::parse(svg).unwrap();
    assert!(document.root_element().has_tag_name(("http://www.w3.org/2000/svg", "svg")));
    for node in document.descendants() {
        for attribute in node.attributes().filter(|attribute| attribute.name() != "aria-label") {
            let value = attribute.value();
            assert!(!value.contains("NaN") && !value.contains("inf"), "{}=\"{value}\"", attribute.name());
        }
    }
}

fn png_size(bytes: &[u8]) -> (u32, u32) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    (reader.info().width, reader.info().height)
}

fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.filter_map(|node| node.text()).map(str::to_owned).collect()
}

/// Corners of everything drawn with absolute coordinates lie inside the document.
fn assert_inside(svg: &str) {
    let document = Document::parse(svg).unwrap();
    let side = |name| document.root_element().attribute(name).unwrap().parse::<f64>().unwrap();
    for node in document.descendants().filter(|node| node.has_tag_name("text")) {
        let at = |name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap();
        assert!((0.0..=side("width")).contains(&at("x")), "{node:?}");
        assert!((0.0..=side("height")).contains(&at("y")), "{node:?}");
    }
}

#[test]
fn whatever_the_values_the_svg_is_sound() {
    for figure in hard_figures() {
        let svg = figure.to_svg();
        check_svg(&svg);
        assert_inside(&svg);
    }
}

#[test]
fn what_is_not_drawn_is_counted() {
    let svg = line(vec![(1.0, 1.0), (f64::NAN, 2.0), (3.0, f64::INFINITY)]).to_svg();
    assert!(texts(&svg).iter().any(|text| text.starts_with("Not drawn: 2 values")), "{:?}", texts(&svg));
    let svg = line(vec![(1.0, 1.0), (2.0, 2.0)]).to_svg();
    assert!(!texts(&svg).iter().any(|text| text.starts_with("Not drawn")));
    assert!(texts(&line(vec![]).to_svg()).contains(&"no data".to_owned()));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let figure = || Figure { panels: vec![line(vec![(1.0, 2.0), (3.0, 4.0)]).into()], columns: 1, ..Figure::default() };
    assert_eq!(figure().to_svg(), figure().to_svg());
    assert_eq!(figure().to_png(1.0).unwrap(), figure().to_png(1.0).unwrap());
    assert_eq!(page().to_html().unwrap(), page().to_html().unwrap());
}

#[test]
fn a_png_is_as_large_as_its_svg_times_the_scale() {
    let chart = line(vec![(1.0, 2.0), (3.0, 4.0)]);
    let svg = chart.to_svg();
    let document = Document::parse(&svg).unwrap();
    let side = |name| document.root_element().attribute(name).unwrap().parse::<f64>().unwrap();
    let expected = ((side("width") * 2.0).round() as u32, (side("height") * 2.0).round() as u32);
    assert_eq!(png_size(&chart.to_png(2.0).unwrap()), expected);
    assert!(matches!(chart.to_png(f32::NAN), Err(ReportError::Scale { .. })));
    assert!(matches!(chart.to_png(1e6), Err(ReportError::TooLarge { .. })));
}

#[test]
fn shared_axes_write_their_ticks_once_and_names_once() {
    let panel = |x: f64| Panel::from(Scatter { equal_aspect: false, ..cloud(vec![(x, x), (x + 1.0, x + 1.0)]) });
    let figure =
        |shared_axes| Figure { panels: vec![panel(0.0), panel(90.0)], columns: 2, shared_axes, ..Figure::default() };
    let count = |shared, wanted: &str| texts(&figure(shared).to_svg()).iter().filter(|text| *text == wanted).count();
    assert_eq!(count(true, "100"), 3, "two below, one at the left");
    assert_eq!(count(false, "100"), 0);
    let named = Scatter { groups: vec![Group::new("seven", vec![(0.0, 1.0)])], ..Scatter::default() };
    let twice = Figure { panels: vec![named.clone().into(), named.into()], columns: 2, ..Figure::default() };
    assert_eq!(texts(&twice.to_svg()).iter().filter(|text| *text == "seven").count(), 1);
}

#[test]
fn ten_thousand_points_stay_small() {
    let points = |seed: usize| (0..1000).map(|at| ((at * 37 % 997) as f64, (at * seed % 991) as f64)).collect();
    let groups = (0..10).map(|digit| Group::new(digit.to_string(), points(41 + digit))).collect();
    let svg = Scatter { groups, ..Scatter::default() }.to_svg();
    assert!(svg.len() < 600_000, "{} bytes", svg.len());
    let long = line((0..200_000).map(|step| (f64::from(step), f64::from(step * 7919 % 1000))).collect()).to_svg();
    assert!(long.len() < 150_000, "{} bytes", long.len());
}

#[test]
fn text_around_png_letters_is_drawn() {
    let named = Scatter { title: "Title".into(), ..cloud(vec![(0.0, 0.0)]) }.to_png(1.0).unwrap();
    let bare = Scatter { title: " ".into(), ..cloud(vec![(0.0, 0.0)]) }.to_png(1.0).unwrap();
    assert_ne!(named, bare);
    let dark = |bytes: &[u8]| {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        pixels.iter().filter(|&&value| value < 60).count()
    };
    assert!(dark(&named) > dark(&bare) + 100, "letters need an embedded face");
}

fn grid() -> Grid {
    let tile = |value| Tile::new(4, 3, 1, &[value; 12]).unwrap();
    Grid {
        row_captions: vec!["0".into(), NASTY.into()],
        column_captions: vec![ColumnCaption { text: "N = 256".into(), columns: 2 }],
        scale: 5,
        gap: 2,
        ..Grid::new(vec![vec![tile(1.0), tile(0.5), tile(0.0)], vec![tile(0.25)]])
    }
}

#[test]
fn grids_show_every_tile_crisply() {
    let svg = grid().to_svg().unwrap();
    check_svg(&svg);
    let document = Document::parse(&svg).unwrap();
    let image = document.descendants().find(|node| node.has_tag_name("image")).unwrap();
    assert!(image.attribute("href").unwrap().starts_with("data:image/png;base64,"));
    // Three columns of 20, two gaps of 2, one break between groups of 18; two rows of 15, one gap of 2.
    assert_eq!((image.attribute("width"), image.attribute("height")), (Some("82"), Some("32")));
    let plain = Grid { row_captions: vec![], column_captions: vec![], ..grid() }.to_png_bytes().unwrap();
    assert_eq!(png_size(&plain), (12 + 64 + 12 + 12, 12 + 32 + 12));
}

#[test]
fn a_grid_without_tiles_says_so() {
    for tiles in [vec![], vec![vec![]], vec![vec![Tile::new(0, 0, 1, &[]).unwrap()]]] {
        let grid = Grid::new(tiles);
        assert!(texts(&grid.to_svg().unwrap()).contains(&"no images".to_owned()));
        png_size(&grid.to_png_bytes().unwrap());
    }
}

fn page() -> Page {
    let table = Table {
        caption: NASTY.into(),
        columns: vec![Column::words(NASTY), Column::numbers("nats")],
        rows: vec![vec![Cell::text(NASTY), Cell::estimate(f64::NAN, f64::INFINITY, 2)]],
    };
    let section = Section::new(NASTY)
        .paragraph(NASTY)
        .warning(NASTY)
        .code(format!("```\n{NASTY}"))
        .facts([(NASTY, NASTY)])
        .table(table)
        .illustration("lines", NASTY, NASTY, Figure::from(line(vec![(1.0, 2.0), (2.0, 1.0)])))
        .details(
            NASTY,
            vec![Block::Illustration(zbridge_report::Illustration {
                id: "tiles (1)".into(),
                caption: String::new(),
                alt: "tiles".into(),
                drawing: grid().into(),
            })],
        );
    Page { title: NASTY.into(), sections: vec![section; 4] }
}

#[test]
fn a_page_is_well_formed_and_needs_nothing_from_outside() {
    let html = page().to_html().unwrap();
    let document = Document::parse_with_options(
        &html,
        roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() },
    )
    .unwrap();
    let heading = document.descendants().find(|node| node.has_tag_name("h1")).unwrap();
    assert_eq!(heading.text(), Some(NASTY.replace('\u{1}', "\u{fffd}").as_str()));
    for node in document.descendants() {
        for name in ["href", "src"] {
            let target = node.attribute(name).unwrap_or("#");
            assert!(target.starts_with('#') || target.starts_with("data:"), "{target}");
        }
    }
    assert!(!html.contains("<script") && !html.contains("url(") && !html.contains("@import"));
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("nav")).count(), 1);
}

#[test]
fn a_page_in_markdown_links_its_figures() {
    let markdown = page().to_markdown(|id| format!("figures/{id}.png"));
    assert!(markdown.contains("](figures/lines.png)"), "{markdown}");
    assert!(markdown.contains("![tiles](figures/tiles%20%281%29.png)"));
    assert!(markdown.contains("````\n```\n"), "a fence longer than the one inside");
    assert!(markdown.contains("> [!WARNING]\n> \\<b>"));
    let page = page();
    let ids: Vec<&str> = page.illustrations().into_iter().map(|shown| shown.id.as_str()).collect();
    assert_eq!(ids[..3], ["lines", "tiles (1)", "lines"]);
}
