//! Networks, optimisers, the training loop and checkpoints of zbridge.
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
pub use error::NnError;
pub use forward::Mode;
pub use gradient_blocks::{BatchPart, GradientBlocks};
pub use gru::{Gru, GruTape};
pub use instruction_set::{
    INSTRUCTION_SET_VARIABLE, InstructionSet, UnknownInstructionSet, vectorise,
};
pub use kernels::batch_norm::BATCH_NORM_EPSILON;
pub use kernels::elementary;
pub use kernels::elementwise::{exponentials, silu_backward};
pub use kernels::transpose::transpose_each;
pub use layer::{Convolution, Layer};
pub use likelihood::Likelihood;
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
