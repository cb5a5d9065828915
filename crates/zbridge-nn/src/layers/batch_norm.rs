//! Batch normalisation (Ioffe & Szegedy 2015), with the leaky activation above it in the same pass.

use crate::kernels::batch_norm::BatchStatistics;
use crate::layer::Layer;
use crate::layer_plan::LayerParameters;
use crate::mode::Mode;
use crate::network::Network;
use crate::tape::Tape;

/// Share of the batch in the running statistics after each step.
const MOMENTUM: f32 = 0.1;

/// Normalises `x`, and applies the leaky activation of slope `fused_leaky_slope`.
pub(crate) fn forward(
    statistics: &mut BatchStatistics,
    mode: Mode,
    x: &[f32],
    parameters: LayerParameters<'_>,
    fused_leaky_slope: Option<f32>,
    y: &mut [f32],
) {
    match mode {
        Mode::Training => statistics.measure(x, parameters.weight.len()),
        Mode::Inference => {
            statistics.adopt(parameters.running_mean, parameters.running_variance);
        }
    }
    // A leaky activation of slope 1 is none.
    let slope = fused_leaky_slope.unwrap_or(1.0);
    statistics.normalise(x, parameters.weight, parameters.bias, slope, y);
}

impl Network {
    /// Moves the running statistics towards those of the batch of the last training pass, by a
    /// tenth, with the unbiased variance of the batch: what PyTorch does.
    pub fn update_running_statistics(&self, parameters: &mut [f32], tape: &Tape) {
        let rows = tape.rows as f32;
        // A single row has no variance; it counts as it is.
        let unbiased = rows / (rows - 1.0).max(1.0);
        self.move_running_statistics(parameters, tape, MOMENTUM, unbiased);
    }

    /// Replaces the running statistics by those of the batch of the last training pass.
    ///
    /// # Source
    /// "Precise" batch normalisation, Wu & Johnson 2021, section 3: after training, the statistics
    /// of the whole data under the final weights, instead of an average over weights that were
    /// still moving.
    pub fn adopt_batch_statistics(&self, parameters: &mut [f32], tape: &Tape) {
        self.move_running_statistics(parameters, tape, 1.0, 1.0);
    }

    fn move_running_statistics(
        &self,
        parameters: &mut [f32],
        tape: &Tape,
        share: f32,
        unbiased: f32,
    ) {
        for (index, layer) in self.layers().iter().enumerate() {
            let Layer::BatchNorm { .. } = layer else {
                continue;
            };
            let (ranges, batch) = (&self.plan(index).ranges, &tape.statistics[index]);
            let means = &mut parameters[ranges.running_mean.clone()];
            for (running, mean) in means.iter_mut().zip(&batch.mean) {
                *running += share * (mean - *running);
            }
            let variances = &mut parameters[ranges.running_variance.clone()];
            for (running, variance) in variances.iter_mut().zip(&batch.variance) {
                *running += share * (variance * unbiased - *running);
            }
        }
    }
}
