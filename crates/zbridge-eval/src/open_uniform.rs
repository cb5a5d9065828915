use zbridge_core::RandomStream;

/// Returns a uniform draw from the open interval (0, 1) in steps of 2⁻⁵³: its logarithm is finite.
pub(crate) fn open_uniform(stream: &mut RandomStream) -> f64 {
    const STEP: f64 = 1.0 / (1u64 << 53) as f64;
    // 53 random bits are exact in f64; the half step keeps 0 and 1 out.
    ((stream.bits() >> 11) as f64 + 0.5) * STEP
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::Moments;

    #[test]
    fn draws_have_the_moments_of_the_uniform() {
        let (mut stream, mut moments) = (RandomStream::named(1, "uniform"), Moments::default());
        for _ in 0..100_000 {
            moments.push(open_uniform(&mut stream));
        }
        assert!(
            (moments.mean() - 0.5).abs() < 0.004 && (moments.variance() - 1.0 / 12.0).abs() < 0.001
        );
    }
}
