//! A convolution as a product: the windows of a few images are gathered as rows, and multiplied by
//! the weight `[channels, kernel, kernel, input channels]`.
//!
//! Only the windows of so many images are in memory as fit the core's cache. The backward pass
//! gathers them again, which is cheaper than to keep them.

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
    let windows = Windows::of_convolution(conv);
    let (size, channels) = (windows.size(), conv.channels);
    for pixel in y.chunks_exact_mut(channels) {
        pixel.copy_from_slice(bias);
    }
    // Packed once for all images, not for each few of them.
    let all_windows = y.len() / channels;
    let weight = weight_for(all_windows, weight, size, &mut scratch.packed_weight);
    let x_step = windows.images_at_once() * windows.image_size();
    let y_step = windows.images_at_once() * windows.count() * channels;
    for (images, y) in x.chunks(x_step).zip(y.chunks_mut(y_step)) {
        let gathered = resized(&mut scratch.windows, y.len() / channels * size);
        windows.gather(images, gathered);
        multiply_by_weight(y, channels, Accumulation::Add, gathered, weight);
    }
}

/// The operands of a backward pass; gradients of the parameters are added to those that are there.
pub(crate) struct Backward<'p> {
    pub(crate) x: &'p [f32],
    pub(crate) dy: &'p [f32],
    pub(crate) weight: &'p [f32],
    pub(crate) weight_gradient: &'p mut [f32],
    pub(crate) bias_gradient: &'p mut [f32],
    /// Where the gradient at the input goes, if it is needed.
    pub(crate) dx: Option<&'p mut [f32]>,
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
    let windows = Windows::of_convolution(conv);
    let (size, channels) = (windows.size(), conv.channels);
    add_rows(dy, bias_gradient);
    if let Some(dx) = dx.as_deref_mut() {
        // Windows overlap, so their gradients are added up.
        dx.fill(0.0);
    }
    let x_step = windows.images_at_once() * windows.image_size();
    let dy_step = windows.images_at_once() * windows.count() * channels;
    for (chunk, (images, dy)) in x.chunks(x_step).zip(dy.chunks(dy_step)).enumerate() {
        let rows = dy.len() / channels;
        let gathered = resized(&mut scratch.windows, rows * size);
        windows.gather(images, gathered);
        let dy = Matrix::new(dy, rows, channels);
        multiply(
            weight_gradient,
            Accumulation::Add,
            dy.transposed(),
            Matrix::new(gathered, rows, size),
        );
        if let Some(dx) = dx.as_deref_mut() {
            let weight = Matrix::new(weight, channels, size);
            // The windows have served: their memory takes the gradient of them.
            multiply(gathered, Accumulation::Overwrite, dy, weight);
            windows.scatter_add(gathered, &mut dx[chunk * x_step..][..images.len()]);
        }
    }
}
