//! Checks of counts, indices and log densities, and errors that name their observation.

use crate::EvalError;
use std::ops::Range;
use zbridge_core::DensityError;

/// Returns a function that adds the number of an observation to an error.
pub(crate) fn at_row<E: Into<EvalError>>(row: usize) -> impl Fn(E) -> EvalError {
    move |error| EvalError::Row {
        row,
        source: Box::new(error.into()),
    }
}

/// Checks that `found` is `expected`.
///
/// # Errors
/// [`EvalError::Mismatch`] otherwise.
pub(crate) fn expect_count(
    what: &'static str,
    expected: usize,
    found: usize,
) -> Result<(), EvalError> {
    if expected == found {
        return Ok(());
    }
    Err(EvalError::Mismatch {
        what,
        expected,
        found,
    })
}

/// Checks that there are at least `least` items.
///
/// # Errors
/// [`EvalError::TooFew`] otherwise.
pub(crate) fn expect_items(
    what: &'static str,
    least: usize,
    found: usize,
) -> Result<(), EvalError> {
    if found >= least {
        return Ok(());
    }
    Err(EvalError::TooFew { what, least, found })
}

/// Checks that a setting is at least `least`, which is 1 or 2.
///
/// # Errors
/// [`EvalError::Setting`] otherwise.
pub(crate) fn expect_setting(
    name: &'static str,
    least: usize,
    value: usize,
) -> Result<(), EvalError> {
    if value >= least {
        return Ok(());
    }
    Err(EvalError::Setting {
        name,
        value: value as f64,
        range: match least {
            1 => "at least 1 is needed",
            _ => "at least 2 are needed",
        },
    })
}

/// Returns the entry of observation `row` in a list with one entry per observation.
///
/// # Errors
/// [`EvalError::UnknownRow`] if the list is too short; `what` names its owner.
pub(crate) fn entry_of_row<'a, T>(
    what: &'static str,
    entries: &'a [T],
    row: usize,
) -> Result<&'a T, EvalError> {
    entries.get(row).ok_or(EvalError::UnknownRow {
        what,
        row,
        available: entries.len(),
    })
}

/// Checks that each of `indices`, one per observation, is below `available`.
///
/// # Errors
/// [`EvalError::UnknownIndex`] with the first that is not.
pub(crate) fn expect_indices(
    what: &'static str,
    indices: impl IntoIterator<Item = usize>,
    available: usize,
) -> Result<(), EvalError> {
    for (row, index) in indices.into_iter().enumerate() {
        expect_index(what, row, index, available)?;
    }
    Ok(())
}

/// Checks that the index of observation `row` is below `available`.
///
/// # Errors
/// [`EvalError::UnknownIndex`] otherwise.
pub(crate) fn expect_index(
    what: &'static str,
    row: usize,
    index: usize,
    available: usize,
) -> Result<(), EvalError> {
    if index < available {
        return Ok(());
    }
    Err(EvalError::UnknownIndex {
        what,
        row,
        index,
        available,
    })
}

/// Returns the log densities of the draws with these numbers, if there is one for each and none
/// is NaN or +∞.
///
/// # Errors
/// [`EvalError::Mismatch`] or [`EvalError::NotALogDensity`].
pub(crate) fn checked_log_densities(
    quantity: &str,
    row: usize,
    draws: Range<usize>,
    values: Vec<f64>,
) -> Result<Vec<f64>, EvalError> {
    expect_count("log densities, one per draw", draws.len(), values.len())?;
    DensityError::check(values).map_err(at_draw(quantity, row, draws.start))
}

/// Returns a function that names the density, observation and draw of an error; `first` is the
/// number of the first draw.
pub(crate) fn at_draw(
    quantity: &str,
    row: usize,
    first: usize,
) -> impl Fn(DensityError) -> EvalError {
    move |error| match error {
        // The row of a density is a draw here.
        DensityError::NotANumber { row: place, value } => EvalError::NotALogDensity {
            quantity: quantity.to_owned(),
            row,
            draw: first + place,
            value,
        },
        other => at_row(row)(other),
    }
}
