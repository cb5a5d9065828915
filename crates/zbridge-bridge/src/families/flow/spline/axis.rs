//! The bins of one axis of a block of splines.
//!
//! With shares p = softmax(logits), a bin is as large as the least size plus its share of what is
//! left of the box.

use super::lanes::{LANES, Lanes, one_if};
use super::{BOX, MIN_SIZE};

/// The bins of one axis: for each bin, the weight e^logit of every spline.
#[derive(Clone, Copy)]
pub(super) struct Bins<'w> {
    pub(super) weights: &'w [Lanes],
}

/// The bin of one axis that each position of a block falls into.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Interval {
    pub(super) start: Lanes,
    pub(super) size: Lanes,
    /// Size for each unit of weight, above the least size.
    unit: Lanes,
}

/// Gradients by the start and the size of each bin.
pub(super) struct IntervalGradient<'g> {
    pub(super) start: &'g Lanes,
    pub(super) size: &'g Lanes,
}

impl Bins<'_> {
    /// Returns the length that all bins share by weight, above their least sizes.
    fn shared(&self) -> f32 {
        2.0 * BOX - MIN_SIZE * self.weights.len() as f32
    }

    fn unit(&self) -> Lanes {
        let mut total = [0.0; LANES];
        for weights in self.weights {
            for lane in 0..LANES {
                total[lane] += weights[lane];
            }
        }
        total.map(|total| self.shared() / total)
    }

    /// Returns the number of the bin that each position falls into.
    pub(super) fn bin_at(&self, position: &Lanes) -> Lanes {
        let (mut bin, mut edge) = ([0.0; LANES], [-BOX; LANES]);
        let unit = self.unit();
        // What is beyond the last edge but one is in the last bin.
        for weights in &self.weights[..self.weights.len() - 1] {
            for lane in 0..LANES {
                edge[lane] += MIN_SIZE + unit[lane] * weights[lane];
                bin[lane] += one_if(position[lane] >= edge[lane]);
            }
        }
        bin
    }

    /// Returns the interval of each bin.
    pub(super) fn interval(&self, bin: &Lanes) -> Interval {
        let (mut start, mut size) = ([-BOX; LANES], [0.0; LANES]);
        let unit = self.unit();
        for (index, weights) in self.weights.iter().enumerate() {
            for lane in 0..LANES {
                let own = MIN_SIZE + unit[lane] * weights[lane];
                start[lane] += own * one_if((index as f32) < bin[lane]);
                size[lane] += own * one_if(index as f32 == bin[lane]);
            }
        }
        Interval { start, size, unit }
    }

    /// Writes the gradients by the logits of all bins, from those by the start and size of one.
    ///
    /// Start and size are affine in Σ_{i<bin} p_i and p_bin, and ∂p_i/∂logit_j = p_i([i = j] −
    /// p_j).
    pub(super) fn backward(
        &self,
        bin: &Lanes,
        interval: &Interval,
        by: IntervalGradient<'_>,
        by_logits: &mut [Lanes],
    ) {
        let mut mean = [0.0; LANES];
        for lane in 0..LANES {
            let before = interval.start[lane] + BOX - MIN_SIZE * bin[lane];
            let own = interval.size[lane] - MIN_SIZE;
            mean[lane] = (by.start[lane] * before + by.size[lane] * own) * (1.0 / self.shared());
        }
        for ((index, weights), by_logits) in self.weights.iter().enumerate().zip(by_logits) {
            for lane in 0..LANES {
                let before = by.start[lane] * one_if((index as f32) < bin[lane]);
                let own = by.size[lane] * one_if(index as f32 == bin[lane]);
                let share = interval.unit[lane] * weights[lane];
                by_logits[lane] = share * (before + own - mean[lane]);
            }
        }
    }
}
