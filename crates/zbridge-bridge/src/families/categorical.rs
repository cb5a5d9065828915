use ndarray::Array2;
use zbridge_core::softmax_in_place;

/// Replaces every row of logits `[rows, K]` by probabilities.
pub(crate) fn softmax_rows(logits: &mut Array2<f32>) {
    for mut row in logits.rows_mut() {
        softmax_in_place(row.as_slice_mut().expect("rows of a row-major array"));
    }
}

/// Returns a category drawn from these probabilities: the one at which their cumulative sum passes
/// `uniform`, a draw from [0, 1).
pub(crate) fn category(probabilities: &[f32], uniform: f32) -> usize {
    let mut cumulative = 0.0;
    for (category, probability) in probabilities.iter().enumerate() {
        cumulative += probability;
        if uniform < cumulative {
            return category;
        }
    }
    // Rounded probabilities may add up to a little less than 1.
    let possible = |probability: &f32| *probability > 0.0;
    probabilities.iter().rposition(possible).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_category_is_drawn_as_often_as_its_probability_says() {
        let drawn = [0.0, 0.19, 0.21, 0.99].map(|uniform| category(&[0.2, 0.0, 0.8], uniform));
        assert_eq!(drawn, [0, 0, 2, 2]);
        assert_eq!(category(&[0.5, 0.499, 0.0], 0.9999), 1, "rounding");
    }

    #[test]
    fn rows_of_logits_become_probabilities() {
        let mut logits = array![[0.0, 0.0], [1e4, 0.0]];
        softmax_rows(&mut logits);
        assert_eq!(logits, array![[0.5, 0.5], [1.0, 0.0]]);
    }
}
