//! The steps of a bridge's life on files: encode, fit, generate, evaluate.

mod encode;
mod evaluate;
mod fit;
mod generate;
mod input;

pub use encode::{EncodeReport, EncodeRequest, EncodeSource, encode};
pub use evaluate::{DirectionFigures, EvaluateReport, EvaluateRequest, evaluate};
pub use fit::{DirectionReport, FitReport, FitRequest, Unpaired, fit};
pub use generate::{GenerateReport, GenerateRequest, Side, generate};
