//! Monotone rational-quadratic splines, many at a time.
//!
//! A spline maps the box [−B, B] onto itself, piece by piece: each piece is a quotient of two
//! quadratics and meets its neighbours with the same slope. Outside the box it is the identity. Its
//! value, its slope and its inverse are closed forms, so that a density and its draws cost the
//! same.
//!
//! Splines are the inner loop of a flow (rows × moved dimensions × couplings), so 32 of them are
//! worked on side by side.
//!
//! # Source
//! Durkan, Bekasov, Murray & Papamakarios 2019, "Neural spline flows", section 3.1 and appendix
//! A.1; the pieces are those of Gregory & Delbourgo 1982.

mod axis;
mod lanes;
mod piece;
#[cfg(test)]
mod tests;

use crate::rows::{values_of, values_of_mut};
use axis::Bins;
use lanes::{LANES, Lanes, into_box, padded};
use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use piece::{Piece, PieceGradient};
use zbridge_nn::exponentials;

/// B: the box is [−B, B].
const BOX: f32 = 5.0;
/// The least share of the box that a bin gets, in both directions.
const MIN_SHARE: f32 = 1e-3;
const MIN_SIZE: f32 = 2.0 * BOX * MIN_SHARE;
/// The least slope at a knot.
const MIN_SLOPE: f32 = 1e-3;
/// ln(e^(1 − least slope) − 1): at a raw slope of 0 the slope is 1, so that raw zeros are the
/// identity.
const RAW_SLOPE_AT_ZERO: f32 = 0.539_743_2;
/// Raw parameters count as at most this far from 0, which keeps sums of their exponentials finite.
/// Beyond it the gradient is that of the limit, so that an optimiser finds the way back.
const MAX_RAW: f32 = 80.0;

/// Splines with this many bins. Each has `raw_count` free parameters: the logits of the bins'
/// widths, those of their heights, and the raw slopes at the inner knots. The slope at the ends of
/// the box is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Splines {
    bins: usize,
}

/// What a forward pass leaves for the backward pass, and working space.
#[derive(Debug, Default, Clone)]
pub(super) struct SplineTape {
    /// Of each block: e^logit of the widths, bin by bin, then of the heights.
    weights: Vec<Lanes>,
    pieces: Vec<Piece>,
    logits: Vec<Lanes>,
}

impl Splines {
    /// The numbers of bins that are possible: their least shares leave room for more.
    pub(super) const BINS: std::ops::RangeInclusive<usize> = 2..=64;

    pub(super) fn new(bins: usize) -> Self {
        Self { bins }
    }

    /// Returns the number of raw parameters of one spline.
    pub(super) fn raw_count(self) -> usize {
        3 * self.bins - 1
    }

    /// Writes spline(x) into `y` and its log-slope, in nats, into `log_slopes`, for one spline a
    /// value.
    ///
    /// # Shapes
    /// `x`, `y`, `log_slopes` `[n]`; `raw` `[n, raw_count]`.
    pub(super) fn forward(
        self,
        x: &[f32],
        raw: ArrayView2<'_, f32>,
        y: &mut [f32],
        log_slopes: &mut [f32],
        tape: &mut SplineTape,
    ) {
        tape.reserve(x.len().div_ceil(LANES), self.bins);
        let outputs = y.chunks_mut(LANES).zip(log_slopes.chunks_mut(LANES));
        let inputs = x.chunks(LANES).zip(raw.axis_chunks_iter(Axis(0), LANES));
        let blocks = tape
            .weights
            .chunks_exact_mut(2 * self.bins)
            .zip(&mut tape.pieces);
        for (((x, raw), (y, log_slopes)), (weights, piece)) in inputs.zip(outputs).zip(blocks) {
            self.weigh(raw, &mut tape.logits, weights);
            let [widths, heights] = self.axes(weights);
            let x = padded(x);
            let position = into_box(&x, &mut piece.inside);
            piece.bin = widths.bin_at(&position);
            self.complete(piece, [widths, heights], raw);
            let (value, log_slope) = piece.evaluate(&position, &x);
            y.copy_from_slice(&value[..y.len()]);
            log_slopes.copy_from_slice(&log_slope[..y.len()]);
        }
    }

    /// Writes spline⁻¹(y) into `x`, for one spline a value.
    ///
    /// # Shapes
    /// `x`, `y` `[n]`; `raw` `[n, raw_count]`.
    pub(super) fn inverse(
        self,
        y: &[f32],
        raw: ArrayView2<'_, f32>,
        x: &mut [f32],
        tape: &mut SplineTape,
    ) {
        // There is no way back through an inverse: one block of working space is enough.
        tape.reserve(1, self.bins);
        let inputs = y.chunks(LANES).zip(raw.axis_chunks_iter(Axis(0), LANES));
        let piece = &mut tape.pieces[0];
        for ((y, raw), x) in inputs.zip(x.chunks_mut(LANES)) {
            self.weigh(raw, &mut tape.logits, &mut tape.weights);
            let [widths, heights] = self.axes(&tape.weights);
            let y = padded(y);
            let position = into_box(&y, &mut piece.inside);
            piece.bin = heights.bin_at(&position);
            self.complete(piece, [widths, heights], raw);
            x.copy_from_slice(&piece.invert(&position, &y)[..x.len()]);
        }
    }

    /// Computes the gradient of Σ (g · y + `log_slope_gradient` · log-slope) for the last forward
    /// pass on this tape: `gradient` is g and becomes the gradient by x, `raw_gradient` becomes
    /// that by the raw parameters.
    ///
    /// # Shapes
    /// `gradient` `[n]`, `raw_gradient` `[n, raw_count]`.
    pub(super) fn backward(
        self,
        log_slope_gradient: f32,
        gradient: &mut [f32],
        mut raw_gradient: ArrayViewMut2<'_, f32>,
        tape: &mut SplineTape,
    ) {
        let raw_gradients = raw_gradient.axis_chunks_iter_mut(Axis(0), LANES);
        let outputs = gradient.chunks_mut(LANES).zip(raw_gradients);
        let blocks = tape.weights.chunks_exact(2 * self.bins).zip(&tape.pieces);
        for ((gradient, raw_gradient), (weights, piece)) in outputs.zip(blocks) {
            let by = piece.backward(&padded(gradient), log_slope_gradient);
            gradient.copy_from_slice(&by.position[..gradient.len()]);
            let [widths, heights] = self.axes(weights);
            let (by_widths, by_heights) = tape.logits.split_at_mut(self.bins);
            widths.backward(&piece.bin, &piece.x, by.interval_of_x(), by_widths);
            heights.backward(&piece.bin, &piece.y, by.interval_of_y(), by_heights);
            self.write_raw_gradient(piece, &by, &tape.logits, raw_gradient);
        }
    }

    /// Writes the weights e^logit of widths and heights, lanes side by side; lanes without a spline
    /// are uniform.
    fn weigh(self, raw: ArrayView2<'_, f32>, logits: &mut [Lanes], weights: &mut [Lanes]) {
        for (lane, raw) in raw.rows().into_iter().enumerate() {
            let raw = values_of(raw);
            for (logits, raw) in logits.iter_mut().zip(raw) {
                logits[lane] = raw.clamp(-MAX_RAW, MAX_RAW);
            }
        }
        exponentials(logits.as_flattened(), weights.as_flattened_mut());
    }

    /// Returns the bins of both axes.
    fn axes(self, weights: &[Lanes]) -> [Bins<'_>; 2] {
        let (widths, heights) = weights.split_at(self.bins);
        [Bins { weights: widths }, Bins { weights: heights }]
    }

    /// Computes what a piece is in its bin.
    fn complete(self, piece: &mut Piece, axes: [Bins<'_>; 2], raw: ArrayView2<'_, f32>) {
        let [widths, heights] = axes;
        piece.x = widths.interval(&piece.bin);
        piece.y = heights.interval(&piece.bin);
        let mut raw_slopes = self.raw_slopes(raw, &piece.bin);
        let mut exponents = [[0.0; LANES]; 2];
        let pairs = raw_slopes.as_flattened_mut().iter_mut();
        for (raw, exponent) in pairs.zip(exponents.as_flattened_mut()) {
            *raw = raw.clamp(-MAX_RAW, MAX_RAW) + RAW_SLOPE_AT_ZERO;
            *exponent = -raw.abs();
        }
        let mut decays = [[0.0; LANES]; 2];
        exponentials(exponents.as_flattened(), decays.as_flattened_mut());
        for (i, knot) in piece.knots.iter_mut().enumerate() {
            knot.assign(&raw_slopes[i], &decays[i]);
        }
    }

    /// Returns the raw slopes at both knots of each bin; lanes without a spline have raw slope 0.
    fn raw_slopes(self, raw: ArrayView2<'_, f32>, bin: &Lanes) -> [Lanes; 2] {
        let mut at_knots = [[0.0; LANES]; 2];
        for (lane, raw) in raw.rows().into_iter().enumerate() {
            let inner = &values_of(raw)[2 * self.bins..];
            let bin = bin[lane] as usize;
            // The ends of the box have no parameter: their raw slope is 0, their slope 1.
            at_knots[0][lane] = if bin > 0 { inner[bin - 1] } else { 0.0 };
            at_knots[1][lane] = inner.get(bin).copied().unwrap_or(0.0);
        }
        at_knots
    }

    fn write_raw_gradient(
        self,
        piece: &Piece,
        by: &PieceGradient,
        by_logits: &[Lanes],
        mut raw_gradient: ArrayViewMut2<'_, f32>,
    ) {
        for (lane, raw_gradient) in raw_gradient.rows_mut().into_iter().enumerate() {
            let (logits, inner) = values_of_mut(raw_gradient).split_at_mut(2 * self.bins);
            for (gradient, by_logits) in logits.iter_mut().zip(by_logits) {
                *gradient = by_logits[lane];
            }
            // Only the slopes at both ends of the bin take part.
            inner.fill(0.0);
            let bin = piece.bin[lane] as usize;
            if bin > 0 {
                inner[bin - 1] = by.raw_slopes[0][lane];
            }
            if let Some(right) = inner.get_mut(bin) {
                *right = by.raw_slopes[1][lane];
            }
        }
    }
}

impl SplineTape {
    fn reserve(&mut self, blocks: usize, bins: usize) {
        self.weights.resize(blocks * 2 * bins, [0.0; LANES]);
        self.logits.resize(2 * bins, [0.0; LANES]);
        self.pieces.resize(blocks, Piece::default());
    }
}
