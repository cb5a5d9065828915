//! The bound on the mutual information of pairs, and its slopes by the codes.

use ndarray::{Array1, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2};

/// δ in log(δ + (1 − δ) r): a pair that fits no code costs at most −log δ.
pub(super) const DELTA: f32 = 0.02;
/// Is added to the frequency of each code, so that one that is not used has a frequency.
const MIN_FREQUENCY: f32 = 1e-4;

/// The codes of one side in a step: p(k|·) of the pairs, and of other posteriors.
#[derive(Clone, Copy)]
pub(super) struct SideCodes<'c> {
    /// `[pairs, K]`.
    pub(super) pairs: ArrayView2<'c, f32>,
    /// `[others, K]`.
    pub(super) others: ArrayView2<'c, f32>,
}

/// The slopes of the objective by the codes of one side, in the same shapes.
pub(super) struct SideSlopes<'s> {
    pub(super) pairs: ArrayViewMut2<'s, f32>,
    pub(super) others: ArrayViewMut2<'s, f32>,
}

/// What the terms of all pairs have in common, `[K]` each.
struct Common {
    /// p(k) among the others of both sides.
    frequency: Array1<f32>,
    /// Mean p(k|x) of the pairs.
    x_mean: Array1<f32>,
    /// Mean p(k|y) of the pairs.
    y_mean: Array1<f32>,
    /// Σ_k of the product of both means over p(k): the mean ratio of x and y that are no pair.
    normaliser: f32,
    /// One over the number of pairs.
    share: f32,
}

/// Returns −E log(δ + (1 − δ) Σ_k a_k b_k / p_k) + log Σ_k ā_k b̄_k / p_k over the pairs, in nats,
/// where a and b are the codes of the two sides of a pair, and p is the frequency of codes among
/// the others of both sides. Writes the slopes by all codes.
pub(super) fn pair_objective([x, y]: [SideCodes<'_>; 2], slopes: [SideSlopes<'_>; 2]) -> f64 {
    let common = Common::of(x, y);
    let [mut x_slopes, mut y_slopes] = slopes;
    let mut frequency_slopes = common.normaliser_slopes();
    let mut nats = f64::from(common.normaliser.ln());
    for row in 0..x.pairs.nrows() {
        let pair = [x.pairs.row(row), y.pairs.row(row)];
        let pair_slopes = [x_slopes.pairs.row_mut(row), y_slopes.pairs.row_mut(row)];
        let log_ratio = common.add_pair(pair, pair_slopes, &mut frequency_slopes);
        nats -= f64::from(log_ratio) * f64::from(common.share);
    }
    for others in [&mut x_slopes.others, &mut y_slopes.others] {
        // The frequency is the mean of the means of both sides.
        let share = 0.5 * others.ncols() as f32 / others.len() as f32;
        others.assign(&(share * &frequency_slopes));
    }
    nats
}

impl Common {
    fn of(x: SideCodes<'_>, y: SideCodes<'_>) -> Self {
        let frequency = 0.5 * (means(x.others) + means(y.others)) + MIN_FREQUENCY;
        let (x_mean, y_mean) = (means(x.pairs), means(y.pairs));
        let terms = &x_mean * &y_mean / &frequency;
        Self {
            normaliser: terms.iter().sum(),
            share: 1.0 / x.pairs.nrows() as f32,
            frequency,
            x_mean,
            y_mean,
        }
    }

    /// Returns the slopes of log Σ_k ā_k b̄_k / p_k by the frequencies p.
    fn normaliser_slopes(&self) -> Array1<f32> {
        let terms = &self.x_mean * &self.y_mean / &self.frequency;
        -terms / (&self.frequency * self.normaliser)
    }

    /// Returns log(δ + (1 − δ) Σ_k a_k b_k / p_k) of a pair. Writes the slopes of the objective by
    /// its codes, and adds those by the frequencies.
    fn add_pair(
        &self,
        [a, b]: [ArrayView1<'_, f32>; 2],
        [mut a_slopes, mut b_slopes]: [ArrayViewMut1<'_, f32>; 2],
        frequency_slopes: &mut Array1<f32>,
    ) -> f32 {
        let p = &self.frequency;
        let ratio: f32 = (0..p.len()).map(|k| a[k] * b[k] / p[k]).sum();
        let bounded_ratio = DELTA + (1.0 - DELTA) * ratio;
        let weight = self.share * (1.0 - DELTA) / bounded_ratio;
        let (a_mean, b_mean) = (&self.x_mean, &self.y_mean);
        for k in 0..p.len() {
            a_slopes[k] = (self.share * b_mean[k] / self.normaliser - weight * b[k]) / p[k];
            b_slopes[k] = (self.share * a_mean[k] / self.normaliser - weight * a[k]) / p[k];
            frequency_slopes[k] += weight * a[k] * b[k] / (p[k] * p[k]);
        }
        bounded_ratio.ln()
    }
}

/// Returns the mean of each column. Rows are added in their order.
pub(super) fn means(batch: ArrayView2<'_, f32>) -> Array1<f32> {
    let mut totals = Array1::zeros(batch.ncols());
    for row in batch.rows() {
        totals += &row;
    }
    totals / batch.nrows().max(1) as f32
}
