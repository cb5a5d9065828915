use super::*;
use crate::{GridSide, Workspace};
use ndarray::{Array2, Axis};
use zbridge_core::RandomStream;
use zbridge_nn::InstructionSet;

fn numbers(count: usize, name: &str) -> Vec<f32> {
    let mut values = vec![0.0; count];
    RandomStream::named(3, name).fill_standard_normal(&mut values);
    values
}

/// Compares the network of these inputs that `build` makes, on every instruction set, with `plain`
/// of each row; returns how many steps it has.
fn agrees(
    inputs: usize,
    build: impl Fn(&mut FixedNetwork),
    plain: impl Fn(&[f64]) -> Vec<f64>,
) -> usize {
    let (mut workspace, mut steps) = (Workspace::default(), 0);
    for set in InstructionSet::available() {
        let mut network = FixedNetwork::identity_with_instruction_set(set, inputs);
        build(&mut network);
        steps = network.steps.len();
        for rows in [1, 15, 33] {
            let input = numbers(rows * inputs, "rows");
            let input = Array2::from_shape_vec((rows, inputs), input).unwrap();
            let found = network.forward(input.view(), &mut workspace);
            assert_eq!(found.dim(), (rows, network.outputs()));
            for (row, found) in input.axis_iter(Axis(0)).zip(found.axis_iter(Axis(0))) {
                let row: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
                for (i, (found, expected)) in found.iter().zip(plain(&row)).enumerate() {
                    let gap = (f64::from(*found) - expected).abs();
                    let tolerance = 2e-6 * expected.abs().max(1.0);
                    assert!(gap < tolerance, "{found} for {expected} at {i} on {set}");
                }
            }
        }
    }
    steps
}

/// `b[o] + Σ W[o, i] x[i]`.
fn weighted_sum(weight: &[f32], bias: &[f32], row: &[f64], output: usize) -> f64 {
    let weights = &weight[output * row.len()..][..row.len()];
    let products = weights
        .iter()
        .zip(row)
        .map(|(weight, x)| f64::from(*weight) * x);
    f64::from(bias[output]) + products.sum::<f64>()
}

fn side(inputs: usize, kernel: usize, stride: usize, padding: usize, outputs: usize) -> GridSide {
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
fn by_definition(shape: &GridConvolution, weight: &[f32], bias: &[f32], row: &[f64]) -> Vec<f64> {
    let [down, across] = shape.sides;
    let (seen, own) = (shape.seen_channels(), shape.channels / shape.groups);
    let mut sums = vec![0.0; down.outputs * across.outputs * shape.channels];
    for (i, x) in row.iter().enumerate() {
        let (place, input) = (i / shape.input_channels, i % shape.input_channels);
        let (from_y, from_x) = (place / across.inputs, place % across.inputs);
        for (ky, kx) in phases([down.kernel, across.kernel]) {
            let to_y = joined(shape, down, from_y, ky);
            let Some((y, x_place)) = to_y.zip(joined(shape, across, from_x, kx)) else {
                continue;
            };
            for channel in input / seen * own..(input / seen + 1) * own {
                let weight = f64::from(weight[weight_place(shape, ky, kx, input, channel)]);
                sums[(y * across.outputs + x_place) * shape.channels + channel] += weight * x;
            }
        }
    }
    let biases = bias.iter().cycle().map(|bias| f64::from(*bias));
    sums.iter()
        .zip(biases)
        .map(|(sum, bias)| sum + bias)
        .collect()
}

/// The place of the output that a place of the kernel joins to `from`.
fn joined(shape: &GridConvolution, side: GridSide, from: usize, tap: usize) -> Option<usize> {
    let place = if shape.transposed {
        (from * side.stride + tap).checked_sub(side.padding)?
    } else {
        let at = (from + side.padding).checked_sub(tap)?;
        at.is_multiple_of(side.stride).then_some(at / side.stride)?
    };
    Some(place).filter(|place| *place < side.outputs)
}

fn phases([down, across]: [usize; 2]) -> impl Iterator<Item = (usize, usize)> {
    (0..down * across).map(move |i| (i / across, i % across))
}

fn weight_place(
    shape: &GridConvolution,
    y: usize,
    x: usize,
    input: usize,
    channel: usize,
) -> usize {
    let [down, across] = shape.sides.map(|side| side.kernel);
    ((channel * shape.input_channels + input) * down + y) * across + x
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
        let [down, across] = shape.sides.map(|side| side.kernel);
        let weights = down * across * shape.input_channels * shape.channels;
        let mut weight = numbers(weights, "weight");
        weight.iter_mut().for_each(|weight| *weight *= 0.2);
        let bias = numbers(shape.channels, "bias");
        let build = |network: &mut FixedNetwork| {
            network.convolution(&shape, &bias, |y, x, input, channel| {
                weight[weight_place(&shape, y, x, input, channel)]
            });
        };
        agrees(shape.input_width(), build, |row| {
            by_definition(&shape, &weight, &bias, row)
        });
    }
}

#[test]
fn affine_columns_are_repeated_and_join_sums() {
    let columns = [(2.0, 1.0), (-0.5, 0.0), (0.1, -3.0)];
    let columns = columns.map(|(factor, offset)| Affine { factor, offset });
    let plain =
        |i: usize, x: f64| x * f64::from(columns[i % 3].factor) + f64::from(columns[i % 3].offset);
    agrees(
        12,
        |network| network.affine(&columns),
        |row| row.iter().enumerate().map(|(i, x)| plain(i, *x)).collect(),
    );
    // 260 inputs are more than one piece of a window.
    for inputs in [5, 260] {
        let (mut weight, bias) = (numbers(3 * inputs, "weight"), numbers(3, "bias"));
        weight
            .iter_mut()
            .for_each(|weight| *weight /= (inputs as f32).sqrt());
        let build = |network: &mut FixedNetwork| {
            network.linear(&weight, &bias);
            network.affine(&columns);
        };
        let sums = |row: &[f64]| {
            (0..3)
                .map(|o| weighted_sum(&weight, &bias, row, o))
                .collect()
        };
        let plain = |row: &[f64]| {
            let sums: Vec<f64> = sums(row);
            sums.iter()
                .enumerate()
                .map(|(o, sum)| plain(o, *sum))
                .collect()
        };
        assert_eq!(agrees(inputs, build, plain), 1);
    }
}

#[test]
fn slopes_are_repeated() {
    for slopes in [vec![0.2, 1.5, -0.3], vec![0.25], vec![3.0]] {
        let slope = |i: usize| f64::from(slopes[i % slopes.len()]);
        let plain = |i: usize, x: f64| if x < 0.0 { slope(i) * x } else { x };
        agrees(
            6,
            |network| network.prelu(&slopes),
            |row| row.iter().enumerate().map(|(i, x)| plain(i, *x)).collect(),
        );
    }
}

#[test]
fn columns_are_moved_repeated_and_left_out() {
    let (weight, bias) = (numbers(12, "weight"), numbers(4, "bias"));
    for (columns, steps) in [
        (vec![2, 0, 3, 1], 1),
        (vec![3, 3, 0, 1, 2], 2),
        (vec![1], 2),
        (vec![0, 1, 2, 3], 1),
    ] {
        let build = |network: &mut FixedNetwork| {
            network.linear(&weight, &bias);
            network.activate(Activation::LeakyRelu(0.5));
            network.gather(&columns);
        };
        let plain = |row: &[f64]| {
            let sums = columns
                .iter()
                .map(|&o| weighted_sum(&weight, &bias, row, o));
            sums.map(|sum| sum.max(0.5 * sum)).collect()
        };
        assert_eq!(agrees(3, build, plain), steps, "{columns:?}");
    }
}

#[test]
fn activations_keep_to_their_columns() {
    let build = |network: &mut FixedNetwork| {
        network.activate_columns(Activation::Clip(-0.1, 0.1), 1..3);
    };
    agrees(5, build, |row| {
        let mut row = row.to_vec();
        row[1..3].iter_mut().for_each(|x| *x = x.clamp(-0.1, 0.1));
        row
    });
}

#[test]
fn outputs_are_interpolated_between_columns() {
    let taps = |taps: [(u32, f32); 4]| taps.map(|(column, weight)| Tap { column, weight });
    let first = taps([(0, 0.5), (3, 0.25), (3, 0.25), (1, -2.0)]);
    let second = taps([(2, 1.0), (0, 0.0), (0, 0.0), (0, 0.0)]);
    agrees(
        4,
        |network| network.interpolate(vec![first, second]),
        |row| vec![0.5 * row[0] + 0.5 * row[3] - 2.0 * row[1], row[2]],
    );
}

#[test]
fn groups_have_mean_zero_and_variance_one() {
    let groups: Vec<u32> = (0..60).map(|i| i % 3).collect();
    agrees(
        60,
        |network| network.group_norm(&groups, 1e-2),
        |row| {
            let of = |group: usize| row.iter().skip(group).step_by(3);
            let mean = |group: usize| of(group).sum::<f64>() / 20.0;
            let variance =
                |group: usize| of(group).map(|x| (x - mean(group)).powi(2)).sum::<f64>() / 20.0;
            (0..60)
                .map(|i| (row[i] - mean(i % 3)) / (variance(i % 3) + 1e-2).sqrt())
                .collect()
        },
    );
}
