//! Networks, optimisers, training and weights files.
//!
//! A [`Network`] is a list of layers; its parameters are one flat vector beside it. A pass forward
//! and backward leaves gradients, [`Adam`] moves the parameters, and a [`Trainer`] takes the steps
//! of whatever implements [`Trainee`]. The given models and the families of bridges are built from
//! these parts. There is no automatic differentiation: every layer has its backward pass beside its
//! forward pass, and tests compare both with PyTorch.
//!
//! ```
//! use zbridge_core::RandomStream;
//! use zbridge_nn::{Adam, Gradients, InputGradient, Layer, Likelihood, Mode, Network, Tape};
//!
//! // Exclusive or, by a network of eight hidden units.
//! let network = Network::new(vec![
//!     Layer::Linear { inputs: 2, outputs: 8 },
//!     Layer::Silu,
//!     Layer::Linear { inputs: 8, outputs: 1 },
//! ])?;
//! let inputs = [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]; // [4, 2]
//! let targets = [0.0, 1.0, 1.0, 0.0];
//! let mut parameters = network.initial_parameters(&mut RandomStream::named(1, "example"));
//! let mut gradients = vec![0.0; parameters.len()];
//! let (mut adam, mut tape) = (Adam::new(parameters.len()), Tape::default());
//! let mut nats = f32::NEG_INFINITY;
//! for _ in 0..400 {
//!     let outputs = network.forward(&parameters, &inputs, Mode::Training, &mut tape);
//!     nats = Likelihood::Bernoulli.backward(outputs, &targets, 1.0);
//!     let output_gradient = outputs.to_vec();
//!     let gradients_of_step = Gradients::Overwrite(&mut gradients);
//!     let unused = InputGradient::Unused;
//!     network.backward(&parameters, &output_gradient, gradients_of_step, unused, &mut tape);
//!     adam.step(&mut parameters, &gradients, 0.05);
//! }
//! assert!(nats > -0.1, "log p of all four");
//! # Ok::<(), zbridge_nn::NnError>(())
//! ```
#![deny(unsafe_code)]

mod adam;
mod backward;
mod buffer_pool;
mod error;
mod forward;
mod gradient_blocks;
mod gru;
mod instruction_set;
mod kernels;
mod layer;
mod layer_plan;
mod layers;
mod likelihood;
mod mode;
mod network;
mod packed_weights;
mod parameter;
mod side_by_side;
mod tape;
mod training;
mod weights;

pub use adam::Adam;
pub use backward::{Gradients, InputGradient};
pub use buffer_pool::BufferPool;
pub use error::{FileAction, NnError};
pub use gradient_blocks::{BatchPart, GradientBlocks};
pub use gru::{Gru, GruTape};
pub use instruction_set::{
    INSTRUCTION_SET_VARIABLE, InstructionSet, UnknownInstructionSet, vectorise,
};
pub use kernels::aligned_buffer::AlignedBuffer;
pub use kernels::batch_norm::BATCH_NORM_EPSILON;
pub use kernels::elementary;
pub use kernels::elementwise::{exponentials, silu_backward};
pub use kernels::transpose::transpose_each;
pub use layer::{Convolution, Layer};
pub use likelihood::Likelihood;
pub use mode::Mode;
pub use network::Network;
pub use packed_weights::PackedWeights;
pub use parameter::{ParameterRole, ParameterTensor};
pub use side_by_side::{help_other_task, run_side_by_side};
pub use tape::Tape;
pub use training::{
    BatchSampler, Checkpoints, EarlyStopping, Ending, FlatParameters, Hook, LearningRate,
    MovingAverage, Optimiser, OptimiserPlan, Outcome, Position, Schedule, StepContext, StepReport,
    Trainee, Trainer, TrainingPlan, clip_grad_norm,
};
pub use weights::{Precision, StoredTensor, WeightsFile};
