//! Figures as they stand in sentences and in cells.

use zbridge_core::Estimate;
use zbridge_report::Cell;

/// A share in per cent, on one line with its sign.
pub fn percent(share: f64) -> String {
    format!("{:.1}\u{a0}%", 100.0 * share)
}

/// A number with a true minus sign.
pub fn nats(value: f64, decimals: usize) -> String {
    format!("{value:.decimals$}").replace('-', "−")
}

/// An estimate with its standard error, where it is of more than one item.
pub fn estimate(found: &Estimate, digits: usize) -> Cell {
    match found.count {
        0 | 1 => Cell::number(found.mean, digits),
        _ => Cell::estimate(found.mean, found.standard_error, digits),
    }
}
