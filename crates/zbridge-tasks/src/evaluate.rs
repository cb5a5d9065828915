use crate::Error;
use crate::evaluation::{
    DirectionFigures, Generated, GeneratedImages, HeldOutPairs, HeldOutSource, Likelihoods,
    Outcome, Requirement,
};
use crate::measures::{ImageToLabel, LabelReadings, image_to_label_readings};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;
use zbridge_bridge::{Direction, DirectionGap};
use zbridge_core::Unobserved;

/// What is to be evaluated.
#[derive(Debug, Clone)]
pub struct EvaluateRequest {
    /// Bridge and held-out pairs.
    pub held_out: HeldOutSource,
    /// Pairs whose likelihoods are estimated, where both models and both sides' data are at hand; 0
    /// leaves them out.
    pub likelihood_pairs: usize,
    /// Draws for each of them.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct EvaluateReport {
    /// Held-out pairs.
    pub pairs: usize,
    /// Held-out figures of q(z_y|z_x), in latent space.
    pub x_to_y: DirectionFigures,
    /// Held-out figures of q(z_x|z_y).
    pub y_to_x: DirectionFigures,
    /// How far the joints of the two directions are apart on these pairs.
    pub direction_gap: DirectionGap,
    /// Where one side is images and the other classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_to_label: Option<ImageToLabel>,
    /// Likewise, for MNIST images, which the embedded judge reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_to_image: Option<Generated>,
    /// Where both models and both sides' data are at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likelihoods: Option<Likelihoods>,
    /// What a reader must not miss.
    pub warnings: Vec<String>,
    /// Bounds that were asked for, and whether they are met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Outcome>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What was written: nothing.
    pub files: Vec<PathBuf>,
}

/// What pictures are made of, beside the figures.
pub(crate) struct Evaluated {
    pub(crate) pairs: HeldOutPairs,
    pub(crate) report: EvaluateReport,
    pub(crate) readings: Option<LabelReadings>,
    pub(crate) generated: Option<GeneratedImages>,
}

/// Figures of a bridge on held-out pairs. `observe` hears what is being done and the share done of
/// it.
///
/// # Errors
/// [`Error`] when a file cannot be read, ids do not join, or dimensions do not belong together.
pub fn evaluate(
    request: &EvaluateRequest,
    observe: &(dyn Fn(&str, f64) + Sync),
) -> Result<EvaluateReport, Error> {
    Ok(evaluated(request, observe)?.report)
}

pub(crate) fn evaluated(
    request: &EvaluateRequest,
    observe: &(dyn Fn(&str, f64) + Sync),
) -> Result<Evaluated, Error> {
    let (start, seed) = (Instant::now(), request.seed);
    observe("read", 0.0);
    let pairs = HeldOutPairs::read(&request.held_out)?;
    let (bridge, x, y) = (&pairs.bridge, &pairs.x.posterior, &pairs.y.posterior);
    observe("figures in latent space", 0.0);
    let x_to_y = DirectionFigures::of(bridge.x_to_y(), x, y, seed, &Unobserved)?;
    observe("figures in latent space", 0.5);
    let y_to_x = DirectionFigures::of(bridge.y_to_x(), y, x, seed, &Unobserved)?;
    let direction_gap = DirectionGap::between(bridge.directions(), x, y, seed)?;
    observe("labels from images, images from labels", 0.0);
    let (read, readings) = labels_from_images(&pairs, seed)?.unzip();
    let (made, generated) = Generated::of(&pairs, seed)?.unzip();
    let likelihoods = Likelihoods::of(
        &pairs,
        (request.likelihood_pairs, request.draws),
        seed,
        &|share| {
            observe("likelihoods", share);
        },
    )?;
    let mut report = EvaluateReport {
        pairs: pairs.count(),
        x_to_y,
        y_to_x,
        direction_gap,
        image_to_label: read,
        label_to_image: made,
        warnings: vec![],
        likelihoods,
        requirements: vec![],
        seconds: start.elapsed().as_secs_f64(),
        files: vec![],
    };
    report.warnings = report.causes_for_doubt();
    Ok(Evaluated {
        pairs,
        report,
        readings,
        generated,
    })
}

fn labels_from_images(
    pairs: &HeldOutPairs,
    seed: u64,
) -> Result<Option<(ImageToLabel, LabelReadings)>, Error> {
    let (Some(direction), Some(labels)) = (pairs.image_to_class(), &pairs.labels) else {
        return Ok(None);
    };
    let (images, classes) = pairs.sides(direction);
    let Some(model) = &classes.given else {
        return Ok(None);
    };
    let density = pairs.bridge.density(direction);
    Ok(Some(image_to_label_readings(
        density,
        &images.posterior,
        labels,
        &*model.model,
        seed,
    )?))
}

/// Held-out pairs below which intervals are so wide that figures say little.
const FEW_PAIRS: usize = 100;
/// Probability below which uniform transforms are not believed to be uniform.
const SURELY_MISPLACED: f64 = 0.001;

impl EvaluateReport {
    /// Notes whether these requirements are met.
    ///
    /// # Errors
    /// [`Error::Usage`] when one of them names no figure, or may mean several.
    pub fn require(&mut self, requirements: &[Requirement]) -> Result<(), Error> {
        let outcomes = requirements
            .iter()
            .map(|requirement| requirement.outcome(self));
        self.requirements = outcomes.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// [`Error::Missed`] with what was required and what was found, when a requirement is not met.
    ///
    /// # Errors
    /// That one.
    pub fn missed(&self) -> Result<(), Error> {
        let missed: Vec<String> = self
            .requirements
            .iter()
            .filter(|outcome| !outcome.met)
            .map(|outcome| {
                format!(
                    "required {}, found {} = {:.4}",
                    outcome.requirement, outcome.figure, outcome.value
                )
            })
            .collect();
        if missed.is_empty() {
            Ok(())
        } else {
            Err(Error::Missed {
                message: missed.join("\n"),
            })
        }
    }

    /// The estimate that says most of a direction's worth without any given model.
    pub(crate) fn direction(&self, direction: Direction) -> &DirectionFigures {
        match direction {
            Direction::XToY => &self.x_to_y,
            Direction::YToX => &self.y_to_x,
        }
    }

    fn causes_for_doubt(&self) -> Vec<String> {
        let mut causes = Vec::new();
        if self.pairs < FEW_PAIRS {
            causes.push(format!(
                "{} held-out pairs: intervals are wide; hold out {FEW_PAIRS} or more",
                self.pairs
            ));
        }
        for (name, figures) in [("x → y", &self.x_to_y), ("y → x", &self.y_to_x)] {
            let gain = figures.gain_over_marginal_nats;
            if gain.interval().1 < 0.0 {
                causes.push(format!(
                    "{name}: knowing the source makes held-out targets less probable ({:+.2} ± {:.2} nats); the bridge has learned pairs that are none, or these are none",
                    gain.mean, gain.standard_error
                ));
            }
            let level = &figures.calibration.highest_density;
            if level.ks_p_value < SURELY_MISPLACED && level.ks_distance > 0.1 {
                let how = if level.mean < 0.5 {
                    "too narrow or misplaced"
                } else {
                    "too wide"
                };
                causes.push(format!(
                    "{name}: the density is {how}: held-out targets stand at a mean level of {:.2} among its own draws, where 0.50 is right (distance from uniform {:.2})",
                    level.mean, level.ks_distance
                ));
            }
        }
        causes.extend(self.likelihoods.iter().flat_map(Likelihoods::warnings));
        causes
    }
}
