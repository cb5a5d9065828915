//! The mass of a logistic distribution in the bin of a value that was stored in a few levels.

use crate::kernels::elementary::sigmoid;

/// The bins of a discretised logistic distribution.
pub(super) struct Bins {
    scale: f32,
    half_width: f32,
}

/// The log mass of a bin, and its derivative by the location.
#[derive(Clone, Copy, Default)]
struct LogMass {
    nats: f32,
    slope: f32,
}

impl Bins {
    pub(super) fn new(scale: f32, levels: u16) -> Self {
        Self {
            scale,
            // One level would have an unbounded bin; files cannot ask for it.
            half_width: 0.5 / (f32::from(levels.max(2)) - 1.0),
        }
    }

    pub(super) fn log_likelihood_nats(&self, locations: &[f32], observation: &[f32]) -> f32 {
        let values = locations.iter().zip(observation);
        values
            .map(|(location, x)| self.log_mass(*location, *x).nats)
            .sum()
    }

    /// Returns the same, and turns the locations into the gradient of −scale · log p.
    pub(super) fn backward(&self, locations: &mut [f32], observation: &[f32], scale: f32) -> f32 {
        let mut nats = 0.0;
        for (location, x) in locations.iter_mut().zip(observation) {
            let mass = self.log_mass(*location, *x);
            nats += mass.nats;
            *location = -scale * mass.slope;
        }
        nats
    }

    /// Returns the log mass in the bin around `x`, a level in 0..=1.
    ///
    /// With the edges a < b of the bin in units of the scale, the mass is
    /// σ(b) − σ(a) = σ(b) σ(−a) (1 − e^(a−b)). The product does not cancel where both σ are near 0
    /// or near 1.
    fn log_mass(&self, location: f32, x: f32) -> LogMass {
        let edge = |at: f32| (at - location) / self.scale;
        let (below, above) = (edge(x - self.half_width), edge(x + self.half_width));
        // The outermost bins are unbounded: one factor is 1.
        let lowest = x - self.half_width <= 0.0;
        let highest = x + self.half_width >= 1.0;
        let mut mass = LogMass::default();
        if !highest {
            mass.nats += log_sigmoid(above);
            mass.slope -= sigmoid(-above);
        }
        if !lowest {
            mass.nats += log_sigmoid(-below);
            mass.slope += sigmoid(below);
        }
        if !lowest && !highest {
            mass.nats += (-(below - above).exp()).ln_1p();
        }
        mass.slope /= self.scale;
        mass
    }
}

fn log_sigmoid(x: f32) -> f32 {
    // The exponential is at most 1, on either side.
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}
