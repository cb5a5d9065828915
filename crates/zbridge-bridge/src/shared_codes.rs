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
use crate::families::{Conditioner, category, softmax_rows};
use crate::frame::FramedPosterior;
use crate::linear_algebra::Cholesky;
use crate::maximum_likelihood::{MAX_GRADIENT_NORM, PairBatch, Pairs};
use crate::refine::{ramp, sharpen};
use crate::rows::{stacked, values_of};
use ndarray::{Array1, Array2, ArrayView2, Axis};
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

    /// Returns draws of posteriors by their place among all, pairs first: `[places, active]`. As
    /// sources in training they are also drawn from augmentations.
    fn draw(&self, places: &[usize], as_source: bool, stream: &mut RandomStream) -> Array2<f32> {
        let (mut paired, mut others) = (Vec::new(), Vec::new());
        for &place in places {
            match self.rows.get(place) {
                Some(&row) => paired.push(row),
                None => others.push(place - self.rows.len()),
            }
        }
        let mut draw = |posterior: &FramedPosterior, rows: &[usize]| match as_source {
            true => posterior.draw_source(rows, stream),
            false => posterior.draw(rows, stream),
        };
        let draws = draw(self.pairs, &paired);
        match self.unpaired.filter(|_| !others.is_empty()) {
            Some(unpaired) => stacked([&draws, &draw(unpaired, &others)]),
            None => draws,
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
    /// Codes of the pairs, then of the others, `[pairs + others, K]`.
    codes: Array2<f32>,
    /// The teacher's codes of the others, `[others, K]`.
    teacher_targets: Array2<f32>,
    /// d objective / d codes, then / d logits, `[pairs + others, K]`.
    slopes: Array2<f32>,
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
        let nats = tell_apart(x, y, rows.len());
        let strength = self.learning.strength * ramp(context.done);
        for learner in &mut self.learners {
            learner.learn(rows.len(), strength, &context);
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
        let x_frequencies = x.frequencies(&mut streams.child(3));
        let y_frequencies = y.frequencies(&mut streams.child(3));
        let frequencies = 0.5 * (x_frequencies + y_frequencies);
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
        for weight in student.last_layer_mut().weights {
            *weight *= APART;
        }
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
            codes: Array2::zeros((0, learning.codes)),
            teacher_targets: Array2::zeros((0, learning.codes)),
            slopes: Array2::zeros((0, learning.codes)),
        })
    }

    /// The student's codes of these pairs and of the next others, and the teacher's of other draws
    /// of the latter.
    fn read(&mut self, pairs: &[usize], stream: &mut RandomStream) {
        let others = self.batches.next_batch().to_vec();
        let of_others = self.side.draw(&others, true, stream);
        let teacher = self.teacher.infer(of_others.view(), &mut self.teacher_tape);
        self.teacher_targets = teacher.to_owned();
        let of_others = self.side.draw(&others, true, stream);
        let of_pairs = self.side.draw(pairs, true, stream);
        let all = stacked([&of_pairs, &of_others]);
        self.codes = self
            .student
            .forward(all.view(), stream, &mut self.tape)
            .to_owned();
        softmax_rows(&mut self.codes);
        softmax_rows(&mut self.teacher_targets);
        self.slopes = Array2::zeros(self.codes.dim());
    }

    /// Takes a step along the slopes of the codes, and of the distance from the teacher's targets.
    fn learn(&mut self, pairs: usize, strength: f32, context: &StepContext) {
        // Through the softmax: d / d logit_k = p_k (d / d p_k − Σ_j p_j d / d p_j).
        for (mut slopes, codes) in self.slopes.rows_mut().into_iter().zip(self.codes.rows()) {
            let products = slopes.iter().zip(codes).map(|(slope, code)| slope * code);
            let mean: f32 = products.sum();
            slopes.zip_mut_with(&codes, |slope, code| *slope = code * (*slope - mean));
        }
        if strength > 0.0 {
            sharpen(&mut self.teacher_targets, TEMPERATURE);
            let scale = strength * self.codes.ncols() as f32 / self.teacher_targets.len() as f32;
            let (_, codes) = self.codes.view().split_at(Axis(0), pairs);
            let (_, mut slopes) = self.slopes.view_mut().split_at(Axis(0), pairs);
            slopes += &(scale * (&codes - &self.teacher_targets));
        }
        self.gradients.fill(0.0);
        self.student
            .backward(self.slopes.view(), &mut self.gradients, &mut self.tape);
        let parameters = self.student.parameters_mut();
        self.optimiser
            .step(parameters, &mut self.gradients, context.learning_rate);
        AVERAGING.follow(
            self.teacher.parameters_mut(),
            self.student.parameters(),
            context.step,
        );
    }

    /// Returns how often each code comes among draws of all posteriors, `[K]`.
    fn frequencies(&self, stream: &mut RandomStream) -> Array1<f32> {
        const MOST: usize = 8192;
        let all: Vec<usize> = (0..self.side.count().min(MOST)).collect();
        let places: Vec<usize> = if self.side.count() > MOST {
            stream.permutation(self.side.count())[..MOST].to_vec()
        } else {
            all
        };
        let points = self.side.draw(&places, false, stream);
        let mut tape = Tape::default();
        let mut codes = self.teacher.infer(points.view(), &mut tape).to_owned();
        softmax_rows(&mut codes);
        means(codes.view())
    }
}

/// −E log(δ + (1 − δ) Σ_k a_k b_k / p_k) + log Σ_k ā_k b̄_k / p_k over the pairs, and its slopes by
/// all codes; p is the frequency of codes among the others of both sides.
fn tell_apart(x: &mut CodeLearner<'_>, y: &mut CodeLearner<'_>, pairs: usize) -> f64 {
    let count = x.codes.ncols();
    let (a, x_others) = x.codes.view().split_at(Axis(0), pairs);
    let (b, y_others) = y.codes.view().split_at(Axis(0), pairs);
    let frequency = 0.5 * (means(x_others) + means(y_others)) + LEAST_FREQUENCY;
    let (a_mean, b_mean) = (means(a), means(b));
    let apart = &a_mean * &b_mean / &frequency;
    let normaliser: f32 = apart.iter().sum();
    let each = 1.0 / pairs as f32;
    let mut by_frequency = -apart / (&frequency * normaliser);
    let (mut x_slopes, x_rest) = x.slopes.view_mut().split_at(Axis(0), pairs);
    let (mut y_slopes, y_rest) = y.slopes.view_mut().split_at(Axis(0), pairs);
    let mut nats = f64::from(normaliser.ln());
    let rows = a.rows().into_iter().zip(b.rows());
    let slopes = x_slopes.rows_mut().into_iter().zip(y_slopes.rows_mut());
    for ((a, b), (mut x_slopes, mut y_slopes)) in rows.zip(slopes) {
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
    for mut rest in [x_rest, y_rest] {
        let share = 0.5 * count as f32 / rest.len() as f32;
        rest.assign(&(share * &by_frequency));
    }
    nats
}

/// Returns the mean of each column, of rows added in their order.
fn means(batch: ArrayView2<'_, f32>) -> Array1<f32> {
    let mut totals = Array1::zeros(batch.ncols());
    for row in batch.rows() {
        totals += &row;
    }
    totals / batch.nrows().max(1) as f32
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
    /// Returns targets that are whitened by their own covariance.
    ///
    /// # Errors
    /// [`BridgeError::NotPositiveDefinite`], [`BridgeError::Interrupted`].
    pub(crate) fn whitened(
        side: Side<'c>,
        reader: &'c Conditioner,
        stream: &mut RandomStream,
        stage: &Stage<'_>,
    ) -> Result<Self, BridgeError> {
        const MOST: usize = 16_384;
        let count = side.count();
        let places: Vec<usize> = match count > MOST {
            true => stream.permutation(count)[..MOST].to_vec(),
            false => (0..count).collect(),
        };
        // The frame has centred them.
        let points = side.draw(&places, false, stream).mapv(f64::from);
        let covariance = points.t().dot(&points) / places.len().max(1) as f64;
        Ok(Self {
            side,
            reader,
            covariance: Cholesky::of_nearly(covariance, stage)?.rounded(),
        })
    }
}

impl Pairs for CodedTargets<'_> {
    fn count(&self) -> usize {
        self.side.count()
    }

    /// The code is drawn, not the most probable one taken: of what is unsure, every code learns its
    /// share.
    fn draw(&self, rows: &[usize], stream: &mut RandomStream) -> PairBatch {
        let targets = self.side.draw(rows, false, stream);
        let mut tape = Tape::default();
        let mut probabilities = self.reader.infer(targets.view(), &mut tape).to_owned();
        softmax_rows(&mut probabilities);
        let mut source = Array2::zeros(probabilities.dim());
        for (row, probabilities) in probabilities.rows().into_iter().enumerate() {
            let code = category(values_of(probabilities), stream.uniform());
            source[[row, code]] = 1.0;
        }
        PairBatch {
            source,
            target: self.covariance.whitened_f32(targets.view()),
        }
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
            let points = Frame::of(&[posterior]).standardised(posterior.moments().mean().view());
            let mut tape = Tape::default();
            let logits = reader.infer(points.view(), &mut tape);
            let best = |row: ndarray::ArrayView1<'_, f32>| {
                (0..row.len())
                    .max_by(|&a, &b| row[a].total_cmp(&row[b]))
                    .unwrap()
            };
            logits.rows().into_iter().map(best).collect()
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
            tell_apart(x, y, 8)
        };
        objective(&mut learners);
        let slopes = learners.each_ref().map(|learner| learner.slopes.clone());
        for (which, place) in [(0, 3), (0, 41), (0, 77), (1, 0), (1, 39), (1, 60)] {
            let place = [place / 5, place % 5];
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
                "{which} {place:?}: {measured} {told}"
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
