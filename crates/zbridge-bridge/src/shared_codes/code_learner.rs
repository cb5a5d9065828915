use super::pair_objective::{SideCodes, SideSlopes, means};
use super::{CodeLearning, LikelyPlaces, Side};
use crate::BridgeError;
use crate::families::{Conditioner, softmax_rows};
use crate::maximum_likelihood::MAX_GRADIENT_NORM;
use crate::mean_teacher::sharpen;
use crate::rows::stacked;
use ndarray::{Array1, Array2, Axis};
use zbridge_core::RandomStream;
use zbridge_nn::{BatchSampler, MovingAverage, Optimiser, StepContext, Tape};

/// Temperature to which the teacher's codes are sharpened.
const TEMPERATURE: f32 = 0.5;
/// A teacher is this moving average of its student.
const AVERAGING: MovingAverage = MovingAverage { decay: 0.99 };

/// The network that gives the codes of one side, while it is fitted.
pub(super) struct CodeLearner<'s> {
    side: Side<'s>,
    likely: Option<LikelyTargets<'s>>,
    student: Conditioner,
    teacher: Conditioner,
    optimiser: Optimiser,
    gradients: Vec<f32>,
    batches: BatchSampler,
    tape: Tape,
    teacher_tape: Tape,
    /// The number of pairs in the step.
    pairs: usize,
    /// Codes of the pairs, then of the others, `[pairs + others, K]`.
    codes: Array2<f32>,
    /// What the codes of the others should be: likely codes, or the teacher's, sharpened, `[others,
    /// K]`.
    targets: Array2<f32>,
    /// The slopes of the objective by the codes, `[pairs + others, K]`.
    slopes: Array2<f32>,
}

/// Likely codes, in batches.
struct LikelyTargets<'s> {
    of: &'s LikelyPlaces,
    batches: BatchSampler,
}

impl<'s> CodeLearner<'s> {
    pub(super) fn new(
        side: Side<'s>,
        likely: Option<&'s LikelyPlaces>,
        width: usize,
        learning: &CodeLearning,
        streams: &RandomStream,
    ) -> Result<Self, BridgeError> {
        /// Factor of the weights of the last layer where no likely codes tell the codes apart. If
        /// all are equally probable at the start, the objective does not prefer any of them: they
        /// have to differ.
        const SPREAD: f32 = 100.0;
        let spread = if likely.is_some() { 1.0 } else { SPREAD };
        let student = initial_network(width, learning, spread, &mut streams.child(0))?;
        let parameters = student.parameters().len();
        let weight_decay = learning.optimiser.weight_decay;
        let empty = Array2::zeros((0, learning.codes));
        let likely = likely.map(|of| LikelyTargets {
            of,
            batches: BatchSampler::full_batches(
                of.places.len(),
                learning.unpaired,
                streams.child(2),
            ),
        });
        Ok(Self {
            side,
            likely,
            teacher: student.clone(),
            student,
            optimiser: Optimiser::new(parameters, weight_decay, MAX_GRADIENT_NORM),
            gradients: vec![0.0; parameters],
            batches: BatchSampler::full_batches(side.count(), learning.unpaired, streams.child(1)),
            tape: Tape::default(),
            teacher_tape: Tape::default(),
            pairs: 0,
            codes: empty.clone(),
            targets: empty.clone(),
            slopes: empty,
        })
    }

    /// Computes the student's codes of these pairs and of the next others, and what the latter
    /// should be: likely codes if the fit begins with these, or else the teacher's codes of other
    /// draws.
    pub(super) fn infer_codes(&mut self, pairs: &[usize], begins: bool, stream: &mut RandomStream) {
        let others = match &mut self.likely {
            Some(likely) if begins => {
                let mut batch = likely.batches.next_batch().to_vec();
                // As draws are: those with partners first.
                batch.sort_by_key(|&at| likely.of.places[at] >= self.side.rows.len());
                self.targets = likely.of.weights.select(Axis(0), &batch);
                batch.iter().map(|&place| likely.of.places[place]).collect()
            }
            _ => self.next_others_of_teacher(stream),
        };
        let of_others = self.side.draw_source(&others, stream);
        let of_pairs = self.side.draw_source(pairs, stream);
        let seen_by_student = stacked([&of_pairs, &of_others]);
        let logits = self
            .student
            .forward(seen_by_student.view(), stream, &mut self.tape);
        self.codes = logits.to_owned();
        softmax_rows(&mut self.codes);
        self.slopes = Array2::zeros(self.codes.dim());
        self.pairs = pairs.len();
    }

    /// Returns the places of the next others, with the teacher's codes of a draw of each as
    /// targets.
    fn next_others_of_teacher(&mut self, stream: &mut RandomStream) -> Vec<usize> {
        let others = self.batches.next_batch().to_vec();
        let seen_by_teacher = self.side.draw_source(&others, stream);
        let logits = self
            .teacher
            .infer(seen_by_teacher.view(), &mut self.teacher_tape);
        self.targets = logits.to_owned();
        softmax_rows(&mut self.targets);
        sharpen(&mut self.targets, TEMPERATURE);
        others
    }

    /// Returns the codes of the step, and their slopes to be written.
    pub(super) fn codes_and_slopes(&mut self) -> (SideCodes<'_>, SideSlopes<'_>) {
        let (pairs, others) = self.codes.view().split_at(Axis(0), self.pairs);
        let codes = SideCodes { pairs, others };
        let (pairs, others) = self.slopes.view_mut().split_at(Axis(0), self.pairs);
        (codes, SideSlopes { pairs, others })
    }

    /// Takes a step of the optimiser along the slopes of the objective and, `strength` times, of
    /// the cross-entropy between the targets and the codes of the others.
    pub(super) fn take_step(&mut self, strength: f32, context: &StepContext) {
        self.slopes_by_logits();
        if strength > 0.0 {
            self.add_slopes_of_targets(strength);
        }
        self.gradients.fill(0.0);
        self.student
            .backward(self.slopes.view(), &mut self.gradients, &mut self.tape);
        let parameters = self.student.parameters_mut();
        self.optimiser
            .step(parameters, &mut self.gradients, context.learning_rate);
        let (teacher, student) = (self.teacher.parameters_mut(), self.student.parameters());
        AVERAGING.follow(teacher, student, context.step);
    }

    /// Turns slopes by codes p into slopes by logits:
    /// d / d logit_k = p_k (d / d p_k − Σ_j p_j d / d p_j).
    fn slopes_by_logits(&mut self) {
        for (mut slopes, codes) in self.slopes.rows_mut().into_iter().zip(self.codes.rows()) {
            let products = slopes.iter().zip(codes).map(|(slope, code)| slope * code);
            let mean: f32 = products.sum();
            slopes.zip_mut_with(&codes, |slope, code| *slope = code * (*slope - mean));
        }
    }

    /// Adds d CE(target, softmax) / d logits = softmax − target, `strength` times its mean.
    fn add_slopes_of_targets(&mut self, strength: f32) {
        let scale = strength * self.codes.ncols() as f32 / self.targets.len() as f32;
        let (_, codes) = self.codes.view().split_at(Axis(0), self.pairs);
        let (_, mut slopes) = self.slopes.view_mut().split_at(Axis(0), self.pairs);
        slopes += &(scale * (&codes - &self.targets));
    }

    /// Returns how frequent each code of the teacher is among draws of all posteriors, `[K]`.
    pub(super) fn frequencies(&self, mut stream: RandomStream) -> Array1<f32> {
        const MOST: usize = 8192;
        let places = self.side.places(MOST, &mut stream);
        let points = self.side.draw(&places, &mut stream);
        let mut tape = Tape::default();
        let mut codes = self.teacher.infer(points.view(), &mut tape).to_owned();
        softmax_rows(&mut codes);
        means(codes.view())
    }

    pub(super) fn into_teacher(self) -> Conditioner {
        self.teacher
    }
}

/// Returns a network whose last layer's weights are multiplied by `spread`.
fn initial_network(
    width: usize,
    learning: &CodeLearning,
    spread: f32,
    stream: &mut RandomStream,
) -> Result<Conditioner, BridgeError> {
    let mut network = Conditioner::initial(
        width,
        &learning.hidden,
        learning.codes,
        learning.dropout,
        stream,
    )?;
    for weight in network.last_layer_mut().weights {
        *weight *= spread;
    }
    Ok(network)
}
