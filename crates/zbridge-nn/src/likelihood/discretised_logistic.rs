//! The mass of a logistic distribution in the bin of a value that was stored in a few levels.

use crate::kernels::elementary::sigmoid;

/// The bins of a discretised logistic distribution.
pub(super) struct Bins {
    scale: f32,
    half_width: f32,
}

/// The log mass of a bin, and its derivative by the location.
#[derive(Clone, Copy)]
pub(super) struct LogMass {
    pub(super) nats: f32,
    pub(super) slope: f32,
}

impl Bins {
    pub(super) fn new(scale: f32, levels: u16) -> Self {
        Self {
            scale,
            half_width: 0.5 / (f32::from(levels.max(2)) - 1.0),
        }
    }

    /// Returns the log mass in the bin around `x`, a level in 0..=1.
    ///
    /// With the edges a < b of the bin in units of the scale, the mass is
    /// σ(b) − σ(a) = σ(b) σ(−a) (1 − e^(a−b)). The product does not cancel where both σ are near 0
    /// or near 1.
    pub(super) fn log_mass(&self, location: f32, x: f32) -> LogMass {
        let edge = |at: f32| (at - location) / self.scale;
        let (below, above) = (edge(x - self.half_width), edge(x + self.half_width));
        // The outermost bins are unbounded: one factor is 1.
        let lowest = x - self.half_width <= 0.0;
        let highest = x + self.half_width >= 1.0;
        let right = if highest {
            LogMass::OF_ALL
        } else {
            LogMass {
                nats: log_sigmoid(above),
                slope: sigmoid(-above),
            }
        };
        let left = if lowest {
            LogMass::OF_ALL
        } else {
            LogMass {
                nats: log_sigmoid(-below),
                slope: sigmoid(below),
            }
        };
        let inner_nats = if lowest || highest {
            0.0
        } else {
            (-(below - above).exp()).ln_1p()
        };
        LogMass {
            nats: right.nats + left.nats + inner_nats,
            slope: (left.slope - right.slope) / self.scale,
        }
    }
}

impl LogMass {
    /// Of the whole distribution.
    const OF_ALL: Self = Self {
        nats: 0.0,
        slope: 0.0,
    };
}

fn log_sigmoid(x: f32) -> f32 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}
