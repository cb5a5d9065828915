//! Draws one of everything into a folder, to be looked at:
//! `cargo run -p zbridge-report --example gallery -- FOLDER`.

use std::error::Error;
use std::path::{Path, PathBuf};

use ndarray::Array3;
use zbridge_plot::{
    BandPoint, ColumnCaption, ConfidenceBin, ExpectedBand, Figure, Gallery, Group, Histogram,
    ImageGrid, IntervalPlot, IntervalRow, LineChart, Neighbour, Panel, Reference,
    ReliabilityDiagram, Scale, Scatter, Series, Tile,
};
use zbridge_report::{
    Block, Cell, Column, Drawing, KeyFigure, Page, Section, Table, Verdict, write_atomically,
};

/// Pseudo-random numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number that is about normal: the sum of twelve uniform numbers, less six.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

fn objective(numbers: &mut Numbers) -> LineChart {
    let series = [("N = 256", 1.0), ("N = 1024", 1.15), ("N = 8192", 1.4)].map(|(name, speed)| {
        let at = |step: usize| 180.0 * (-(step as f64) * speed / 900.0).exp() + 6.5 + speed;
        let points: Vec<_> = (0..4000)
            .map(|step| {
                (
                    step as f64,
                    at(step) * (1.0 + 0.05 * numbers.normal()).max(0.3),
                )
            })
            .collect();
        let band = (0..4000)
            .step_by(40)
            .map(|step| BandPoint {
                x: step as f64,
                low: at(step) * 0.8,
                high: at(step) * 1.25,
            })
            .collect();
        Series::new(name, points).with_band(band)
    });
    LineChart {
        title: "Objective against training progress".into(),
        x_label: "step".into(),
        y_label: "KL(q ‖ p) in nats per pair".into(),
        series: series.into(),
        y_scale: Scale::Log,
        ..LineChart::default()
    }
}

fn few_points() -> LineChart {
    let line = |name: &str, values: [f64; 3]| {
        Series::new(
            name,
            [256.0, 1024.0, 8192.0].into_iter().zip(values).collect(),
        )
    };
    LineChart {
        title: "Accuracy from image to label".into(),
        x_label: "pairs N".into(),
        y_label: "accuracy".into(),
        series: vec![
            line("Gaussian, KL(q ‖ p)", [0.715, 0.82, 0.881]),
            line("Gaussian, KL(p ‖ q)", [0.728, 0.83, 0.89]),
            line("mixture of 10, KL(p ‖ q)", [0.868, 0.92, 0.962]),
        ],
        x_scale: Scale::Log,
        references: vec![Reference::new("judge on real images", 0.995)],
        ..LineChart::default()
    }
}

fn reliability(title: &str, slack: f64, total: usize) -> ReliabilityDiagram {
    let bin = |at: usize| {
        let (low, high) = (at as f64 / 10.0, (at + 1) as f64 / 10.0);
        let count = if at == 0 { 0 } else { total >> (10 - at) };
        let accuracy = if count == 0 {
            f64::NAN
        } else {
            (low + 0.055 - slack * (1.0 - low)).max(0.0)
        };
        let reach = 1.96 * (accuracy * (1.0 - accuracy) / count.max(1) as f64).sqrt();
        let interval = Some((accuracy - reach, accuracy + reach));
        ConfidenceBin {
            low,
            high,
            confidence: low + 0.052,
            accuracy,
            interval,
            count,
        }
    };
    ReliabilityDiagram {
        title: title.into(),
        bins: (0..10).map(bin).collect(),
        ..ReliabilityDiagram::default()
    }
}

fn transform(title: &str, numbers: &mut Numbers, tilt: f64) -> Histogram {
    let mut counts = [0; 20];
    (0..2000).for_each(|_| counts[(20.0 * numbers.uniform().powf(tilt)) as usize % 20] += 1);
    Histogram {
        title: title.into(),
        x_label: "F(z | x) of the true latent".into(),
        y_label: "held-out pairs".into(),
        band: Some(ExpectedBand {
            name: "95 % of bars if the values are uniform".into(),
            expected: 100.0,
            low: 81.0,
            high: 120.0,
        }),
        ..Histogram::of_equal_bins(0.0, 1.0, &counts)
    }
}

fn systems() -> IntervalPlot {
    let row = |name: &str, value: f64, reach: f64| {
        IntervalRow::new(name, value).with_interval(value - reach, value + reach)
    };
    IntervalPlot {
        title: "log p(image | label) on 1,000 held-out images".into(),
        x_label: "nats per image".into(),
        rows: vec![
            row("bridge, 256 pairs", -84.7, 0.5).of_group("bridge"),
            row("bridge, 8192 pairs", -84.3, 0.4).of_group("bridge"),
            row(
                "the paper's recipe, 256 pairs, trained on the same machine for as long",
                -91.2,
                1.4,
            )
            .of_group("bridge"),
            row("shuffled pairs", -88.9, 0.6).of_group("control"),
            IntervalRow::new("no bridge", f64::NAN).of_group("control"),
            IntervalRow::new("point estimate only", -86.0).of_group("control"),
        ],
        references: vec![
            Reference::new("log p(x)", -88.5),
            Reference::new("log p(x) + log 10, the most a label can add", -86.2),
        ],
        digits: 1,
        ..IntervalPlot::default()
    }
}

/// Held-out points before the target model's own latents.
fn held_out_plane(numbers: &mut Numbers, classes: u32, own: usize, held_out: usize) -> Scatter {
    let mut cloud = |class: u32, points: usize, sd: f64| -> Vec<(f64, f64)> {
        let angle = f64::from(class) * std::f64::consts::TAU / f64::from(classes);
        let (x, y) = (3.0 * angle.cos(), 2.4 * angle.sin());
        (0..points)
            .map(|_| (x + sd * numbers.normal(), y + sd * numbers.normal()))
            .collect()
    };
    let mut groups: Vec<Group> = (0..classes)
        .map(|class| {
            Group::backdrop(
                class.to_string(),
                "the label VAE's own latents",
                cloud(class, own, 0.35),
            )
        })
        .collect();
    groups.extend(
        (0..classes).map(|class| Group::new(class.to_string(), cloud(class, held_out, 0.25))),
    );
    Scatter {
        title: format!(
            "{classes} classes, {} points",
            classes as usize * (own + held_out)
        ),
        x_label: "PC 1 (31 % of variance)".into(),
        y_label: "PC 2 (22 % of variance)".into(),
        groups,
        equal_aspect: true,
    }
}

fn label_plane(numbers: &mut Numbers, points: usize) -> Figure {
    let panels = [
        ("N = 256", 0.32),
        ("N = 1024", 0.24),
        ("N = 8192", 0.17),
        ("label VAE", 0.08),
    ]
    .map(|(title, sd)| {
        let groups = (0..10).map(|digit| {
            let angle = f64::from(digit) * 0.628;
            let (x, y) = (2.0 * angle.cos(), 1.6 * angle.sin());
            let points = (0..points)
                .map(|_| (x + sd * numbers.normal(), y + sd * numbers.normal()))
                .collect();
            Group::new(digit.to_string(), points)
        });
        Scatter {
            title: title.into(),
            x_label: "first label latent".into(),
            y_label: "second label latent".into(),
            groups: groups.collect(),
            equal_aspect: true,
        }
        .into()
    });
    Figure {
        title: "Label latents inferred from images".into(),
        panels: panels.into(),
        columns: 4,
        shared_axes: true,
    }
}

/// Seven strokes of a digit on 28 × 28 pixels.
fn digit(digit: usize, numbers: &mut Numbers) -> Tile {
    const STROKES: [u8; 10] = [0x77, 0x24, 0x5d, 0x6d, 0x2e, 0x6b, 0x7b, 0x25, 0x7f, 0x6f];
    const ENDS: [[f64; 4]; 7] = [
        [9., 5., 19., 5.],
        [9., 5., 9., 14.],
        [19., 5., 19., 14.],
        [9., 14., 19., 14.],
        [9., 14., 9., 23.],
        [19., 14., 19., 23.],
        [9., 23., 19., 23.],
    ];
    let (slant, dx) = (numbers.normal() * 0.12, numbers.normal());
    let near = |x: f64, y: f64| {
        let distance = |[x0, y0, x1, y1]: [f64; 4]| {
            let (x, y) = (x - dx + slant * (y - 14.0), y);
            let along = (((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0))
                / ((x1 - x0).powi(2) + (y1 - y0).powi(2)))
            .clamp(0.0, 1.0);
            (x - x0 - along * (x1 - x0)).hypot(y - y0 - along * (y1 - y0))
        };
        (0..7)
            .filter(|bit| STROKES[digit] >> bit & 1 == 1)
            .map(|bit| distance(ENDS[bit]))
            .fold(99.0, f64::min)
    };
    let values = Array3::from_shape_fn((28, 28, 1), |(y, x, _)| {
        (2.2 - near(x as f64, y as f64)).clamp(0.0, 1.0) as f32
    });
    Tile::new(values.view()).expect("a grey tile has one channel")
}

fn digits(numbers: &mut Numbers) -> ImageGrid {
    let tiles = (0..10)
        .map(|label| (0..10).map(|_| digit(label, numbers)).collect())
        .collect();
    ImageGrid {
        row_captions: (0..10).map(|label| label.to_string()).collect(),
        ..ImageGrid::new(tiles)
    }
}

fn grouped_digits(numbers: &mut Numbers) -> ImageGrid {
    let tiles = (0..10)
        .map(|label| (0..16).map(|_| digit(label, numbers)).collect())
        .collect();
    let caption = |text: &str| ColumnCaption {
        text: text.into(),
        columns: 4,
    };
    ImageGrid {
        row_captions: (0..10).map(|label| format!("label {label}")).collect(),
        column_captions: ["N = 256", "N = 1024", "N = 8192", "image VAE"]
            .map(caption)
            .into(),
        ..ImageGrid::new(tiles)
    }
}

fn table() -> Table {
    let row = |name: &str, paper: Cell, ours: Cell| vec![Cell::text(name), paper, ours];
    Table {
        caption: "Table 1. Naive estimate of log p(x), in nats, on 9,744 images.".into(),
        columns: vec![
            Column::words("model"),
            Column::numbers("paper"),
            Column::numbers("zbridge"),
        ],
        rows: vec![
            row(
                "N = 256",
                Cell::number(-351.52, 2),
                Cell::estimate(-287.5, 1.21, 2),
            ),
            row(
                "N = 1024",
                Cell::number(-354.59, 2),
                Cell::estimate(-291.31, 1.2, 2),
            ),
            row("N = 8192", Cell::number(-355.56, 2), Cell::missing()),
            row(
                "the given image VAE",
                Cell::number(-89.99, 2),
                Cell::estimate(-80.5, 0.3, 2),
            ),
        ],
    }
}

fn rows_of_digits(numbers: &mut Numbers) -> ImageGrid {
    let tiles = (0..10)
        .map(|label| (0..6).map(|_| digit(label, numbers)).collect())
        .collect();
    ImageGrid {
        row_captions: (0..10).map(|label| label.to_string()).collect(),
        scale: 2,
        ..ImageGrid::new(tiles)
    }
}

fn side_by_side(numbers: &mut Numbers) -> Gallery {
    Gallery::default()
        .with("Generated from the label", rows_of_digits(numbers))
        .with("The given model's own draws", rows_of_digits(numbers))
        .with("Real, held out", rows_of_digits(numbers))
}

fn neighbours(numbers: &mut Numbers) -> ImageGrid {
    let pair = |at: usize| {
        Neighbour::new(
            digit(at % 10, numbers),
            digit(at % 10, numbers),
            format!("{:.2}", 4.1 + at as f64 / 7.0),
        )
    };
    ImageGrid::of_neighbours(&(0..17).map(pair).collect::<Vec<_>>())
}

fn wide_table() -> Table {
    let names = ["256", "1024", "8192", "shuffled"];
    let row = |(at, name): (usize, &&str)| {
        let better = at as f64;
        let missing = at == 3;
        vec![
            Cell::text(*name),
            Cell::interval(
                97.2 + 0.3 * better,
                96.8 + 0.3 * better,
                97.5 + 0.3 * better,
                1,
            ),
            Cell::estimate(-0.16 + 0.02 * better, 0.003, 3),
            if missing {
                Cell::missing()
            } else {
                Cell::interval(3.83, 3.63, 4.03, 2)
            },
            Cell::number(if missing { f64::NAN } else { 0.142 }, 3),
            Cell::number(if missing { f64::NEG_INFINITY } else { -88.5 }, 2),
            Cell::count(9744 - 100 * at),
        ]
    };
    Table {
        caption:
            "Held-out figures by number of pairs; 95 % intervals in brackets, ± one standard error."
                .into(),
        columns: vec![
            Column::words("pairs"),
            Column::numbers("accuracy").with_unit("%"),
            Column::numbers("log p(label | image)").with_unit("nats"),
            Column::numbers("log p(x | y) − log p(x)").with_unit("nats"),
            Column::numbers("calibration error"),
            Column::numbers("log p(x)").with_unit("nats"),
            Column::numbers("images"),
        ],
        rows: names.iter().enumerate().map(row).collect(),
    }
}

fn opening() -> Section {
    let verdict = Verdict::new("The bridge translates in both directions, and is well calibrated.")
        .with_text(
            "Fitted in 48 s to 256 pairs of an image and its label; all numbers are of 9,744 \
             images that it never saw.",
        )
        .figure(
            KeyFigure::new("image → label", 97.2, 1)
                .with_unit("%")
                .with_interval(96.8, 97.5)
                .with_reading("of images get their label"),
        )
        .figure(
            KeyFigure::new("label → image", 96.0, 1)
                .with_unit("%")
                .with_interval(95.7, 96.4)
                .with_reading("of images are read as the label they were made from"),
        )
        .figure(
            KeyFigure::new("log p(label | image)", -0.16, 2)
                .with_unit("nats")
                .with_interval(-0.17, -0.15)
                .with_reading("where guessing gives −2.30"),
        )
        .figure(
            KeyFigure::new("calibration error", 0.019, 3)
                .with_interval(0.015, 0.023)
                .with_reading("is how far confidence and accuracy lie apart"),
        );
    Section::new("")
        .verdict(verdict)
        .warning("One seed only: intervals say nothing about other choices of pairs.")
        .warning(
            "Fewer than ten draws carry the estimate of log p(x) for 12 % of the images, so it is \
             too low on average.",
        )
}

const MARKUP: &str =
    "<b>&\"quotes\"</b> antidisestablishmentarianism-without-a-place-to-break-the-line_at_all → ∞";

fn hard_input(numbers: &mut Numbers) -> Section {
    let missing = [f64::NAN, f64::NEG_INFINITY, f64::INFINITY];
    let one = |points: Vec<(f64, f64)>| LineChart {
        series: vec![Series::new("one", points)],
        title: "one point".into(),
        ..LineChart::default()
    };
    let panels: Vec<Panel> = vec![
        one(vec![(3.0, -2.0)]).into(),
        LineChart {
            title: "all equal".into(),
            ..one((0..5).map(|x| (f64::from(x), 7.0)).collect())
        }
        .into(),
        LineChart {
            title: "a gap, and −∞".into(),
            ..one(vec![
                (0.0, 1.0),
                (1.0, f64::NAN),
                (2.0, 3.0),
                (3.0, missing[1]),
                (4.0, 2.0),
            ])
        }
        .into(),
        LineChart {
            title: "nothing".into(),
            ..one(vec![])
        }
        .into(),
        Histogram {
            title: "all zero".into(),
            ..Histogram::of_equal_bins(0.0, 1.0, &[0; 10])
        }
        .into(),
        ReliabilityDiagram {
            title: "one bin".into(),
            bins: vec![ConfidenceBin {
                low: 0.9,
                high: 1.0,
                confidence: 0.99,
                accuracy: 1.0,
                interval: Some((0.9, 1.0)),
                count: 31,
            }],
            ..ReliabilityDiagram::default()
        }
        .into(),
    ];
    let many = IntervalPlot {
        title: "Accuracy of 40 classes".into(),
        x_label: "accuracy".into(),
        rows: (0..40)
            .map(|class| {
                let value = 0.9 + 0.09 * numbers.uniform();
                IntervalRow::new(format!("class {class}"), value)
                    .with_interval(value - 0.03, (value + 0.03).min(1.0))
            })
            .collect(),
        references: vec![
            Reference::new("all", 0.945),
            Reference::new("target", 0.95),
            Reference::new("ceiling", 0.953),
        ],
        digits: 3,
        ..IntervalPlot::default()
    };
    let hard = IntervalPlot {
        title: MARKUP.into(),
        rows: missing
            .iter()
            .map(|&value| IntervalRow::new(MARKUP, value))
            .chain([IntervalRow::new("open", 1.0).with_interval(f64::NEG_INFINITY, 2.0)])
            .collect(),
        ..IntervalPlot::default()
    };
    Section::new("Hard input")
        .paragraph(MARKUP)
        .illustration(
            "hard-input",
            MARKUP,
            "Six charts of next to nothing.",
            Figure {
                title: String::new(),
                panels,
                columns: 3,
                shared_axes: false,
            },
        )
        .illustration(
            "forty",
            "Forty classes.",
            "A forest plot of forty rows.",
            Figure::from(many),
        )
        .illustration("hard", MARKUP, "Rows without numbers.", Figure::from(hard))
        .illustration(
            "forty-classes",
            "Forty classes in a plane.",
            "Forty clouds.",
            Figure::from(held_out_plane(numbers, 40, 100, 20)),
        )
        .illustration(
            "ten-thousand",
            "20,000 points.",
            "Ten large clouds.",
            Figure::from(held_out_plane(numbers, 10, 1000, 1000)),
        )
        .illustration("no-images", "", "No images.", ImageGrid::new(vec![]))
        .facts([(MARKUP, MARKUP)])
        .table(Table {
            caption: MARKUP.into(),
            columns: vec![Column::words(MARKUP), Column::numbers("n").with_unit("%")],
            rows: vec![vec![Cell::text(MARKUP), Cell::number(f64::NAN, 1)], vec![]],
        })
}

fn provenance() -> Section {
    let digest = "sha256:5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
    Section::new("How to make this again")
        .command(
            "zbridge report bridge.safetensors --images t10k-images-idx3-ubyte \
             --labels t10k-labels-idx1-ubyte --seed 7 --out report.html",
        )
        .facts([
            ("version", "zbridge 0.1.0"),
            ("commit", "3f2c9a7e01"),
            ("seed", "7"),
            ("bridge", digest),
        ])
        .details(
            "Settings",
            vec![Block::Code(
                "recipe = auto\nbudget = 60 s\nmembers = 5".into(),
            )],
        )
}

fn page(numbers: &mut Numbers) -> Page {
    let curves = Figure {
        panels: vec![objective(numbers).into(), few_points().into()],
        columns: 2,
        ..Figure::default()
    };
    let calibration = Figure {
        panels: vec![
            reliability("Image → label, 256 pairs", 0.12, 8000).into(),
            reliability("Image → label, 8192 pairs", 0.0, 9000).into(),
        ],
        columns: 2,
        ..Figure::default()
    };
    let transforms = Figure {
        panels: vec![
            transform("First latent", numbers, 1.0).into(),
            transform("Second latent", numbers, 1.25).into(),
        ],
        columns: 2,
        ..Figure::default()
    };
    let sections = vec![
        opening(),
        Section::new("From images to labels")
            .illustration(
                "reliability",
                "How often answers were right, by how sure they were. Below: how many answers.",
                "Two reliability diagrams.",
                calibration,
            )
            .table(wide_table())
            .illustration(
                "plane",
                "Held-out images in the plane of the label latents, before the label VAE's own.",
                "Ten clouds.",
                Figure::from(held_out_plane(numbers, 10, 400, 30)),
            ),
        Section::new("From labels to images")
            .illustration(
                "images",
                "Images made from labels, the given model's own, and real ones.",
                "Rows of digits.",
                side_by_side(numbers),
            )
            .subheading("Nearest training images")
            .paragraph("A model that repeats its training images would show pairs that are alike.")
            .illustration(
                "neighbours",
                "Generated images and the training images nearest to them, with their Euclidean \
                 distance.",
                "Pairs of digits.",
                neighbours(numbers),
            )
            .illustration(
                "systems",
                "What knowing the label is worth.",
                "A forest plot of six systems.",
                Figure::from(systems()),
            ),
        Section::new("Is the density right?").illustration(
            "transforms",
            "If the densities are right, 95 % of the bars end inside the band.",
            "Two histograms.",
            transforms,
        ),
        Section::new("Training")
            .illustration(
                "curves",
                "The objective falls for every N.",
                "Three falling lines.",
                curves,
            )
            .illustration(
                "figure-2",
                "Grouped columns.",
                "Rows of generated digits.",
                grouped_digits(numbers),
            )
            .illustration(
                "planes",
                "Each point is the label latent of one image.",
                "Ten clouds in four panels.",
                label_plane(numbers, 500),
            )
            .table(table()),
        hard_input(numbers),
        provenance(),
    ];
    Page {
        title: "Bi-directional generation on MNIST: images ↔ labels".into(),
        sections,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(
        std::env::args()
            .nth(1)
            .ok_or("name a folder to draw into")?,
    );
    let mut numbers = Numbers(7);
    let drawings: [(&str, Drawing); 3] = [
        ("lines", Figure::from(objective(&mut numbers)).into()),
        ("few-points", Figure::from(few_points()).into()),
        ("digits", digits(&mut numbers).into()),
    ];
    for (name, drawing) in drawings {
        write_drawing(&folder, name, &drawing)?;
    }
    let page = page(&mut numbers);
    for shown in page.illustrations() {
        write_drawing(&folder, &shown.id, &shown.drawing)?;
    }
    write_atomically(&folder.join("page.html"), page.to_html()?.as_bytes())?;
    let markdown = page.to_markdown(|id| format!("{id}.png"));
    write_atomically(&folder.join("page.md"), markdown.as_bytes())?;
    Ok(())
}

fn write_drawing(folder: &Path, name: &str, drawing: &Drawing) -> Result<(), Box<dyn Error>> {
    let svg = folder.join(format!("{name}.svg"));
    write_atomically(&svg, drawing.to_svg()?.as_bytes())?;
    let png = folder.join(format!("{name}.png"));
    write_atomically(&png, &drawing.to_png()?)?;
    Ok(())
}
