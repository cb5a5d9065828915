//! `zbridge evaluate`: a bridge on held-out pairs.

use crate::context::Context;
use crate::figures::{estimate, number, percent};
use crate::held_out::HeldOutArgs;
use clap::Args;
use zbridge::{Estimate, MeanAccuracy, PitCalibration, Retrieval};
use zbridge_tasks::Error;
use zbridge_tasks::evaluation::{
    CrossedErrors, DirectionFigures, Generated, Likelihoods, Requirement,
};
use zbridge_tasks::{EvaluateReport, evaluate};

/// Arguments of `zbridge evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    #[command(flatten)]
    held_out: HeldOutArgs,
    /// A bound that a figure must meet, as in 'accuracy>=0.95'; may come again; missed ones lead to
    /// exit code 4
    #[arg(long, value_name = "BOUND")]
    require: Vec<Requirement>,
}

/// Evaluates and prints; writes nothing.
///
/// # Errors
/// Those of [`evaluate`]; [`Error::Missed`] when a requirement is not met, after the figures are
/// printed.
pub fn run(args: &EvaluateArgs, context: &Context) -> Result<(), Error> {
    let display = context.progress();
    let request = args.held_out.request(context);
    let mut report = evaluate(&request, &display.observer(context.interrupt()))?;
    drop(display);
    // Figures that took minutes are shown even if a requirement turns out to be about none of them.
    let required = report.require(&args.require);
    context.output.print(&report, as_text)?;
    required?;
    report.missed()
}

/// The figures, a line each.
pub fn as_text(report: &EvaluateReport) -> String {
    let mut lines = vec![format!("{} held-out pairs", report.pairs)];
    lines.extend(direction("x → y", &report.x_to_y));
    lines.extend(direction("y → x", &report.y_to_x));
    let gap = &report.direction_gap;
    lines.push(format!(
        "direction gap   {:.2} nats a pair; x → y says a pair tells {} nats, y → x {}",
        gap.gap_nats.mean,
        number(gap.x_to_y_information_nats.mean, 2),
        number(gap.y_to_x_information_nats.mean, 2),
    ));
    lines.extend(report.image_to_label.as_ref().map(|read| {
        format!(
            "labels told     accuracy {} [{} to {}], log p(label|other side) {} ± {:.3} nats, calibration error {:.3}{}",
            percent(read.accuracy),
            percent(read.accuracy_interval[0]),
            percent(read.accuracy_interval[1]),
            number(read.log_p_nats, 3),
            read.log_p_standard_error_nats,
            read.expected_calibration_error,
            read.brier_score.map_or(String::new(), |brier| format!(", Brier score {:.3}", brier.mean)),
        )
    }));
    lines.extend(report.label_to_image.iter().flat_map(generated));
    lines.extend(report.decoded_means.iter().flat_map(decoded_means));
    lines.extend(report.likelihoods.iter().flat_map(likelihoods));
    lines.extend(
        report
            .warnings
            .iter()
            .map(|warning| format!("warning: {warning}")),
    );
    for left_out in &report.left_out {
        lines.push(format!("left out: {left_out}"));
    }
    lines.extend(report.requirements.iter().map(|outcome| {
        let met = if outcome.met { "met" } else { "MISSED" };
        format!(
            "{met}: {} ({} = {:.4})",
            outcome.requirement, outcome.figure, outcome.value
        )
    }));
    lines.join("\n")
}

fn direction(name: &str, figures: &DirectionFigures) -> [String; 4] {
    let gain = &figures.gain_over_marginal_nats;
    let density = format!(
        "{name}   log q(z_target|z_source) {} nats, {} over its own marginal",
        estimate(&figures.log_density_nats),
        estimate(gain)
    );
    let density = match &figures.reverse_kl_nats {
        Some(divergence) => format!("{density}, KL(q‖p) {} nats", estimate(divergence)),
        None => density,
    };
    let lines = [
        rank(&figures.retrieval),
        means(&figures.means),
        placed(&figures.calibration),
    ];
    let [rank, means, placed] = lines.map(|line| format!("        {line}"));
    [density, rank, means, placed]
}

fn rank(found: &Retrieval) -> String {
    let first: Vec<String> = found.recall.iter().map(|at| at.first.to_string()).collect();
    let shares = found.recall.iter().map(|at| percent(at.share.mean));
    let shares: Vec<String> = shares.collect();
    format!(
        "true target at median rank {:.0} of {} (chance {:.0}); among the first {}: {}",
        found.median_rank,
        found.candidates,
        found.chance_median_rank,
        first.join(", "),
        shares.join(", ")
    )
}

fn means(found: &MeanAccuracy) -> String {
    if found.active.is_empty() {
        return "means: no R², since no dimension of the targets varies".into();
    }
    format!(
        "mean of {} draws: R² {} over {} dimensions ({} weighted by variance); FOSCTTM {} ± {:.3} (chance 0.5)",
        found.draws,
        estimate(&found.r2),
        found.active.len(),
        estimate(&found.r2_variance_weighted),
        number(found.foscttm.mean, 3),
        found.foscttm.standard_error
    )
}

fn placed(found: &PitCalibration) -> String {
    let level = &found.highest_density;
    let share = |found: &Estimate| {
        let error = 100.0 * found.standard_error;
        format!("{:.1} ± {error:.1} %", 100.0 * found.mean)
    };
    format!(
        "level among own draws {:.2} ± {:.2} (0.50 is right; distance from uniform {:.2}); its 50 % and 90 % regions hold {} and {} of targets",
        level.mean,
        level.standard_error,
        level.ks_distance,
        share(&found.coverage_50.region),
        share(&found.coverage_90.region)
    )
}

fn generated(made: &Generated) -> Vec<String> {
    let figures = &made.figures;
    let own = made.given_model.as_ref();
    let mut lines = vec![format!(
        "label → image   coherence {} in {} images (the given model's own {}, judge {}), pixel sd {:.3}{}",
        percent(figures.coherence),
        figures.images,
        own.map_or("–".into(), |own| percent(own.coherence)),
        percent(made.judge_accuracy),
        figures.pixel_sd,
        own.map_or(String::new(), |own| format!(
            " (its own {:.3})",
            own.pixel_sd
        )),
    )];
    if let (Some(distance), Some(found)) = (made.frechet_distance, &made.precision_recall) {
        lines.push(format!(
            "        Fréchet distance {distance:.2}; precision {}, recall {}, coverage {} of {} images in the judge's features",
            percent(found.precision.mean),
            percent(found.recall.mean),
            percent(found.coverage.mean),
            found.count
        ));
    }
    lines.extend(made.nearest_training.as_ref().map(|nearest| {
        format!(
            "        {} of generated images are closer to an image of the fitted pairs than 99 % of held-out ones are (1 % is to be expected), {} exact copies",
            percent(nearest.close_share),
            nearest.exact_copies
        )
    }));
    lines
}

fn decoded_means(found: &CrossedErrors) -> Vec<String> {
    let mut lines = vec![];
    for (name, error) in [("x → y", &found.x_to_y), ("y → x", &found.y_to_x)] {
        lines.extend(error.as_ref().map(|error| {
            format!(
                "decoded means   {name}: squared error {:.5} ± {:.5} an element (the target's own mean decoded {:.5}, the mean of all observations {:.5})",
                error.bridge.mean,
                error.bridge.standard_error,
                error.given_model.mean,
                error.mean_observation.mean
            )
        }));
    }
    lines
}

fn likelihoods(found: &Likelihoods) -> [String; 3] {
    let interval = |(low, high): (f64, f64)| format!("[{}, {}]", number(low, 2), number(high, 2));
    let side = |marginal: &str,
                conditional: &str,
                summaries: [&zbridge_tasks::evaluation::LikelihoodSummary; 2],
                gain| {
        let [own, given] = summaries;
        format!(
            "{marginal} {} {}, {conditional} {} {}, gain {} nats; {} pairs × {} draws, median ESS {:.0}",
            estimate(&own.log_likelihood_nats),
            interval(own.interval_95_nats),
            estimate(&given.log_likelihood_nats),
            interval(given.interval_95_nats),
            estimate(gain),
            own.log_likelihood_nats.count,
            own.draws,
            given.effective_sample_size.median,
        )
    };
    [
        side(
            "log p(x)",
            "log p(x|y)",
            [&found.x, &found.x_given_y],
            &found.x_gain_nats,
        ),
        side(
            "log p(y)",
            "log p(y|x)",
            [&found.y, &found.y_given_x],
            &found.y_gain_nats,
        ),
        format!(
            "log p(x, y) {} by x first, {} by y first; gap {} nats",
            estimate(&found.joint.by_x_first_nats),
            estimate(&found.joint.by_y_first_nats),
            estimate(&found.joint.gap_nats)
        ),
    ]
}
