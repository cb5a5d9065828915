//! The instruction set that kernels run with: one decision for the whole process.
//!
//! Every kernel is compiled once for each [`InstructionSet`], and the widest that the processor
//! has is used. The environment variable `ZBRIDGE_ISA` caps it, which is how a slower processor is
//! tried out on a faster one.
//!
//! What is not capped: loops that are left to the compiler's baseline in other crates, and the
//! networks that `rten` runs in zbridge-foreign.

use pulp::{Scalar, Simd, WithSimd};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, Ordering};
use thiserror::Error;

/// The environment variable that caps the instruction set.
pub const INSTRUCTION_SET_VARIABLE: &str = "ZBRIDGE_ISA";

/// Vector instructions that kernels are compiled for, the narrowest first.
///
/// Products and sums of [`Neon`](Self::Neon), [`Avx2`](Self::Avx2) and [`Avx512`](Self::Avx512)
/// are fused (rounded once), those of [`Scalar`](Self::Scalar) are not, so their results differ by
/// rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum InstructionSet {
    /// What every processor of the architecture has.
    Scalar,
    /// 128 bits: 64-bit ARM.
    Neon,
    /// 256 bits: x86-64-v3, which is AVX2 with FMA (Intel since 2013, AMD since Zen).
    Avx2,
    /// 512 bits: x86-64-v4, which is AVX-512 F, BW, CD, DQ and VL.
    Avx512,
}

/// The name of an instruction set that there is not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no instruction set: {INSTRUCTION_SET_VARIABLE} may be `avx512`, `avx2`, `neon` or \
     `scalar`, or left out for the best that the processor has"
)]
pub struct UnknownInstructionSet(pub String);

/// 0 until the first kernel runs; then 1 + the place of the current set in [`ALL`].
static CURRENT: AtomicU8 = AtomicU8::new(0);

const ALL: [InstructionSet; 4] = [
    InstructionSet::Scalar,
    InstructionSet::Neon,
    InstructionSet::Avx2,
    InstructionSet::Avx512,
];

impl InstructionSet {
    /// The set that kernels run with: the best that the processor has, or less where `ZBRIDGE_ISA`
    /// or [`limit_to`](Self::limit_to) says so.
    ///
    /// # Panics
    /// At the first call when `ZBRIDGE_ISA` names no instruction set. A program that wants to
    /// report this as an error calls [`from_environment`](Self::from_environment) first.
    #[inline]
    pub fn current() -> Self {
        // Relaxed: the number is all there is, no other memory depends on it.
        match CURRENT.load(Ordering::Relaxed) {
            0 => Self::decide(),
            place => ALL[usize::from(place) - 1],
        }
    }

    #[cold]
    fn decide() -> Self {
        match Self::from_environment() {
            Ok(set) => set.limit_to(),
            Err(unknown) => panic!("{unknown}"),
        }
    }

    /// The best set of this processor, or less where `ZBRIDGE_ISA` says so.
    ///
    /// # Errors
    /// [`UnknownInstructionSet`] when the variable names none.
    pub fn from_environment() -> Result<Self, UnknownInstructionSet> {
        match std::env::var_os(INSTRUCTION_SET_VARIABLE) {
            None => Ok(Self::best()),
            Some(name) => Ok(name.to_string_lossy().parse::<Self>()?.or_best_below()),
        }
    }

    /// Runs kernels with this set, or the best below it that the processor has, from now on in the
    /// whole process; returns that set. For tests and benches: a network that is being trained
    /// meanwhile changes by rounding.
    pub fn limit_to(self) -> Self {
        let set = self.or_best_below();
        CURRENT.store(set as u8 + 1, Ordering::Relaxed);
        set
    }

    /// The sets of this processor, the narrowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        ALL.into_iter().filter(|set| set.is_available())
    }

    /// The widest set of this processor.
    pub fn best() -> Self {
        static BEST: LazyLock<InstructionSet> =
            LazyLock::new(|| InstructionSet::Avx512.or_best_below());
        *BEST
    }

    fn or_best_below(self) -> Self {
        // Variants are in order of width, and so is `<=`.
        let below = Self::available().filter(|set| *set <= self);
        below.max().unwrap_or(Self::Scalar)
    }

    fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => pulp::aarch64::Neon::try_new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::try_new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::try_new().is_some(),
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }

    /// Runs `kernel` as machine code of this set, or of the best below it that the processor has.
    ///
    /// A closure has to be marked `#[inline(always)]`, as does every function that it calls in its
    /// loop: only what is inlined is compiled for the set.
    #[inline(always)]
    pub fn run<K: WithSimd>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        {
            if self >= Self::Avx512
                && let Some(simd) = pulp::x86::V4::try_new()
            {
                return Simd::vectorize(simd, kernel);
            }
            if self >= Self::Avx2
                && let Some(simd) = pulp::x86::V3::try_new()
            {
                return Simd::vectorize(simd, kernel);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if self >= Self::Neon
            && let Some(simd) = pulp::aarch64::Neon::try_new()
        {
            return Simd::vectorize(simd, kernel);
        }
        Simd::vectorize(Scalar::new(), kernel)
    }
}

/// Runs a loop that the compiler vectorises as machine code of the current [`InstructionSet`].
///
/// The closure has to be marked `#[inline(always)]`, as does every function that it calls. A loop
/// over many slices belongs into such a function: the compiler knows of a function's arguments
/// that they do not overlap, and of what a closure captures it does not.
///
/// ```
/// use zbridge_nn::vectorise;
///
/// let mut values = [1.0f32, 2.0, 3.0];
/// let doubled = &mut values;
/// vectorise(#[inline(always)] move || doubled.iter_mut().for_each(|x| *x *= 2.0));
/// assert_eq!(values, [2.0, 4.0, 6.0]);
/// ```
#[inline(always)]
pub fn vectorise<R>(work: impl FnOnce() -> R) -> R {
    InstructionSet::current().run(work)
}

impl Display for InstructionSet {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Scalar => "scalar",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

impl FromStr for InstructionSet {
    type Err = UnknownInstructionSet;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = ALL.into_iter().find(|set| set.to_string() == name);
        known.ok_or_else(|| UnknownInstructionSet(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back() {
        for set in ALL {
            assert_eq!(set.to_string().parse(), Ok(set));
        }
        let unknown = "AVX512".parse::<InstructionSet>();
        assert_eq!(unknown, Err(UnknownInstructionSet("AVX512".to_owned())));
    }

    #[test]
    fn a_cap_above_the_processor_means_its_best() {
        assert_eq!(
            InstructionSet::best(),
            InstructionSet::Avx512.or_best_below()
        );
        assert_eq!(
            InstructionSet::Scalar.or_best_below(),
            InstructionSet::Scalar
        );
    }

    #[test]
    fn kernels_run_with_vectors_of_the_set() {
        struct Width;
        impl WithSimd for Width {
            type Output = usize;
            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> usize {
                S::F32_LANES
            }
        }
        for set in InstructionSet::available() {
            let width = match set {
                InstructionSet::Scalar => 1,
                InstructionSet::Neon => 4,
                InstructionSet::Avx2 => 8,
                InstructionSet::Avx512 => 16,
            };
            assert_eq!(set.run(Width), width, "{set}");
        }
    }
}
