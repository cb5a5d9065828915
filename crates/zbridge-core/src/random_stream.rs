use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use rand_xoshiro::Xoshiro256PlusPlus;

/// A named, seeded stream of random numbers.
///
/// Every purpose owns a stream (`"fit/x→y"`, `"sample/labels"`), so that a new draw in one never
/// shifts another, and work that runs in parallel gives each task its own: results do not depend
/// on threads. Same seed and name, same numbers.
#[derive(Debug, Clone)]
pub struct RandomStream {
    seed: u64,
    generator: Xoshiro256PlusPlus,
}

impl RandomStream {
    /// The stream `name` under `seed`.
    pub fn named(seed: u64, name: &str) -> Self {
        // FNV-1a over the name, keyed by the seed; the generator's own SplitMix64 spreads the bits.
        let offset = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let key = name.bytes().fold(offset, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self {
            seed: key,
            generator: Xoshiro256PlusPlus::seed_from_u64(key),
        }
    }

    /// The sub-stream for item `index` (a row, a step, an epoch): independent of how much was drawn
    /// here.
    pub fn child(&self, index: u64) -> Self {
        let mixed =
            self.seed.rotate_left(17) ^ index.wrapping_add(1).wrapping_mul(0xd134_2543_de82_ef95);
        Self {
            seed: mixed,
            generator: Xoshiro256PlusPlus::seed_from_u64(mixed),
        }
    }

    /// Independent standard normal draws in every cell.
    pub fn fill_standard_normal(&mut self, cells: &mut [f32]) {
        for cell in cells {
            *cell = self.generator.sample(StandardNormal);
        }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.generator.random()
    }

    /// A uniform draw from `0..bound`.
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.generator.random_range(0..bound)
    }

    /// A uniform draw from [0, 1).
    pub fn uniform(&mut self) -> f32 {
        self.generator.random()
    }

    /// Makes each value 1 with itself as the probability, and 0 otherwise: grey pixels become black
    /// or white ones.
    pub fn binarise(&mut self, values: &mut [f32]) {
        values
            .iter_mut()
            .for_each(|value| *value = f32::from(u8::from(self.uniform() < *value)));
    }

    /// A uniformly random order of `0..n` (Fisher–Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
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
    fn a_child_does_not_notice_its_parents_draws() {
        let mut parent = RandomStream::named(1, "parent");
        let before = parent.child(4).uniform();
        parent.uniform();
        assert_eq!(before, parent.child(4).uniform());
        assert_ne!(before, parent.child(5).uniform());
    }

    #[test]
    fn a_permutation_names_every_index_once() {
        let mut order = RandomStream::named(1, "order").permutation(1000);
        assert_ne!(order, (0..1000).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }
}
