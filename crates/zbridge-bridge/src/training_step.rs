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
/// times, and what another implementation is compared with. Fits take their steps by the same code.
///
/// The networks are those for 1,024 to 4,095 pairs, without dropout.
pub struct TrainingStep {
    training: Box<dyn Steps>,
    stream: RandomStream,
}

/// A learner in training, of any family.
trait Steps: Send {
    fn step(
        &mut self,
        source: ArrayView2<'_, f32>,
        target: ArrayView2<'_, f32>,
        stream: &mut RandomStream,
    ) -> f64;
    fn density(&self) -> Density;
}

struct FamilyTraining<L: Learner> {
    training: LearnerTraining<L>,
    /// The variant of the family.
    density: fn(L) -> Density,
}

impl<L: Learner> Steps for FamilyTraining<L> {
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

fn training_of<L: Learner + 'static>(learner: L, density: fn(L) -> Density) -> Box<dyn Steps> {
    Box::new(FamilyTraining {
        training: LearnerTraining::new(learner, TrainingStep::WEIGHT_DECAY),
        density,
    })
}

/// Widths of the hidden layers of Gaussians and mixtures.
const HIDDEN: [usize; 2] = [128, 128];
const DROPOUT: f32 = 0.0;

impl TrainingStep {
    /// Adam's learning rate.
    pub const LEARNING_RATE: f32 = 2e-3;
    /// Decoupled weight decay, relative to the learning rate.
    pub const WEIGHT_DECAY: f32 = 0.01;
    /// Components of a mixture.
    pub const COMPONENTS: usize = 32;

    /// Returns the untrained density of `family` between spaces of `source` and `target`
    /// dimensions.
    ///
    /// # Errors
    /// [`BridgeError::Shape`] if there are no dimensions, [`BridgeError::Setting`] for a family
    /// that is not learned by steps of this kind.
    pub fn new(
        family: Family,
        source: usize,
        target: usize,
        seed: u64,
    ) -> Result<Self, BridgeError> {
        let mut stream = RandomStream::named(seed, "training step");
        let training = match family {
            Family::Gaussian => training_of(
                GaussianDensity::regularised(source, target, &HIDDEN, DROPOUT, &mut stream)?,
                Density::Gaussian,
            ),
            Family::TiedMixture => training_of(
                initial_mixture(source, target, false, &mut stream)?,
                Density::Mixture,
            ),
            Family::Mixture => training_of(
                initial_mixture(source, target, true, &mut stream)?,
                Density::Mixture,
            ),
            Family::Flow => training_of(
                CouplingFlow::initial(source, target, &flow_shape(), &mut stream)?,
                Density::Flow,
            ),
            Family::FlowMatching => training_of(
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

    /// Sets the stream of the next step, for families that draw.
    pub fn draw_from(&mut self, stream: RandomStream) {
        self.stream = stream;
    }

    /// Takes one step of the optimiser, and returns the mean objective of the batch before it, in
    /// nats (for flow matching, half the squared error of the velocity).
    ///
    /// # Shapes
    /// `source` `[rows, source]`, `target` `[rows, target]`.
    pub fn step(&mut self, source: ArrayView2<'_, f32>, target: ArrayView2<'_, f32>) -> f64 {
        self.training.step(source, target, &mut self.stream)
    }

    /// Returns the density as it is now, as a file: names of tensors and metadata begin with
    /// `density`.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if metadata cannot be written as JSON.
    pub fn to_weights(&self) -> Result<WeightsFile, BridgeError> {
        let mut file = WeightsFile::default();
        self.training.density().put_into(&mut file, "density")?;
        Ok(file)
    }
}

/// Returns a mixture of random components; `moving` ones depend on the source.
fn initial_mixture(
    source: usize,
    target: usize,
    moving: bool,
    stream: &mut RandomStream,
) -> Result<Mixture, BridgeError> {
    const COMPONENTS: usize = TrainingStep::COMPONENTS;
    let mut means = vec![0.0; COMPONENTS * target];
    stream.fill_standard_normal(&mut means);
    let means = Latents::from_vec(means, target)?;
    let components = DiagonalGaussian::new(means, Latents::filled(COMPONENTS, target, -1.0))?;
    let log_weights = [-(COMPONENTS as f32).ln(); COMPONENTS];
    Mixture::initial(
        source,
        components,
        &log_weights,
        &HIDDEN,
        DROPOUT,
        moving,
        stream,
    )
}

fn flow_shape() -> FlowShape {
    FlowShape {
        couplings: 6,
        hidden: vec![64, 64],
        bins: 8,
    }
}
