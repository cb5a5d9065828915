//! Networks that were not trained here, built step by step.

use crate::activation::Activation;
use crate::column_steps::{Affine, ColumnGroups, Tap};
use crate::fixed_network::FixedNetwork;
use crate::grid_convolution::GridConvolution;
use crate::stencil::Stencil;
use crate::step::Step;
use std::collections::HashSet;
use std::ops::Range;

/// Each of these methods adds a step behind those that are there.
///
/// ```
/// use ndarray::array;
/// use zbridge_infer::{Activation, FixedNetwork, Workspace};
///
/// let mut network = FixedNetwork::identity(2);
/// network.linear(&[1.0, 0.0, 1.0, 1.0], &[0.0, -5.0]);
/// network.activate(Activation::LeakyRelu(0.0));
/// network.gather(&[1, 0, 0]);
/// let mut workspace = Workspace::default();
/// let outputs = network.forward(array![[2.0, 1.0]].view(), &mut workspace);
/// assert_eq!(outputs, array![[0.0, 2.0, 2.0]]);
/// ```
impl FixedNetwork {
    /// `y = W x + b`, the weight `[outputs, inputs]` row by row.
    ///
    /// # Panics
    /// When the weight has another shape.
    pub fn linear(&mut self, weight: &[f32], bias: &[f32]) {
        let inputs = self.outputs;
        assert_eq!(
            weight.len(),
            inputs * bias.len(),
            "weights of {inputs} inputs"
        );
        let shape = GridConvolution::linear(inputs, bias.len());
        let stencil = Stencil::new(self.set, &shape, bias, |_, _, input, output| {
            weight[output * inputs + input]
        });
        self.push_stencil(stencil);
    }

    /// A convolution of a grid `[height, width, channels]`; `weight(y, x, input, channel)` joins a
    /// channel of the input to one of the output at a place of the kernel.
    ///
    /// # Panics
    /// When the network so far does not have such a grid as its output.
    pub fn convolution(
        &mut self,
        shape: &GridConvolution,
        bias: &[f32],
        weight: impl Fn(usize, usize, usize, usize) -> f32,
    ) {
        assert_eq!(
            (shape.input_width(), shape.channels),
            (self.outputs, bias.len()),
            "numbers of the grid, channels"
        );
        self.push_stencil(Stencil::new(self.set, shape, bias, weight));
    }

    /// `activation` of each number.
    pub fn activate(&mut self, activation: Activation) {
        match self.last_sums() {
            Some(stencil) => stencil.activation = activation,
            None => self.steps.push(Step::Activation(activation, 0..usize::MAX)),
        }
    }

    /// `activation` of the numbers in these columns.
    ///
    /// # Panics
    /// When there are no such columns.
    pub fn activate_columns(&mut self, activation: Activation, columns: Range<usize>) {
        if columns == (0..self.outputs) {
            return self.activate(activation);
        }
        assert!(
            columns.end <= self.outputs,
            "columns {columns:?} of {}",
            self.outputs
        );
        self.steps.push(Step::Activation(activation, columns));
    }

    /// `x · factor + offset` by column. Fewer columns than the network has are repeated, as
    /// channels are.
    ///
    /// # Panics
    /// When the network's columns are no multiple of these.
    pub fn affine(&mut self, columns: &[Affine]) {
        self.expect_multiple_of(columns.len());
        match self.last_sums() {
            Some(stencil) if stencil.channels().is_multiple_of(columns.len()) => {
                stencil.affine(columns);
            }
            _ => self.steps.push(Step::Affine(columns.to_vec())),
        }
    }

    /// `slope · x` for negative x by column (He et al. 2015), columns as in [`Self::affine`].
    ///
    /// # Panics
    /// When the network's columns are no multiple of these.
    pub fn prelu(&mut self, slopes: &[f32]) {
        self.expect_multiple_of(slopes.len());
        let same = slopes.iter().all(|slope| *slope == slopes[0]);
        if same && slopes[0] <= 1.0 {
            self.activate(Activation::LeakyRelu(slopes[0]));
        } else {
            self.steps.push(Step::Prelu(slopes.to_vec()));
        }
    }

    /// Outputs that are these columns of the outputs so far.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn gather(&mut self, columns: &[usize]) {
        self.expect_columns(columns.iter().copied());
        if columns.iter().copied().eq(0..self.outputs) {
            return;
        }
        let is_permutation = is_permutation(columns, self.outputs);
        self.outputs = columns.len();
        match self.steps.last_mut() {
            Some(Step::Stencil(stencil)) if is_permutation && stencil.is_linear() => {
                stencil.permute(&inverse(columns));
            }
            _ => {
                let columns = columns.iter().map(|&column| column as u32).collect();
                self.steps.push(Step::Gather(columns));
            }
        }
    }

    /// Outputs that are weighted sums of four columns each.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn interpolate(&mut self, taps: Vec<[Tap; 4]>) {
        self.expect_columns(taps.iter().flatten().map(|tap| tap.column as usize));
        self.outputs = taps.len();
        self.steps.push(Step::Interpolate(taps));
    }

    /// Group normalisation without parameters (Wu & He 2018): each number less the mean of its
    /// group, over the group's standard deviation, with `epsilon` added to the variance. Column i
    /// belongs to `groups[i]`.
    ///
    /// # Panics
    /// When a column has no group.
    pub fn group_norm(&mut self, groups: &[u32], epsilon: f32) {
        assert_eq!(groups.len(), self.outputs, "a group for each column");
        let groups = ColumnGroups::new(groups);
        self.steps.push(Step::GroupNorm { groups, epsilon });
    }

    fn expect_multiple_of(&self, columns: usize) {
        let outputs = self.outputs;
        assert!(
            outputs.is_multiple_of(columns),
            "{columns} columns of {outputs}"
        );
    }

    fn expect_columns(&self, mut columns: impl Iterator<Item = usize>) {
        let outputs = self.outputs;
        assert!(
            columns.all(|column| column < outputs),
            "columns below {outputs}"
        );
    }

    /// The sums that the network ends with, if nothing has been done to them.
    fn last_sums(&mut self) -> Option<&mut Stencil> {
        match self.steps.last_mut()? {
            Step::Stencil(stencil) if stencil.activation == Activation::Identity => Some(stencil),
            _ => None,
        }
    }
}

fn is_permutation(columns: &[usize], size: usize) -> bool {
    columns.len() == size && columns.iter().collect::<HashSet<_>>().len() == size
}

fn inverse(permutation: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; permutation.len()];
    for (to, &from) in permutation.iter().enumerate() {
        inverse[from] = to;
    }
    inverse
}

#[cfg(test)]
mod tests;
