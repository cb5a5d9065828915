use serde::{Deserialize, Serialize};
use zbridge_core::Moments;

/// The number of bins of the reliability diagram.
pub const CALIBRATION_BINS: usize = 15;

/// Whether answers given with confidence c are right with frequency c.
///
/// ```
/// // Sure of four answers, of which one is wrong.
/// let answers = [(0.95, true), (0.95, true), (0.95, true), (0.95, false)];
/// let calibration = zbridge_eval::Calibration::of(answers);
/// assert!((calibration.expected_calibration_error - 0.2).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Σ_b (n_b / n) · |accuracy_b − confidence_b|, 0 … 1; NaN without answers.
    pub expected_calibration_error: f64,
    /// The [`CALIBRATION_BINS`] bins of equal width, from low to high confidence, with the empty
    /// ones.
    pub bins: Vec<ReliabilityBin>,
}

/// The answers whose confidence lies in (low, high]; the first bin also contains 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Lower end, exclusive.
    pub low: f64,
    /// Upper end, inclusive.
    pub high: f64,
    /// The number of answers.
    pub count: usize,
    /// Their mean confidence; NaN without answers.
    pub mean_confidence: f64,
    /// The share of right ones; NaN without answers.
    pub accuracy: f64,
}

impl Calibration {
    /// Returns the calibration of answers (confidence, right or not).
    ///
    /// # Source
    /// Guo, Pleiss, Sun, Weinberger (2017), *On calibration of modern neural networks*, eqs. 3 and
    /// 5.
    pub fn of(answers: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let mut contents = [BinContent::default(); CALIBRATION_BINS];
        for (confidence, correct) in answers {
            let content = &mut contents[bin_of(confidence)];
            content.confidences.push(confidence);
            content.outcomes.push(f64::from(u8::from(correct)));
        }
        let bins = contents.iter().enumerate();
        let bins = bins.map(|(number, content)| ReliabilityBin::new(number, content));
        let bins: Vec<_> = bins.collect();
        Self {
            expected_calibration_error: expected_error(&bins),
            bins,
        }
    }
}

/// Returns Σ_b (n_b / n) · |accuracy_b − confidence_b|.
fn expected_error(bins: &[ReliabilityBin]) -> f64 {
    let count: usize = bins.iter().map(|bin| bin.count).sum();
    // An empty bin has neither accuracy nor confidence.
    let filled = bins.iter().filter(|bin| bin.count > 0);
    let gaps = filled.map(|bin| bin.count as f64 * bin.gap());
    gaps.sum::<f64>() / count as f64
}

/// The answers of a bin.
#[derive(Debug, Clone, Copy, Default)]
struct BinContent {
    confidences: Moments,
    /// 1 for a right answer, 0 for a wrong one.
    outcomes: Moments,
}

impl ReliabilityBin {
    fn new(number: usize, content: &BinContent) -> Self {
        let edge = |index: usize| index as f64 / CALIBRATION_BINS as f64;
        Self {
            low: edge(number),
            high: edge(number + 1),
            count: content.confidences.count(),
            mean_confidence: content.confidences.mean(),
            accuracy: content.outcomes.mean(),
        }
    }

    /// Returns |accuracy − confidence|.
    fn gap(&self) -> f64 {
        (self.accuracy - self.mean_confidence).abs()
    }
}

/// Returns the bin b with b/15 < confidence ≤ (b + 1)/15.
fn bin_of(confidence: f64) -> usize {
    // A confidence on an edge belongs to the bin below it, as in the paper.
    let upper_edge = (confidence * CALIBRATION_BINS as f64).ceil() as usize;
    upper_edge.clamp(1, CALIBRATION_BINS) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::RandomStream;

    #[test]
    fn a_calibrated_classifier_has_almost_no_error() {
        let mut stream = RandomStream::named(5, "answers");
        let n = 200_000;
        let answers = (0..n).map(|_| {
            let confidence = 0.1 + 0.9 * f64::from(stream.uniform());
            (confidence, f64::from(stream.uniform()) < confidence)
        });
        let calibration = Calibration::of(answers.collect::<Vec<_>>());
        // The mean gap of a bin with n/15 answers is about 0.8 · √(p(1 − p)·15/n) ≤ 0.0035.
        assert!(
            calibration.expected_calibration_error < 0.004,
            "{}",
            calibration.expected_calibration_error
        );
        assert_eq!(
            calibration.bins.iter().map(|bin| bin.count).sum::<usize>(),
            n
        );
    }

    #[test]
    fn an_overconfident_classifier_has_the_error_computed_by_hand() {
        // Six answers at 0.95 of which three are right: gap 0.45. Four at 0.62 of which one is
        // right: gap 0.37.
        let sure = [true, true, true, false, false, false].map(|right| (0.95, right));
        let unsure = [true, false, false, false].map(|right| (0.62, right));
        let calibration = Calibration::of(sure.into_iter().chain(unsure));
        assert!((calibration.expected_calibration_error - (0.6 * 0.45 + 0.4 * 0.37)).abs() < 1e-12);
        let filled: Vec<usize> = (0..CALIBRATION_BINS)
            .filter(|&bin| calibration.bins[bin].count > 0)
            .collect();
        assert_eq!(filled, [9, 14]);
        assert!(calibration.bins[0].accuracy.is_nan());
    }

    #[test]
    fn the_ends_of_the_scale_have_bins() {
        assert_eq!(
            [0.0, 1e-9, 1.0 / 15.0, 0.5, 1.0].map(bin_of),
            [0, 0, 0, 7, 14]
        );
    }
}
