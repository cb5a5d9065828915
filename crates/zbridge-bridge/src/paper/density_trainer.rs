//! One direction of the paper's recipe.

use crate::curve::{Curve, FitCurve};
use crate::divergence::Gaussians;
use crate::{BridgeError, GaussianDensity, PaperConfig};
use zbridge_core::{DiagonalGaussian, Latents, RandomStream, ShapeError, Stage};
use zbridge_nn::{
    Adam, Gradients, InputGradient, Mode, NnError, Schedule, StepContext, Tape, Trainee, Trainer,
    TrainingPlan, help_other_task, vectorise,
};

/// What the fit of a direction depends on.
pub(super) struct DensityFit<'p> {
    /// Posteriors of the source, one for each pair.
    pub(super) source: &'p DiagonalGaussian,
    /// Posteriors of the target, one for each pair.
    pub(super) target: &'p DiagonalGaussian,
    pub(super) settings: &'p PaperConfig,
    pub(super) streams: &'p RandomStream,
}

impl DensityFit<'_> {
    /// Returns q(target|source), fitted to the pairs, and its divergence over the fit; `stage`
    /// counts steps.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if the fit diverges, [`BridgeError::Interrupted`].
    pub(super) fn run(
        &self,
        stage: &Stage<'_>,
    ) -> Result<(GaussianDensity, FitCurve), BridgeError> {
        let steps = self.settings.steps;
        let plan = self.plan();
        let mut trainee = DensityTrainer::new(self)?;
        let mut curve = Curve::over(steps);
        let mut trainer = Trainer::of_epochs(&plan).ending_after(steps);
        trainer.run(&mut trainee, stage, &mut [&mut curve])?;
        trainee.recompute_batch_norm(&mut self.streams.child(2));
        Ok((trainee.density, curve.finish()))
    }

    /// Returns a plan of enough epochs for the steps.
    fn plan(&self) -> TrainingPlan {
        let pairs = self.source.rows();
        let batch = self.settings.batch.min(pairs);
        let steps_per_epoch = (pairs / batch).max(1);
        let epochs = self.settings.steps.div_ceil(steps_per_epoch);
        TrainingPlan {
            rows: pairs,
            batch,
            epochs,
            stop_after: epochs,
            schedule: Schedule::constant(self.settings.learning_rate),
            seed: self.streams.child(1).below(usize::MAX) as u64,
        }
    }
}

/// A density in training, with the pairs that it learns from and the buffers that steps reuse.
struct DensityTrainer<'p> {
    density: GaussianDensity,
    source: &'p DiagonalGaussian,
    /// `[pairs, source dim]`.
    source_deviations: Latents,
    targets: Gaussians,
    settings: &'p PaperConfig,
    adam: Adam,
    tape: Tape,
    gradients: Vec<f32>,
    /// `[batch, source dim]`.
    draws: Vec<f32>,
    /// `[batch, 2 · target dim]`.
    output_gradient: Vec<f32>,
}

impl<'p> DensityTrainer<'p> {
    fn new(fit: &DensityFit<'p>) -> Result<Self, BridgeError> {
        let (source, target) = (fit.source, fit.target);
        let (inputs, outputs) = (source.dim(), target.dim());
        let mut stream = fit.streams.child(0);
        let density = GaussianDensity::initial(
            inputs,
            outputs,
            &fit.settings.hidden,
            fit.settings.negative_slope,
            &mut stream,
        )?;
        let parameters = density.parameter_count();
        let (means, log_vars) = (target.mean().values(), target.log_var().values());
        Ok(Self {
            density,
            source,
            source_deviations: deviations(source)?,
            targets: Gaussians::new(means.to_vec(), log_vars.to_vec()),
            settings: fit.settings,
            adam: Adam::new(parameters),
            tape: Tape::default(),
            gradients: vec![0.0; parameters],
            draws: Vec::new(),
            output_gradient: Vec::new(),
        })
    }

    /// Sets the statistics of batch normalisation to those of all pairs under the final weights.
    /// The running averages lag behind weights that move; where a hidden unit hardly varies, 1/√ε
    /// makes that lag a large error.
    fn recompute_batch_norm(&mut self, stream: &mut RandomStream) {
        const MIN_ROWS: usize = 4096;
        let pairs = self.source.rows();
        let repeats = MIN_ROWS.div_ceil(pairs);
        let rows: Vec<usize> = (0..pairs * repeats).map(|i| i % pairs).collect();
        self.draw_sources(&rows, stream);
        let (network, parameters) = self.density.parts_mut();
        network.forward(parameters, &self.draws, Mode::Training, &mut self.tape);
        network.adopt_batch_statistics(parameters, &self.tape);
    }

    /// Draws z_x,i ~ p(z_x|x_i) for these pairs, anew at every step.
    fn draw_sources(&mut self, rows: &[usize], stream: &mut RandomStream) {
        let dim = self.source.dim();
        self.draws.resize(rows.len() * dim, 0.0);
        stream.fill_standard_normal(&mut self.draws);
        for (noise, &row) in self.draws.chunks_exact_mut(dim).zip(rows) {
            let mean = self.source.mean().row_values(row);
            to_gaussian(noise, mean, self.source_deviations.row_values(row));
        }
    }

    /// Returns Σ_i D(q_i ‖ p_i) over the rows, in nats; its gradient times `scale` becomes the
    /// gradient of the network's output.
    fn divergence(&mut self, rows: &[usize], scale: f32) -> f64 {
        let outputs = self.tape.output_mut();
        let gradient = &mut self.output_gradient;
        gradient.resize(outputs.len(), 0.0);
        let divergence = self.settings.divergence;
        divergence.backward(outputs, &self.targets, rows, scale, gradient)
    }
}

impl Trainee for DensityTrainer<'_> {
    fn step(&mut self, rows: &[usize], mut context: StepContext) -> Result<f64, NnError> {
        help_other_task();
        self.draw_sources(rows, &mut context.stream);
        help_other_task();
        let (network, parameters) = self.density.parts_mut();
        network.forward(parameters, &self.draws, Mode::Training, &mut self.tape);
        help_other_task();
        // Equation 4: L ≃ (N/M) Σ L_i.
        let scale = self.source.rows() as f32 / rows.len() as f32;
        let nats = self.divergence(rows, scale) / rows.len() as f64;
        let (network, parameters) = self.density.parts_mut();
        network.backward(
            parameters,
            &self.output_gradient,
            Gradients::Overwrite(&mut self.gradients),
            InputGradient::Unused,
            &mut self.tape,
        );
        network.update_running_statistics(parameters, &self.tape);
        self.adam
            .step(parameters, &self.gradients, context.learning_rate);
        Ok(nats)
    }
}

/// Returns the standard deviations of Gaussians, `[rows, dim]`.
fn deviations(gaussians: &DiagonalGaussian) -> Result<Latents, ShapeError> {
    let log_vars = gaussians.log_var().values();
    let deviations = log_vars
        .iter()
        .map(|log_var| (0.5 * log_var).exp())
        .collect();
    Latents::clamped(deviations, gaussians.dim())
}

/// Turns standard normal draws into draws from a Gaussian.
fn to_gaussian(noise: &mut [f32], mean: &[f32], deviation: &[f32]) {
    vectorise(
        #[inline(always)]
        move || {
            for ((value, mean), deviation) in noise.iter_mut().zip(mean).zip(deviation) {
                *value = mean + deviation * *value;
            }
        },
    );
}
