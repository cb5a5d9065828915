//! Networks, optimisers, the training loop and checkpoints of zbridge.
#![deny(unsafe_code)]

mod adam;
mod backward;
mod buffer_pool;
mod error;
mod fixed_network;
mod fixed_steps;
mod forward;
mod forward_weights;
mod gradient_blocks;
mod gru;
mod kernels;
mod layer;
mod layer_plan;
mod layers;
mod likelihood;
mod network;
mod parameter;
mod side_by_side;
mod stencil;
mod tape;
mod training;
mod weights;

pub use adam::Adam;
pub use backward::{Gradients, InputGradient};
pub use buffer_pool::BufferPool;
pub use error::NnError;
pub use fixed_network::{FixedNetwork, Workspace};
pub use forward::Mode;
pub use forward_weights::ForwardWeights;
pub use gradient_blocks::{BatchPart, GradientBlocks};
pub use gru::{Gru, GruTape};
pub use kernels::activation::Activation;
pub use kernels::elementwise::{exponentials, silu_backward};
pub use layer::{Convolution, Layer};
pub use likelihood::Likelihood;
pub use network::Network;
pub use parameter::{ParameterRole, ParameterTensor};
pub use side_by_side::{help_other_task, run_side_by_side};
pub use stencil::{GridConvolution, GridSide};
pub use tape::Tape;
pub use training::{
    BatchSampler, Checkpoints, EarlyStopping, Ending, FlatParameters, Hook, LearningRate,
    MovingAverage, Optimiser, OptimiserPlan, Outcome, Position, Schedule, StepContext, StepReport,
    Trainee, Trainer, TrainingPlan, clip_grad_norm,
};
pub use weights::{Precision, StoredTensor, WeightsFile};
