//! Draws one of everything into a folder, to be looked at: `cargo run -p zbridge-report --example gallery -- FOLDER`.

use std::error::Error;
use std::path::PathBuf;

use zbridge_report::{
    Block, Cell, Column, ColumnCaption, Drawing, Figure, Grid, Group, LineChart, Page, Scale, Scatter, Section, Series,
    Table, Tile, write_atomically,
};

/// Numbers between 0 and 1 that are the same in every run.
struct Wheel(u64);

impl Wheel {
    fn turn(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal: twelve turns, less six.
    fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.turn()).sum::<f64>() - 6.0
    }
}

fn objective(wheel: &mut Wheel) -> LineChart {
    let series = [("N = 256", 1.0), ("N = 1024", 1.15), ("N = 8192", 1.4)].map(|(name, speed)| {
        let at = |step: usize| 180.0 * (-(step as f64) * speed / 900.0).exp() + 6.5 + speed;
        let points: Vec<_> =
            (0..4000).map(|step| (step as f64, at(step) * (1.0 + 0.05 * wheel.bell()).max(0.3))).collect();
        let band = (0..4000).step_by(40).map(|step| (step as f64, at(step) * 0.8, at(step) * 1.25)).collect();
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
    let line =
        |name: &str, values: [f64; 3]| Series::new(name, [256.0, 1024.0, 8192.0].into_iter().zip(values).collect());
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
        ..LineChart::default()
    }
}

fn label_plane(wheel: &mut Wheel, points: usize) -> Figure {
    let panels = [("N = 256", 0.32), ("N = 1024", 0.24), ("N = 8192", 0.17), ("label VAE", 0.08)].map(|(title, sd)| {
        let groups = (0..10).map(|digit| {
            let angle = f64::from(digit) * 0.628;
            let (x, y) = (2.0 * angle.cos(), 1.6 * angle.sin());
            let points = (0..points).map(|_| (x + sd * wheel.bell(), y + sd * wheel.bell())).collect();
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
    Figure { title: "Label latents inferred from images".into(), panels: panels.into(), columns: 4, shared_axes: true }
}

/// Seven strokes of a digit on 28 × 28 pixels.
fn digit(digit: usize, wheel: &mut Wheel) -> Tile {
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
    let (slant, dx) = (wheel.bell() * 0.12, wheel.bell());
    let near = |x: f64, y: f64| {
        let distance = |[x0, y0, x1, y1]: [f64; 4]| {
            let (x, y) = (x - dx + slant * (y - 14.0), y);
            let along = (((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / ((x1 - x0).powi(2) + (y1 - y0).powi(2)))
                .clamp(0.0, 1.0);
            (x - x0 - along * (x1 - x0)).hypot(y - y0 - along * (y1 - y0))
        };
        (0..7).filter(|bit| STROKES[digit] >> bit & 1 == 1).map(|bit| distance(ENDS[bit])).fold(99.0, f64::min)
    };
    let values: Vec<f32> =
        (0..784).map(|at| (2.2 - near((at % 28) as f64, (at / 28) as f64)).clamp(0.0, 1.0) as f32).collect();
    Tile::new(28, 28, 1, &values).expect("28 × 28 values")
}

fn digits(wheel: &mut Wheel) -> Grid {
    let tiles = (0..10).map(|label| (0..10).map(|_| digit(label, wheel)).collect()).collect();
    Grid { row_captions: (0..10).map(|label| label.to_string()).collect(), ..Grid::new(tiles) }
}

fn grouped_digits(wheel: &mut Wheel) -> Grid {
    let tiles = (0..10).map(|label| (0..16).map(|_| digit(label, wheel)).collect()).collect();
    let caption = |text: &str| ColumnCaption { text: text.into(), columns: 4 };
    Grid {
        row_captions: (0..10).map(|label| format!("label {label}")).collect(),
        column_captions: ["N = 256", "N = 1024", "N = 8192", "image VAE"].map(caption).into(),
        ..Grid::new(tiles)
    }
}

fn table() -> Table {
    let row = |name: &str, paper: Cell, ours: Cell| vec![Cell::text(name), paper, ours];
    Table {
        caption: "Table 1. Naive estimate of log p(x), in nats, on 9,744 images.".into(),
        columns: vec![Column::words("model"), Column::numbers("paper"), Column::numbers("zbridge")],
        rows: vec![
            row("N = 256", Cell::number(-351.52, 2), Cell::estimate(-287.5, 1.21, 2)),
            row("N = 1024", Cell::number(-354.59, 2), Cell::estimate(-291.31, 1.2, 2)),
            row("N = 8192", Cell::number(-355.56, 2), Cell::missing()),
            row("the given image VAE", Cell::number(-89.99, 2), Cell::estimate(-80.5, 0.3, 2)),
        ],
    }
}

fn page(wheel: &mut Wheel) -> Page {
    let side_by_side =
        Figure { panels: vec![objective(wheel).into(), few_points().into()], columns: 2, ..Figure::default() };
    let provenance = vec![
        Block::Facts(vec![
            ("commit".into(), "3f2c9a7e01".into()),
            ("seed".into(), "7".into()),
            ("data".into(), "sha256:5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8".into()),
        ]),
        Block::Code("zbridge reproduce --preset paper --seed 7 --out report".into()),
    ];
    Page {
        title: "Bi-directional generation on MNIST: images ↔ labels".into(),
        sections: vec![
            Section::new("What was done")
                .paragraph("Two models were given; only the bridge between their latents was trained, on N pairs.")
                .warning("The naive estimate is not a measure of quality: it rewards blurry means.")
                .facts([("pairs", "256, 1024, 8192"), ("evaluated on", "the remaining 10,000 − N")])
                .details("Provenance", provenance),
            Section::new("Figure 1: training").illustration(
                "figure-1",
                "The objective falls for every N.",
                "Three falling lines.",
                side_by_side,
            ),
            Section::new("Figure 2: images from labels").illustration(
                "figure-2",
                "Images generated from each label, beside images of the given VAE.",
                "Rows of generated digits.",
                grouped_digits(wheel),
            ),
            Section::new("Table 1: log-likelihood of images").table(table()),
            Section::new("Figure 3: the label plane").illustration(
                "figure-3",
                "Each point is the label latent of one image; its colour and shape are the true label.",
                "Ten clouds in four panels.",
                label_plane(wheel, 500),
            ),
        ],
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name a folder to draw into")?);
    let mut wheel = Wheel(7);
    let drawings: [(&str, Drawing); 6] = [
        ("lines", Figure::from(objective(&mut wheel)).into()),
        ("few-points", Figure::from(few_points()).into()),
        ("plane", label_plane(&mut wheel, 500).into()),
        ("plane-10000", label_plane(&mut wheel, 1000).into()),
        ("digits", digits(&mut wheel).into()),
        ("grouped-digits", grouped_digits(&mut wheel).into()),
    ];
    for (name, drawing) in drawings {
        write_atomically(&folder.join(format!("{name}.svg")), drawing.to_svg()?.as_bytes())?;
        write_atomically(&folder.join(format!("{name}.png")), &drawing.to_png()?)?;
    }
    let page = page(&mut wheel);
    for shown in page.illustrations() {
        write_atomically(&folder.join(format!("{}.png", shown.id)), &shown.drawing.to_png()?)?;
    }
    write_atomically(&folder.join("page.html"), page.to_html()?.as_bytes())?;
    write_atomically(&folder.join("page.md"), page.to_markdown(|id| format!("{id}.png")).as_bytes())?;
    Ok(())
}
