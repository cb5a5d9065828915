//! The paper's recipe: both directions by mini-batches of a closed-form divergence (eq. 2–4).

mod density_trainer;

use crate::auto::FittedDirection;
use crate::comparison::Comparison;
use crate::{BridgeError, Conditional, Direction, Directions, FitData, PaperConfig};
use density_trainer::DensityFit;
use zbridge_core::{Observer, RandomStream, Stage};
use zbridge_nn::run_side_by_side;

/// Returns both directions, fitted by the paper's recipe.
///
/// # Errors
/// [`BridgeError::SamplesOnly`] if posteriors are no Gaussians, [`BridgeError::Network`] if a fit
/// diverges, [`BridgeError::Interrupted`].
pub(crate) fn fit(
    data: &FitData<'_>,
    settings: &PaperConfig,
    seed: u64,
    observer: &dyn Observer,
) -> Result<Directions<FittedDirection>, BridgeError> {
    let (Some(x), Some(y)) = (data.x.as_diagonal(), data.y.as_diagonal()) else {
        return Err(BridgeError::SamplesOnly);
    };
    let fit_direction = |direction: Direction| {
        let (source, target) = match direction {
            Direction::XToY => (x, y),
            Direction::YToX => (y, x),
        };
        let fit = DensityFit {
            source,
            target,
            settings,
            streams: &RandomStream::named(seed, stream_name(direction)),
        };
        let stage = Stage::new(
            observer,
            format!("fitting {direction}"),
            settings.steps as u64,
        );
        let (density, curve) = fit.run(&stage)?;
        Ok(FittedDirection {
            conditional: Conditional::plain(density),
            curve,
            comparison: Comparison::default(),
        })
    };
    let (x_to_y, y_to_x) = run_side_by_side(
        || fit_direction(Direction::XToY),
        || fit_direction(Direction::YToX),
    );
    Directions { x_to_y, y_to_x }.transpose()
}

fn stream_name(direction: Direction) -> &'static str {
    match direction {
        Direction::XToY => "fit/x→y",
        Direction::YToX => "fit/y→x",
    }
}
