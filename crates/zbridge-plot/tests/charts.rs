//! What every chart must hold, whatever it is given.
#![allow(clippy::unwrap_used)]

mod checks;

use checks::{MARKUP, check_svg, png_size, side, texts};
use roxmltree::Document;
use zbridge_plot::{
    BandPoint, Bin, ConfidenceBin, ExpectedBand, Figure, Group, Histogram, IntervalPlot,
    IntervalRow, LineChart, Panel, PlotError, Reference, ReliabilityDiagram, Scale, Scatter,
    Series,
};

fn svg(chart: impl Into<Figure>) -> String {
    chart.into().to_svg()
}

fn png(chart: impl Into<Figure>) -> Vec<u8> {
    chart.into().to_png(1.0).unwrap()
}

fn line(points: Vec<(f64, f64)>) -> LineChart {
    LineChart {
        title: MARKUP.into(),
        x_label: MARKUP.into(),
        y_label: MARKUP.into(),
        series: vec![Series::new(MARKUP, points)],
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
        title: MARKUP.into(),
        bins: bins.collect(),
        ..ReliabilityDiagram::default()
    }
}

fn intervals(points: &[(f64, f64)]) -> IntervalPlot {
    let row = |&(x, y): &(f64, f64)| {
        IntervalRow::new(MARKUP, x)
            .with_interval(y, x)
            .of_group(MARKUP)
    };
    let references = points
        .iter()
        .map(|&(_, y)| Reference::new(MARKUP, y))
        .collect();
    IntervalPlot {
        title: MARKUP.into(),
        rows: points.iter().map(row).collect(),
        references,
        ..IntervalPlot::default()
    }
}

fn before_others(points: &[(f64, f64)]) -> Scatter {
    let groups = vec![
        Group::backdrop("", MARKUP, points.to_vec()),
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
        let band = points
            .iter()
            .map(|&(x, y)| BandPoint {
                x,
                low: y - 1.0,
                high: y + 1.0,
            })
            .collect();
        let banded = LineChart {
            series: vec![Series::new("", points.clone()).with_band(band)],
            ..LineChart::default()
        };
        let compared = LineChart {
            references: vec![Reference::new(MARKUP, f64::NAN)],
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
                title: MARKUP.into(),
                panels: panels.clone(),
                columns: 3,
                shared_axes,
            });
        }
        figures.extend(panels.into_iter().map(Figure::from));
    }
    figures
}

/// Corners of everything drawn with absolute coordinates lie inside the document.
fn assert_inside(svg: &str) {
    let document = Document::parse(svg).unwrap();
    for node in document
        .descendants()
        .filter(|node| node.has_tag_name("text"))
    {
        let at = |name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap();
        assert!((0.0..=side(svg, "width")).contains(&at("x")), "{node:?}");
        assert!((0.0..=side(svg, "height")).contains(&at("y")), "{node:?}");
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
    let points = vec![(1.0, 1.0), (f64::NAN, 2.0), (3.0, f64::INFINITY)];
    let written = texts(&svg(line(points)));
    let is_note = |text: &String| text.starts_with("Not drawn: 2 values");
    assert!(written.iter().any(is_note), "{written:?}");
    let written = texts(&svg(line(vec![(1.0, 1.0), (2.0, 2.0)])));
    assert!(!written.iter().any(|text| text.starts_with("Not drawn")));
    assert!(texts(&svg(line(vec![]))).contains(&"no data".to_owned()));
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
}

#[test]
fn a_png_is_as_large_as_its_svg_times_the_scale() {
    let chart = line(vec![(1.0, 2.0), (3.0, 4.0)]);
    let chart = Figure::from(chart);
    let svg = chart.to_svg();
    let expected = ["width", "height"].map(|name| (side(&svg, name) * 2.0).round() as u32);
    assert_eq!(
        <[u32; 2]>::from(png_size(&chart.to_png(2.0).unwrap())),
        expected
    );
    assert!(matches!(
        chart.to_png(f32::NAN),
        Err(PlotError::Scale { .. })
    ));
    assert!(matches!(chart.to_png(1e6), Err(PlotError::TooLarge { .. })));
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
    let clouds = svg(Scatter {
        groups,
        ..Scatter::default()
    });
    assert!(clouds.len() < 600_000, "{} bytes", clouds.len());
    let steps = (0..200_000).map(|step| (f64::from(step), f64::from(step * 7919 % 1000)));
    let long = svg(line(steps.collect()));
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
    let clouds = svg(Scatter {
        groups: groups.collect(),
        ..Scatter::default()
    });
    assert!(clouds.len() < 450_000, "{} bytes", clouds.len());
}

#[test]
fn rows_that_were_not_measured_say_so() {
    let rows = [f64::NAN, f64::NEG_INFINITY, 2.0].map(|value| IntervalRow::new("row", value));
    let svg = svg(IntervalPlot {
        rows: rows.into(),
        ..IntervalPlot::default()
    });
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
    let svg = svg(IntervalPlot {
        rows,
        references: references.collect(),
        ..IntervalPlot::default()
    });
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
fn the_letters_of_a_picture_are_drawn() {
    let titled = |title: &str| {
        png(Scatter {
            title: title.into(),
            ..cloud(vec![(0.0, 0.0)])
        })
    };
    let (named, bare) = (titled("Title"), titled(" "));
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
