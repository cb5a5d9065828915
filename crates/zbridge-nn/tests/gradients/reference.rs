//! Forward passes in double precision, by the definitions: one loop for each sum.

use zbridge_nn::{Convolution, Gru, Layer, Network, Tape};

/// Returns the outputs of a network in training for a batch; `tape` is of a pass over the same
/// batch, whose dropped values are dropped here too.
pub fn forward(network: &Network, parameters: &[f64], input: &[f64], tape: &Tape) -> Vec<f64> {
    let rows = input.len() / network.inputs();
    let mut x = input.to_vec();
    for (index, layer) in network.layers().iter().enumerate() {
        let own: Vec<&[f64]> = network
            .tensors()
            .iter()
            .filter(|tensor| tensor.layer == index)
            .map(|tensor| &parameters[tensor.range.clone()])
            .collect();
        let width = network.width_before(index);
        if let Layer::BatchNorm { .. } = layer {
            x = batch_norm(&x, own[0], own[1], rows);
            continue;
        }
        let mut y = Vec::new();
        for (row, x) in x.chunks(width).enumerate() {
            y.extend(match *layer {
                Layer::Linear { .. } => linear(x, own[0], own[1]),
                Layer::Conv(conv) => convolution(x, &conv, own[0], own[1]),
                Layer::ConvTranspose(conv) => transposed_convolution(x, &conv, own[0], own[1]),
                Layer::LeakyRelu { slope } => leaky_relu(x, f64::from(slope)),
                Layer::Silu => x.iter().map(|x| x * sigmoid(*x)).collect(),
                Layer::Dropout { .. } => dropped(x, tape, index, row),
                Layer::Transpose { rows, columns } => transposed(x, rows, columns),
                ref other => panic!("{other:?}"),
            });
        }
        x = y;
    }
    x
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn linear(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let outputs = weight.chunks(x.len()).zip(bias);
    outputs
        .map(|(weight, bias)| dot(weight, x) + bias)
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn leaky_relu(x: &[f64], slope: f64) -> Vec<f64> {
    let one = |&x: &f64| if x > 0.0 { x } else { slope * x };
    x.iter().map(one).collect()
}

fn transposed(x: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| x[row * columns + column]))
        .collect()
}

/// The values times the factors that the pass on the tape has applied to them.
fn dropped(x: &[f64], tape: &Tape, index: usize, row: usize) -> Vec<f64> {
    let (before, after) = (tape.input_of(index), tape.layer_output(index));
    let factor = |column: usize| {
        let place = row * x.len() + column;
        f64::from(after[place]) / f64::from(before[place])
    };
    (0..x.len())
        .map(|column| x[column] * factor(column))
        .collect()
}

fn batch_norm(x: &[f64], scale: &[f64], shift: &[f64], rows: usize) -> Vec<f64> {
    let width = scale.len();
    let mut y = vec![0.0; x.len()];
    for column in 0..width {
        let values = || (0..rows).map(|row| x[row * width + column]);
        let mean = values().sum::<f64>() / rows as f64;
        let variance = values().map(|x| (x - mean).powi(2)).sum::<f64>() / rows as f64;
        for (row, x) in values().enumerate() {
            let normalised = (x - mean) / (variance + 1e-5).sqrt();
            y[row * width + column] = scale[column] * normalised + shift[column];
        }
    }
    y
}

/// Calls `visit` with the places of an input, an output and a weight for each product that a
/// convolution adds up: (pixel of the image, pixel of the grid of windows, place in the kernel).
fn each_product(
    conv: &Convolution,
    image: [usize; 3],
    grid: [usize; 3],
    mut visit: impl FnMut(usize, usize, usize),
) {
    for (down, across) in pairs(grid[0], grid[1]) {
        for (y, x) in pairs(conv.kernel, conv.kernel) {
            let (row, column) = (down * conv.stride + y, across * conv.stride + x);
            let inside = |at: usize, side: usize| (conv.padding..side + conv.padding).contains(&at);
            if inside(row, image[0]) && inside(column, image[1]) {
                let pixel = (row - conv.padding) * image[1] + column - conv.padding;
                visit(pixel, down * grid[1] + across, y * conv.kernel + x);
            }
        }
    }
}

fn pairs(a: usize, b: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..a).flat_map(move |i| (0..b).map(move |j| (i, j)))
}

fn convolution(x: &[f64], conv: &Convolution, weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let (inputs, kernel) = (conv.input[2], conv.kernel * conv.kernel);
    let output = conv.output();
    let mut y: Vec<f64> = (0..output[0] * output[1])
        .flat_map(|_| bias)
        .copied()
        .collect();
    each_product(conv, conv.input, output, |pixel, window, place| {
        for (channel, from) in pairs(conv.channels, inputs) {
            let weight = weight[(channel * kernel + place) * inputs + from];
            y[window * conv.channels + channel] += weight * x[pixel * inputs + from];
        }
    });
    y
}

fn transposed_convolution(x: &[f64], conv: &Convolution, weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let (inputs, kernel) = (conv.input[2], conv.kernel * conv.kernel);
    let output = conv.transposed_output();
    let mut y: Vec<f64> = (0..output[0] * output[1])
        .flat_map(|_| bias)
        .copied()
        .collect();
    each_product(conv, output, conv.input, |pixel, window, place| {
        for (from, channel) in pairs(inputs, conv.channels) {
            let weight = weight[(from * kernel + place) * conv.channels + channel];
            y[pixel * conv.channels + channel] += weight * x[window * inputs + from];
        }
    });
    y
}

/// Returns the states of a recurrent unit behind each step, `[steps, rows, units]`.
pub fn gru(gru: &Gru, parameters: &[f64], inputs: &[f64], rows: usize) -> Vec<f64> {
    let (width, units) = (gru.inputs, gru.units);
    let (weight_input, rest) = parameters.split_at(3 * units * width);
    let (weight_state, rest) = rest.split_at(3 * units * units);
    let (bias_input, bias_state) = rest.split_at(3 * units);
    let mut state = vec![0.0; rows * units];
    let mut states = Vec::new();
    for input in inputs.chunks(rows * width) {
        for (x, h) in input.chunks(width).zip(state.chunks_mut(units)) {
            let by_input = linear(x, weight_input, bias_input);
            let by_state = linear(h, weight_state, bias_state);
            for (unit, h) in h.iter_mut().enumerate() {
                let gate = |gate: usize| gate * units + unit;
                let reset = sigmoid(by_input[gate(0)] + by_state[gate(0)]);
                let update = sigmoid(by_input[gate(1)] + by_state[gate(1)]);
                let new = (by_input[gate(2)] + reset * by_state[gate(2)]).tanh();
                *h = (1.0 - update) * new + update * *h;
            }
        }
        states.extend_from_slice(&state);
    }
    states
}
