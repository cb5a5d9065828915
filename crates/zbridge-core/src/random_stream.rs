use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use rand_xoshiro::Xoshiro256PlusPlus;

/// A named, seeded stream of random numbers.
///
/// Each purpose has a stream of its own (`"fit/x→y"`, `"sample/labels"`), so that an additional
/// draw for one purpose does not change the draws for another. Parallel work gives each task a
/// [`child`](Self::child): results do not depend on the number of threads. The same seed and name
/// give the same numbers.
///
/// ```
/// use zbridge_core::RandomStream;
///
/// let mut stream = RandomStream::named(7, "example");
/// let again = RandomStream::named(7, "example").uniform();
/// assert_eq!(stream.uniform(), again);
/// // A child does not depend on the number of draws from its parent.
/// let of_row_3 = stream.child(3).uniform();
/// stream.bits();
/// assert_eq!(stream.child(3).uniform(), of_row_3);
/// ```
#[derive(Debug, Clone)]
pub struct RandomStream {
    seed: u64,
    generator: Xoshiro256PlusPlus,
}

impl RandomStream {
    /// Returns the stream `name` under `seed`.
    pub fn named(seed: u64, name: &str) -> Self {
        // FNV-1a over the name, keyed by the seed; the generator's own SplitMix64 spreads the bits.
        let mut key = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for byte in name.bytes() {
            key = (key ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Self::seeded(key)
    }

    /// Returns the stream of item `index` (a row, a step, an epoch); it does not depend on the
    /// draws that were taken from this stream.
    pub fn child(&self, index: u64) -> Self {
        // An odd factor is a bijection of the integers modulo 2⁶⁴: no two children have one seed.
        let spread = index.wrapping_add(1).wrapping_mul(0xd134_2543_de82_ef95);
        Self::seeded(self.seed.rotate_left(17) ^ spread)
    }

    fn seeded(seed: u64) -> Self {
        let generator = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { seed, generator }
    }

    /// Fills `cells` with independent standard normal draws.
    pub fn fill_standard_normal(&mut self, cells: &mut [f32]) {
        for cell in cells {
            *cell = self.generator.sample(StandardNormal);
        }
    }

    /// Returns 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.generator.random()
    }

    /// Returns a uniform draw from `0..bound`.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.generator.random_range(0..bound)
    }

    /// Returns a uniform draw from [0, 1).
    pub fn uniform(&mut self) -> f32 {
        self.generator.random()
    }

    /// Replaces each value by a draw of 1 or 0, of which it is the probability of 1: grey pixels
    /// become black or white.
    pub fn binarise(&mut self, values: &mut [f32]) {
        for value in values {
            let drawn = self.uniform() < *value;
            *value = f32::from(u8::from(drawn));
        }
    }

    /// Returns `0..n` in a uniformly random order (Fisher–Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        // Each place from the last on gets one of the items that have none yet.
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_and_name_only() {
        let draw = |seed, name| RandomStream::named(seed, name).uniform();
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
    }

    #[test]
    fn a_child_does_not_depend_on_the_draws_of_its_parent() {
        let mut parent = RandomStream::named(1, "parent");
        let before = parent.child(4).uniform();
        parent.uniform();
        assert_eq!(before, parent.child(4).uniform());
        assert_ne!(before, parent.child(5).uniform());
    }

    #[test]
    fn a_permutation_has_every_index_once() {
        let mut order = RandomStream::named(1, "order").permutation(1000);
        assert_ne!(order, (0..1000).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }
}
