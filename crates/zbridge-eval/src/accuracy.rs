use serde::{Deserialize, Serialize};

/// The 97.5 % point of the standard normal.
pub(crate) const NORMAL_975: f64 = 1.959_963_984_540_054;

/// A share of right answers with its Wilson interval.
///
/// ```
/// let accuracy = zbridge_eval::Accuracy::of([true, true, true, false]);
/// assert_eq!((accuracy.correct, accuracy.count, accuracy.share), (3, 4, 0.75));
/// let (low, high) = accuracy.interval_95;
/// assert!((0.30..0.31).contains(&low) && (0.95..0.96).contains(&high));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// The number of right answers.
    pub correct: usize,
    /// The number of all answers.
    pub count: usize,
    /// correct / count; NaN without answers.
    pub share: f64,
    /// The 95 % Wilson score interval (low, high); (0, 1) without answers.
    pub interval_95: (f64, f64),
}

impl Accuracy {
    /// Returns the accuracy of these outcomes, `true` for a right answer.
    pub fn of(outcomes: impl IntoIterator<Item = bool>) -> Self {
        let mut counts = [0, 0];
        for correct in outcomes {
            counts[usize::from(correct)] += 1;
        }
        let [wrong, right] = counts;
        Self::from_counts(right, wrong)
    }

    /// Returns the accuracy of `right` right and `wrong` wrong answers.
    pub fn from_counts(right: usize, wrong: usize) -> Self {
        let count = right + wrong;
        let share = right as f64 / count as f64;
        Self {
            correct: right,
            count,
            share,
            interval_95: wilson_interval(share, count),
        }
    }
}

/// Returns (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n).
///
/// # Source
/// Wilson (1927), *Probable inference, the law of succession, and statistical inference*.
pub(crate) fn wilson_interval(share: f64, count: usize) -> (f64, f64) {
    if count == 0 {
        return (0.0, 1.0);
    }
    let (n, z) = (count as f64, NORMAL_975);
    let centre = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let shrink = 1.0 + z * z / n;
    // Exactly 0 and 1 at the ends, where rounding would leave the unit interval.
    let low = ((centre - half) / shrink).max(0.0);
    let high = ((centre + half) / shrink).min(1.0);
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expect(right: usize, wrong: usize, low: f64, high: f64) {
        let (found_low, found_high) = Accuracy::from_counts(right, wrong).interval_95;
        assert!(
            (found_low - low).abs() < 5e-5 && (found_high - high).abs() < 5e-5,
            "{found_low} … {found_high}"
        );
    }

    #[test]
    fn interval_agrees_with_published_values() {
        // Newcombe (1998), Statistics in Medicine 17, table I, method 3.
        expect(81, 263 - 81, 0.2553, 0.3662);
        expect(15, 148 - 15, 0.0624, 0.1605);
        expect(0, 20, 0.0, 0.1611);
        expect(1, 28, 0.0061, 0.1718);
    }

    #[test]
    fn without_answers_the_interval_is_everything() {
        let none = Accuracy::of([]);
        assert!(none.share.is_nan());
        assert_eq!(none.interval_95, (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn interval_contains_the_share_and_stays_in_bounds(
            right in 0..500usize,
            wrong in 0..500usize,
        ) {
            prop_assume!(right + wrong > 0);
            let accuracy = Accuracy::from_counts(right, wrong);
            let (low, high) = accuracy.interval_95;
            prop_assert!(0.0 <= low && low <= accuracy.share + 1e-12);
            prop_assert!(accuracy.share <= high + 1e-12 && high <= 1.0);
            let (mirror_low, mirror_high) = Accuracy::from_counts(wrong, right).interval_95;
            prop_assert!((low + mirror_high - 1.0).abs() < 1e-12);
            prop_assert!((high + mirror_low - 1.0).abs() < 1e-12);
        }
    }
}
