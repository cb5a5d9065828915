//! `zbridge evaluate`: a bridge on held-out pairs.

use crate::context::Context;
use crate::figures::{estimate, number, percent};
use crate::held_out::HeldOutArgs;
use clap::Args;
use zbridge_bridge::DirectionGap;
use zbridge_core::Estimate;
use zbridge_tasks::evaluation::{
    DirectionFigures, Generated, LikelihoodSummary, Likelihoods, Outcome, Requirement,
};
use zbridge_tasks::measures::ImageToLabel;
use zbridge_tasks::{Error, EvaluateReport, evaluate};

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
    lines.push(gap(&report.direction_gap));
    lines.extend(report.image_to_label.iter().map(image_to_label));
    lines.extend(report.label_to_image.iter().flat_map(generated));
    lines.extend(report.likelihoods.iter().flat_map(likelihoods));
    for warning in &report.warnings {
        lines.push(format!("warning: {warning}"));
    }
    for left_out in &report.left_out {
        lines.push(format!("left out: {left_out}"));
    }
    lines.extend(report.requirements.iter().map(outcome));
    lines.join("\n")
}

fn gap(gap: &DirectionGap) -> String {
    format!(
        "direction gap   {:.2} nats a pair; x → y says a pair tells {} nats, y → x {}",
        gap.gap_nats.mean,
        number(gap.x_to_y_information_nats.mean, 2),
        number(gap.y_to_x_information_nats.mean, 2),
    )
}

fn image_to_label(read: &ImageToLabel) -> String {
    let brier_score = match &read.brier_score {
        Some(brier_score) => format!(", Brier score {:.3}", brier_score.mean),
        None => String::new(),
    };
    format!(
        "image → label   accuracy {} [{} to {}], log p(y|x) {} ± {:.3} nats, calibration error \
         {:.3}{brier_score}",
        percent(read.accuracy),
        percent(read.accuracy_interval[0]),
        percent(read.accuracy_interval[1]),
        number(read.log_p_nats, 3),
        read.log_p_standard_error_nats,
        read.expected_calibration_error,
    )
}

fn outcome(outcome: &Outcome) -> String {
    let met = if outcome.met { "met" } else { "MISSED" };
    format!(
        "{met}: {} ({} = {:.4})",
        outcome.requirement, outcome.figure, outcome.value
    )
}

fn direction(name: &str, figures: &DirectionFigures) -> [String; 2] {
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
    let (found, placed) = (&figures.retrieval, &figures.calibration.highest_density);
    let rank = format!(
        "        true target at median rank {:.0} of {} (chance {:.0}); level among own draws \
         {:.2} (0.50 is right; distance from uniform {:.2})",
        found.median_rank,
        found.candidates,
        found.chance_median_rank,
        placed.mean,
        placed.ks_distance
    );
    [density, rank]
}

fn generated(made: &Generated) -> Vec<String> {
    let mut lines = vec![coherence(made)];
    // Both are measured in the judge's features, or neither is.
    if let (Some(distance), Some(found)) = (made.frechet_distance, &made.precision_recall) {
        lines.push(format!(
            "        Fréchet distance {distance:.2}; precision {}, recall {}, coverage {} of {} \
             images in the judge's features",
            percent(found.precision.mean),
            percent(found.recall.mean),
            percent(found.coverage.mean),
            found.count
        ));
    }
    if let Some(nearest) = &made.nearest_training {
        lines.push(format!(
            "        {} of generated images are closer to an image of the fitted pairs than 99 % \
             of held-out ones are (1 % is to be expected), {} exact copies",
            percent(nearest.close_share),
            nearest.exact_copies
        ));
    }
    lines
}

/// Coherence and diversity, beside those of the given model's own images where these are known.
fn coherence(made: &Generated) -> String {
    let figures = &made.figures;
    let (own_coherence, own_pixel_sd) = match &made.given_model {
        Some(own) => (
            percent(own.coherence),
            format!(" (its own {:.3})", own.pixel_sd),
        ),
        None => ("–".into(), String::new()),
    };
    format!(
        "label → image   coherence {} in {} images (the given model's own {own_coherence}, judge \
         {}), pixel sd {:.3}{own_pixel_sd}",
        percent(figures.coherence),
        figures.images,
        percent(made.judge_accuracy),
        figures.pixel_sd,
    )
}

fn likelihoods(found: &Likelihoods) -> [String; 3] {
    [
        SideLikelihoods {
            names: ["log p(x)", "log p(x|y)"],
            own: &found.x,
            given_other: &found.x_given_y,
            gain_nats: &found.x_gain_nats,
        }
        .line(),
        SideLikelihoods {
            names: ["log p(y)", "log p(y|x)"],
            own: &found.y,
            given_other: &found.y_given_x,
            gain_nats: &found.y_gain_nats,
        }
        .line(),
        format!(
            "log p(x, y) {} by x first, {} by y first; gap {} nats",
            estimate(&found.joint.by_x_first_nats),
            estimate(&found.joint.by_y_first_nats),
            estimate(&found.joint.gap_nats)
        ),
    ]
}

/// Likelihoods of one side, alone and given the other.
struct SideLikelihoods<'l> {
    names: [&'static str; 2],
    own: &'l LikelihoodSummary,
    given_other: &'l LikelihoodSummary,
    gain_nats: &'l Estimate,
}

impl SideLikelihoods<'_> {
    fn line(&self) -> String {
        let (own, given) = (self.own, self.given_other);
        let [marginal, conditional] = self.names;
        format!(
            "{marginal} {} {}, {conditional} {} {}, gain {} nats; {} pairs × {} draws, median ESS \
             {:.0}",
            estimate(&own.log_likelihood_nats),
            interval(own.interval_95_nats),
            estimate(&given.log_likelihood_nats),
            interval(given.interval_95_nats),
            estimate(self.gain_nats),
            own.log_likelihood_nats.count,
            own.draws,
            given.effective_sample_size.median,
        )
    }
}

fn interval((low, high): (f64, f64)) -> String {
    format!("[{}, {}]", number(low, 2), number(high, 2))
}
