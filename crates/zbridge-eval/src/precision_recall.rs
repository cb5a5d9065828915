use crate::EvalError;
use crate::checks::expect_count;
use crate::panels::Panels;
use crate::parallel_rows::each_block;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Mutex;
use zbridge_core::{Estimate, Interrupted, Latents, Observer, Stage};

/// k of the reference implementations of precision and recall.
pub const DEFAULT_NEIGHBOURS: usize = 3;
/// Rows of a task: an observer is called after each task.
const BLOCK: usize = 32;

/// How much of what is generated looks real, and how much of what is real is generated, in a space
/// of features.
///
/// Both sets have balls around their points that reach to the k-th nearest neighbour in the same
/// set.
///
/// | quantity | share or mean of | sensitive to |
/// |---|---|---|
/// | precision | generated points in some real ball | implausible outputs |
/// | recall | real points in some generated ball | missing modes |
/// | density | generated points: real balls around it, over k | as precision, not to outliers |
/// | coverage | real points whose ball has a generated point | as recall, not to outliers |
///
/// **Bias**: balls shrink as sets grow, and the values with them or not, depending on the
/// dimension: even for two samples of one distribution, precision and recall are below 1 by an
/// amount that depends on n, k and the dimension. Compare values from the same `count`, k and
/// features only, and with that of two halves of the real set. Density may exceed 1. Coverage of
/// two samples of one distribution is 1 − Π (n − 1 − i)/(2n − 1 − i) over i < k, about 1 − 2⁻ᵏ:
/// 0.875 for k = 3; Naeem et al. recommend k = 5 (0.969).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecall {
    /// Share of generated points in a real ball; its error takes the balls as given, here and
    /// below.
    pub precision: Estimate,
    /// Share of real points in a generated ball.
    pub recall: Estimate,
    /// Mean over generated points of (real balls around it)/k.
    pub density: Estimate,
    /// Share of real points whose ball has a generated point.
    pub coverage: Estimate,
    /// k.
    pub neighbours: usize,
    /// Points of each set.
    pub count: usize,
}

/// Returns precision, recall, density and coverage of `generated` features against `real` ones.
///
/// They are exact: n² distances in f32 between and within sets, in parallel; memory does not grow
/// with n². The result does not depend on the number of threads.
///
/// # Shapes
/// `real` and `generated` `[n, features]`, the same n.
///
/// # Errors
/// [`EvalError::Mismatch`] if widths or numbers of rows differ (the bias depends on the number, so
/// that values of unequal ones mean nothing), [`EvalError::Setting`] if k is 0 or not below n,
/// [`EvalError::Interrupted`] if the observer stops the computation.
///
/// # Source
/// Kynkäänniemi, Karras, Laine, Lehtinen, Aila (2019), *Improved precision and recall metric for
/// assessing generative models*, eqs. 1–3; Naeem, Oh, Uh, Choi, Yoo (2020), *Reliable fidelity and
/// diversity metrics for generative models*, eqs. 3 and 5, lemma 1.
///
/// ```
/// use zbridge_core::{DiagonalGaussian, RandomStream, Unobserved};
/// use zbridge_eval::{DEFAULT_NEIGHBOURS, precision_recall};
///
/// let mut stream = RandomStream::named(7, "features");
/// let real = DiagonalGaussian::standard(200, 4).sample(&mut stream);
/// let generated = DiagonalGaussian::standard(200, 4).sample(&mut stream);
/// let found = precision_recall(&real, &generated, DEFAULT_NEIGHBOURS, &Unobserved)?;
/// assert!(found.precision.mean > 0.8 && found.recall.mean > 0.8);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
pub fn precision_recall(
    real: &Latents,
    generated: &Latents,
    neighbours: usize,
    observer: &dyn Observer,
) -> Result<PrecisionRecall, EvalError> {
    expect_comparable(real, generated, neighbours)?;
    // Three passes over n² distances: within each set, and between them.
    let stage = Stage::new(observer, "precision and recall", 3 * real.rows() as u64);
    let panels = Panels::of(generated);
    let radii = SquaredRadii {
        real: squared_radii(real, &Panels::of(real), neighbours, &stage)?,
        generated: squared_radii(generated, &panels, neighbours, &stage)?,
    };
    let balls = Balls::between(real, &panels, &radii, &stage)?;
    Ok(PrecisionRecall::new(&balls, neighbours))
}

fn expect_comparable(
    real: &Latents,
    generated: &Latents,
    neighbours: usize,
) -> Result<(), EvalError> {
    expect_count("features of the generated set", real.dim(), generated.dim())?;
    expect_count(
        "generated observations, as many as real ones",
        real.rows(),
        generated.rows(),
    )?;
    if (1..real.rows()).contains(&neighbours) {
        return Ok(());
    }
    Err(EvalError::Setting {
        name: "neighbours",
        value: neighbours as f64,
        range: "a number from 1 to one less than the rows of each set is needed",
    })
}

impl PrecisionRecall {
    fn new(balls: &Balls, neighbours: usize) -> Self {
        let around_generated = balls.around_generated.iter().copied();
        let density = around_generated.clone().map(f64::from);
        Self {
            precision: share(around_generated.map(|balls| balls > 0)),
            recall: share(balls.recalled.iter().copied()),
            density: Estimate::of(density.map(|balls| balls / neighbours as f64)),
            coverage: share(balls.covered.iter().copied()),
            neighbours,
            count: balls.recalled.len(),
        }
    }
}

fn add(sums: &mut [u32], items: &[u32]) {
    for (sum, item) in sums.iter_mut().zip(items) {
        *sum += item;
    }
}

fn share(flags: impl Iterator<Item = bool>) -> Estimate {
    Estimate::of(flags.map(|flag| f64::from(u8::from(flag))))
}

/// Squared distance of each point to its k-th nearest neighbour in the same set.
struct SquaredRadii {
    real: Vec<f32>,
    generated: Vec<f32>,
}

fn squared_radii(
    points: &Latents,
    panels: &Panels,
    neighbours: usize,
    stage: &Stage<'_>,
) -> Result<Vec<f32>, Interrupted> {
    let of_block = |block: Range<usize>| {
        let mut nearest = vec![Nearest::new(neighbours); block.len()];
        panels.for_each(points, block.clone(), |i, j, square| {
            // A point is not its own neighbour.
            if i != j {
                nearest[i - block.start].push(square);
            }
        });
        nearest.iter().map(Nearest::furthest).collect::<Vec<f32>>()
    };
    Ok(each_block(points.rows(), BLOCK, stage, of_block)?.concat())
}

/// The k smallest values so far, ascending.
#[derive(Clone)]
struct Nearest {
    squares: Vec<f32>,
}

impl Nearest {
    fn new(neighbours: usize) -> Self {
        Self {
            squares: vec![f32::INFINITY; neighbours],
        }
    }

    #[inline]
    fn push(&mut self, square: f32) {
        // Almost every value ends here, in a set of many points.
        if square >= self.furthest() {
            return;
        }
        let place = self.squares.partition_point(|&known| known <= square);
        self.squares[place..].rotate_right(1);
        self.squares[place] = square;
    }

    fn furthest(&self) -> f32 {
        self.squares[self.squares.len() - 1]
    }
}

/// Which balls contain which points of the other set.
struct Balls {
    /// The number of real balls around each generated point.
    around_generated: Vec<u32>,
    /// Whether some generated ball contains the real point.
    recalled: Vec<bool>,
    /// Whether the real point's ball contains some generated point.
    covered: Vec<bool>,
}

impl Balls {
    fn between(
        real: &Latents,
        generated: &Panels,
        radii: &SquaredRadii,
        stage: &Stage<'_>,
    ) -> Result<Self, Interrupted> {
        // Blocks are added up as they end: one list for each would be n² / BLOCK numbers. Sums of
        // integers do not depend on the order.
        let around_generated = Mutex::new(vec![0; radii.generated.len()]);
        let blocks = each_block(real.rows(), BLOCK, stage, |block| {
            let part = Self::of_block(real, generated, radii, block);
            let mut sums = around_generated.lock().expect("no block panics");
            add(&mut sums, &part.around_generated);
            (part.recalled, part.covered)
        })?;
        let (recalled, covered): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
        Ok(Self {
            around_generated: around_generated.into_inner().expect("no block panics"),
            recalled: recalled.concat(),
            covered: covered.concat(),
        })
    }

    fn of_block(
        real: &Latents,
        generated: &Panels,
        radii: &SquaredRadii,
        block: Range<usize>,
    ) -> Self {
        let mut around_generated = vec![0; radii.generated.len()];
        let (mut recalled, mut covered) = (vec![false; block.len()], vec![false; block.len()]);
        generated.for_each(real, block.clone(), |i, j, square| {
            // A point on the edge of a ball is in it, as in the reference implementations.
            let within = square <= radii.real[i];
            around_generated[j] += u32::from(within);
            covered[i - block.start] |= within;
            recalled[i - block.start] |= square <= radii.generated[j];
        });
        Self {
            around_generated,
            recalled,
            covered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::{RandomStream, Unobserved};

    fn normal(rows: usize, dim: usize, shift: f32, seed: u64) -> Latents {
        let mut values = vec![0.0; rows * dim];
        RandomStream::named(seed, "precision").fill_standard_normal(&mut values);
        Latents::from_vec(values.iter().map(|value| value + shift).collect(), dim).unwrap()
    }

    fn measured(
        real: &Latents,
        generated: &Latents,
        neighbours: usize,
    ) -> Result<PrecisionRecall, EvalError> {
        precision_recall(real, generated, neighbours, &Unobserved)
    }

    /// Four clusters, or the first `modes` of them.
    fn clusters(rows: usize, modes: usize, seed: u64) -> Latents {
        let mut points = normal(rows, 4, 0.0, seed).into_vec();
        points
            .chunks_exact_mut(4)
            .enumerate()
            .for_each(|(row, point)| point[row % modes] += 20.0);
        Latents::from_vec(points, 4).unwrap()
    }

    #[test]
    fn points_on_a_line_worked_out_by_hand() {
        let line = |values: &[f32]| Latents::from_vec(values.to_vec(), 1).unwrap();
        // k = 1. Real balls: 0±1, 1±1, 3±2, 10±7. Generated balls: 1.5±2.5, 4±2.5, 20±5, 25±5.
        let found = measured(
            &line(&[0.0, 1.0, 3.0, 10.0]),
            &line(&[1.5, 4.0, 20.0, 25.0]),
            1,
        )
        .unwrap();
        assert_eq!(found.precision.mean, 0.5);
        assert_eq!(found.recall.mean, 0.75);
        // 1.5 lies in the balls of 1 and 3; 4 in those of 3 and 10.
        assert_eq!(found.density.mean, 1.0);
        assert_eq!(found.coverage.mean, 0.75);
    }

    #[test]
    fn one_distribution_is_near_one_in_everything() {
        let found = measured(&clusters(1000, 4, 1), &clusters(1000, 4, 2), 3).unwrap();
        assert!(
            found.precision.mean > 0.9 && found.recall.mean > 0.9,
            "{found:?}"
        );
        assert!((found.density.mean - 1.0).abs() < 0.1, "{found:?}");
        assert!((found.coverage.mean - 0.875).abs() < 0.04, "{found:?}");
    }

    #[test]
    fn a_shifted_set_has_low_precision() {
        let found = measured(&normal(500, 4, 0.0, 1), &normal(500, 4, 4.0, 2), 3).unwrap();
        assert!(
            found.precision.mean < 0.1 && found.density.mean < 0.1 && found.coverage.mean < 0.1,
            "{found:?}"
        );
    }

    #[test]
    fn missing_modes_lower_recall_and_coverage_but_not_precision() {
        let found = measured(&clusters(1000, 4, 1), &clusters(1000, 2, 2), 3).unwrap();
        assert!(
            found.precision.mean > 0.9 && found.recall.mean < 0.55 && found.coverage.mean < 0.55,
            "{found:?}"
        );
    }

    #[test]
    fn threads_change_nothing() {
        let (real, generated) = (clusters(300, 4, 1), clusters(300, 3, 2));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| measured(&real, &generated, 3).unwrap())
        };
        assert_eq!(run(1), run(4));
    }

    #[test]
    fn sets_that_cannot_be_compared_are_refused() {
        let set = normal(10, 3, 0.0, 1);
        assert!(matches!(
            measured(&set, &normal(9, 3, 0.0, 1), 3),
            Err(EvalError::Mismatch { .. })
        ));
        assert!(matches!(
            measured(&set, &normal(10, 2, 0.0, 1), 3),
            Err(EvalError::Mismatch { .. })
        ));
        for neighbours in [0, 10] {
            let refused = measured(&set, &set, neighbours);
            assert!(matches!(
                refused,
                Err(EvalError::Setting {
                    name: "neighbours",
                    ..
                })
            ));
        }
    }
}
