//! The automatic recipe.
//!
//! 1. [`reading`]: whether sources are given as draws or as means.
//! 2. [`ladder`]: candidates from the simplest to the richest are compared on held-out pairs.
//! 3. Either [`codes`]: densities by codes that both spaces share join the comparison, if neither
//!    side is discrete. Or [`semi_supervised`]: posteriors without partners refine one direction,
//!    which labels them for the other.
//! 4. [`last_fit`]: what was taken for each direction is fitted on all pairs.

mod aggregate;
mod candidate;
mod choice;
mod codes;
mod direction_fit;
mod effort;
mod held_out;
mod labelled;
mod ladder;
mod last_fit;
mod latent_space;
mod prepared;
mod reading;
mod regressed;
mod semi_supervised;
mod source_graph;
mod splits;
mod spreading;
mod streams;
mod tilted;

pub(crate) use effort::{Effort, LadderProblem};
pub(crate) use last_fit::FittedDirection;

use crate::{BridgeError, Directions, FitData};
use prepared::Prepared;
use zbridge_core::Observer;

/// Returns both directions, fitted by the automatic recipe with this effort.
///
/// # Errors
/// [`BridgeError::Network`] if a fit diverges, [`BridgeError::Density`] if a log density is NaN,
/// [`BridgeError::Interrupted`].
pub(crate) fn fit(
    data: &FitData<'_>,
    effort: &Effort,
    pca: [Option<usize>; 2],
    seed: u64,
    observer: &dyn Observer,
) -> Result<Directions<FittedDirection>, BridgeError> {
    let mut prepared = Prepared::new(data, effort, pca, seed, observer)?;
    prepared.readings = reading::choose(&prepared, observer)?;
    let mut searches = ladder::compare(&prepared, observer)?;
    let mut labelling = None;
    let widths = [prepared.x.frame.active(), prepared.y.frame.active()];
    let continuous = prepared.both_are_continuous().then_some(widths);
    if effort.tries_shared_codes(prepared.pair_count(), continuous) {
        if !codes::can_tell_too_little(&prepared, &searches) {
            codes::try_shared_codes(&prepared, &mut searches, observer)?;
        }
    } else if !continuous.is_some_and(effort::are_wide)
        && let Some(inference) = semi_supervised::inference(&prepared, &searches)
    {
        let search = &mut searches;
        labelling = semi_supervised::learn_from_unpaired(&prepared, inference, search, observer)?;
    }
    last_fit::fit_both(&prepared, searches, labelling, observer)
}
