use std::ops::{Add, Mul};

/// Σ a·b over the shorter of the two, in eight lanes of fixed order: fast, and the same on every
/// machine.
pub(crate) fn dot<T: Copy + Default + Add<Output = T> + Mul<Output = T>>(a: &[T], b: &[T]) -> T {
    const LANES: usize = 8;
    let length = a.len().min(b.len());
    let (a_whole, a_rest) = a[..length].as_chunks::<LANES>();
    let (b_whole, b_rest) = b[..length].as_chunks::<LANES>();
    let mut lanes = [T::default(); LANES];
    for (a, b) in a_whole.iter().zip(b_whole) {
        for lane in 0..LANES {
            lanes[lane] = lanes[lane] + a[lane] * b[lane];
        }
    }
    let rest = a_rest
        .iter()
        .zip(b_rest)
        .fold(T::default(), |sum, (&a, &b)| sum + a * b);
    lanes.into_iter().fold(rest, |sum, lane| sum + lane)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lanes_and_the_rest_are_summed_alike() {
        for length in [0, 1, 7, 8, 9, 24, 25] {
            let values: Vec<f64> = (0..length).map(f64::from).collect();
            assert_eq!(
                dot(&values, &values),
                values.iter().map(|v| v * v).sum::<f64>()
            );
        }
    }
}
