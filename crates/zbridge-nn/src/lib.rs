//! Networks, optimisers, the training loop and checkpoints of zbridge.
#![deny(unsafe_code)]

mod adam;
mod buffer_pool;
mod error;
mod fixed_network;
mod fixed_steps;
mod forward_weights;
mod gradient_blocks;
mod gru;
mod kernels;
mod layer;
mod likelihood;
mod native;
mod network;
mod stencil;
mod training;
mod weights;

pub use adam::Adam;
pub use buffer_pool::BufferPool;
pub use error::NnError;
pub use fixed_network::{FixedNetwork, Workspace};
pub use forward_weights::ForwardWeights;
pub use gradient_blocks::{BatchPart, GradientBlocks};
pub use gru::{Gru, GruTape};
pub use kernels::activation::Activation;
pub use kernels::elementwise::{exponentials, silu_backward};
pub use layer::{Convolution, Layer};
pub use likelihood::Likelihood;
pub use native::{Gradients, InputGradient, Mode, Tape};
pub use network::{Network, ParameterTensor};
pub use stencil::{GridConvolution, GridSide};
pub use training::{
    BatchSampler, Checkpoints, EarlyStopping, Ending, FlatParameters, Hook, LearningRate,
    MovingAverage, Optimiser, OptimiserPlan, Outcome, Position, Schedule, StepContext, StepReport,
    Trainee, Trainer, TrainingPlan, clip_grad_norm,
};
pub use weights::{Precision, StoredTensor, WeightsFile};
