//! The steps of a bridge's life on files: encode, fit, generate, evaluate.

mod encode;
mod evaluate;
mod fit;
mod generate;
mod input;
mod input_rows;
mod output;
mod paired;
mod pieces;
mod shard;

pub(crate) use encode::{BINARISED, binarised};
pub use encode::{EncodeReport, EncodeRequest, EncodeSource, encode};
pub use evaluate::{EvaluateReport, EvaluateRequest, evaluate};
pub(crate) use evaluate::{Evaluated, evaluated};
pub use fit::{DirectionReport, FitReport, FitRequest, Unpaired, fit};
pub(crate) use generate::known_model_of;
pub use generate::{GenerateReport, GenerateRequest, GenerateSource, Side, generate};
pub(crate) use input::Input;
pub(crate) use paired::{PairedFiles, paired_rows};
pub use shard::Shard;
