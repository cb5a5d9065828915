//! Layers with weights.

use super::MOST_NUMBERS;
use super::follower::Follower;
use super::operator::Operator;
use super::view::{View, size_of};
use zbridge_infer::{GridConvolution, GridSide};

/// Outputs of a group below which sums of that group alone leave most of a register's work undone.
const LEAST_OF_GROUP: usize = 4;

/// Outputs between neighbouring inputs above which a transposed convolution is none of an image.
const MOST_STRIDE: usize = 16;

/// `y = x Wᵀ + b`.
struct Linear<'a> {
    place: usize,
    output: &'a str,
    /// `[outputs, inputs]`.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl<'a> Follower<'a> {
    /// All linear layers of one value, together.
    pub(super) fn heads(&mut self, x: &'a str) -> Option<()> {
        let nodes = self.graph.node.iter().map(Operator).enumerate();
        let takers =
            nodes.filter(|(_, node)| node.name() != "Shape" && node.inputs().any(|name| name == x));
        let heads = takers
            .map(|(place, node)| self.linear(place, node, x))
            .collect::<Option<Vec<_>>>()?;
        let view = self.take_last(x, heads.len())?;
        let [inputs] = *view.shape.as_slice() else {
            return None;
        };
        // Columns that nobody looks at need no weights.
        let view = if view.size() < self.network.outputs() {
            self.side_by_side(view)?
        } else {
            view
        };
        let width = self.network.outputs();
        let (mut weight, mut bias) = (vec![], vec![]);
        for head in &heads {
            for row in head.weight.chunks_exact(inputs) {
                let mut own = vec![0.0; width];
                view.columns
                    .iter()
                    .zip(row)
                    .for_each(|(&column, weight)| own[column] += weight);
                weight.append(&mut own);
            }
            bias.extend(&head.bias);
        }
        self.network.linear(&weight, &bias);
        let mut first = 0;
        for head in heads {
            self.put(head.output, View::in_order(&[head.bias.len()], first));
            first += head.bias.len();
            self.done.insert(head.place);
        }
        Some(())
    }

    fn linear(&self, place: usize, node: Operator<'a>, x: &str) -> Option<Linear<'a>> {
        let (alpha, beta, turned) = match node.name() {
            "MatMul" => (1.0, 0.0, false),
            "Gemm" if node.int("transA", 0) == 0 => (
                node.float("alpha", 1.0),
                node.float("beta", 1.0),
                node.int("transB", 0) != 0,
            ),
            _ => return None,
        };
        let (shape, values) = self.constants.floats(node.input(1)?)?;
        let [rows, columns] = *shape.as_slice() else {
            return None;
        };
        let (inputs, outputs) = if turned {
            (columns, rows)
        } else {
            (rows, columns)
        };
        if node.input(0) != Some(x) || self.shape_of(x)? != [inputs] || outputs == 0 {
            return None;
        }
        let at = |i: usize, o: usize| {
            alpha
                * values[if turned {
                    o * inputs + i
                } else {
                    i * outputs + o
                }]
        };
        let weight = (0..outputs * inputs)
            .map(|i| at(i % inputs, i / inputs))
            .collect();
        let bias = match node.input(2) {
            None => vec![0.0; outputs],
            Some(name) => {
                let (shape, values) = self.constants.floats(name)?;
                View::in_order(&[outputs], 0)
                    .broadcast(&shape, &values)?
                    .into_iter()
                    .map(|bias| beta * bias)
                    .collect()
            }
        };
        Some(Linear {
            place,
            output: node.output()?,
            weight,
            bias,
        })
    }

    /// A convolution, or a transposed one, of an image or of a sound.
    pub(super) fn convolution(&mut self, node: Operator<'a>) -> Option<()> {
        let (kernel, weight) = self.constants.floats(node.input(1)?)?;
        let view = self.take_last(node.input(0)?, 1)?;
        let shape = grid_convolution(node, &view.shape, &kernel)?;
        let bias = match node.input(2) {
            Some(name) => self.constants.vector(name, shape.channels)?,
            None => vec![0.0; shape.channels],
        };
        self.gather(&view.as_grid())?;
        let (height, width) = (shape.sides[0].kernel, shape.sides[1].kernel);
        let own = [
            shape.input_channels / shape.groups,
            shape.channels / shape.groups,
        ];
        self.network
            .convolution(&shape, &bias, |y, x, input, channel| {
                let pair = if shape.transposed {
                    input * own[1] + channel % own[1]
                } else {
                    channel * own[0] + input % own[0]
                };
                weight[(pair * height + y) * width + x]
            });
        let places = shape.sides.map(|side| side.outputs);
        let places = &places[3 - view.shape.len()..];
        self.put(
            node.output()?,
            View::of_grid(&[&[shape.channels], places].concat()),
        );
        Some(())
    }
}

/// The convolution of a value `[channels, places..]` by a kernel `[channels, channels, places..]`.
fn grid_convolution(
    node: Operator<'_>,
    input: &[usize],
    kernel: &[usize],
) -> Option<GridConvolution> {
    let (&input_channels, places) = input.split_first()?;
    let transposed = node.name() == "ConvTranspose";
    let groups = usize::try_from(node.int("group", 1))
        .ok()
        .filter(|groups| *groups > 0)?;
    let (&[first, second], windows) = kernel.split_first_chunk::<2>()?;
    let (seen, channels) = if transposed {
        (first, second.checked_mul(groups)?)
    } else {
        (second.checked_mul(groups)?, first)
    };
    let is_plain = node
        .sizes("dilations")
        .is_none_or(|all| all.iter().all(|dilation| *dilation == 1))
        && node.text("auto_pad", "NOTSET") == "NOTSET"
        && node.attribute("output_shape").is_none();
    let fits = seen == input_channels
        && input_channels % groups == 0
        && channels % groups == 0
        && channels > 0;
    let filled = groups == 1 || channels / groups >= LEAST_OF_GROUP;
    if !is_plain
        || !fits
        || !filled
        || windows.len() != places.len()
        || !(1..=2).contains(&places.len())
    {
        return None;
    }
    let given = |name: &str, usual: usize, count: usize| match node.attribute(name) {
        Some(_) => node.sizes(name).filter(|all| all.len() == count),
        None => Some(vec![usual; count]),
    };
    let rank = places.len();
    let (strides, pads) = (given("strides", 1, rank)?, given("pads", 0, 2 * rank)?);
    let beyond = given("output_padding", 0, rank)?;
    let side = |i: usize| {
        side(
            places[i],
            windows[i],
            strides[i],
            [pads[i], pads[rank + i]],
            beyond[i],
            transposed,
        )
    };
    let alone = GridSide {
        inputs: 1,
        outputs: 1,
        kernel: 1,
        stride: 1,
        padding: 0,
    };
    let sides = if rank == 1 {
        [alone, side(0)?]
    } else {
        [side(0)?, side(1)?]
    };
    let numbers = size_of(&[sides[0].outputs, sides[1].outputs, channels])?;
    (numbers <= MOST_NUMBERS).then_some(GridConvolution {
        sides,
        input_channels,
        channels,
        groups,
        transposed,
    })
}

fn side(
    inputs: usize,
    kernel: usize,
    stride: usize,
    pads: [usize; 2],
    beyond: usize,
    transposed: bool,
) -> Option<GridSide> {
    if kernel == 0 || stride == 0 || pads.iter().any(|pad| *pad > kernel) || beyond > stride {
        return None;
    }
    let outputs = match transposed {
        true if stride > MOST_STRIDE => return None,
        true => ((inputs - 1) * stride + kernel + beyond).checked_sub(pads[0] + pads[1])?,
        false => (inputs + pads[0] + pads[1]).checked_sub(kernel)? / stride + 1,
    };
    (outputs > 0).then_some(GridSide {
        inputs,
        outputs,
        kernel,
        stride,
        padding: pads[0],
    })
}
