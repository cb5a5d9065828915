//! Progress of a bridge's two fits, which run side by side.

use crate::progress::ProgressDisplay;
use zbridge::{Direction, FitProgress};

/// Shows the progress of the direction that reports; the other is about as far.
pub fn show_fit(display: &ProgressDisplay, direction: Direction, (done, steps): FitProgress) {
    if direction == Direction::XToY && done.is_multiple_of(20) {
        display.show("fit x ⇄ y", done as f64 / steps as f64, format!("{done} of {steps} steps"));
    }
}
