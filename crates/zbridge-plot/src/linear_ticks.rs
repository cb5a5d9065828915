//! Ticks in equal steps.

use crate::number_text::{group_thousands, superscript, with_minus_sign};
use crate::tick::Tick;

/// The smallest of 1, 2 and 5 times a power of ten that is at least `least`.
pub(crate) fn nice_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    // The logarithm may round a power of ten down; then 1 is still the right digit.
    let enough = least * (1.0 - 1e-9);
    let digit = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|digit| digit * power >= enough);
    digit.unwrap_or(10.0) * power
}

/// Ticks at `first`, `first + 1`, …, `last` times the step.
pub(crate) fn ticks_at_steps(first: i64, last: i64, step: f64) -> Vec<Tick> {
    let reach = first.abs().max(last.abs()) as f64 * step;
    (first..=last)
        .map(|index| {
            let value = index as f64 * step;
            Tick {
                value,
                label: label(value, step, reach),
            }
        })
        .collect()
}

/// The value with as many digits as tell it from its neighbours; `reach` is the largest absolute
/// value on the axis.
fn label(value: f64, step: f64, reach: f64) -> String {
    if (1e-4..1e6).contains(&reach) {
        let decimals = decimals_of(step);
        return with_minus_sign(&group_thousands(&format!("{value:.decimals$}")));
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    // All labels of an axis have the same exponent, so that their digits can be compared.
    let exponent = reach.log10().floor() as i32;
    let unit = 10f64.powi(exponent);
    let decimals = decimals_of(step / unit);
    let mantissa = format!("{:.decimals$}", value / unit);
    format!("{}×10{}", with_minus_sign(&mantissa), superscript(exponent))
}

/// Digits after the point that a multiple of the step has.
fn decimals_of(step: f64) -> usize {
    (-step.log10().floor()).max(0.0) as usize
}
