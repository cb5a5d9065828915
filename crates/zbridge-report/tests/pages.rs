//! What every page must hold, whatever it is given.
#![allow(clippy::unwrap_used)]

use ndarray::Array3;
use roxmltree::Document;
use zbridge_plot::{
    BandPoint, Bin, ColumnCaption, ExpectedBand, Figure, Gallery, Histogram, ImageGrid,
    IntervalPlot, IntervalRow, LineChart, Reference, Series, Tile,
};
use zbridge_report::{Block, Cell, Column, Illustration, KeyFigure, Page, Section, Table, Verdict};

const MARKUP: &str = "<b>&\"quotes\" 'and' ]]> \u{1} | `ψ`";

fn line(points: Vec<(f64, f64)>) -> LineChart {
    LineChart {
        title: MARKUP.into(),
        x_label: MARKUP.into(),
        y_label: MARKUP.into(),
        series: vec![Series::new(MARKUP, points)],
        ..LineChart::default()
    }
}

fn grid() -> ImageGrid {
    let tile = |value| Tile::new(Array3::from_elem((3, 4, 1), value).view()).unwrap();
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
        name: MARKUP.into(),
        expected: low,
        low,
        high,
    });
    Histogram {
        title: MARKUP.into(),
        bins,
        band,
        ..Histogram::default()
    }
}

fn page() -> Page {
    let table = Table {
        caption: MARKUP.into(),
        columns: vec![Column::words(MARKUP), Column::numbers("nats")],
        rows: vec![vec![
            Cell::text(MARKUP),
            Cell::estimate(f64::NAN, f64::INFINITY, 2),
        ]],
    };
    let section = Section::new(MARKUP)
        .paragraph(MARKUP)
        .warning(MARKUP)
        .code(format!("```\n{MARKUP}"))
        .facts([(MARKUP, MARKUP)])
        .table(table)
        .illustration(
            "lines",
            MARKUP,
            MARKUP,
            Figure::from(line(vec![(1.0, 2.0), (2.0, 1.0)])),
        )
        .details(
            MARKUP,
            vec![Block::Illustration(Illustration {
                id: "tiles (1)".into(),
                caption: String::new(),
                alt: "tiles".into(),
                drawing: grid().into(),
            })],
        );
    Page {
        title: MARKUP.into(),
        sections: vec![section; 5],
    }
}

#[test]
fn a_page_opens_with_its_verdict_and_folds_its_data() {
    let verdict = Verdict::new(MARKUP)
        .with_text(MARKUP)
        .figure(
            KeyFigure::new(MARKUP, 97.25, 1)
                .with_unit("%")
                .with_interval(96.8, 97.5)
                .with_reading(MARKUP),
        )
        .figure(KeyFigure::new("missing", f64::NAN, 1).with_unit("nats"));
    let gallery = Gallery::default().with(MARKUP, grid()).with("real", grid());
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
        .illustration("gallery", MARKUP, MARKUP, gallery);
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
    let style = include_str!("../src/html/page.css");
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
        Some(MARKUP.replace('\u{1}', "\u{fffd}").as_str())
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
    let tables = Table::of_figure(&figure);
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
    assert_eq!(Table::of_figure(&alone)[0].to_csv(), expected);
    let banded = Series::new("a", vec![(1.0, 2.0)]).with_band(vec![BandPoint {
        x: 1.0,
        low: 1.5,
        high: 2.5,
    }]);
    let chart = LineChart {
        series: vec![banded],
        ..LineChart::default()
    };
    assert_eq!(
        Table::of_figure(&Figure::from(chart))[0].to_csv(),
        "series,x,y,low,high\na,1,2,1.5,2.5\n"
    );
}

#[test]
fn the_same_page_gives_the_same_bytes() {
    assert_eq!(page().to_html().unwrap(), page().to_html().unwrap());
}
