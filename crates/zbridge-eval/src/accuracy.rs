use serde::{Deserialize, Serialize};

/// The 97.5 % point of the standard normal.
pub(crate) const NORMAL_975: f64 = 1.959_963_984_540_054;

/// A share of right answers with its Wilson interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// How many were right.
    pub correct: usize,
    /// Of how many.
    pub count: usize,
    /// correct / count; NaN when there were none.
    pub share: f64,
    /// The 95 % Wilson score interval (low, high); (0, 1) when there were none.
    pub interval_95: (f64, f64),
}

impl Accuracy {
    /// The accuracy of these outcomes, `true` for a right one.
    pub fn of(outcomes: impl IntoIterator<Item = bool>) -> Self {
        let (mut right, mut wrong) = (0, 0);
        outcomes
            .into_iter()
            .for_each(|correct| *if correct { &mut right } else { &mut wrong } += 1);
        Self::from_counts(right, wrong)
    }

    /// The accuracy of `right` right and `wrong` wrong answers.
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

/// (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n).
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
    (
        ((centre - half) / shrink).max(0.0),
        ((centre + half) / shrink).min(1.0),
    )
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
    fn no_answers_say_nothing() {
        let none = Accuracy::of([]);
        assert!(none.share.is_nan());
        assert_eq!(none.interval_95, (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn interval_holds_the_share_and_stays_in_bounds(right in 0..500usize, wrong in 0..500usize) {
            prop_assume!(right + wrong > 0);
            let accuracy = Accuracy::from_counts(right, wrong);
            let (low, high) = accuracy.interval_95;
            prop_assert!(0.0 <= low && low <= accuracy.share + 1e-12);
            prop_assert!(accuracy.share <= high + 1e-12 && high <= 1.0);
            let (mirror_low, mirror_high) = Accuracy::from_counts(wrong, right).interval_95;
            prop_assert!((low + mirror_high - 1.0).abs() < 1e-12 && (high + mirror_low - 1.0).abs() < 1e-12);
        }
    }
}
