use crate::Error;
use crate::evaluation::{
    CrossedErrors, DirectionFigures, Generated, GeneratedImages, HeldOutPairs, HeldOutSource,
    LeftOut, LikelihoodPlan, Likelihoods, Outcome, Requirement,
};
use crate::measures::{ImageToLabel, LabelReadings, image_to_label_readings};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;
use zbridge_bridge::{Direction, DirectionGap};
use zbridge_core::{Estimate, Observer};
use zbridge_eval::Uniformity;

/// What is to be evaluated.
#[derive(Debug, Clone)]
pub struct EvaluateRequest {
    /// Bridge and held-out pairs.
    pub held_out: HeldOutSource,
    /// A classifier that reads generated images, in place of the embedded one of MNIST digits.
    pub judge: Option<PathBuf>,
    /// Pairs whose likelihoods are estimated, if both models and both sides' data are given; 0
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
    /// How well labels are told from the other side, if exactly one side is classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_to_label: Option<ImageToLabel>,
    /// The same the other way, for images that the judge reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_to_image: Option<Generated>,
    /// How near decoded means come to held-out observations, where a target's model and data are
    /// given and it is neither classes nor texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoded_means: Option<CrossedErrors>,
    /// If both models and both sides' data are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likelihoods: Option<Likelihoods>,
    /// What a reader must not miss.
    pub warnings: Vec<String>,
    /// Figures that could not be had, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Bounds that were asked for, and whether they are met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Outcome>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Written files: none.
    pub files: Vec<PathBuf>,
}

/// The figures, and what pictures are made of.
pub(crate) struct Evaluated {
    pub(crate) pairs: HeldOutPairs,
    pub(crate) report: EvaluateReport,
    pub(crate) readings: Option<LabelReadings>,
    pub(crate) generated: Option<GeneratedImages>,
}

/// Returns the figures of a bridge on held-out pairs.
///
/// # Errors
/// [`Error`] if a file cannot be read, ids do not join, dimensions do not belong together, or the
/// observer stops the work.
pub fn evaluate(
    request: &EvaluateRequest,
    observer: &dyn Observer,
) -> Result<EvaluateReport, Error> {
    Ok(evaluated(request, observer)?.report)
}

pub(crate) fn evaluated(
    request: &EvaluateRequest,
    observer: &dyn Observer,
) -> Result<Evaluated, Error> {
    let (start, seed) = (Instant::now(), request.seed);
    let pairs = HeldOutPairs::read(&request.held_out)?;
    let (bridge, x, y) = (&pairs.bridge, &pairs.x.posterior, &pairs.y.posterior);
    let mut left_out = vec![];
    let x_to_y = DirectionFigures::of(bridge.x_to_y(), x, y, seed, observer)?;
    let y_to_x = DirectionFigures::of(bridge.y_to_x(), y, x, seed, observer)?;
    let direction_gap = DirectionGap::between(bridge.directions(), x, y, seed)?;
    let (image_to_label, readings) = labels_from_latents(&pairs, seed, &mut left_out)?.unzip();
    let (label_to_image, generated) = Generated::of(
        &pairs,
        request.judge.as_deref(),
        seed,
        observer,
        &mut left_out,
    )?
    .unzip();
    let decoded_means = CrossedErrors::of(&pairs, seed, observer, &mut left_out)?;
    let plan = LikelihoodPlan {
        pairs: request.likelihood_pairs,
        draws: request.draws,
        seed,
    };
    let likelihoods = Likelihoods::of(&pairs, plan, observer, &mut left_out)?;
    let mut report = EvaluateReport {
        pairs: pairs.count(),
        x_to_y,
        y_to_x,
        direction_gap,
        image_to_label,
        label_to_image,
        decoded_means,
        likelihoods,
        warnings: vec![],
        left_out,
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

/// Returns how well labels are told from the other side, whatever its observations are.
fn labels_from_latents(
    pairs: &HeldOutPairs,
    seed: u64,
    left_out: &mut Vec<LeftOut>,
) -> Result<Option<(ImageToLabel, LabelReadings)>, Error> {
    let figures = "labels told from the other side";
    let Some(direction) = pairs.to_classes() else {
        left_out.push(LeftOut::new(figures, pairs.why_not_to_classes()));
        return Ok(None);
    };
    let (source, classes) = pairs.sides(direction);
    let (Some(labels), Some(given)) = (&pairs.labels, &classes.given) else {
        let reason = "neither latents file has labels, and no classes are given as data";
        left_out.push(LeftOut::new(figures, reason));
        return Ok(None);
    };
    let density = pairs.bridge.density(direction);
    let model = &*given.model;
    let found = image_to_label_readings(density, &source.posterior, labels, model, seed)?;
    Ok(Some(found))
}

/// Held-out pairs below which intervals are so wide that figures say little.
const FEW_PAIRS: usize = 100;
/// The p-value below which transforms are surely not uniform.
const SURELY_MISPLACED: f64 = 0.001;
/// The distance from uniform above which it matters.
const NOTABLE_DISTANCE: f64 = 0.1;

impl EvaluateReport {
    /// Records whether these requirements are met.
    ///
    /// # Errors
    /// [`Error::Usage`] if one of them names no figure, or may mean several.
    pub fn require(&mut self, requirements: &[Requirement]) -> Result<(), Error> {
        let mut outcomes = vec![];
        for requirement in requirements {
            outcomes.push(requirement.outcome(self)?);
        }
        self.requirements = outcomes;
        Ok(())
    }

    /// Returns `Ok` if all requirements are met.
    ///
    /// # Errors
    /// [`Error::Missed`] with what was required and what was found.
    pub fn missed(&self) -> Result<(), Error> {
        let mut missed = vec![];
        for outcome in self.requirements.iter().filter(|outcome| !outcome.met) {
            missed.push(format!(
                "required {}, found {} = {:.4}",
                outcome.requirement, outcome.figure, outcome.value
            ));
        }
        match missed.is_empty() {
            true => Ok(()),
            false => Err(Error::Missed {
                message: missed.join("\n"),
            }),
        }
    }

    /// Returns the figures of a direction.
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
        for direction in Direction::BOTH {
            let figures = self.direction(direction);
            causes.extend(negative_gain(direction, &figures.gain_over_marginal_nats));
            causes.extend(misplaced(direction, &figures.calibration.highest_density));
        }
        if let Some(likelihoods) = &self.likelihoods {
            causes.extend(likelihoods.warnings());
        }
        causes
    }
}

/// Returns a warning if the source makes targets less probable.
fn negative_gain(direction: Direction, gain: &Estimate) -> Option<String> {
    let (_, high) = gain.interval();
    (high < 0.0).then(|| {
        format!(
            "{direction}: knowing the source makes held-out targets less probable ({:+.2} ± {:.2} \
             nats); the bridge has learned pairs that are none, or these are none",
            gain.mean, gain.standard_error
        )
    })
}

/// Returns a warning if targets do not fall where the density says.
fn misplaced(direction: Direction, level: &Uniformity) -> Option<String> {
    if level.ks_p_value >= SURELY_MISPLACED || level.ks_distance <= NOTABLE_DISTANCE {
        return None;
    }
    let how = match level.mean < 0.5 {
        true => "too narrow or misplaced",
        false => "too wide",
    };
    Some(format!(
        "{direction}: the density is {how}: held-out targets stand at a mean level of {:.2} among \
         its own draws, where 0.50 is right (distance from uniform {:.2})",
        level.mean, level.ks_distance
    ))
}
