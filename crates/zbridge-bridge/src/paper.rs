//! The paper's own fit: one direction by mini-batches of a closed-form divergence (eq. 2–4).

use crate::config::CheckedConfig;
use crate::curve::{Curve, FitCurve};
use crate::divergence::Gaussians;
use crate::{BridgeError, GaussianDensity};
use multiversion::multiversion;
use zbridge_core::{DiagonalGaussian, Latents, RandomStream, Stage};
use zbridge_nn::{
    Adam, Gradients, InputGradient, Mode, NnError, Schedule, StepContext, Tape, Trainee, Trainer,
    TrainingPlan, help_other_task,
};

/// q(target|source), fitted on the pairs; `stage` counts steps.
pub(crate) fn fit(
    source: &DiagonalGaussian,
    target: &DiagonalGaussian,
    config: &CheckedConfig,
    name: &str,
    stage: &Stage<'_>,
) -> Result<(GaussianDensity, FitCurve), BridgeError> {
    let pairs = source.rows();
    let streams = RandomStream::named(config.seed, name);
    let density =
        GaussianDensity::initial(source.dim(), target.dim(), config, &mut streams.child(0))?;
    let mut trainee = DensityTrainer::new(density, source, target, config);
    let plan = plan(pairs, config, streams.child(1).below(usize::MAX) as u64);
    let mut curve = Curve::over(config.steps);
    let mut trainer = Trainer::of_epochs(&plan).ending_after(config.steps);
    trainer.run(&mut trainee, stage, &mut [&mut curve])?;
    trainee.settle_statistics(&mut streams.child(2));
    Ok((trainee.density, curve.finish()))
}

/// Enough epochs for the configured steps.
fn plan(pairs: usize, config: &CheckedConfig, seed: u64) -> TrainingPlan {
    let batch = config.batch.min(pairs);
    let per_epoch = (pairs / batch).max(1);
    let epochs = config.steps.div_ceil(per_epoch);
    let schedule = Schedule::constant(config.learning_rate);
    TrainingPlan {
        rows: pairs,
        batch,
        epochs,
        stop_after: epochs,
        schedule,
        seed,
    }
}

/// A density in training, with the pairs it learns from and the buffers it keeps.
struct DensityTrainer<'p> {
    density: GaussianDensity,
    source: &'p DiagonalGaussian,
    source_deviations: Latents,
    targets: Gaussians,
    config: &'p CheckedConfig,
    adam: Adam,
    tape: Tape,
    gradients: Vec<f32>,
    draws: Vec<f32>,
    output_gradient: Vec<f32>,
}

impl<'p> DensityTrainer<'p> {
    fn new(
        density: GaussianDensity,
        source: &'p DiagonalGaussian,
        target: &DiagonalGaussian,
        config: &'p CheckedConfig,
    ) -> Self {
        let parameters = density.parameter_count();
        let deviations = source
            .log_var()
            .values()
            .iter()
            .map(|v| (0.5 * v).exp().min(f32::MAX))
            .collect();
        let dim = source.dim();
        Self {
            density,
            source,
            source_deviations: Latents::from_vec(deviations, dim)
                .unwrap_or_else(|_| Latents::filled(source.rows(), dim, 0.0)),
            targets: Gaussians::new(
                target.mean().values().to_vec(),
                target.log_var().values().to_vec(),
            ),
            config,
            adam: Adam::new(parameters),
            tape: Tape::default(),
            gradients: vec![0.0; parameters],
            draws: Vec::new(),
            output_gradient: Vec::new(),
        }
    }

    /// Batch-normalisation statistics of all pairs under the final weights. The running averages
    /// lag behind weights that move; where a hidden unit hardly varies, 1/√ε makes that lag a large
    /// error.
    fn settle_statistics(&mut self, stream: &mut RandomStream) {
        const ROWS: usize = 4096;
        let pairs = self.source.rows();
        let rows: Vec<usize> = (0..pairs * ROWS.div_ceil(pairs))
            .map(|i| i % pairs)
            .collect();
        self.draw_sources(&rows, stream);
        let (network, parameters) = self.density.parts_mut();
        network.forward(parameters, &self.draws, Mode::Training, &mut self.tape);
        network.adopt_batch_statistics(parameters, &self.tape);
    }

    /// z_x,i ~ p(z_x|x_i), afresh at every step.
    fn draw_sources(&mut self, rows: &[usize], stream: &mut RandomStream) {
        let dim = self.source.dim();
        self.draws.resize(rows.len() * dim, 0.0);
        stream.fill_standard_normal(&mut self.draws);
        for (draw, &row) in self.draws.chunks_exact_mut(dim).zip(rows) {
            place(
                draw,
                self.source.mean().row_values(row),
                self.source_deviations.row_values(row),
            );
        }
    }

    /// Σ_i D(q_i ‖ p_i) over the rows, with its gradient times `scale` left in `output_gradient`.
    fn divergence(&mut self, rows: &[usize], scale: f32) -> f64 {
        let outputs = self.tape.output_mut();
        self.output_gradient.resize(outputs.len(), 0.0);
        self.config.divergence.backward(
            outputs,
            &self.targets,
            rows,
            scale,
            &mut self.output_gradient,
        )
    }
}

/// Standard normal numbers become those of a Gaussian.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
fn place(noise: &mut [f32], mean: &[f32], deviation: &[f32]) {
    for ((value, mean), deviation) in noise.iter_mut().zip(mean).zip(deviation) {
        *value = mean + deviation * *value;
    }
}

impl Trainee for DensityTrainer<'_> {
    fn step(&mut self, rows: &[usize], mut context: StepContext) -> Result<f64, NnError> {
        // The two directions do not cost the same: here and below, this core helps the other one.
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
        let unused = InputGradient::Unused;
        network.backward(
            parameters,
            &self.output_gradient,
            Gradients::Overwrite(&mut self.gradients),
            unused,
            &mut self.tape,
        );
        network.update_running_statistics(parameters, &self.tape);
        self.adam
            .step(parameters, &self.gradients, context.learning_rate);
        Ok(nats)
    }
}
