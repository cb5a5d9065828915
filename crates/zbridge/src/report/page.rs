//! The report as a page: verdict first, then what it rests on.

use super::{ReportRequest, pictures, planes};
use crate::Error;
use crate::evaluation::{DirectionFigures, Generated, Likelihoods};
use crate::measures::{ImageToLabel, LabelReadings};
use crate::tasks::{EvaluateReport, Evaluated};
use zbridge_bridge::{Bridge, Direction};
use zbridge_core::Estimate;
use zbridge_eval::{Accuracy, LikelihoodSummary, NearestTraining, Uniformity};
use zbridge_report::{
    Block, Cell, Column, ConfidenceBin, ExpectedBand, Figure, Histogram, IntervalPlot, IntervalRow, KeyFigure,
    LineChart, Page, Panel, ReliabilityDiagram, Section, Series, Table, Verdict,
};

const DIRECTIONS: [(Direction, &str); 2] = [(Direction::XToY, "x → y"), (Direction::YToX, "y → x")];

pub(super) fn page(evaluated: &Evaluated, request: &ReportRequest) -> Result<Page, Error> {
    let (report, seed) = (&evaluated.report, request.evaluate.seed);
    let mut opening = Section::new("").verdict(verdict(report));
    for warning in &report.warnings {
        opening = opening.warning(warning);
    }
    let mut sections = vec![opening];
    sections.extend(made(evaluated, seed)?);
    sections.extend(read(evaluated)?);
    sections.push(latent(evaluated, seed)?);
    sections.push(calibration(evaluated));
    sections.extend(report.likelihoods.as_ref().map(likelihoods));
    sections.push(fit(&evaluated.pairs.bridge));
    sections.push(provenance(evaluated, request));
    Ok(Page { title: title(&evaluated.pairs.bridge), sections })
}

fn title(bridge: &Bridge) -> String {
    let name = |side: &str| bridge.provenance().get(&format!("{side}.model")).cloned();
    match (name("x"), name("y")) {
        (Some(x), Some(y)) => format!("{x} ↔ {y}: a bridge from {} pairs", bridge.pairs()),
        _ => format!("A bridge from {} pairs", bridge.pairs()),
    }
}

fn verdict(report: &EvaluateReport) -> Verdict {
    let gains = DIRECTIONS.map(|(direction, _)| report.direction(direction).gain_over_marginal_nats);
    let works = gains.map(|gain| gain.interval().0 > 0.0);
    let headline = match (&report.image_to_label, &report.label_to_image) {
        (Some(read), Some(made)) => format!(
            "{} of held-out images get their label, and {} of the images made from labels are read as theirs.",
            percent(read.accuracy),
            percent(made.figures.coherence)
        ),
        _ => match works {
            [true, true] => {
                "Held-out pairs are more probable with the bridge than without it, in both directions.".into()
            }
            [true, false] => "Knowing x helps to tell y; knowing y does not help to tell x.".into(),
            [false, true] => "Knowing y helps to tell x; knowing x does not help to tell y.".into(),
            [false, false] => "On held-out pairs this bridge tells nothing of one side from the other.".to_owned(),
        },
    };
    let gap = &report.direction_gap;
    let text = format!(
        "Measured on {} held-out pairs. The latents of a pair tell {} nats of each other by x → y and {} by y → x; the two directions differ by {:.2} nats a pair.",
        report.pairs,
        nats(gap.x_to_y_information_nats.mean, 2),
        nats(gap.y_to_x_information_nats.mean, 2),
        gap.gap_nats.mean
    );
    key_figures(report).into_iter().fold(Verdict::new(headline).with_text(text), Verdict::figure)
}

fn key_figures(report: &EvaluateReport) -> Vec<KeyFigure> {
    let mut figures = Vec::new();
    if let Some(ImageToLabel { accuracy, accuracy_interval: [low, high], .. }) = &report.image_to_label {
        figures.push(
            KeyFigure::new("image → label", 100.0 * accuracy, 1)
                .with_unit("%")
                .with_interval(100.0 * low, 100.0 * high)
                .with_reading("of held-out images get their label"),
        );
    }
    if let Some(Generated { figures: made, judge_accuracy, .. }) = &report.label_to_image {
        let [low, high] = made.coherence_interval;
        figures.push(
            KeyFigure::new("label → image", 100.0 * made.coherence, 1)
                .with_unit("%")
                .with_interval(100.0 * low, 100.0 * high)
                .with_reading(format!(
                    "of images made from labels are read as theirs, by a judge that reads {} of real ones rightly",
                    percent(*judge_accuracy)
                )),
        );
    }
    if let Some(found) = &report.likelihoods {
        for (name, gain) in [("log p(x|y) − log p(x)", found.x_gain_nats), ("log p(y|x) − log p(y)", found.y_gain_nats)]
        {
            figures.push(key_of(name, &gain).with_reading("gained by knowing the other side, importance-sampled"));
        }
    }
    if figures.len() < 3 {
        for (direction, name) in DIRECTIONS {
            let gain = report.direction(direction).gain_over_marginal_nats;
            figures.push(
                key_of(name, &gain).with_reading("log density of held-out latents over the bridge's own marginal"),
            );
        }
    }
    if figures.len() < 5 && report.image_to_label.is_none() {
        for (direction, name) in DIRECTIONS {
            let found = &report.direction(direction).retrieval;
            figures.push(KeyFigure::new(format!("{name}, median rank"), found.median_rank, 0).with_reading(format!(
                "of the true target among {} held-out ones; chance {:.0}",
                found.candidates, found.chance_median_rank
            )));
        }
    }
    figures.truncate(5);
    figures
}

fn key_of(name: &str, found: &Estimate) -> KeyFigure {
    let (low, high) = found.interval();
    KeyFigure::new(name, found.mean, 2).with_unit("nats").with_interval(low, high)
}

/// Images made from labels.
fn made(evaluated: &Evaluated, seed: u64) -> Result<Option<Section>, Error> {
    let (Some(made), Some(gallery)) = (&evaluated.report.label_to_image, pictures::made(evaluated, seed)?) else {
        return Ok(None);
    };
    let mut section = Section::new("Images from labels").illustration(
        "made",
        "Images made from each label; beside them what the image model itself draws for held-out images of that label, and these.",
        "Rows of images, one for each label: made from it, drawn by the image model, and real.",
        gallery,
    );
    section = section.table(quality(made));
    if let Some(nearest) = &made.nearest_training {
        section = section.subheading("Are they copies?").paragraph(copies(nearest));
        if let Some(grid) = pictures::neighbours(evaluated, nearest)? {
            section = section.illustration(
                "neighbours",
                "The generated images that are closest to an image of the fitted pairs, each above that one; below, their distance in pixels.",
                "Pairs of images, one above the other.",
                grid,
            );
        }
    }
    Ok(Some(section))
}

fn quality(made: &Generated) -> Table {
    let figures = &made.figures;
    let own = made.given_model.as_ref();
    let columns = vec![
        Column::words("figure"),
        Column::numbers("bridge"),
        Column::numbers("image model's own draws"),
        Column::words("what it is"),
    ];
    let share = |value: f64, [low, high]: [f64; 2]| Cell::interval(100.0 * value, 100.0 * low, 100.0 * high, 1);
    let mut rows = vec![
        vec![
            Cell::text("coherence, %"),
            share(figures.coherence, figures.coherence_interval),
            own.map_or(Cell::missing(), |own| share(own.coherence, own.coherence_interval)),
            Cell::text(format!(
                "images in which a separate classifier reads their label; it is right on {} of real ones",
                percent(made.judge_accuracy)
            )),
        ],
        vec![
            Cell::text("pixel sd"),
            Cell::number(figures.pixel_sd, 3),
            own.map_or(Cell::missing(), |own| Cell::number(own.pixel_sd, 3)),
            Cell::text("how much images of one label differ, pixel by pixel"),
        ],
    ];
    let mut more = |name: &str, value: Cell, what: String| {
        rows.push(vec![Cell::text(name), value, Cell::missing(), Cell::text(what)]);
    };
    if let Some(found) = &made.feature_diversity {
        let what =
            "mean distance of features within a label, over that of real images; 1 is as diverse as reality".into();
        more("feature diversity", Cell::estimate(found.ratio.mean, found.ratio.standard_error, 2), what);
    }
    if let Some(distance) = made.frechet_distance {
        let what = "between the judge's features of generated and of held-out images; falls with their number".into();
        more("Fréchet distance", Cell::number(distance, 2), what);
    }
    if let Some(found) = &made.precision_recall {
        let percent = |found: &Estimate| Cell::estimate(100.0 * found.mean, 100.0 * found.standard_error, 1);
        let compared = format!("{} images each, k = {}; compare equal numbers only", found.count, found.neighbours);
        more(
            "precision, %",
            percent(&found.precision),
            format!("generated images that look like real ones ({compared})"),
        );
        more("recall, %", percent(&found.recall), "real images that look like generated ones".into());
        more(
            "density",
            Cell::estimate(found.density.mean, found.density.standard_error, 2),
            "precision that outliers do not raise; may exceed 1".into(),
        );
        more(
            "coverage, %",
            percent(&found.coverage),
            "real images with a generated one close by; about 87.5 for two samples of one distribution".into(),
        );
    }
    Table { caption: format!("Quality of {} generated images.", figures.images), columns, rows }
}

fn copies(found: &NearestTraining) -> String {
    let (low, high) = found.close_share_interval_95;
    let verdict = match () {
        () if found.exact_copies > 0 => format!("{} generated images equal an image of the fitted pairs.", found.exact_copies),
        () if low > 0.01 => "Generated images lie closer to the fitted pairs than held-out ones do: look at the pairs below. Blurred or typical images are close to everything without being copies.".into(),
        () => "No sign of copies.".to_owned(),
    };
    format!(
        "{} of {} generated images ({} [{} to {}]) are closer to an image of the fitted pairs than 99 % of {} held-out images are; 1 % is to be expected of new images. {verdict}",
        found.close_count,
        found.generated_count,
        percent(found.close_share),
        percent(low),
        percent(high),
        found.held_out_count
    )
}

/// Labels told from images.
fn read(evaluated: &Evaluated) -> Result<Option<Section>, Error> {
    let (Some(read), Some(readings)) = (&evaluated.report.image_to_label, &evaluated.readings) else { return Ok(None) };
    let mut section = Section::new("Labels from images");
    if let Some(grid) = pictures::read(evaluated)? {
        section = section.illustration(
            "read",
            "Held-out images with the label that is told and its probability.",
            "Images with a digit and a probability below each.",
            grid,
        );
    }
    if let Some(grid) = pictures::mistakes(evaluated)? {
        section = section.illustration(
            "mistakes",
            "The mistakes that the bridge is surest of.",
            "Images with the label told, the true one and a probability below each.",
            grid,
        );
    }
    Ok(Some(section.table(reading_figures(read)).illustration(
        "reliability",
        "How often labels told with a confidence are right; on the diagonal, stated probabilities are true.",
        "A reliability diagram above a histogram of confidences.",
        Figure::from(reliability(readings)),
    )))
}

fn reading_figures(read: &ImageToLabel) -> Table {
    let [low, high] = read.accuracy_interval;
    let row = |name: &str, value: Cell, what: &str| vec![Cell::text(name), value, Cell::text(what)];
    let mut rows = vec![
        row(
            "accuracy, %",
            Cell::interval(100.0 * read.accuracy, 100.0 * low, 100.0 * high, 1),
            "the most probable label is the true one",
        ),
        row(
            "log p(y|x), nats",
            Cell::estimate(read.log_p_nats, read.log_p_standard_error_nats, 3),
            "of the true label; chance among ten is −2.303",
        ),
        row(
            "calibration error",
            Cell::number(read.expected_calibration_error, 3),
            "mean distance of stated probabilities from what comes true, 15 bins",
        ),
    ];
    if let Some(brier) = &read.brier_score {
        rows.push(row(
            "Brier score",
            Cell::estimate(brier.mean, brier.standard_error, 3),
            "0 is sure and right, 2 sure and wrong",
        ));
    }
    let columns = vec![Column::words("figure"), Column::numbers("value"), Column::words("what it is")];
    Table { caption: format!("Labels told from {} held-out images.", read.images), columns, rows }
}

fn reliability(readings: &LabelReadings) -> ReliabilityDiagram {
    let bins = readings.classification.calibration.bins.iter().map(|bin| {
        let right = (bin.accuracy * bin.count as f64).round() as usize;
        let interval =
            (bin.count > 0).then(|| Accuracy::from_counts(right, bin.count - right.min(bin.count)).interval_95);
        ConfidenceBin {
            low: bin.low,
            high: bin.high,
            confidence: bin.mean_confidence,
            accuracy: bin.accuracy,
            interval,
            count: bin.count,
        }
    });
    ReliabilityDiagram {
        title: "Confidence and accuracy".into(),
        bins: bins.collect(),
        ..ReliabilityDiagram::default()
    }
}

/// What can be said without any given model.
fn latent(evaluated: &Evaluated, seed: u64) -> Result<Section, Error> {
    let report = &evaluated.report;
    let mut section = Section::new("Latents of held-out pairs").table(latent_figures(report));
    if let Some(figure) = planes::figure(&evaluated.pairs, seed)? {
        section = section.illustration(
            "planes",
            "Latents told from the source (strong), over the target's own latents (pale), in the target's latent plane.",
            "Scatter plots of latents.",
            figure,
        );
    }
    Ok(section)
}

fn latent_figures(report: &EvaluateReport) -> Table {
    let columns =
        vec![Column::words("figure"), Column::numbers("x → y"), Column::numbers("y → x"), Column::words("what it is")];
    let [there, back] = [&report.x_to_y, &report.y_to_x];
    let estimate = |found: &Estimate, digits| Cell::estimate(found.mean, found.standard_error, digits);
    let row = |name: &str, of: &dyn Fn(&DirectionFigures) -> Cell, what: String| {
        vec![Cell::text(name), of(there), of(back), Cell::text(what)]
    };
    let mut rows = vec![
        row(
            "log density, nats",
            &|d| estimate(&d.log_density_nats, 2),
            "log q(target|source) of posterior draws".into(),
        ),
        row(
            "gain over the marginal, nats",
            &|d| estimate(&d.gain_over_marginal_nats, 2),
            format!(
                "what knowing the source is worth; cannot exceed {:.2} with so many pairs",
                there.gain_ceiling_nats
            ),
        ),
        row(
            "median rank of the target",
            &|d| Cell::number(d.retrieval.median_rank, 0),
            format!(
                "among {} held-out ones; chance {:.0}",
                there.retrieval.candidates, there.retrieval.chance_median_rank
            ),
        ),
        row(
            "mean reciprocal rank",
            &|d| estimate(&d.retrieval.mean_reciprocal_rank, 3),
            format!("chance {:.3}", there.retrieval.chance_mean_reciprocal_rank),
        ),
    ];
    if there.reverse_kl_nats.is_some() || back.reverse_kl_nats.is_some() {
        let divergence =
            |d: &DirectionFigures| d.reverse_kl_nats.as_ref().map_or(Cell::missing(), |found| estimate(found, 2));
        rows.push(row("KL(q ‖ p), nats", &divergence, "the paper's objective, on held-out pairs".into()));
    }
    Table { caption: format!("Figures of {} held-out pairs in latent space.", report.pairs), columns, rows }
}

fn calibration(evaluated: &Evaluated) -> Section {
    let report = &evaluated.report;
    let panels = DIRECTIONS.map(|(direction, name)| {
        let found = &report.direction(direction).calibration.highest_density;
        Panel::from(levels(&format!("{name}: level of the target among draws"), found))
    });
    let figure = Figure {
        title: "Where targets stand among draws".into(),
        panels: panels.into(),
        columns: 2,
        shared_axes: false,
    };
    let columns = vec![
        Column::words("direction"),
        Column::numbers("mean level"),
        Column::numbers("distance from uniform"),
        Column::numbers("p-value"),
        Column::numbers("dimension furthest from uniform"),
        Column::numbers("its distance"),
        Column::numbers("p-value over all dimensions"),
    ];
    let row = |(direction, name): (Direction, &str)| {
        let found = &report.direction(direction).calibration;
        let worst = found.per_dimension.iter().enumerate().max_by(|a, b| a.1.ks_distance.total_cmp(&b.1.ks_distance));
        let (place, distance) = worst.map_or((0, f64::NAN), |(place, dimension)| (place + 1, dimension.ks_distance));
        vec![
            Cell::text(name),
            Cell::number(found.highest_density.mean, 3),
            Cell::number(found.highest_density.ks_distance, 3),
            Cell::number(found.highest_density.ks_p_value, 3),
            Cell::count(place),
            Cell::number(distance, 3),
            Cell::number(found.dimensions_p_value, 3),
        ]
    };
    let first = &report.x_to_y.calibration;
    let caption = format!(
        "Probability-integral transforms of {} held-out targets among {} draws each; distances and p-values by Kolmogorov and Smirnov.",
        first.count, first.draws
    );
    Section::new("Do targets fall where the densities say?")
        .paragraph("If a held-out target is one more draw from q(target|source), the share of draws that are less probable than it is uniform. Bars piled up at the left: the density is too narrow or misplaced; at the right: too wide. A density that ignores its source passes too, so read this beside the gain.")
        .illustration("levels", "Share of draws less probable than the held-out target.", "Two histograms with the band in which nineteen bars in twenty should end.", figure)
        .table(Table { caption, columns, rows: DIRECTIONS.map(row).into() })
}

fn levels(title: &str, found: &Uniformity) -> Histogram {
    let (count, bins) = (found.count as f64, found.bins.len() as f64);
    let (expected, share) = (count / bins, 1.0 / bins);
    let half = 1.96 * (count * share * (1.0 - share)).sqrt();
    Histogram {
        title: title.into(),
        x_label: "share of draws less probable than the target".into(),
        y_label: "held-out pairs".into(),
        band: Some(ExpectedBand {
            name: "95 % of bars, were they uniform".into(),
            expected,
            low: (expected - half).max(0.0),
            high: expected + half,
        }),
        ..Histogram::of_equal_bins(0.0, 1.0, &found.bins)
    }
}

fn likelihoods(found: &Likelihoods) -> Section {
    let columns = vec![
        Column::words("quantity"),
        Column::numbers("nats"),
        Column::numbers("95 % interval"),
        Column::numbers("of it by draws"),
        Column::numbers("K"),
        Column::numbers("median ESS"),
        Column::numbers("ESS < 10, %"),
        Column::numbers("pairs"),
    ];
    let row = |summary: &LikelihoodSummary| {
        let (low, high) = summary.interval_95_nats;
        let found = &summary.log_likelihood_nats;
        vec![
            Cell::text(&summary.name),
            Cell::estimate(found.mean, found.standard_error, 2),
            Cell::text(format!("{} to {}", nats(low, 2), nats(high, 2))),
            Cell::number(summary.monte_carlo_error_nats, 3),
            Cell::count(summary.draws),
            Cell::number(summary.effective_sample_size.median, 0),
            Cell::number(100.0 * summary.effective_sample_size.low_share, 1),
            Cell::count(found.count),
        ]
    };
    let all = [&found.x, &found.x_given_y, &found.y, &found.y_given_x];
    let derived = |name: &str, found: &Estimate| {
        let (low, high) = found.interval();
        let mut row = vec![Cell::text(name), Cell::estimate(found.mean, found.standard_error, 2)];
        row.push(Cell::text(format!("{} to {}", nats(low, 2), nats(high, 2))));
        row.extend((0..4).map(|_| Cell::missing()));
        row.push(Cell::count(found.count));
        row
    };
    let mut rows: Vec<Vec<Cell>> = all.into_iter().map(row).collect();
    rows.extend([
        derived("log p(x|y) − log p(x)", &found.x_gain_nats),
        derived("log p(y|x) − log p(y)", &found.y_gain_nats),
        derived("log p(x, y) = log p(x) + log p(y|x)", &found.joint.by_x_first_nats),
        derived("log p(x, y) = log p(y) + log p(x|y)", &found.joint.by_y_first_nats),
        derived("gap between the two, x first less y first", &found.joint.gap_nats),
        derived("its absolute value", &found.joint.absolute_gap_nats),
    ]);
    let plot = |title: &str, summaries: [&LikelihoodSummary; 2]| {
        let row = |summary: &LikelihoodSummary| {
            let (low, high) = summary.interval_95_nats;
            IntervalRow::new(&summary.name, summary.log_likelihood_nats.mean).with_interval(low, high)
        };
        Panel::from(IntervalPlot {
            title: title.into(),
            x_label: "nats".into(),
            rows: summaries.map(row).into(),
            digits: 2,
            ..IntervalPlot::default()
        })
    };
    let figure = Figure {
        title: "Likelihoods without and with the other side".into(),
        panels: vec![plot("x", [&found.x, &found.x_given_y]), plot("y", [&found.y, &found.y_given_x])],
        columns: 2,
        shared_axes: false,
    };
    let caption = "Likelihoods of held-out observations; ± standard error between pairs. Half of the K draws come from p(z|observation), half from the bridge (multiple importance sampling, balance heuristic); ESS = effective sample size.".into();
    Section::new("Likelihoods")
        .illustration("likelihoods", "Log-likelihoods with their 95 % intervals, without and with the other side.", "Estimates with intervals, two for each side.", figure)
        .table(Table { caption, columns, rows })
        .paragraph("Intervals without and with the other side overlap because images differ far more than their gains do; the rows of differences are taken pair by pair.")
}

/// How the bridge was fitted, as its file remembers.
fn fit(bridge: &Bridge) -> Section {
    let mut section = Section::new("The fit").paragraph(format!(
        "Recipe {}, {} pairs, seed {}.",
        bridge.config().recipe,
        bridge.pairs(),
        bridge.config().seed
    ));
    let panels: Vec<Panel> = DIRECTIONS
        .into_iter()
        .filter_map(|(direction, name)| {
            let curve = bridge.curve(direction);
            let points: Vec<(f64, f64)> =
                curve.steps.iter().zip(&curve.objective_nats).map(|(&step, &nats)| (step as f64, nats)).collect();
            (!points.is_empty()).then(|| {
                Panel::from(LineChart {
                    title: name.into(),
                    x_label: "optimiser step".into(),
                    y_label: "objective of the fit".into(),
                    series: vec![Series::new("last fit, first member", points)],
                    ..LineChart::default()
                })
            })
        })
        .collect();
    if !panels.is_empty() {
        let figure = Figure {
            title: "Objective during the last fit".into(),
            columns: panels.len().min(2),
            panels,
            shared_axes: false,
        };
        section = section.illustration(
            "objective",
            "Objective on what was fitted, lower is better. It is no held-out figure.",
            "Falling lines.",
            figure,
        );
    }
    for (direction, name) in DIRECTIONS {
        let comparison = bridge.comparison(direction);
        if comparison.trials.is_empty() {
            continue;
        }
        let columns =
            vec![Column::words("candidate"), Column::numbers("gain over no bridge, nats"), Column::words("taken")];
        let rows = comparison.trials.iter().enumerate().map(|(place, trial)| {
            let taken = if place == comparison.chosen { "✓" } else { "" };
            vec![
                Cell::text(trial.to_string()),
                Cell::estimate(trial.gain_nats.mean, trial.gain_nats.standard_error, 2),
                Cell::text(taken),
            ]
        });
        let caption = format!("{name}: what was tried, and what pairs held out from the fit said of it.");
        section = section.table(Table { caption, columns, rows: rows.collect() });
    }
    section
}

fn provenance(evaluated: &Evaluated, request: &ReportRequest) -> Section {
    let bridge = &evaluated.pairs.bridge;
    let mut facts = vec![
        ("version".to_owned(), format!("zbridge {}", env!("CARGO_PKG_VERSION"))),
        ("seed of the draws".to_owned(), request.evaluate.seed.to_string()),
        ("bridge".to_owned(), request.evaluate.held_out.bridge.display().to_string()),
        ("seed of the fit".to_owned(), bridge.config().seed.to_string()),
    ];
    facts.extend(bridge.provenance().iter().map(|(key, value)| (format!("bridge: {key}"), value.clone())));
    Section::new("How to make this again")
        .command(request.command.clone())
        .with(Block::Details { summary: "Versions, seeds and digests".into(), blocks: vec![Block::Facts(facts)] })
}

fn percent(share: f64) -> String {
    format!("{:.1}\u{a0}%", 100.0 * share)
}

/// A number with a true minus sign.
fn nats(value: f64, decimals: usize) -> String {
    format!("{value:.decimals$}").replace('-', "−")
}
