//! Progress of a bridge's two fits, which run side by side.

use crate::progress::ProgressDisplay;
use zbridge_bridge::FitProgress;

/// Shows how far both directions are.
pub fn show_fit(display: &ProgressDisplay, (done, steps): FitProgress) {
    if done.is_multiple_of(20) {
        display.show(
            "fit x ⇄ y",
            done as f64 / steps as f64,
            format!("{done} of at most {steps} steps"),
        );
    }
}
