use crate::BridgeError;
use crate::Family;
use crate::density::Density;
use crate::families::{CouplingFlow, FlowMatching, FlowShape, GaussianDensity, Mixture};
use crate::learner::Learner;
use crate::maximum_likelihood::LearnerTraining;
use ndarray::ArrayView2;
use zbridge_core::{DiagonalGaussian, Latents, RandomStream};
use zbridge_nn::WeightsFile;

/// A family in training, one step at a time on batches that the caller gives: what a benchmark
/// times, and what a second implementation is held against. Fits take their steps by the same code.
///
/// The networks are those for 1,024 to 4,095 pairs, without dropout.
pub struct TrainingStep {
    training: Box<dyn Steps>,
    stream: RandomStream,
}

/// What is left of a learner when its kind is forgotten.
trait Steps: Send {
    fn step(
        &mut self,
        source: ArrayView2<'_, f32>,
        target: ArrayView2<'_, f32>,
        stream: &mut RandomStream,
    ) -> f64;
    fn density(&self) -> Density;
}

struct Kind<L: Learner> {
    training: LearnerTraining<L>,
    density: fn(L) -> Density,
}

impl<L: Learner> Steps for Kind<L> {
    fn step(
        &mut self,
        source: ArrayView2<'_, f32>,
        target: ArrayView2<'_, f32>,
        stream: &mut RandomStream,
    ) -> f64 {
        self.training
            .step(source, target, TrainingStep::LEARNING_RATE, stream)
    }

    fn density(&self) -> Density {
        (self.density)(self.training.learner.clone())
    }
}

fn boxed<L: Learner + 'static>(learner: L, density: fn(L) -> Density) -> Box<dyn Steps> {
    Box::new(Kind {
        training: LearnerTraining::new(learner, TrainingStep::WEIGHT_DECAY),
        density,
    })
}

impl TrainingStep {
    /// Adam's learning rate.
    pub const LEARNING_RATE: f32 = 2e-3;
    /// Decoupled weight decay, relative to the learning rate.
    pub const WEIGHT_DECAY: f32 = 0.01;
    /// Components of a mixture.
    pub const COMPONENTS: usize = 32;

    /// The untrained density of `family` between spaces of `source` and `target` dimensions.
    ///
    /// # Errors
    /// [`BridgeError::Shape`] when there are no dimensions, [`BridgeError::Setting`] for a family
    /// that is not learned by steps of this kind.
    pub fn new(
        family: Family,
        source: usize,
        target: usize,
        seed: u64,
    ) -> Result<Self, BridgeError> {
        let mut stream = RandomStream::named(seed, "training step");
        let training = match family {
            Family::Gaussian => {
                let density =
                    GaussianDensity::regularised(source, target, &[128, 128], 0.0, &mut stream)?;
                boxed(density, Density::Gaussian)
            }
            Family::TiedMixture | Family::Mixture => {
                let mut means = vec![0.0; Self::COMPONENTS * target];
                stream.fill_standard_normal(&mut means);
                let log_vars = Latents::filled(Self::COMPONENTS, target, -1.0);
                let components =
                    DiagonalGaussian::new(Latents::from_vec(means, target)?, log_vars)?;
                let log_weights = [-(Self::COMPONENTS as f32).ln(); Self::COMPONENTS];
                let moving = family == Family::Mixture;
                let hidden = [128, 128];
                let density = Mixture::initial(
                    source,
                    components,
                    &log_weights,
                    &hidden,
                    0.0,
                    moving,
                    &mut stream,
                )?;
                boxed(density, Density::Mixture)
            }
            Family::Flow => {
                let shape = FlowShape {
                    couplings: 6,
                    hidden: vec![64, 64],
                    bins: 8,
                };
                boxed(
                    CouplingFlow::initial(source, target, &shape, &mut stream)?,
                    Density::Flow,
                )
            }
            Family::FlowMatching => boxed(
                FlowMatching::initial(source, target, [64, 64], &mut stream)?,
                Density::FlowMatching,
            ),
            other => {
                return Err(BridgeError::Setting {
                    setting: "family",
                    value: other.to_string(),
                    expected: "gaussian, tied-mixture, mixture, flow or flow-matching",
                });
            }
        };
        Ok(Self { training, stream })
    }

    /// Where the next step draws from, should the family draw.
    pub fn draw_from(&mut self, stream: RandomStream) {
        self.stream = stream;
    }

    /// One step of the optimiser; gives the mean objective of the batch before it, in nats (for
    /// flow matching, half the squared error of the velocity).
    ///
    /// # Shapes
    /// `source` `[rows, source]`, `target` `[rows, target]`.
    pub fn step(&mut self, source: ArrayView2<'_, f32>, target: ArrayView2<'_, f32>) -> f64 {
        self.training.step(source, target, &mut self.stream)
    }

    /// The density as it is now, as a file: tensors and metadata begin with `density`.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if metadata cannot be written as JSON.
    pub fn to_weights(&self) -> Result<WeightsFile, BridgeError> {
        let mut file = WeightsFile::default();
        self.training.density().put_into(&mut file, "density")?;
        Ok(file)
    }
}
