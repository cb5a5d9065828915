//! Codes that two latent spaces share, found from pairs and nothing else.
//!
//! If x and y tell of each other only by something discrete c that both show (a digit, a word),
//! then p(x, y) / p(x) p(y) = Σ_k p(k|x) p(k|y) / p(k). Two networks give p(k|x) and p(k|y);
//! maximising the mean logarithm of this ratio over pairs finds a code that tells as much of the
//! one from the other as K values can: it is a lower bound on their mutual information (Donsker &
//! Varadhan 1975), in nats. Nobody says what the codes are.
//!
//! Posteriors without partners teach too: two draws of one posterior are one observation and have
//! one code (a mean teacher, as in [`refine`](crate::refine)), and they tell how often codes come.

use crate::BridgeError;
use crate::curve::{Curve, FitCurve};
use crate::families::{Cholesky, Conditioner, chosen, in_rows, normalise};
use crate::frame::FramedPosterior;
use crate::maximum_likelihood::{MAX_GRADIENT_NORM, Pairs};
use crate::refine::{ramp, sharpen};
use zbridge_core::{RandomStream, Stage};
use zbridge_nn::{
    BatchSampler, MovingAverage, NnError, Optimiser, OptimiserPlan, StepContext, Tape, Trainee,
    Trainer,
};

/// How codes are learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CodeLearning {
    /// Steps, learning rate and batch of pairs.
    pub(crate) optimiser: OptimiserPlan,
    /// Codes to begin with; those that hardly ever come are dropped in the end.
    pub(crate) codes: usize,
    /// Posteriors of each side, with partners or without, in a step.
    pub(crate) unpaired: usize,
    /// Weight of the distance from the teacher's targets.
    pub(crate) strength: f32,
    pub(crate) hidden: [usize; 2],
    pub(crate) dropout: f32,
}

/// δ in log(δ + (1 − δ) r): a pair that fits no code costs no more than −log δ.
const STRAY: f32 = 0.02;
/// Temperature to which the teacher's codes are sharpened.
const TEMPERATURE: f32 = 0.5;
/// A teacher is this moving average of its student.
const AVERAGING: MovingAverage = MovingAverage { decay: 0.99 };
/// What every code's frequency has in advance, so that one that never comes has one.
const LEAST_FREQUENCY: f32 = 1e-4;
/// Codes that come less often than this are dropped.
const LEAST_USED: f32 = 2e-3;

/// What is known of one side: its posteriors in pairs, and others.
#[derive(Clone, Copy)]
pub(crate) struct Side<'s> {
    pub(crate) pairs: &'s FramedPosterior,
    pub(crate) unpaired: Option<&'s FramedPosterior>,
    /// The pairs that may be looked at.
    pub(crate) rows: &'s [usize],
}

impl Side<'_> {
    /// Posteriors with partners or without.
    pub(crate) fn count(&self) -> usize {
        self.rows.len() + self.unpaired.map_or(0, FramedPosterior::rows)
    }

    /// Draws of posteriors by their place among all: pairs first.
    fn draw(&self, places: &[usize], seen: bool, stream: &mut RandomStream, out: &mut Vec<f32>) {
        let (mut paired, mut others) = (Vec::new(), Vec::new());
        for &place in places {
            match self.rows.get(place) {
                Some(&row) => paired.push(row),
                None => others.push(place - self.rows.len()),
            }
        }
        let draw = |posterior: &FramedPosterior,
                    rows: &[usize],
                    stream: &mut RandomStream,
                    out: &mut Vec<f32>| {
            if seen {
                posterior.draw_seen(rows, stream, out)
            } else {
                posterior.draw(rows, stream, out)
            }
        };
        draw(self.pairs, &paired, stream, out);
        if let Some(unpaired) = self.unpaired.filter(|_| !others.is_empty()) {
            let mut more = Vec::new();
            draw(unpaired, &others, stream, &mut more);
            out.extend(more);
        }
    }
}

/// Networks that read the code in either side, and how often each code comes.
#[derive(Debug, Clone)]
pub(crate) struct SharedCodes {
    /// Logits of x's points and of y's.
    pub(crate) readers: [Conditioner; 2],
    pub(crate) log_prior: Vec<f32>,
    pub(crate) curve: FitCurve,
}

/// The fit of the codes of both sides.
struct CodeFit<'s> {
    learning: CodeLearning,
    learners: [CodeLearner<'s>; 2],
}

/// The network that reads the codes of one side, while it is fitted.
struct CodeLearner<'s> {
    side: Side<'s>,
    student: Conditioner,
    teacher: Conditioner,
    optimiser: Optimiser,
    gradients: Vec<f32>,
    batches: BatchSampler,
    tape: Tape,
    teacher_tape: Tape,
    points: Vec<f32>,
    /// Codes of the pairs, then of the others, `[pairs + others, K]`.
    codes: Vec<f32>,
    /// The teacher's codes of the others, `[others, K]`.
    teacher_targets: Vec<f32>,
    /// d objective / d codes, then / d logits.
    slopes: Vec<f32>,
}

impl SharedCodes {
    /// Returns codes of pairs: row i of `sides[0].rows` has the partner row i of `sides[1].rows`.
    /// `stage` counts steps.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if the fit diverges, [`BridgeError::Interrupted`].
    pub(crate) fn learn(
        sides: [Side<'_>; 2],
        widths: [usize; 2],
        learning: &CodeLearning,
        streams: &RandomStream,
        stage: &Stage<'_>,
    ) -> Result<Self, BridgeError> {
        let [x, y] = sides;
        let learners = [
            CodeLearner::new(x, widths[0], learning, &streams.child(0))?,
            CodeLearner::new(y, widths[1], learning, &streams.child(1))?,
        ];
        let mut fit = CodeFit {
            learning: *learning,
            learners,
        };
        let plan = &learning.optimiser;
        let mut curve = Curve::over(plan.steps);
        let batches = BatchSampler::full_batches(x.rows.len(), plan.batch, streams.child(2));
        let mut trainer = Trainer::of_steps(plan, batches, streams, 8);
        trainer.run(&mut fit, stage, &mut [&mut curve])?;
        fit.used_codes(streams, curve.finish())
    }
}

impl Trainee for CodeFit<'_> {
    fn step(&mut self, rows: &[usize], mut context: StepContext) -> Result<f64, NnError> {
        for learner in &mut self.learners {
            learner.read(rows, &mut context.stream);
        }
        let [x, y] = &mut self.learners;
        let nats = tell_apart(x, y, rows.len(), self.learning.codes);
        let strength = self.learning.strength * ramp(context.done);
        for learner in &mut self.learners {
            learner.learn(rows.len(), self.learning.codes, strength, &context);
        }
        Ok(nats)
    }
}

impl CodeFit<'_> {
    /// Returns the teachers, without the codes that are hardly ever used.
    fn used_codes(
        self,
        streams: &RandomStream,
        curve: FitCurve,
    ) -> Result<SharedCodes, BridgeError> {
        let codes = self.learning.codes;
        let [x, y] = self.learners;
        let x_frequencies = x.frequencies(codes, &mut streams.child(3));
        let y_frequencies = y.frequencies(codes, &mut streams.child(3));
        let frequencies: Vec<f32> = x_frequencies
            .iter()
            .zip(&y_frequencies)
            .map(|(x, y)| 0.5 * (x + y))
            .collect();
        let kept: Vec<usize> = (0..codes)
            .filter(|&code| frequencies[code] >= LEAST_USED)
            .collect();
        let total: f32 = kept.iter().map(|&code| frequencies[code]).sum();
        let log_prior = kept
            .iter()
            .map(|&code| (frequencies[code] / total).ln())
            .collect();
        let readers = [x.teacher.keeping(&kept)?, y.teacher.keeping(&kept)?];
        Ok(SharedCodes {
            readers,
            log_prior,
            curve,
        })
    }
}

impl<'s> CodeLearner<'s> {
    fn new(
        side: Side<'s>,
        width: usize,
        learning: &CodeLearning,
        streams: &RandomStream,
    ) -> Result<Self, BridgeError> {
        let mut student = Conditioner::initial(
            width,
            &learning.hidden,
            learning.codes,
            learning.dropout,
            &mut streams.child(0),
        )?;
        // Where every code is as probable as any other, nothing says which to take: they must begin
        // apart.
        const APART: f32 = 100.0;
        student
            .last_layer_mut()
            .0
            .iter_mut()
            .for_each(|weight| *weight *= APART);
        Ok(Self {
            side,
            optimiser: Optimiser::new(
                student.parameters().len(),
                learning.optimiser.weight_decay,
                MAX_GRADIENT_NORM,
            ),
            gradients: vec![0.0; student.parameters().len()],
            teacher: student.clone(),
            student,
            batches: BatchSampler::full_batches(side.count(), learning.unpaired, streams.child(1)),
            tape: Tape::default(),
            teacher_tape: Tape::default(),
            points: Vec::new(),
            codes: Vec::new(),
            teacher_targets: Vec::new(),
            slopes: Vec::new(),
        })
    }

    /// The student's codes of these pairs and of the next others, and the teacher's of other draws
    /// of the latter.
    fn read(&mut self, pairs: &[usize], stream: &mut RandomStream) {
        let others = self.batches.next_batch().to_vec();
        let mut points = std::mem::take(&mut self.points);
        self.side.draw(&others, true, stream, &mut points);
        self.teacher_targets.clear();
        self.teacher_targets
            .extend_from_slice(self.teacher.infer(&points, &mut self.teacher_tape));
        self.side.draw(&others, true, stream, &mut points);
        let mut all = Vec::new();
        self.side.draw(pairs, true, stream, &mut all);
        all.extend_from_slice(&points);
        self.codes.clear();
        self.codes
            .extend_from_slice(self.student.forward(&all, stream, &mut self.tape));
        let count = self.student.outputs();
        self.codes
            .chunks_exact_mut(count)
            .chain(self.teacher_targets.chunks_exact_mut(count))
            .for_each(|row| {
                normalise(row);
            });
        self.points = points;
        self.slopes.clear();
        self.slopes.resize(self.codes.len(), 0.0);
    }

    /// Takes a step along the slopes of the codes, and of the distance from the teacher's targets.
    fn learn(&mut self, pairs: usize, count: usize, strength: f32, context: &StepContext) {
        for (slopes, codes) in self
            .slopes
            .chunks_exact_mut(count)
            .zip(self.codes.chunks_exact(count))
        {
            let mean: f32 = slopes
                .iter()
                .zip(codes)
                .map(|(slope, code)| slope * code)
                .sum();
            slopes
                .iter_mut()
                .zip(codes)
                .for_each(|(slope, code)| *slope = code * (*slope - mean));
        }
        if strength > 0.0 {
            sharpen(&mut self.teacher_targets, count, TEMPERATURE);
            let scale = strength * count as f32 / self.teacher_targets.len() as f32;
            let (slopes, codes) = (
                &mut self.slopes[pairs * count..],
                &self.codes[pairs * count..],
            );
            for ((slope, code), target) in slopes.iter_mut().zip(codes).zip(&self.teacher_targets) {
                *slope += scale * (code - target);
            }
        }
        self.gradients.fill(0.0);
        self.student
            .backward(&self.slopes, &mut self.gradients, &mut self.tape);
        let parameters = self.student.parameters_mut();
        self.optimiser
            .step(parameters, &mut self.gradients, context.learning_rate);
        AVERAGING.follow(
            self.teacher.parameters_mut(),
            self.student.parameters(),
            context.step,
        );
    }

    /// How often each code comes among draws of all posteriors.
    fn frequencies(&self, count: usize, stream: &mut RandomStream) -> Vec<f32> {
        const MOST: usize = 8192;
        let all: Vec<usize> = (0..self.side.count().min(MOST)).collect();
        let places: Vec<usize> = if self.side.count() > MOST {
            stream.permutation(self.side.count())[..MOST].to_vec()
        } else {
            all
        };
        let mut points = Vec::new();
        self.side.draw(&places, false, stream, &mut points);
        let mut tape = Tape::default();
        let mut codes = self.teacher.infer(&points, &mut tape).to_vec();
        codes.chunks_exact_mut(count).for_each(|row| {
            normalise(row);
        });
        means(&codes, count)
    }
}

/// −E log(δ + (1 − δ) Σ_k a_k b_k / p_k) + log Σ_k ā_k b̄_k / p_k over the pairs, and its slopes by
/// all codes; p is the frequency of codes among the others of both sides.
fn tell_apart(x: &mut CodeLearner<'_>, y: &mut CodeLearner<'_>, pairs: usize, count: usize) -> f64 {
    let split = pairs * count;
    let (a, x_others) = x.codes.split_at(split);
    let (b, y_others) = y.codes.split_at(split);
    let halves = [means(x_others, count), means(y_others, count)];
    let frequency: Vec<f32> = halves[0]
        .iter()
        .zip(&halves[1])
        .map(|(x, y)| 0.5 * (x + y) + LEAST_FREQUENCY)
        .collect();
    let (a_mean, b_mean) = (means(a, count), means(b, count));
    let apart: Vec<f32> = (0..count)
        .map(|k| a_mean[k] * b_mean[k] / frequency[k])
        .collect();
    let normaliser: f32 = apart.iter().sum();
    let each = 1.0 / pairs as f32;
    let mut by_frequency: Vec<f32> = apart
        .iter()
        .zip(&frequency)
        .map(|(apart, p)| -apart / (p * normaliser))
        .collect();
    let (x_slopes, x_rest) = x.slopes.split_at_mut(split);
    let (y_slopes, y_rest) = y.slopes.split_at_mut(split);
    let mut nats = f64::from(normaliser.ln());
    let rows = a.chunks_exact(count).zip(b.chunks_exact(count));
    let slopes = x_slopes
        .chunks_exact_mut(count)
        .zip(y_slopes.chunks_exact_mut(count));
    for ((a, b), (x_slopes, y_slopes)) in rows.zip(slopes) {
        let ratio: f32 = (0..count).map(|k| a[k] * b[k] / frequency[k]).sum();
        let fitting = STRAY + (1.0 - STRAY) * ratio;
        nats -= f64::from(fitting.ln()) * f64::from(each);
        let weight = each * (1.0 - STRAY) / fitting;
        for k in 0..count {
            x_slopes[k] = (each * b_mean[k] / normaliser - weight * b[k]) / frequency[k];
            y_slopes[k] = (each * a_mean[k] / normaliser - weight * a[k]) / frequency[k];
            by_frequency[k] += weight * a[k] * b[k] / (frequency[k] * frequency[k]);
        }
    }
    for rest in [x_rest, y_rest] {
        let share = 0.5 * count as f32 / rest.len() as f32;
        rest.chunks_exact_mut(count).for_each(|row| {
            row.iter_mut()
                .zip(&by_frequency)
                .for_each(|(slope, by_frequency)| *slope = share * by_frequency);
        });
    }
    nats
}

/// The mean of each of `count` columns.
fn means(values: &[f32], count: usize) -> Vec<f32> {
    let mut totals = vec![0.0; count];
    for row in values.chunks_exact(count) {
        totals
            .iter_mut()
            .zip(row)
            .for_each(|(total, value)| *total += value);
    }
    let rows = (values.len() / count).max(1) as f32;
    totals.iter_mut().for_each(|total| *total /= rows);
    totals
}

/// Posteriors of one side with the codes that are read in them: what a flow given the code learns
/// from.
pub(crate) struct CodedTargets<'c> {
    pub(crate) side: Side<'c>,
    pub(crate) reader: &'c Conditioner,
    /// Whitens targets.
    pub(crate) covariance: Cholesky,
}

impl<'c> CodedTargets<'c> {
    /// Targets in so many dimensions, whitened by their own covariance.
    pub(crate) fn whitened(
        side: Side<'c>,
        reader: &'c Conditioner,
        dim: usize,
        stream: &mut RandomStream,
    ) -> Self {
        const MOST: usize = 16_384;
        let count = side.count();
        let places: Vec<usize> = match count > MOST {
            true => stream.permutation(count)[..MOST].to_vec(),
            false => (0..count).collect(),
        };
        let mut points = Vec::new();
        side.draw(&places, false, stream, &mut points);
        // The frame has centred them.
        let mut products = vec![0.0f64; dim * dim];
        for point in points.chunks_exact(dim) {
            for (products, &a) in products.chunks_exact_mut(dim).zip(point) {
                products
                    .iter_mut()
                    .zip(point)
                    .for_each(|(product, &b)| *product += f64::from(a * b));
            }
        }
        products
            .iter_mut()
            .for_each(|product| *product /= places.len().max(1) as f64);
        Self {
            side,
            reader,
            covariance: Cholesky::of_nearly(products, dim).rounded(),
        }
    }
}

impl Pairs for CodedTargets<'_> {
    fn count(&self) -> usize {
        self.side.count()
    }

    /// The code is drawn, not the most probable one taken: of what is unsure, every code learns its
    /// share.
    fn draw(
        &self,
        rows: &[usize],
        stream: &mut RandomStream,
        source: &mut Vec<f32>,
        target: &mut Vec<f32>,
    ) {
        self.side.draw(rows, false, stream, target);
        let mut tape = Tape::default();
        source.clear();
        source.extend_from_slice(self.reader.infer(target, &mut tape));
        for row in source.chunks_exact_mut(self.reader.outputs()) {
            normalise(row);
            let code = chosen(row, stream.uniform());
            row.fill(0.0);
            row[code] = 1.0;
        }
        in_rows(target, self.covariance.dim(), |row| {
            self.covariance.whiten(row)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use zbridge_core::{DiagonalGaussian, Latents, Posterior, Unobserved};

    /// Points around `classes` corners of a hypercube, row i of class i modulo `classes`; `turn`
    /// moves the corners.
    fn clustered(rows: usize, classes: usize, turn: u32) -> Posterior {
        let mut mean = vec![0.0; rows * 3];
        RandomStream::named(u64::from(turn), "codes").fill_standard_normal(&mut mean);
        for (row, point) in mean.chunks_exact_mut(3).enumerate() {
            let class = ((row % classes) as u32 * (2 * turn + 1)) % 8;
            for (bit, value) in point.iter_mut().enumerate() {
                *value = 0.3 * *value + if class >> bit & 1 == 1 { 2.0 } else { -2.0 };
            }
        }
        DiagonalGaussian::new(
            Latents::from_vec(mean, 3).unwrap(),
            Latents::filled(rows, 3, -4.0),
        )
        .unwrap()
        .into()
    }

    fn learned(partners: impl Fn(usize) -> usize) -> (SharedCodes, Posterior, Posterior) {
        let (x, y) = (clustered(240, 4, 0), clustered(240, 4, 1));
        let order: Vec<usize> = (0..240).map(partners).collect();
        let y = y.select(&order);
        let (x_frame, y_frame) = (Frame::of(&[&x]), Frame::of(&[&y]));
        let (x_inside, y_inside, rows) = (
            x_frame.inside(&x),
            y_frame.inside(&y),
            (0..240).collect::<Vec<_>>(),
        );
        let side = |pairs| Side {
            pairs,
            unpaired: None,
            rows: &rows,
        };
        let optimiser = OptimiserPlan {
            steps: 150,
            batch: 64,
            learning_rate: 4e-3,
            weight_decay: 0.05,
        };
        let learning = CodeLearning {
            optimiser,
            codes: 8,
            unpaired: 64,
            strength: 1.0,
            hidden: [32, 32],
            dropout: 0.1,
        };
        let streams = RandomStream::named(1, "codes");
        let codes = SharedCodes::learn(
            [side(&x_inside), side(&y_inside)],
            [3, 3],
            &learning,
            &streams,
            &Stage::new(&Unobserved, "learning codes", 0),
        )
        .unwrap();
        (codes, x, y)
    }

    #[test]
    fn codes_tell_what_pairs_share() {
        // Within a class, partners have nothing to do with each other.
        let (codes, x, y) = learned(|row| (row + 4 * (row % 17)) % 240);
        assert!(
            *codes.curve.objective_nats.last().unwrap() < -1.1,
            "log 4 = 1.39 nats are there: {:?}",
            codes.curve.objective_nats
        );
        let read = |reader: &Conditioner, posterior: &Posterior| -> Vec<usize> {
            let points = Frame::of(&[posterior]).standardised(posterior.moments().mean().values());
            let logits = reader.infer(&points, &mut Tape::default()).to_vec();
            let best = |row: &[f32]| {
                (0..row.len())
                    .max_by(|&a, &b| row[a].total_cmp(&row[b]))
                    .unwrap()
            };
            logits.chunks_exact(reader.outputs()).map(best).collect()
        };
        let same = read(&codes.readers[0], &x)
            .iter()
            .zip(read(&codes.readers[1], &y))
            .filter(|(a, b)| **a == *b)
            .count();
        assert!(same > 220, "{same} of 240 pairs have one code");
    }

    #[test]
    fn slopes_are_those_of_the_objective() {
        let posterior = clustered(24, 4, 0);
        let frame = Frame::of(&[&posterior]);
        let (inside, rows) = (frame.inside(&posterior), (0..24).collect::<Vec<_>>());
        let side = Side {
            pairs: &inside,
            unpaired: None,
            rows: &rows,
        };
        let optimiser = OptimiserPlan {
            steps: 10,
            batch: 8,
            learning_rate: 1e-3,
            weight_decay: 0.0,
        };
        let learning = CodeLearning {
            optimiser,
            codes: 5,
            unpaired: 8,
            strength: 1.0,
            hidden: [8, 8],
            dropout: 0.0,
        };
        let learner = |seed| {
            CodeLearner::new(side, 3, &learning, &RandomStream::named(seed, "slopes")).unwrap()
        };
        let mut learners = [learner(1), learner(2)];
        learners.iter_mut().for_each(|learner| {
            learner.read(
                &[0, 1, 2, 3, 4, 5, 6, 7],
                &mut RandomStream::named(3, "slopes"),
            )
        });
        let objective = |learners: &mut [CodeLearner<'_>; 2]| {
            let [x, y] = learners;
            tell_apart(x, y, 8, 5)
        };
        objective(&mut learners);
        let slopes = learners.each_ref().map(|learner| learner.slopes.clone());
        for (which, place) in [(0, 3), (0, 41), (0, 77), (1, 0), (1, 39), (1, 60)] {
            let at = |shift: f32, learners: &mut [CodeLearner<'_>; 2]| {
                let before = learners[which].codes[place];
                learners[which].codes[place] = before + shift;
                let nats = objective(learners);
                learners[which].codes[place] = before;
                nats
            };
            let measured = (at(2e-3, &mut learners) - at(-2e-3, &mut learners)) / 4e-3;
            let told = f64::from(slopes[which][place]);
            assert!(
                (measured - told).abs() < 2e-3 + 0.03 * told.abs(),
                "{which} {place}: {measured} {told}"
            );
        }
    }

    #[test]
    fn pairs_that_share_nothing_have_no_code() {
        let order = RandomStream::named(9, "codes").permutation(240);
        let (codes, ..) = learned(|row| order[row]);
        // What is learned by heart is little, and no held-out pair confirms it.
        assert!(
            *codes.curve.objective_nats.last().unwrap() > -0.9,
            "{:?}",
            codes.curve.objective_nats
        );
    }
}
