//! Dropout (Srivastava et al. 2014).

use zbridge_core::RandomStream;

/// `y ← x / (1 − rate)`, or 0 with probability `rate`.
pub(crate) fn forward(x: &[f32], rate: f32, stream: &mut RandomStream, y: &mut [f32]) {
    let scale = 1.0 / (1.0 - rate);
    // A byte decides on a value, so that one draw of 64 bits is enough for eight.
    let dropped_below = (rate * 256.0) as u8;
    for (x, y) in x.chunks(8).zip(y.chunks_mut(8)) {
        let bytes = stream.bits().to_le_bytes();
        for ((y, x), byte) in y.iter_mut().zip(x).zip(bytes) {
            *y = if byte < dropped_below { 0.0 } else { scale * x };
        }
    }
}

/// Multiplies `gradient` by the factors of the forward pass, in place.
///
/// A factor is the ratio of output to input. If both are 0 the factor is lost, but does not matter.
pub(crate) fn backward(x: &[f32], y: &[f32], gradient: &mut [f32]) {
    for ((g, x), y) in gradient.iter_mut().zip(x).zip(y) {
        *g = if *y == 0.0 { 0.0 } else { *g * (y / x) };
    }
}
