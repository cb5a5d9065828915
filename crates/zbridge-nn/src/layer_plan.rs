use crate::layer::Layer;
use crate::parameter::{ParameterRole, ParameterTensor};
use std::ops::Range;

/// What the passes through a network need to know of a layer besides its kind. It is worked out
/// once from the layers beside it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct LayerPlan {
    pub(crate) ranges: ParameterRanges,
    /// The slope of the leaky activation above a batch normalisation: the normalisation applies it
    /// in the same pass over the values, and writes the output of both layers.
    pub(crate) fused_leaky_slope: Option<f32>,
    /// Whether the layer is such an activation, whose work is already done.
    pub(crate) done_by_layer_below: bool,
    pub(crate) bias_gradient: BiasGradient,
}

/// Where the gradient of a linear layer's bias, the sum of the rows of its output gradient, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum BiasGradient {
    /// Nowhere: the rows have to be added.
    #[default]
    SumOfRows,
    /// In the statistics of the batch normalisation above, which has added the rows when it
    /// computed them.
    InNormalisationAbove,
}

/// Where the parameters of a layer are in the flat vector; empty if it has none of a role.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ParameterRanges {
    /// Where the first one begins, or would begin.
    pub(crate) start: usize,
    pub(crate) weight: Range<usize>,
    pub(crate) bias: Range<usize>,
    pub(crate) running_mean: Range<usize>,
    pub(crate) running_variance: Range<usize>,
}

/// The parameters of a layer; empty if it has none of a role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerParameters<'p> {
    pub(crate) weight: &'p [f32],
    pub(crate) bias: &'p [f32],
    pub(crate) running_mean: &'p [f32],
    pub(crate) running_variance: &'p [f32],
}

impl LayerPlan {
    /// Returns the plan of each layer.
    pub(crate) fn of(layers: &[Layer], tensors: &[ParameterTensor]) -> Vec<Self> {
        let mut plans = vec![Self::default(); layers.len()];
        Self::fuse(&mut plans, layers);
        // Layers without parameters begin where the next ones would: passes split vectors there.
        let mut start = 0;
        for (index, plan) in plans.iter_mut().enumerate() {
            plan.ranges.start = start;
            for tensor in tensors.iter().filter(|tensor| tensor.layer == index) {
                *plan.ranges.of_role(tensor.role) = tensor.range.clone();
                start = tensor.range.end;
            }
        }
        plans
    }

    /// Finds the layers a part of whose passes is done by a neighbour.
    fn fuse(plans: &mut [Self], layers: &[Layer]) {
        for (index, pair) in layers.windows(2).enumerate() {
            match *pair {
                [Layer::BatchNorm { .. }, Layer::LeakyRelu { slope }] => {
                    plans[index].fused_leaky_slope = Some(slope);
                    plans[index + 1].done_by_layer_below = true;
                }
                // The gradient at the output of the linear layer is that at the input of the
                // normalisation, which sums its columns anyway.
                [Layer::Linear { .. }, Layer::BatchNorm { .. }] => {
                    plans[index].bias_gradient = BiasGradient::InNormalisationAbove;
                }
                _ => {}
            }
        }
    }
}

impl ParameterRanges {
    fn of_role(&mut self, role: ParameterRole) -> &mut Range<usize> {
        match role {
            ParameterRole::Weight => &mut self.weight,
            ParameterRole::Bias => &mut self.bias,
            ParameterRole::RunningMean => &mut self.running_mean,
            ParameterRole::RunningVariance => &mut self.running_variance,
        }
    }

    /// Returns the layer's parameters out of those of the network.
    pub(crate) fn of<'p>(&self, parameters: &'p [f32]) -> LayerParameters<'p> {
        LayerParameters {
            weight: &parameters[self.weight.clone()],
            bias: &parameters[self.bias.clone()],
            running_mean: &parameters[self.running_mean.clone()],
            running_variance: &parameters[self.running_variance.clone()],
        }
    }
}

/// Returns the parameters of `layers` in storage order.
pub(crate) fn parameters_of(layers: &[Layer]) -> Vec<ParameterTensor> {
    let mut tensors: Vec<ParameterTensor> = Vec::new();
    let mut start = 0;
    for (layer, kind) in layers.iter().enumerate() {
        for (role, shape) in kind.parameters() {
            let end = start + shape.iter().product::<usize>();
            tensors.push(ParameterTensor {
                name: format!("{layer}.{}", role.name()),
                role,
                shape,
                range: start..end,
                layer,
            });
            start = end;
        }
    }
    tensors
}
