//! What every drawing and page must hold, whatever it is given.
#![allow(clippy::unwrap_used)]

use roxmltree::Document;
use zbridge_report::{
    Bin, Block, Cell, Column, ColumnCaption, ConfidenceBin, ExpectedBand, Figure, Gallery, Grid,
    Group, Histogram, IntervalPlot, IntervalRow, KeyFigure, LineChart, Neighbour, Page, Panel,
    Reference, ReliabilityDiagram, ReportError, Scale, Scatter, Section, Series, Table, Tile,
    Verdict,
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
    Scatter {
        groups: vec![Group::new("0", points)],
        equal_aspect: true,
        ..Scatter::default()
    }
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

fn bars(points: &[(f64, f64)]) -> Histogram {
    let bins = points
        .iter()
        .map(|&(x, count)| Bin {
            low: x,
            high: x + 1.0,
            count,
        })
        .collect();
    let (low, high) = points.first().copied().unwrap_or((0.0, 1.0));
    let band = Some(ExpectedBand {
        name: NASTY.into(),
        expected: low,
        low,
        high,
    });
    Histogram {
        title: NASTY.into(),
        bins,
        band,
        ..Histogram::default()
    }
}

fn reliability(points: &[(f64, f64)]) -> ReliabilityDiagram {
    let bins = points.iter().map(|&(x, y)| ConfidenceBin {
        low: x,
        high: y,
        confidence: x,
        accuracy: y,
        interval: Some((y, x)),
        count: 1,
    });
    ReliabilityDiagram {
        title: NASTY.into(),
        bins: bins.collect(),
        ..ReliabilityDiagram::default()
    }
}

fn intervals(points: &[(f64, f64)]) -> IntervalPlot {
    let row = |&(x, y): &(f64, f64)| {
        IntervalRow::new(NASTY, x)
            .with_interval(y, x)
            .of_group(NASTY)
    };
    let references = points
        .iter()
        .map(|&(_, y)| Reference::new(NASTY, y))
        .collect();
    IntervalPlot {
        title: NASTY.into(),
        rows: points.iter().map(row).collect(),
        references,
        ..IntervalPlot::default()
    }
}

fn before_others(points: &[(f64, f64)]) -> Scatter {
    let groups = vec![
        Group::backdrop("", NASTY, points.to_vec()),
        Group::backdrop("0", "pale", points.to_vec()),
        Group::new("0", points.to_vec()),
    ];
    Scatter {
        groups,
        ..Scatter::default()
    }
}

fn hard_figures() -> Vec<Figure> {
    let mut figures = vec![Figure::default()];
    for points in hard_points() {
        let logarithmic = LineChart {
            x_scale: Scale::Log,
            y_scale: Scale::Log,
            ..line(points.clone())
        };
        let band = points.iter().map(|&(x, y)| (x, y - 1.0, y + 1.0)).collect();
        let banded = LineChart {
            series: vec![Series::new("", points.clone()).with_band(band)],
            ..LineChart::default()
        };
        let compared = LineChart {
            references: vec![Reference::new(NASTY, f64::NAN)],
            ..logarithmic.clone()
        };
        let logarithmic_rows = IntervalPlot {
            x_scale: Scale::Log,
            ..intervals(&points)
        };
        let panels: Vec<Panel> = vec![
            line(points.clone()).into(),
            logarithmic.into(),
            banded.into(),
            compared.into(),
            bars(&points).into(),
            reliability(&points).into(),
            intervals(&points).into(),
            logarithmic_rows.into(),
            before_others(&points).into(),
            cloud(points).into(),
        ];
        for shared_axes in [false, true] {
            figures.push(Figure {
                title: NASTY.into(),
                panels: panels.clone(),
                columns: 3,
                shared_axes,
            });
        }
        figures.extend(panels.into_iter().map(Figure::from));
    }
    figures
}

/// Every number of a well-formed SVG document is a number.
fn check_svg(svg: &str) {
    let document = Document::parse(svg).unwrap();
    assert!(
        document
            .root_element()
            .has_tag_name(("http://www.w3.org/2000/svg", "svg"))
    );
    for node in document.descendants() {
        for attribute in node
            .attributes()
            .filter(|attribute| attribute.name() != "aria-label")
        {
            let value = attribute.value();
            assert!(
                !value.contains("NaN") && !value.contains("inf"),
                "{}=\"{value}\"",
                attribute.name()
            );
        }
    }
}

fn png_size(bytes: &[u8]) -> (u32, u32) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    (reader.info().width, reader.info().height)
}

fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let texts = document
        .descendants()
        .filter(|node| node.has_tag_name("text"));
    texts
        .filter_map(|node| node.text())
        .map(str::to_owned)
        .collect()
}

/// Corners of everything drawn with absolute coordinates lie inside the document.
fn assert_inside(svg: &str) {
    let document = Document::parse(svg).unwrap();
    let side = |name| {
        document
            .root_element()
            .attribute(name)
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    for node in document
        .descendants()
        .filter(|node| node.has_tag_name("text"))
    {
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
    assert!(
        texts(&svg)
            .iter()
            .any(|text| text.starts_with("Not drawn: 2 values")),
        "{:?}",
        texts(&svg)
    );
    let svg = line(vec![(1.0, 1.0), (2.0, 2.0)]).to_svg();
    assert!(!texts(&svg).iter().any(|text| text.starts_with("Not drawn")));
    assert!(texts(&line(vec![]).to_svg()).contains(&"no data".to_owned()));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let figure = || Figure {
        panels: vec![line(vec![(1.0, 2.0), (3.0, 4.0)]).into()],
        columns: 1,
        ..Figure::default()
    };
    assert_eq!(figure().to_svg(), figure().to_svg());
    assert_eq!(figure().to_png(1.0).unwrap(), figure().to_png(1.0).unwrap());
    assert_eq!(page().to_html().unwrap(), page().to_html().unwrap());
}

#[test]
fn a_png_is_as_large_as_its_svg_times_the_scale() {
    let chart = line(vec![(1.0, 2.0), (3.0, 4.0)]);
    let svg = chart.to_svg();
    let document = Document::parse(&svg).unwrap();
    let side = |name| {
        document
            .root_element()
            .attribute(name)
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    let expected = (
        (side("width") * 2.0).round() as u32,
        (side("height") * 2.0).round() as u32,
    );
    assert_eq!(png_size(&chart.to_png(2.0).unwrap()), expected);
    assert!(matches!(
        chart.to_png(f32::NAN),
        Err(ReportError::Scale { .. })
    ));
    assert!(matches!(
        chart.to_png(1e6),
        Err(ReportError::TooLarge { .. })
    ));
}

#[test]
fn shared_axes_write_their_ticks_once_and_names_once() {
    let panel = |x: f64| {
        Panel::from(Scatter {
            equal_aspect: false,
            ..cloud(vec![(x, x), (x + 1.0, x + 1.0)])
        })
    };
    let figure = |shared_axes| Figure {
        panels: vec![panel(0.0), panel(90.0)],
        columns: 2,
        shared_axes,
        ..Figure::default()
    };
    let count = |shared, wanted: &str| {
        texts(&figure(shared).to_svg())
            .iter()
            .filter(|text| *text == wanted)
            .count()
    };
    assert_eq!(count(true, "100"), 3, "two below, one at the left");
    assert_eq!(count(false, "100"), 0);
    let named = Scatter {
        groups: vec![Group::new("seven", vec![(0.0, 1.0)])],
        ..Scatter::default()
    };
    let twice = Figure {
        panels: vec![named.clone().into(), named.into()],
        columns: 2,
        ..Figure::default()
    };
    assert_eq!(
        texts(&twice.to_svg())
            .iter()
            .filter(|text| *text == "seven")
            .count(),
        1
    );
}

#[test]
fn ten_thousand_points_stay_small() {
    let points = |seed: usize| {
        (0..1000)
            .map(|at| ((at * 37 % 997) as f64, (at * seed % 991) as f64))
            .collect()
    };
    let groups = (0..10)
        .map(|digit| Group::new(digit.to_string(), points(41 + digit)))
        .collect();
    let svg = Scatter {
        groups,
        ..Scatter::default()
    }
    .to_svg();
    assert!(svg.len() < 600_000, "{} bytes", svg.len());
    let long = line(
        (0..200_000)
            .map(|step| (f64::from(step), f64::from(step * 7919 % 1000)))
            .collect(),
    )
    .to_svg();
    assert!(long.len() < 150_000, "{} bytes", long.len());
}

#[test]
fn a_large_cloud_before_a_larger_one_stays_small() {
    let points = |seed: usize, n| {
        (0..n)
            .map(|at| ((at * 37 % 9973) as f64, (at * seed % 9967) as f64))
            .collect()
    };
    let groups = (0..10).flat_map(|digit| {
        let name = digit.to_string();
        [
            Group::backdrop(&name, "own", points(41 + digit, 2000)),
            Group::new(&name, points(61 + digit, 1000)),
        ]
    });
    let svg = Scatter {
        groups: groups.collect(),
        ..Scatter::default()
    }
    .to_svg();
    assert!(svg.len() < 450_000, "{} bytes", svg.len());
}

#[test]
fn rows_that_were_not_measured_say_so() {
    let rows = [f64::NAN, f64::NEG_INFINITY, 2.0].map(|value| IntervalRow::new("row", value));
    let svg = Figure::from(IntervalPlot {
        rows: rows.into(),
        ..IntervalPlot::default()
    })
    .to_svg();
    let written = texts(&svg);
    assert_eq!(written.iter().filter(|text| *text == "row").count(), 3);
    assert_eq!(
        written.iter().filter(|text| *text == "–").count(),
        2,
        "in the row and beside it"
    );
    assert_eq!(written.iter().filter(|text| *text == "−∞").count(), 2);
    assert!(!written.iter().any(|text| text.starts_with("Not drawn")));
}

#[test]
fn names_of_references_do_not_touch() {
    let references =
        (0..4).map(|at| Reference::new("a name of some length", 1.0 + f64::from(at) / 1000.0));
    let rows = vec![IntervalRow::new("row", 0.0), IntervalRow::new("row", 2.0)];
    let svg = Figure::from(IntervalPlot {
        rows,
        references: references.collect(),
        ..IntervalPlot::default()
    })
    .to_svg();
    let document = Document::parse(&svg).unwrap();
    let named = document
        .descendants()
        .filter(|node| node.text() == Some("a name of some length"));
    let heights: std::collections::BTreeSet<&str> = named
        .filter(|node| node.has_tag_name("text"))
        .map(|node| node.attribute("y").unwrap())
        .collect();
    assert_eq!(heights.len(), 4);
}

#[test]
fn all_that_a_figure_shows_is_in_its_data() {
    let figure = Figure {
        panels: vec![
            line(vec![(1.0, 1.0 / 3.0), (f64::NAN, 2.0)]).into(),
            bars(&[(0.0, 3.0)]).into(),
            line(vec![(4.0, f64::NEG_INFINITY)]).into(),
        ],
        columns: 2,
        ..Figure::default()
    };
    let tables = figure.data();
    assert_eq!(
        tables
            .iter()
            .map(|table| table.rows.len())
            .collect::<Vec<_>>(),
        [3, 1]
    );
    let csv = tables[0].to_csv();
    assert!(
        csv.contains("0.3333333333333333") && csv.contains("-inf"),
        "{csv}"
    );
    let alone = Figure::from(IntervalPlot {
        x_label: "nats".into(),
        rows: vec![IntervalRow::new("bridge", -1.5).with_interval(-2.0, -1.0)],
        references: vec![Reference::new("chance", -2.3)],
        ..IntervalPlot::default()
    });
    let expected = "row,group,nats,low,high\nbridge,,-1.5,-2,-1\nchance,reference,-2.3,,\n";
    assert_eq!(alone.data()[0].to_csv(), expected);
    let banded = Series::new("a", vec![(1.0, 2.0)]).with_band(vec![(1.0, 1.5, 2.5)]);
    let chart = LineChart {
        series: vec![banded],
        ..LineChart::default()
    };
    assert_eq!(
        Figure::from(chart).data()[0].to_csv(),
        "series,x,y,low,high\na,1,2,1.5,2.5\n"
    );
}

#[test]
fn text_around_png_letters_is_drawn() {
    let named = Scatter {
        title: "Title".into(),
        ..cloud(vec![(0.0, 0.0)])
    }
    .to_png(1.0)
    .unwrap();
    let bare = Scatter {
        title: " ".into(),
        ..cloud(vec![(0.0, 0.0)])
    }
    .to_png(1.0)
    .unwrap();
    assert_ne!(named, bare);
    let dark = |bytes: &[u8]| {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        pixels.iter().filter(|&&value| value < 60).count()
    };
    assert!(
        dark(&named) > dark(&bare) + 100,
        "letters need an embedded face"
    );
}

fn grid() -> Grid {
    let tile = |value| Tile::new(4, 3, 1, &[value; 12]).unwrap();
    Grid {
        row_captions: vec!["0".into(), NASTY.into()],
        column_captions: vec![ColumnCaption {
            text: "N = 256".into(),
            columns: 2,
        }],
        scale: 5,
        gap: 2,
        ..Grid::new(vec![
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
    let plain = Grid {
        row_captions: vec![],
        column_captions: vec![],
        ..grid()
    }
    .to_png_bytes()
    .unwrap();
    assert_eq!(png_size(&plain), (12 + 64 + 12 + 12, 12 + 32 + 12));
}

#[test]
fn a_grid_without_tiles_says_so() {
    for tiles in [
        vec![],
        vec![vec![]],
        vec![vec![Tile::new(0, 0, 1, &[]).unwrap()]],
    ] {
        let grid = Grid::new(tiles);
        assert!(texts(&grid.to_svg().unwrap()).contains(&"no images".to_owned()));
        png_size(&grid.to_png_bytes().unwrap());
    }
}

#[test]
fn grids_side_by_side_become_one_picture() {
    let part = |columns| Grid {
        scale: 3,
        ..Grid::new(vec![
            vec![Tile::new(4, 4, 1, &[0.5; 16]).unwrap(); columns];
            2
        ])
    };
    let ragged = Grid::new(vec![vec![Tile::new(4, 4, 1, &[1.0; 16]).unwrap()]]);
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
    let tile = |value| Tile::new(4, 4, 1, &[value; 16]).unwrap();
    let pairs: Vec<Neighbour> = (0..13)
        .map(|at| Neighbour::new(tile(0.2), tile(0.3), format!("{at}.5")))
        .collect();
    let grid = Grid::of_neighbours(&pairs);
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

fn page() -> Page {
    let table = Table {
        caption: NASTY.into(),
        columns: vec![Column::words(NASTY), Column::numbers("nats")],
        rows: vec![vec![
            Cell::text(NASTY),
            Cell::estimate(f64::NAN, f64::INFINITY, 2),
        ]],
    };
    let section = Section::new(NASTY)
        .paragraph(NASTY)
        .warning(NASTY)
        .code(format!("```\n{NASTY}"))
        .facts([(NASTY, NASTY)])
        .table(table)
        .illustration(
            "lines",
            NASTY,
            NASTY,
            Figure::from(line(vec![(1.0, 2.0), (2.0, 1.0)])),
        )
        .details(
            NASTY,
            vec![Block::Illustration(zbridge_report::Illustration {
                id: "tiles (1)".into(),
                caption: String::new(),
                alt: "tiles".into(),
                drawing: grid().into(),
            })],
        );
    Page {
        title: NASTY.into(),
        sections: vec![section; 5],
    }
}

#[test]
fn a_page_opens_with_its_verdict_and_folds_its_data() {
    let verdict = Verdict::new(NASTY)
        .with_text(NASTY)
        .figure(
            KeyFigure::new(NASTY, 97.25, 1)
                .with_unit("%")
                .with_interval(96.8, 97.5)
                .with_reading(NASTY),
        )
        .figure(KeyFigure::new("missing", f64::NAN, 1).with_unit("nats"));
    let gallery = Gallery::default().with(NASTY, grid()).with("real", grid());
    let mut page = page();
    page.sections.insert(
        0,
        Section::new("")
            .verdict(verdict)
            .warning("beware")
            .command("zbridge report"),
    );
    page.sections[1] = page.sections[1]
        .clone()
        .subheading("inside")
        .illustration("gallery", NASTY, NASTY, gallery);
    let html = page.to_html().unwrap();
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..roxmltree::ParsingOptions::default()
    };
    let document = Document::parse_with_options(&html, options).unwrap();
    let place = |wanted: &str| html.find(wanted).unwrap_or_else(|| panic!("no {wanted}"));
    assert!(place("class=\"verdict\"") < place("class=\"warning\""));
    assert!(place("class=\"warning\"") < place("<nav") && place("<nav") < place("<h2>"));
    let of_class = |class: &str| {
        document
            .descendants()
            .filter(|node| node.attribute("class") == Some(class))
            .map(|node| node.text())
            .collect()
    };
    let (intervals, values): (Vec<_>, Vec<_>) = (of_class("interval"), of_class("value"));
    assert_eq!(
        (intervals, values),
        (vec![Some("[96.8 – 97.5]")], vec![Some("97.2"), Some("–")])
    );
    let links = document
        .descendants()
        .filter(|node| node.has_attribute("download"));
    let links: Vec<_> = links.map(|node| node.attribute("href").unwrap()).collect();
    assert_eq!(
        links.len(),
        10,
        "a chart and a table in each of five sections"
    );
    assert!(
        links
            .iter()
            .all(|link| link.starts_with("data:text/csv;charset=utf-8,"))
    );
    let headings = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("heading"));
    assert!(
        headings
            .filter_map(|node| node.text())
            .any(|text| text == "real")
    );
    let markdown = page.to_markdown(str::to_owned);
    assert!(
        markdown.contains(": 97.2 %** \\[96.8 – 97.5\\] "),
        "{markdown}"
    );
    assert!(
        markdown.contains("- **missing: –**\n") && markdown.contains("```\nzbridge report\n```")
    );
}

#[test]
fn in_markdown_an_interval_plot_is_also_a_table() {
    let plot = IntervalPlot {
        rows: vec![IntervalRow::new("bridge", -1.5).with_interval(-2.0, -1.0)],
        digits: 1,
        ..IntervalPlot::default()
    };
    let section = Section::new("").illustration("plot", "Caption.", "A plot.", Figure::from(plot));
    let markdown = Page {
        title: "t".into(),
        sections: vec![section],
    }
    .to_markdown(|id| format!("{id}.png"));
    assert!(
        markdown.contains("![A plot.](plot.png)\n\n*Caption.*\n\n|"),
        "{markdown}"
    );
    assert!(markdown.contains("−1.5 \\[−2.0, −1.0\\]"), "{markdown}");
}

/// Relative luminance after WCAG 2.
fn luminance(hex: &str) -> f64 {
    let linear = [1, 3, 5].map(|at| {
        let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

#[test]
fn words_stand_out_from_what_is_behind_them_in_light_and_dark() {
    let style = include_str!("../src/page.css");
    let dark = style.find("prefers-color-scheme: dark").unwrap();
    for theme in [&style[..dark], &style[dark..]] {
        let colour = |name: &str| {
            let from = theme.find(&format!("--{name}: #")).unwrap() + name.len() + 4;
            luminance(&theme[from..from + 7])
        };
        let pairs = [
            ("ink", "paper"),
            ("ink-muted", "paper"),
            ("ink-muted", "surface"),
            ("link", "paper"),
        ];
        let warnings = [("warning", "warning-surface"), ("ink", "warning-surface")];
        for (front, behind) in pairs.into_iter().chain(warnings) {
            let (a, b) = (colour(front), colour(behind));
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(contrast >= 4.5, "{front} on {behind}: {contrast:.2}");
        }
    }
}

#[test]
fn a_page_is_well_formed_and_needs_nothing_from_outside() {
    let html = page().to_html().unwrap();
    let document = Document::parse_with_options(
        &html,
        roxmltree::ParsingOptions {
            allow_dtd: true,
            ..roxmltree::ParsingOptions::default()
        },
    )
    .unwrap();
    let heading = document
        .descendants()
        .find(|node| node.has_tag_name("h1"))
        .unwrap();
    assert_eq!(
        heading.text(),
        Some(NASTY.replace('\u{1}', "\u{fffd}").as_str())
    );
    for node in document.descendants() {
        for name in ["href", "src"] {
            let target = node.attribute(name).unwrap_or("#");
            assert!(
                target.starts_with('#') || target.starts_with("data:"),
                "{target}"
            );
        }
    }
    assert!(!html.contains("<script") && !html.contains("url(") && !html.contains("@import"));
    assert_eq!(
        document
            .descendants()
            .filter(|node| node.has_tag_name("nav"))
            .count(),
        1
    );
}

#[test]
fn a_page_in_markdown_links_its_figures() {
    let markdown = page().to_markdown(|id| format!("figures/{id}.png"));
    assert!(markdown.contains("](figures/lines.png)"), "{markdown}");
    assert!(markdown.contains("![tiles](figures/tiles%20%281%29.png)"));
    assert!(
        markdown.contains("````\n```\n"),
        "a fence longer than the one inside"
    );
    assert!(markdown.contains("> [!WARNING]\n> \\<b>"));
    let page = page();
    let ids: Vec<&str> = page
        .illustrations()
        .into_iter()
        .map(|shown| shown.id.as_str())
        .collect();
    assert_eq!(ids[..3], ["lines", "tiles (1)", "lines"]);
}
