//! A transposed convolution as a product with the weight `[input channels, kernel, kernel,
//! channels]`, whose rows are windows that are added to the output: the gradient of a convolution.

use super::convolution::Backward;
use crate::kernels::elementwise::add_rows;
use crate::kernels::matrix::Matrix;
use crate::kernels::multiply::multiply;
use crate::kernels::packed_weight::{multiply_by_weight, weight_for};
use crate::kernels::product::Accumulation;
use crate::kernels::windows::Windows;
use crate::layer::Convolution;
use crate::tape::{Scratch, resized};

pub(crate) fn forward(
    conv: &Convolution,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    y: &mut [f32],
    scratch: &mut Scratch,
) {
    let windows = Windows::of_transposed(conv);
    let (size, inputs) = (windows.size(), conv.input[2]);
    // Before the windows: they are added to it.
    for pixel in y.chunks_exact_mut(conv.channels) {
        pixel.copy_from_slice(bias);
    }
    let x_step = windows.images_at_once() * windows.count() * inputs;
    let y_step = windows.images_at_once() * windows.image_size();
    for (x, y) in x.chunks(x_step).zip(y.chunks_mut(y_step)) {
        let rows = x.len() / inputs;
        let scattered = resized(&mut scratch.windows, rows * size);
        multiply(
            scattered,
            Accumulation::Overwrite,
            Matrix::new(x, rows, inputs),
            Matrix::new(weight, inputs, size),
        );
        windows.scatter_add(scattered, y);
    }
}

pub(crate) fn backward(conv: &Convolution, pass: Backward<'_>, scratch: &mut Scratch) {
    let Backward {
        x,
        dy,
        weight,
        weight_gradient,
        bias_gradient,
        mut dx,
    } = pass;
    let windows = Windows::of_transposed(conv);
    let (size, inputs) = (windows.size(), conv.input[2]);
    add_rows(dy, bias_gradient);
    let weight = weight_for(x.len() / inputs, weight, size, &mut scratch.packed_weight);
    let x_step = windows.images_at_once() * windows.count() * inputs;
    let dy_step = windows.images_at_once() * windows.image_size();
    for (chunk, (x, dy)) in x.chunks(x_step).zip(dy.chunks(dy_step)).enumerate() {
        let rows = x.len() / inputs;
        let gathered = resized(&mut scratch.windows, rows * size);
        // The adjoint of adding windows is gathering them.
        windows.gather(dy, gathered);
        multiply(
            weight_gradient,
            Accumulation::Add,
            Matrix::new(x, rows, inputs).transposed(),
            Matrix::new(gathered, rows, size),
        );
        if let Some(dx) = dx.as_deref_mut() {
            let dx = &mut dx[chunk * x_step..][..x.len()];
            multiply_by_weight(dx, inputs, Accumulation::Overwrite, gathered, weight);
        }
    }
}
