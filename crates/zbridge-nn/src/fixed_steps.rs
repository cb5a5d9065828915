//! Networks that were not trained here, laid out step by step.

use crate::fixed_network::{FixedNetwork, Step, activate_all};
use crate::kernels::activation::Activation;
use crate::stencil::{GridConvolution, Stencil};
use std::collections::HashSet;
use std::ops::Range;

/// Each of these adds a step behind those that are there.
///
/// ```
/// use zbridge_nn::{Activation, FixedNetwork, Workspace};
/// let mut network = FixedNetwork::identity(2);
/// network.linear(&[1.0, 0.0, 1.0, 1.0], &[0.0, -5.0]);
/// network.activate(Activation::LeakyRelu(0.0));
/// network.gather(&[1, 0, 0]);
/// assert_eq!(network.forward(&[2.0, 1.0], &mut Workspace::default()), [0.0, 2.0, 2.0]);
/// ```
impl FixedNetwork {
    /// The network whose outputs are its inputs, so many.
    pub fn identity(width: usize) -> Self {
        Self {
            inputs: width,
            outputs: width,
            steps: vec![],
        }
    }

    /// Numbers of a row's output.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// `y = W x + b`, the weight `[outputs, inputs]`.
    ///
    /// # Panics
    /// When the weight has another shape.
    pub fn linear(&mut self, weight: &[f32], bias: &[f32]) {
        assert_eq!(
            weight.len(),
            self.outputs * bias.len(),
            "weights of {} inputs",
            self.outputs
        );
        self.push_stencil(Stencil::linear(self.outputs, bias.len(), weight, bias));
    }

    /// A convolution of a grid `[height, width, channels]`; `weight(y, x, input, channel)` joins a
    /// channel of the input to one of the output at a place of the kernel.
    ///
    /// # Panics
    /// When the grid is no output of the network so far.
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
        self.push_stencil(Stencil::new(shape, bias, weight));
    }

    /// `activation` of each number.
    pub fn activate(&mut self, activation: Activation) {
        activate_all(&mut self.steps, activation);
    }

    /// `activation` of the numbers in these columns.
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

    /// `x · factor + offset` by column; fewer columns than there are come again and again, as
    /// channels do.
    ///
    /// # Panics
    /// When the columns do not come out even.
    pub fn scale(&mut self, columns: &[(f32, f32)]) {
        assert!(
            self.outputs.is_multiple_of(columns.len()),
            "{} columns of {}",
            columns.len(),
            self.outputs
        );
        if let Some(stencil) = self
            .last_sums()
            .filter(|stencil| stencil.channels().is_multiple_of(columns.len()))
        {
            return stencil.scale(columns);
        }
        self.steps.push(Step::Affine(columns.to_vec()));
    }

    /// `slope · x` for negative x by column, columns as in [`Self::scale`].
    ///
    /// # Panics
    /// When the columns do not come out even.
    pub fn bend(&mut self, slopes: &[f32]) {
        assert!(
            self.outputs.is_multiple_of(slopes.len()),
            "{} columns of {}",
            slopes.len(),
            self.outputs
        );
        match slopes
            .iter()
            .all(|slope| *slope == slopes[0] && *slope <= 1.0)
        {
            true => self.activate(Activation::LeakyRelu(slopes[0])),
            false => self.steps.push(Step::Bend(slopes.to_vec())),
        }
    }

    /// Outputs that are these columns of the outputs so far.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn gather(&mut self, places: &[usize]) {
        assert!(
            places.iter().all(|place| *place < self.outputs),
            "places below {}",
            self.outputs
        );
        if places.iter().copied().eq(0..self.outputs) {
            return;
        }
        let moved = is_permutation(places, self.outputs);
        self.outputs = places.len();
        match self.steps.last_mut() {
            Some(Step::Stencil(stencil)) if moved && stencil.is_linear() => {
                stencil.permute(&inverse(places))
            }
            _ => self.steps.push(Step::Gather(
                places.iter().map(|&place| place as u32).collect(),
            )),
        }
    }

    /// Outputs that are weighted sums of a few columns each.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn blend(&mut self, taps: Vec<[(u32, f32); 4]>) {
        assert!(
            taps.iter()
                .flatten()
                .all(|tap| (tap.0 as usize) < self.outputs),
            "places below {}",
            self.outputs
        );
        self.outputs = taps.len();
        self.steps.push(Step::Blend(taps));
    }

    /// Each set of columns less its mean, over its standard deviation, with `epsilon` added to the
    /// variance. Column i belongs to `sets[i]`.
    ///
    /// # Panics
    /// When a column has no set.
    pub fn standardise(&mut self, sets: &[u32], epsilon: f32) {
        assert_eq!(sets.len(), self.outputs, "a set for each column");
        let mut sizes = vec![0.0; sets.iter().max().map_or(0, |last| *last as usize + 1)];
        sets.iter().for_each(|&set| sizes[set as usize] += 1.0);
        self.steps.push(Step::Standardise {
            sets: sets.to_vec(),
            sizes,
            epsilon,
        });
    }

    fn push_stencil(&mut self, stencil: Stencil) {
        self.outputs = stencil.width();
        self.steps.push(Step::Stencil(stencil));
    }

    /// The sums that the network ends with, where nothing has been done to them.
    fn last_sums(&mut self) -> Option<&mut Stencil> {
        match self.steps.last_mut() {
            Some(Step::Stencil(stencil)) if stencil.activation == Activation::Identity => {
                Some(stencil)
            }
            _ => None,
        }
    }
}

fn is_permutation(places: &[usize], size: usize) -> bool {
    places.len() == size && places.iter().collect::<HashSet<_>>().len() == size
}

fn inverse(places: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; places.len()];
    places
        .iter()
        .enumerate()
        .for_each(|(to, &from)| inverse[from] = to);
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GridSide, Workspace};
    use zbridge_core::RandomStream;

    fn numbers(count: usize, name: &str) -> Vec<f32> {
        let mut values = vec![0.0; count];
        RandomStream::named(3, name).fill_standard_normal(&mut values);
        values
    }

    /// Compares with `plain` of each row.
    fn agrees(network: &FixedNetwork, plain: impl Fn(&[f64]) -> Vec<f64>) {
        let mut workspace = Workspace::default();
        for rows in [1, 33] {
            let input = numbers(rows * network.inputs, "rows");
            let found = network.forward(&input, &mut workspace);
            assert_eq!(found.len(), rows * network.outputs());
            for (row, found) in input
                .chunks_exact(network.inputs)
                .zip(found.chunks_exact(network.outputs))
            {
                let expected = plain(&row.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
                for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let gap = (f64::from(*found) - expected).abs();
                    assert!(
                        gap < 2e-6 * expected.abs().max(1.0),
                        "{found} for {expected} at {i}"
                    );
                }
            }
        }
    }

    fn side(
        inputs: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        outputs: usize,
    ) -> GridSide {
        GridSide {
            inputs,
            outputs,
            kernel,
            stride,
            padding,
        }
    }

    /// A convolution as its definition has it: each pair of places that a place of the kernel
    /// joins.
    fn by_definition(
        shape: &GridConvolution,
        weight: &[f32],
        bias: &[f32],
        row: &[f64],
    ) -> Vec<f64> {
        let [down, across] = shape.sides;
        let (seen, own) = (
            shape.input_channels / shape.groups,
            shape.channels / shape.groups,
        );
        let mut sums = vec![0.0; down.outputs * across.outputs * shape.channels];
        let joined = |side: GridSide, from: usize, tap: usize| -> Option<usize> {
            let place = match shape.transposed {
                true => (from * side.stride + tap).checked_sub(side.padding)?,
                false => {
                    (from + side.padding)
                        .checked_sub(tap)
                        .filter(|at| at.is_multiple_of(side.stride))?
                        / side.stride
                }
            };
            Some(place).filter(|place| *place < side.outputs)
        };
        for (i, x) in row.iter().enumerate() {
            let (place, input) = (i / shape.input_channels, i % shape.input_channels);
            let (y, x_place) = (place / across.inputs, place % across.inputs);
            for tap in 0..down.kernel * across.kernel {
                let (ky, kx) = (tap / across.kernel, tap % across.kernel);
                let Some((to_y, to_x)) = joined(down, y, ky).zip(joined(across, x_place, kx))
                else {
                    continue;
                };
                for channel in input / seen * own..(input / seen + 1) * own {
                    let weight = f64::from(weight[weight_place(shape, ky, kx, input, channel)]);
                    sums[(to_y * across.outputs + to_x) * shape.channels + channel] += weight * x;
                }
            }
        }
        sums.iter()
            .enumerate()
            .map(|(i, sum)| sum + f64::from(bias[i % shape.channels]))
            .collect()
    }

    fn weight_place(
        shape: &GridConvolution,
        y: usize,
        x: usize,
        input: usize,
        channel: usize,
    ) -> usize {
        ((channel * shape.input_channels + input) * shape.sides[0].kernel + y)
            * shape.sides[1].kernel
            + x
    }

    #[test]
    fn convolutions_are_what_their_definition_says() {
        let shape = |sides, input_channels, channels, groups, transposed| GridConvolution {
            sides,
            input_channels,
            channels,
            groups,
            transposed,
        };
        let shapes = [
            // A sound: one side.
            shape([side(1, 1, 1, 0, 1), side(40, 9, 4, 4, 10)], 3, 5, 1, false),
            // Other kernels, steps and paddings along the sides, and more at the end than at the
            // beginning.
            shape([side(7, 3, 2, 1, 4), side(6, 5, 1, 2, 7)], 2, 9, 1, false),
            // Groups that fill tiles and that do not.
            shape([side(5, 3, 1, 1, 5), side(4, 3, 1, 1, 4)], 8, 16, 2, false),
            shape([side(5, 3, 2, 1, 3), side(4, 2, 1, 0, 3)], 6, 15, 3, false),
            // Transposed, with outputs beyond the last window, other steps along the sides, and
            // groups.
            shape([side(3, 3, 2, 1, 6), side(4, 3, 2, 1, 8)], 4, 1, 1, true),
            shape([side(3, 4, 2, 1, 6), side(4, 3, 1, 1, 4)], 2, 10, 1, true),
            shape([side(2, 4, 2, 1, 4), side(3, 5, 3, 1, 9)], 4, 6, 2, true),
        ];
        for shape in shapes {
            let kernel = shape.sides[0].kernel * shape.sides[1].kernel;
            let weight: Vec<f32> =
                numbers(kernel * shape.input_channels * shape.channels, "weight");
            let weight: Vec<f32> = weight.iter().map(|weight| 0.2 * weight).collect();
            let bias = numbers(shape.channels, "bias");
            let mut network = FixedNetwork::identity(shape.input_width());
            network.convolution(&shape, &bias, |y, x, input, channel| {
                weight[weight_place(&shape, y, x, input, channel)]
            });
            agrees(&network, |row| by_definition(&shape, &weight, &bias, row));
        }
    }

    #[test]
    fn scales_and_slopes_follow_columns_and_channels() {
        let columns = [(2.0, 1.0), (-0.5, 0.0), (0.1, -3.0)];
        let plain =
            |i: usize, x: f64| x * f64::from(columns[i % 3].0) + f64::from(columns[i % 3].1);
        let mut alone = FixedNetwork::identity(12);
        alone.scale(&columns);
        agrees(&alone, |row| {
            row.iter().enumerate().map(|(i, x)| plain(i, *x)).collect()
        });
        // Behind sums it joins them.
        let (weight, bias) = (numbers(15, "weight"), numbers(3, "bias"));
        let mut joined = FixedNetwork::identity(5);
        joined.linear(&weight, &bias);
        joined.scale(&columns);
        assert_eq!(joined.steps.len(), 1);
        let sum = |row: &[f64], o: usize| {
            f64::from(bias[o])
                + (0..5)
                    .map(|i| f64::from(weight[o * 5 + i]) * row[i])
                    .sum::<f64>()
        };
        agrees(&joined, |row| {
            (0..3).map(|o| plain(o, sum(row, o))).collect()
        });
        for slopes in [vec![0.2, 1.5, -0.3], vec![0.25], vec![3.0]] {
            let mut bent = FixedNetwork::identity(6);
            bent.bend(&slopes);
            let slope = |i: usize| f64::from(slopes[i % slopes.len()]);
            agrees(&bent, |row| {
                row.iter()
                    .enumerate()
                    .map(|(i, x)| if *x < 0.0 { slope(i) * x } else { *x })
                    .collect()
            });
        }
    }

    #[test]
    fn columns_are_moved_repeated_and_left_out() {
        let (weight, bias) = (numbers(12, "weight"), numbers(4, "bias"));
        for (places, steps) in [
            (vec![2, 0, 3, 1], 1),
            (vec![3, 3, 0, 1, 2], 2),
            (vec![1], 2),
            (vec![0, 1, 2, 3], 1),
        ] {
            let mut network = FixedNetwork::identity(3);
            network.linear(&weight, &bias);
            network.activate(Activation::LeakyRelu(0.5));
            network.gather(&places);
            assert_eq!(network.steps.len(), steps, "{places:?}");
            agrees(&network, |row| {
                let sum = |o: usize| {
                    f64::from(bias[o])
                        + (0..3)
                            .map(|i| f64::from(weight[o * 3 + i]) * row[i])
                            .sum::<f64>()
                };
                places
                    .iter()
                    .map(|&o| sum(o))
                    .map(|sum| sum.max(0.5 * sum))
                    .collect()
            });
        }
    }

    #[test]
    fn activations_keep_to_their_columns() {
        let mut network = FixedNetwork::identity(5);
        network.activate_columns(Activation::Clip(-0.1, 0.1), 1..3);
        agrees(&network, |row| {
            row.iter()
                .enumerate()
                .map(|(i, x)| {
                    if i == 1 || i == 2 {
                        x.clamp(-0.1, 0.1)
                    } else {
                        *x
                    }
                })
                .collect()
        });
    }

    #[test]
    fn outputs_are_blends_of_columns() {
        let taps = [(0, 0.5), (3, 0.25), (3, 0.25), (1, -2.0)];
        let mut network = FixedNetwork::identity(4);
        network.blend(vec![taps, [(2, 1.0), (0, 0.0), (0, 0.0), (0, 0.0)]]);
        agrees(&network, |row| {
            vec![0.5 * row[0] + 0.5 * row[3] - 2.0 * row[1], row[2]]
        });
    }

    #[test]
    fn sets_have_mean_zero_and_variance_one() {
        let sets: Vec<u32> = (0..60).map(|i| i % 3).collect();
        let mut network = FixedNetwork::identity(60);
        network.standardise(&sets, 1e-2);
        agrees(&network, |row| {
            let of = |set: usize| row.iter().skip(set).step_by(3);
            let mean = |set: usize| of(set).sum::<f64>() / 20.0;
            let variance =
                |set: usize| of(set).map(|x| (x - mean(set)).powi(2)).sum::<f64>() / 20.0;
            (0..60)
                .map(|i| (row[i] - mean(i % 3)) / (variance(i % 3) + 1e-2).sqrt())
                .collect()
        });
    }
}
