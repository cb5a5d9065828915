use std::ops::Range;

/// What a parameter of a layer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParameterRole {
    /// Factors of the inputs; the scale of a batch normalisation.
    Weight,
    /// What is added to the outputs; the shift of a batch normalisation.
    Bias,
    /// The mean that a batch normalisation subtracts at inference.
    RunningMean,
    /// The variance whose root a batch normalisation divides by at inference.
    RunningVariance,
}

impl ParameterRole {
    /// Returns its name in files, which is PyTorch's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
            Self::RunningMean => "running_mean",
            Self::RunningVariance => "running_var",
        }
    }

    /// Returns whether an optimiser moves it: a gradient reaches weights and biases only.
    pub fn is_learned(self) -> bool {
        matches!(self, Self::Weight | Self::Bias)
    }
}

/// A named parameter of a network and its place in the flat vector.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterTensor {
    /// `"<layer index>.<weight|bias|…>"`.
    pub name: String,
    /// What it is for.
    pub role: ParameterRole,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// Its values in the flat parameter vector.
    pub range: Range<usize>,
    /// The index of its layer.
    pub layer: usize,
}
