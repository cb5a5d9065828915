//! Monotone rational-quadratic splines, many at a time.
//!
//! A spline maps the box [−B, B] onto itself, piece by piece: each piece is a quotient of two
//! quadratics and meets its neighbours with the same slope. Outside the box it is the identity. Its
//! value, its slope and its inverse are closed forms, so that a density and its draws cost the
//! same.
//!
//! Splines are the inner loop of a flow (rows × moved dimensions × couplings), so 32 of them are
//! worked on side by side: loops over lanes have no branch, and enough turns that the compiler
//! makes vector instructions of them instead of unrolling them (16 lanes are a tenth slower, 8
//! lanes two thirds).
//!
//! # Source
//! Durkan, Bekasov, Murray & Papamakarios 2019, "Neural spline flows", section 3.1 and appendix
//! A.1; the pieces are those of Gregory & Delbourgo 1982.

use zbridge_nn::exponentials;

/// B: the box is [−B, B].
pub(crate) const BOX: f32 = 5.0;
const LANES: usize = 32;
/// The least share of the box that a bin gets, in both directions.
const LEAST_SHARE: f32 = 1e-3;
const LEAST_SIZE: f32 = 2.0 * BOX * LEAST_SHARE;
/// The least slope at a knot.
const LEAST_SLOPE: f32 = 1e-3;
/// ln(e^(1 − least slope) − 1): at a raw slope of 0 the slope is 1, so that raw zeros are the
/// identity.
const RAW_SLOPE_AT_ZERO: f32 = 0.539_743_2;
/// Raw parameters count as at most this far from 0, which keeps sums of their exponentials finite.
/// Beyond it the gradient is that of the limit, so that an optimiser finds the way back.
const RAW_LIMIT: f32 = 80.0;

/// One number for each spline of a block.
type Lanes = [f32; LANES];

/// Splines with this many bins. Each has `raw_count` free parameters: the logits of the bins'
/// widths, those of their heights, and the raw slopes at the inner knots. The slope at the ends of
/// the box is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Splines {
    bins: usize,
}

/// What a forward pass leaves for the backward pass, and working space.
#[derive(Debug, Default, Clone)]
pub(crate) struct SplineTape {
    /// Of each block: e^logit of the widths, bin by bin, then of the heights.
    weights: Vec<Lanes>,
    pieces: Vec<Piece>,
    logits: Vec<Lanes>,
}

/// The bin of one axis that each position of a block falls into.
#[derive(Debug, Clone, Copy, Default)]
struct Interval {
    start: Lanes,
    size: Lanes,
    /// Size for each unit of weight, above the least size.
    unit: Lanes,
}

/// Where the positions of a block fall, and what their splines are there.
#[derive(Debug, Clone, Copy, Default)]
struct Piece {
    /// 1 in the box, 0 outside.
    inside: Lanes,
    bin: Lanes,
    /// Place within the bin, 0 to 1.
    theta: Lanes,
    x: Interval,
    y: Interval,
    /// Slopes at the left and the right knot, and their derivatives by the raw slopes.
    slopes: [Lanes; 2],
    slope_gradients: [Lanes; 2],
}

impl Splines {
    /// The range of `bins`: their least shares leave room for more.
    pub(crate) const BINS: std::ops::RangeInclusive<usize> = 2..=64;

    pub(crate) fn new(bins: usize) -> Self {
        Self { bins }
    }

    /// Raw parameters of one spline.
    pub(crate) fn raw_count(self) -> usize {
        3 * self.bins - 1
    }

    /// `y ← spline(x)` and its log-slope in nats, for one spline a value.
    ///
    /// # Shapes
    /// `x`, `y`, `log_slopes` `[n]`; `raw` `[n, raw_count]`.
    pub(crate) fn forward(
        self,
        x: &[f32],
        raw: &[f32],
        y: &mut [f32],
        log_slopes: &mut [f32],
        tape: &mut SplineTape,
    ) {
        tape.reserve(x.len().div_ceil(LANES), self.bins);
        let outputs = y.chunks_mut(LANES).zip(log_slopes.chunks_mut(LANES));
        let inputs = x.chunks(LANES).zip(raw.chunks(LANES * self.raw_count()));
        let blocks = tape
            .weights
            .chunks_exact_mut(2 * self.bins)
            .zip(&mut tape.pieces);
        for (((x, raw), (y, log_slopes)), (weights, piece)) in inputs.zip(outputs).zip(blocks) {
            self.weigh(raw, &mut tape.logits, weights);
            let (widths, heights) = weights.split_at(self.bins);
            let x = padded(x);
            let position = into_box(&x, &mut piece.inside);
            piece.bin = self.bin_at(&position, widths);
            piece.x = self.interval(&piece.bin, widths);
            piece.y = self.interval(&piece.bin, heights);
            self.slopes(raw, piece);
            let (value, log_slope) = piece.evaluate(&position, &x);
            y.copy_from_slice(&value[..y.len()]);
            log_slopes.copy_from_slice(&log_slope[..y.len()]);
        }
    }

    /// `x ← spline⁻¹(y)`, for one spline a value.
    ///
    /// # Shapes
    /// `x`, `y` `[n]`; `raw` `[n, raw_count]`.
    pub(crate) fn inverse(self, y: &[f32], raw: &[f32], x: &mut [f32], tape: &mut SplineTape) {
        tape.reserve(1, self.bins);
        let inputs = y.chunks(LANES).zip(raw.chunks(LANES * self.raw_count()));
        let piece = &mut tape.pieces[0];
        for ((y, raw), x) in inputs.zip(x.chunks_mut(LANES)) {
            self.weigh(raw, &mut tape.logits, &mut tape.weights);
            let (widths, heights) = tape.weights.split_at(self.bins);
            let y = padded(y);
            let position = into_box(&y, &mut piece.inside);
            piece.bin = self.bin_at(&position, heights);
            piece.y = self.interval(&piece.bin, heights);
            piece.x = self.interval(&piece.bin, widths);
            self.slopes(raw, piece);
            x.copy_from_slice(&piece.invert(&position, &y)[..x.len()]);
        }
    }

    /// The gradient of Σ (g · y + `log_slope_gradient` · log-slope) for the last forward pass on
    /// this tape: `gradient` is g and becomes the gradient by x, `raw_gradient` becomes that by the
    /// raw parameters.
    ///
    /// # Shapes
    /// `gradient` `[n]`, `raw_gradient` `[n, raw_count]`.
    pub(crate) fn backward(
        self,
        log_slope_gradient: f32,
        gradient: &mut [f32],
        raw_gradient: &mut [f32],
        tape: &mut SplineTape,
    ) {
        let outputs = gradient
            .chunks_mut(LANES)
            .zip(raw_gradient.chunks_mut(LANES * self.raw_count()));
        let blocks = tape.weights.chunks_exact(2 * self.bins).zip(&tape.pieces);
        for ((gradient, raw_gradient), (weights, piece)) in outputs.zip(blocks) {
            let by = piece.gradients(&padded(gradient), log_slope_gradient);
            gradient.copy_from_slice(&by.position[..gradient.len()]);
            let (widths, heights) = weights.split_at(self.bins);
            let (by_widths, by_heights) = tape.logits.split_at_mut(self.bins);
            self.interval_backward(piece, &piece.x, [&by.left, &by.width], widths, by_widths);
            self.interval_backward(
                piece,
                &piece.y,
                [&by.bottom, &by.height],
                heights,
                by_heights,
            );
            self.write_raw_gradient(piece, &by, &tape.logits, raw_gradient);
        }
    }

    /// The weights e^logit of widths and heights, lanes side by side; lanes without a spline are
    /// uniform.
    fn weigh(self, raw: &[f32], logits: &mut [Lanes], weights: &mut [Lanes]) {
        for (lane, raw) in raw.chunks_exact(self.raw_count()).enumerate() {
            for (logits, raw) in logits.iter_mut().zip(raw) {
                logits[lane] = raw.clamp(-RAW_LIMIT, RAW_LIMIT);
            }
        }
        exponentials(logits.as_flattened(), weights.as_flattened_mut());
    }

    /// The length that bins share by weight, above their least sizes.
    fn shared(self) -> f32 {
        2.0 * BOX - LEAST_SIZE * self.bins as f32
    }

    fn unit(self, weights: &[Lanes]) -> Lanes {
        let mut total = [0.0; LANES];
        for weights in weights {
            for lane in 0..LANES {
                total[lane] += weights[lane];
            }
        }
        total.map(|total| self.shared() / total)
    }

    /// Which bin of an axis each position falls into.
    fn bin_at(self, position: &Lanes, weights: &[Lanes]) -> Lanes {
        let (mut bin, mut edge) = ([0.0; LANES], [-BOX; LANES]);
        let unit = self.unit(weights);
        for weights in &weights[..self.bins - 1] {
            for lane in 0..LANES {
                edge[lane] += LEAST_SIZE + unit[lane] * weights[lane];
                bin[lane] += one_if(position[lane] >= edge[lane]);
            }
        }
        bin
    }

    /// The interval of an axis that belongs to each bin.
    fn interval(self, bin: &Lanes, weights: &[Lanes]) -> Interval {
        let (mut start, mut size) = ([-BOX; LANES], [0.0; LANES]);
        let unit = self.unit(weights);
        for (index, weights) in weights.iter().enumerate() {
            for lane in 0..LANES {
                let own = LEAST_SIZE + unit[lane] * weights[lane];
                start[lane] += own * one_if((index as f32) < bin[lane]);
                size[lane] += own * one_if(index as f32 == bin[lane]);
            }
        }
        Interval { start, size, unit }
    }

    /// The slopes at both knots of each bin. The ends of the box have raw slope 0: slope 1.
    fn slopes(self, raw: &[f32], piece: &mut Piece) {
        let mut at_knots = [[0.0; LANES]; 2];
        for (lane, raw) in raw.chunks_exact(self.raw_count()).enumerate() {
            let (inner, bin) = (&raw[2 * self.bins..], piece.bin[lane] as usize);
            at_knots[0][lane] = if bin > 0 { inner[bin - 1] } else { 0.0 };
            at_knots[1][lane] = inner.get(bin).copied().unwrap_or(0.0);
        }
        let mut exponents = [[0.0; LANES]; 2];
        for (raw, exponent) in at_knots
            .as_flattened_mut()
            .iter_mut()
            .zip(exponents.as_flattened_mut())
        {
            *raw = raw.clamp(-RAW_LIMIT, RAW_LIMIT) + RAW_SLOPE_AT_ZERO;
            *exponent = -raw.abs();
        }
        let mut decays = [[0.0; LANES]; 2];
        exponentials(exponents.as_flattened(), decays.as_flattened_mut());
        for knot in 0..2 {
            for lane in 0..LANES {
                let (raw, decay) = (at_knots[knot][lane], decays[knot][lane]);
                piece.slopes[knot][lane] = LEAST_SLOPE + raw.max(0.0) + ln(1.0 + decay);
                let numerator = if raw >= 0.0 { 1.0 } else { decay };
                piece.slope_gradients[knot][lane] = numerator / (1.0 + decay);
            }
        }
    }

    /// From the gradients by a bin's start and size to those by the logits of all bins of that
    /// axis.
    ///
    /// With shares p = softmax(logits), start and size are affine in Σ_{i<bin} p_i and p_bin, and
    /// ∂p_i/∂logit_j = p_i([i = j] − p_j).
    fn interval_backward(
        self,
        piece: &Piece,
        interval: &Interval,
        [by_start, by_size]: [&Lanes; 2],
        weights: &[Lanes],
        by_logits: &mut [Lanes],
    ) {
        let mut mean = [0.0; LANES];
        for lane in 0..LANES {
            let before = interval.start[lane] + BOX - LEAST_SIZE * piece.bin[lane];
            let own = interval.size[lane] - LEAST_SIZE;
            mean[lane] = (by_start[lane] * before + by_size[lane] * own) * (1.0 / self.shared());
        }
        for ((index, weights), by_logits) in weights.iter().enumerate().zip(by_logits) {
            for lane in 0..LANES {
                let before = by_start[lane] * one_if((index as f32) < piece.bin[lane]);
                let own = by_size[lane] * one_if(index as f32 == piece.bin[lane]);
                by_logits[lane] = interval.unit[lane] * weights[lane] * (before + own - mean[lane]);
            }
        }
    }

    fn write_raw_gradient(
        self,
        piece: &Piece,
        by: &Gradients,
        by_logits: &[Lanes],
        raw_gradient: &mut [f32],
    ) {
        for (lane, raw_gradient) in raw_gradient.chunks_exact_mut(self.raw_count()).enumerate() {
            let (logits, inner) = raw_gradient.split_at_mut(2 * self.bins);
            for (gradient, by_logits) in logits.iter_mut().zip(by_logits) {
                *gradient = by_logits[lane];
            }
            inner.fill(0.0);
            let bin = piece.bin[lane] as usize;
            if bin > 0 {
                inner[bin - 1] = by.slopes[0][lane];
            }
            if let Some(right) = inner.get_mut(bin) {
                *right = by.slopes[1][lane];
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

/// Gradients by what a piece is made of.
#[derive(Default)]
struct Gradients {
    position: Lanes,
    left: Lanes,
    width: Lanes,
    bottom: Lanes,
    height: Lanes,
    /// By the raw slopes.
    slopes: [Lanes; 2],
}

/// The parts of the rational quadratic at θ, for mean slope s = height / width and knot slopes δ₀,
/// δ₁: with t = θ(1 − θ), the value is bottom + height · rise / below, its slope is (s / below)² ·
/// bend.
struct Quotient {
    /// sθ² + δ₀t
    rise: f32,
    /// s + (δ₀ + δ₁ − 2s) t
    below: f32,
    /// δ₁θ² + 2st + δ₀(1 − θ)²
    bend: f32,
}

impl Quotient {
    #[inline(always)]
    fn at(theta: f32, mean_slope: f32, left: f32, right: f32) -> Self {
        let rest = 1.0 - theta;
        let t = theta * rest;
        Self {
            rise: mean_slope * theta * theta + left * t,
            below: mean_slope + (left + right - 2.0 * mean_slope) * t,
            bend: right * theta * theta + 2.0 * mean_slope * t + left * rest * rest,
        }
    }
}

impl Piece {
    /// Values and log-slopes at `position` in the box; where `x` is outside, x itself and 0.
    fn evaluate(&mut self, position: &Lanes, x: &Lanes) -> (Lanes, Lanes) {
        let (mut value, mut log_slope) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let theta = ((position[lane] - self.x.start[lane]) / self.x.size[lane]).clamp(0.0, 1.0);
            let mean_slope = self.y.size[lane] / self.x.size[lane];
            let quotient = Quotient::at(
                theta,
                mean_slope,
                self.slopes[0][lane],
                self.slopes[1][lane],
            );
            let inverse = 1.0 / quotient.below;
            let y = self.y.start[lane] + self.y.size[lane] * quotient.rise * inverse;
            let steepness = mean_slope * inverse;
            let inside = self.inside[lane] > 0.0;
            value[lane] = if inside { y } else { x[lane] };
            log_slope[lane] = self.inside[lane] * ln(steepness * steepness * quotient.bend);
            self.theta[lane] = theta;
        }
        (value, log_slope)
    }

    /// The x whose value is `position`; where `y` is outside of the box, y itself.
    ///
    /// # Source
    /// Appendix A.3: the root of a quadratic in θ, in the form that does not cancel.
    fn invert(&self, position: &Lanes, y: &Lanes) -> Lanes {
        let mut x = [0.0; LANES];
        for lane in 0..LANES {
            let (left, right) = (self.slopes[0][lane], self.slopes[1][lane]);
            let mean_slope = self.y.size[lane] / self.x.size[lane];
            let share = ((position[lane] - self.y.start[lane]) / self.y.size[lane]).clamp(0.0, 1.0);
            let curve = share * (left + right - 2.0 * mean_slope);
            let (a, b, c) = (mean_slope - left + curve, left - curve, -mean_slope * share);
            let root = (b * b - 4.0 * a * c).max(0.0).sqrt();
            let theta = (2.0 * c / (-b - root)).clamp(0.0, 1.0);
            let inner = self.x.start[lane] + theta * self.x.size[lane];
            x[lane] = if self.inside[lane] > 0.0 {
                inner
            } else {
                y[lane]
            };
        }
        x
    }

    /// The chain rule through `evaluate`, for gradients by its values and, all the same, by its
    /// log-slopes.
    fn gradients(&self, by_value: &Lanes, by_log_slope: f32) -> Gradients {
        let mut by = Gradients::default();
        for (lane, &by_value) in by_value.iter().enumerate() {
            let (inside, theta) = (self.inside[lane], self.theta[lane]);
            let (left, right) = (self.slopes[0][lane], self.slopes[1][lane]);
            let (inverse_width, height) = (1.0 / self.x.size[lane], self.y.size[lane]);
            let mean_slope = height * inverse_width;
            let quotient = Quotient::at(theta, mean_slope, left, right);
            let (rest, t, turn) = (1.0 - theta, theta * (1.0 - theta), 1.0 - 2.0 * theta);
            let (value, log_slope) = (inside * by_value, inside * by_log_slope);

            // By the three parts.
            let inverse = 1.0 / quotient.below;
            let share = quotient.rise * inverse;
            let rise = value * height * inverse;
            let below = -(rise * share + 2.0 * log_slope * inverse);
            let bend = log_slope / quotient.bend;
            // By what they are made of.
            let by_theta = rise * (2.0 * mean_slope * theta + left * turn)
                + below * (left + right - 2.0 * mean_slope) * turn
                + 2.0 * bend * (right * theta + mean_slope * turn - left * rest);
            let by_mean_slope = 2.0 * log_slope / mean_slope
                + rise * theta * theta
                + below * (1.0 - 2.0 * t)
                + 2.0 * bend * t;
            let by_left_slope = (rise + below) * t + bend * rest * rest;
            let by_right_slope = below * t + bend * theta * theta;
            // By positions, sizes and raw slopes.
            let by_position = by_theta * inverse_width;
            by.position[lane] = by_position + (1.0 - inside) * by_value;
            by.left[lane] = -by_position;
            by.width[lane] = -(by_position * theta + by_mean_slope * mean_slope * inverse_width);
            by.bottom[lane] = value;
            by.height[lane] = value * share + by_mean_slope * inverse_width;
            by.slopes[0][lane] = by_left_slope * self.slope_gradients[0][lane];
            by.slopes[1][lane] = by_right_slope * self.slope_gradients[1][lane];
        }
        by
    }
}

/// The values of a block, filled up with zeros.
fn padded(values: &[f32]) -> Lanes {
    let mut lanes = [0.0; LANES];
    lanes[..values.len()].copy_from_slice(values);
    lanes
}

/// 1 or 0: a condition without a branch.
#[inline(always)]
fn one_if(condition: bool) -> f32 {
    f32::from(u8::from(condition))
}

/// Positions pulled into the box, and whether they were inside.
fn into_box(values: &Lanes, inside: &mut Lanes) -> Lanes {
    *inside = values.map(|value| if value.abs() < BOX { 1.0 } else { 0.0 });
    values.map(|value| value.clamp(-BOX, BOX))
}

/// Natural logarithm of a positive normal number to about 1e-7, without a branch: the scheme of
/// FreeBSD's `logf`.
#[inline(always)]
fn ln(x: f32) -> f32 {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let above = x.to_bits().wrapping_sub(SQRT_HALF);
    let exponent = ((above as i32) >> 23) as f32;
    let f = f32::from_bits((above & 0x007f_ffff).wrapping_add(SQRT_HALF)) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let series = z * (0.666_666_6 + w * 0.284_987_87) + w * (0.400_009_72 + w * 0.242_790_79);
    let half_square = 0.5 * f * f;
    s * (half_square + series) + exponent * 9.058_001e-6 - half_square + f + exponent * 0.693_138_1
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::RandomStream;

    const BINS: [usize; 3] = [2, 5, 8];

    /// Positions in and around the box, some at its very edges, and raw parameters of mixed
    /// strength.
    fn draw(splines: Splines, n: usize) -> (Vec<f32>, Vec<f32>) {
        let mut stream = RandomStream::named(21, "splines");
        let (mut x, mut raw) = (vec![0.0; n], vec![0.0; n * splines.raw_count()]);
        stream.fill_standard_normal(&mut raw);
        for (i, (x, raw)) in x
            .iter_mut()
            .zip(raw.chunks_exact_mut(splines.raw_count()))
            .enumerate()
        {
            *x = match i % 8 {
                0 => 4.999 + 0.002 * stream.uniform(),
                1 => -4.999 - 0.002 * stream.uniform(),
                2 => 1e6 * (stream.uniform() - 0.5),
                _ => 12.0 * (stream.uniform() - 0.5),
            };
            let strength = [0.3, 1.0, 2.0][i % 3];
            raw.iter_mut().for_each(|raw| *raw *= strength);
        }
        (x, raw)
    }

    fn forward(splines: Splines, x: &[f32], raw: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (mut y, mut log_slopes) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        splines.forward(x, raw, &mut y, &mut log_slopes, &mut SplineTape::default());
        (y, log_slopes)
    }

    /// The definition, in f64 and without lanes: the oracle for values, slopes and gradients.
    fn reference(splines: Splines, x: f64, raw: &[f64]) -> (f64, f64) {
        let (bins, edge) = (splines.bins, f64::from(BOX));
        if x.abs() >= edge {
            return (x, 0.0);
        }
        let knots = |logits: &[f64]| -> Vec<f64> {
            let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
            let least = f64::from(LEAST_SHARE);
            let share = |logit: &f64| {
                2.0 * edge * (least + (1.0 - least * bins as f64) * logit.exp() / total)
            };
            let steps = logits.iter().scan(-edge, |at, logit| {
                *at += share(logit);
                Some(*at)
            });
            std::iter::once(-edge).chain(steps).collect()
        };
        let (xs, ys) = (knots(&raw[..bins]), knots(&raw[bins..2 * bins]));
        let slope = |knot: usize| match knot {
            _ if knot == 0 || knot == bins => 1.0,
            _ => {
                let offset = (1.0 - f64::from(LEAST_SLOPE)).exp_m1().ln();
                f64::from(LEAST_SLOPE) + (raw[2 * bins + knot - 1] + offset).exp().ln_1p()
            }
        };
        let k = (0..bins).rev().find(|&k| x >= xs[k]).unwrap();
        let (width, height) = (xs[k + 1] - xs[k], ys[k + 1] - ys[k]);
        let (theta, s, left, right) = ((x - xs[k]) / width, height / width, slope(k), slope(k + 1));
        let below = s + (left + right - 2.0 * s) * theta * (1.0 - theta);
        let value = ys[k] + height * (s * theta * theta + left * theta * (1.0 - theta)) / below;
        let bend = right * theta * theta
            + 2.0 * s * theta * (1.0 - theta)
            + left * (1.0 - theta) * (1.0 - theta);
        (value, (s * s * bend / (below * below)).ln())
    }

    fn widened(values: &[f32]) -> Vec<f64> {
        values.iter().map(|&value| f64::from(value)).collect()
    }

    #[test]
    fn values_and_slopes_are_those_of_the_definition() {
        for splines in BINS.map(Splines::new) {
            let (x, raw) = draw(splines, 1003);
            let (y, log_slopes) = forward(splines, &x, &raw);
            for (i, raw) in raw.chunks_exact(splines.raw_count()).enumerate() {
                let (value, log_slope) = reference(splines, f64::from(x[i]), &widened(raw));
                // Rounding a knot moves the value by the slope times as much, and the slope by the
                // bend.
                let allowed = 2e-6 * value.abs().max(5.0) * log_slope.exp().max(1.0);
                assert!(
                    (f64::from(y[i]) - value).abs() < allowed,
                    "{} for {value}",
                    y[i]
                );
                assert!(
                    (f64::from(log_slopes[i]) - log_slope).abs() < 5e-3,
                    "{} for {log_slope}",
                    log_slopes[i]
                );
            }
        }
    }

    #[test]
    fn raw_zeros_are_the_identity() {
        for splines in BINS.map(Splines::new) {
            let (x, _) = draw(splines, 100);
            let (y, log_slopes) = forward(splines, &x, &vec![0.0; 100 * splines.raw_count()]);
            assert!(
                x.iter()
                    .zip(&y)
                    .all(|(x, y)| (x - y).abs() < 1e-5 * x.abs().max(1.0))
            );
            assert!(log_slopes.iter().all(|log_slope| log_slope.abs() < 1e-5));
        }
    }

    #[test]
    fn the_inverse_leads_back() {
        for splines in BINS.map(Splines::new) {
            let (x, raw) = draw(splines, 1003);
            let (y, log_slopes) = forward(splines, &x, &raw);
            let mut back = vec![0.0; x.len()];
            splines.inverse(&y, &raw, &mut back, &mut SplineTape::default());
            let (again, _) = forward(splines, &back, &raw);
            for i in 0..x.len() {
                let slope = log_slopes[i].exp();
                assert!(
                    (again[i] - y[i]).abs() < 1e-5 * y[i].abs().max(1.0) * slope.max(1.0),
                    "{} for {}",
                    again[i],
                    y[i]
                );
                // Where the spline is flat, many x have the same value.
                let close = (x[i] - back[i]).abs() < 1e-4 * x[i].abs().max(1.0);
                assert!(
                    close || slope < 0.1,
                    "{} became {}, slope {slope}",
                    x[i],
                    back[i]
                );
            }
        }
    }

    #[test]
    fn a_spline_rises_from_end_to_end_of_the_box() {
        let splines = Splines::new(8);
        let (_, raw) = draw(splines, 30);
        let x: Vec<f32> = (0..=2200).map(|i| -5.5 + 0.005 * i as f32).collect();
        for raw in raw.chunks_exact(splines.raw_count()) {
            let (y, log_slopes) = forward(splines, &x, &raw.repeat(x.len()));
            assert!(
                y.windows(2).all(|pair| pair[1] >= pair[0]),
                "falls somewhere"
            );
            assert!((y[0] + 5.5).abs() < 1e-6 && (y[2200] - 5.5).abs() < 1e-5);
            assert!(log_slopes.iter().all(|log_slope| log_slope.is_finite()));
        }
    }

    #[test]
    fn extreme_parameters_and_positions_stay_finite() {
        let splines = Splines::new(8);
        let extremes = [f32::MAX, f32::MIN, 0.0, 90.0, -90.0, 1e30, 3.0];
        let raw: Vec<f32> = (0..7 * 16 * splines.raw_count())
            .map(|i| extremes[i * i % 7])
            .collect();
        let positions = [f32::MAX, f32::MIN, 5.0, -5.0, 4.9999995, -4.9999995, 0.0];
        let x: Vec<f32> = (0..7 * 16).map(|i| positions[i % 7]).collect();
        let (mut y, mut log_slopes, mut tape) = (
            vec![0.0; x.len()],
            vec![0.0; x.len()],
            SplineTape::default(),
        );
        splines.forward(&x, &raw, &mut y, &mut log_slopes, &mut tape);
        let (mut gradient, mut raw_gradient) = (vec![1.0; x.len()], vec![0.0; raw.len()]);
        splines.backward(-1.0, &mut gradient, &mut raw_gradient, &mut tape);
        let mut back = vec![0.0; x.len()];
        splines.inverse(&y, &raw, &mut back, &mut tape);
        let all = [&y, &log_slopes, &gradient, &raw_gradient, &back];
        assert!(
            all.iter()
                .all(|values| values.iter().all(|value| value.is_finite()))
        );
    }

    #[test]
    fn gradients_equal_central_differences_of_the_definition() {
        const BY_VALUE: f64 = 0.7;
        const BY_LOG_SLOPE: f64 = -1.3;
        for splines in BINS.map(Splines::new) {
            let (x, raw) = draw(splines, 301);
            let (mut y, mut log_slopes, mut tape) = (
                vec![0.0; x.len()],
                vec![0.0; x.len()],
                SplineTape::default(),
            );
            splines.forward(&x, &raw, &mut y, &mut log_slopes, &mut tape);
            let (mut gradient, mut raw_gradient) =
                (vec![BY_VALUE as f32; x.len()], vec![f32::NAN; raw.len()]);
            splines.backward(
                BY_LOG_SLOPE as f32,
                &mut gradient,
                &mut raw_gradient,
                &mut tape,
            );
            for (i, (raw, found)) in raw
                .chunks_exact(splines.raw_count())
                .zip(raw_gradient.chunks_exact(splines.raw_count()))
                .enumerate()
            {
                let objective = |x: f64, raw: &[f64]| {
                    let (value, log_slope) = reference(splines, x, raw);
                    BY_VALUE * value + BY_LOG_SLOPE * log_slope
                };
                let (x, mut raw, step) = (f64::from(x[i]), widened(raw), 1e-6);
                let numeric =
                    (objective(x + step, &raw) - objective(x - step, &raw)) / (2.0 * step);
                check(f64::from(gradient[i]), numeric, x);
                for j in 0..raw.len() {
                    let centre = raw[j];
                    raw[j] = centre + step;
                    let up = objective(x, &raw);
                    raw[j] = centre - step;
                    let numeric = (up - objective(x, &raw)) / (2.0 * step);
                    raw[j] = centre;
                    check(f64::from(found[j]), numeric, x);
                }
            }
        }
    }

    fn check(found: f64, numeric: f64, x: f64) {
        assert!(
            (found - numeric).abs() < 3e-3 * numeric.abs().max(1.0),
            "{found} against {numeric} at {x}"
        );
    }

    #[test]
    fn logarithm_is_accurate() {
        for i in -2000..2000 {
            let x = (i as f32 * 0.04).exp();
            let exact = f64::from(x).ln();
            assert!(
                (f64::from(ln(x)) - exact).abs() < 2e-7 * exact.abs().max(1.0),
                "ln {x}"
            );
        }
    }

    /// `cargo test … spline -- --ignored --nocapture`
    #[test]
    #[ignore = "a measurement"]
    #[allow(clippy::print_stdout)]
    fn time_of_one_spline() {
        const N: usize = 256 * 9;
        const TIMES: usize = 2000;
        let splines = Splines::new(8);
        let (x, raw) = draw(splines, N);
        let x: Vec<f32> = x.iter().map(|x| x.clamp(-3.0, 3.0)).collect();
        let (mut y, mut log_slopes, mut tape) = (vec![0.0; N], vec![0.0; N], SplineTape::default());
        let (mut gradient, mut raw_gradient) = (vec![1.0; N], vec![0.0; raw.len()]);
        let timed = |what: &str, run: &mut dyn FnMut()| {
            let start = std::time::Instant::now();
            (0..TIMES).for_each(|_| run());
            println!(
                "{what}: {:.1} ns",
                start.elapsed().as_nanos() as f64 / (N * TIMES) as f64
            );
        };
        timed("forward", &mut || {
            splines.forward(&x, &raw, &mut y, &mut log_slopes, &mut tape)
        });
        timed("backward", &mut || {
            splines.backward(-1.0, &mut gradient, &mut raw_gradient, &mut tape)
        });
        timed("inverse", &mut || {
            splines.inverse(&x, &raw, &mut y, &mut tape)
        });
    }
}
