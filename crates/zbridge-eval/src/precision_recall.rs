use crate::EvalError;
use crate::distances::Panels;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zbridge_core::{Estimate, Latents};

/// k of the reference implementations of precision and recall.
pub const DEFAULT_NEIGHBOURS: usize = 3;
/// Rows that one task works on.
const BLOCK: usize = 64;

/// How much of what is generated looks real, and how much of what is real is generated, in a space
/// of features.
///
/// Both sets have balls around their points that reach to the k-th nearest neighbour of the same
/// set.
///
/// | quantity | share or mean of | sees |
/// |---|---|---|
/// | precision | generated points in some real ball | implausible outputs |
/// | recall | real points in some generated ball | modes that are missing |
/// | density | generated points: real balls it lies in, over k | precision, less sensitive to outliers among real points |
/// | coverage | real points whose ball holds a generated point | recall, less sensitive to outliers among generated ones |
///
/// **Bias**: balls shrink as sets grow, and the values with them or not, depending on the
/// dimension: even for two samples of one distribution, precision and recall are below 1 by an
/// amount that depends on n, k and the dimension. Compare values from the same `count`, k and
/// features only, and beside that of two halves of the real set. Density may exceed 1. Coverage of
/// two samples of one distribution is 1 − Π (n − 1 − i)/(2n − 1 − i) over i < k, about 1 − 2⁻ᵏ:
/// 0.875 for k = 3; Naeem et al. ask for k = 5 (0.969).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecall {
    /// Share of generated points in the real manifold; its error takes the manifold as given, here
    /// and below.
    pub precision: Estimate,
    /// Share of real points in the generated manifold.
    pub recall: Estimate,
    /// Mean over generated points of (real balls that hold it)/k.
    pub density: Estimate,
    /// Share of real points whose ball holds a generated point.
    pub coverage: Estimate,
    /// k.
    pub neighbours: usize,
    /// Points of each set.
    pub count: usize,
}

/// Precision, recall, density and coverage of `generated` features against `real` ones.
///
/// Exact: n² distances in f32 between and within sets, in parallel; memory does not grow with n².
/// The result does not depend on the number of threads.
///
/// # Shapes
/// `real` and `generated` `[n, features]`, the same n.
///
/// # Errors
/// [`EvalError::Mismatch`] when widths or numbers of rows differ (the bias depends on the number,
/// so that unequal ones cannot be read), [`EvalError::Setting`] when k is 0 or not below n.
///
/// # Source
/// Kynkäänniemi, Karras, Laine, Lehtinen, Aila (2019), *Improved precision and recall metric for
/// assessing generative models*, eqs. 1–3; Naeem, Oh, Uh, Choi, Yoo (2020), *Reliable fidelity and
/// diversity metrics for generative models*, eqs. 3 and 5, lemma 1.
pub fn precision_recall(
    real: &Latents,
    generated: &Latents,
    neighbours: usize,
) -> Result<PrecisionRecall, EvalError> {
    let count = real.rows();
    EvalError::expect_count("features of the generated set", real.dim(), generated.dim())?;
    EvalError::expect_count(
        "generated observations, as many as real ones",
        count,
        generated.rows(),
    )?;
    if neighbours == 0 || neighbours >= count {
        let range = "a number from 1 to one less than the rows of each set is needed";
        return Err(EvalError::Setting {
            name: "neighbours",
            value: neighbours as f64,
            range,
        });
    }
    let panels = Panels::of(generated);
    let reach = Reach {
        real: squared_reach(real, &Panels::of(real), neighbours),
        generated: squared_reach(generated, &panels, neighbours),
    };
    let meetings = Meetings::between(real, &panels, &reach);
    let share = |flags: &[bool]| Estimate::of(flags.iter().map(|&flag| f64::from(u8::from(flag))));
    Ok(PrecisionRecall {
        precision: Estimate::of(
            meetings
                .balls_around_generated
                .iter()
                .map(|&balls| f64::from(u8::from(balls > 0))),
        ),
        recall: share(&meetings.recalled),
        density: Estimate::of(
            meetings
                .balls_around_generated
                .iter()
                .map(|&b| f64::from(b) / neighbours as f64),
        ),
        coverage: share(&meetings.covered),
        neighbours,
        count,
    })
}

/// Squared distance of each point to its k-th nearest neighbour of the same set.
struct Reach {
    real: Vec<f32>,
    generated: Vec<f32>,
}

fn squared_reach(points: &Latents, panels: &Panels, neighbours: usize) -> Vec<f32> {
    let of_block = |(first, count): (usize, usize)| {
        let mut nearest = vec![Nearest::new(neighbours); count];
        panels.for_each(points, first, count, |i, j, square| {
            if i != j {
                nearest[i - first].push(square);
            }
        });
        nearest
            .into_iter()
            .map(|nearest| nearest.furthest())
            .collect::<Vec<f32>>()
    };
    blocks(points.rows())
        .into_par_iter()
        .flat_map_iter(of_block)
        .collect()
}

fn blocks(rows: usize) -> Vec<(usize, usize)> {
    crate::rows::chunks(rows, BLOCK).collect()
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
        let last = self.squares.len() - 1;
        if square >= self.squares[last] {
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

/// Which balls hold which points of the other set.
struct Meetings {
    /// How many real balls hold each generated point.
    balls_around_generated: Vec<u32>,
    /// Whether some generated ball holds the real point.
    recalled: Vec<bool>,
    /// Whether the real point's ball holds some generated point.
    covered: Vec<bool>,
}

impl Meetings {
    fn between(real: &Latents, generated: &Panels, reach: &Reach) -> Self {
        let parts: Vec<Self> = blocks(real.rows())
            .into_par_iter()
            .map(|block| Self::of_block(real, generated, reach, block))
            .collect();
        let mut whole = Self {
            balls_around_generated: vec![0; real.rows()],
            recalled: vec![],
            covered: vec![],
        };
        for part in parts {
            whole
                .balls_around_generated
                .iter_mut()
                .zip(part.balls_around_generated)
                .for_each(|(sum, own)| *sum += own);
            whole.recalled.extend(part.recalled);
            whole.covered.extend(part.covered);
        }
        whole
    }

    fn of_block(
        real: &Latents,
        generated: &Panels,
        reach: &Reach,
        (first, count): (usize, usize),
    ) -> Self {
        let mut balls_around_generated = vec![0; reach.generated.len()];
        let (mut recalled, mut covered) = (vec![false; count], vec![false; count]);
        generated.for_each(real, first, count, |i, j, square| {
            let within = square <= reach.real[i];
            balls_around_generated[j] += u32::from(within);
            covered[i - first] |= within;
            recalled[i - first] |= square <= reach.generated[j];
        });
        Self {
            balls_around_generated,
            recalled,
            covered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::RandomStream;

    fn normal(rows: usize, dim: usize, shift: f32, seed: u64) -> Latents {
        let mut values = vec![0.0; rows * dim];
        RandomStream::named(seed, "precision").fill_standard_normal(&mut values);
        Latents::from_vec(values.iter().map(|value| value + shift).collect(), dim).unwrap()
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
        let found = precision_recall(
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
        let found = precision_recall(&clusters(1000, 4, 1), &clusters(1000, 4, 2), 3).unwrap();
        assert!(
            found.precision.mean > 0.9 && found.recall.mean > 0.9,
            "{found:?}"
        );
        assert!((found.density.mean - 1.0).abs() < 0.1, "{found:?}");
        assert!((found.coverage.mean - 0.875).abs() < 0.04, "{found:?}");
    }

    #[test]
    fn a_shifted_set_has_low_precision() {
        let found = precision_recall(&normal(500, 4, 0.0, 1), &normal(500, 4, 4.0, 2), 3).unwrap();
        assert!(
            found.precision.mean < 0.1 && found.density.mean < 0.1 && found.coverage.mean < 0.1,
            "{found:?}"
        );
    }

    #[test]
    fn missing_modes_lower_recall_and_coverage_but_not_precision() {
        let found = precision_recall(&clusters(1000, 4, 1), &clusters(1000, 2, 2), 3).unwrap();
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
            pool.install(|| precision_recall(&real, &generated, 3).unwrap())
        };
        assert_eq!(run(1), run(4));
    }

    #[test]
    fn sets_that_cannot_be_compared_are_refused() {
        let set = normal(10, 3, 0.0, 1);
        assert!(matches!(
            precision_recall(&set, &normal(9, 3, 0.0, 1), 3),
            Err(EvalError::Mismatch { .. })
        ));
        assert!(matches!(
            precision_recall(&set, &normal(10, 2, 0.0, 1), 3),
            Err(EvalError::Mismatch { .. })
        ));
        for neighbours in [0, 10] {
            let refused = precision_recall(&set, &set, neighbours);
            assert!(matches!(
                refused,
                Err(EvalError::Setting {
                    name: "neighbours",
                    ..
                })
            ));
        }
    }

    /// `cargo test --release -p zbridge-eval -- --ignored --nocapture five_thousand`
    #[test]
    #[ignore = "a timing"]
    fn five_thousand_of_each_in_96_dimensions() {
        let (real, generated) = (normal(5000, 96, 0.0, 1), normal(5000, 96, 0.1, 2));
        let started = std::time::Instant::now();
        let found = precision_recall(&real, &generated, 3).unwrap();
        println!("{:?} {found:?}", started.elapsed());
    }
}
