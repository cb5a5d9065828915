//! Sliding windows of a convolution: gather (im2col) and its adjoint, scatter (col2im).

use crate::layer::Convolution;
use std::ops::Range;

/// How windows lie over an image `[height, width, channels]`.
#[derive(Clone, Copy)]
pub(crate) struct Windows {
    height: usize,
    width: usize,
    channels: usize,
    down: usize,
    across: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Windows {
    /// The windows that a convolution slides over its input.
    pub(crate) fn of_convolution(conv: &Convolution) -> Self {
        Self::over(conv.input, conv.output(), conv)
    }

    /// The windows that a transposed convolution lays over its output, one for each input position.
    pub(crate) fn of_transposed(conv: &Convolution) -> Self {
        Self::over(conv.transposed_output(), conv.input, conv)
    }

    fn over(image: [usize; 3], grid: [usize; 3], conv: &Convolution) -> Self {
        let ([height, width, channels], [down, across, _]) = (image, grid);
        let Convolution {
            kernel,
            stride,
            padding,
            ..
        } = *conv;
        Self {
            height,
            width,
            channels,
            down,
            across,
            kernel,
            stride,
            padding,
        }
    }

    /// Windows of one image.
    pub(crate) fn count(&self) -> usize {
        self.down * self.across
    }

    /// Values of one window: kernel × kernel × channels.
    pub(crate) fn size(&self) -> usize {
        self.kernel * self.kernel * self.channels
    }

    /// Values of one image.
    pub(crate) fn image_size(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Images whose windows fit a core's cache together: the unit of work of a convolution.
    pub(crate) fn images_at_once(&self) -> usize {
        const CACHED_VALUES: usize = 1 << 17;
        (CACHED_VALUES / (self.count() * self.size())).max(1)
    }

    /// Copies the windows of `images` into `columns`, `[images · count, size]`; zeros outside the
    /// image.
    pub(crate) fn gather(&self, images: &[f32], columns: &mut [f32]) {
        let blocks = columns.chunks_exact_mut(self.count() * self.size());
        for (image, block) in images.chunks_exact(self.image_size()).zip(blocks) {
            self.each_stretch(|stretch| {
                let target = &mut block[stretch.at..][..stretch.length];
                match stretch.image_at {
                    Some(at) => target.copy_from_slice(&image[at..at + stretch.length]),
                    None => target.fill(0.0),
                }
            });
        }
    }

    /// Adds every window in `columns` to its place in `images`: the adjoint of
    /// [`gather`](Self::gather).
    pub(crate) fn scatter_add(&self, columns: &[f32], images: &mut [f32]) {
        let blocks = columns.chunks_exact(self.count() * self.size());
        for (image, block) in images.chunks_exact_mut(self.image_size()).zip(blocks) {
            self.each_stretch(|stretch| {
                if let Some(at) = stretch.image_at {
                    let source = &block[stretch.at..][..stretch.length];
                    for (pixel, value) in image[at..at + stretch.length].iter_mut().zip(source) {
                        *pixel += value;
                    }
                }
            });
        }
    }

    /// Calls `visit` for each stretch of each window of an image, in order.
    #[inline(always)]
    fn each_stretch(&self, mut visit: impl FnMut(Stretch)) {
        let row_length = self.kernel * self.channels;
        for window in 0..self.count() {
            let top = (window / self.across) * self.stride;
            let left = (window % self.across) * self.stride;
            let inside = self.inside(left);
            for row in 0..self.kernel {
                let at = window * self.size() + row * row_length;
                // Above the image this is a large number.
                let y = (top + row).wrapping_sub(self.padding);
                if y < self.height {
                    self.visit_row(at, y * self.width + left, &inside, &mut visit);
                } else {
                    visit(Stretch {
                        at,
                        image_at: None,
                        length: row_length,
                    });
                }
            }
        }
    }

    /// The columns of the kernel that are inside the image for a window at `left`.
    #[inline(always)]
    fn inside(&self, left: usize) -> Range<usize> {
        let first = self.padding.saturating_sub(left).min(self.kernel);
        let end = (self.width + self.padding)
            .saturating_sub(left)
            .min(self.kernel);
        first..end.max(first)
    }

    /// Visits a row of a window that is in the image at least in part: the padding before it, what
    /// is `inside`, and the padding behind. The row begins at pixel `pixel - padding`.
    #[inline(always)]
    fn visit_row(
        &self,
        at: usize,
        pixel: usize,
        inside: &Range<usize>,
        visit: &mut impl FnMut(Stretch),
    ) {
        let channels = self.channels;
        if inside.start > 0 {
            visit(Stretch {
                at,
                image_at: None,
                length: inside.start * channels,
            });
        }
        visit(Stretch {
            at: at + inside.start * channels,
            image_at: Some((pixel + inside.start - self.padding) * channels),
            length: inside.len() * channels,
        });
        if inside.end < self.kernel {
            let length = (self.kernel - inside.end) * channels;
            visit(Stretch {
                at: at + inside.end * channels,
                image_at: None,
                length,
            });
        }
    }
}

/// Neighbouring values of a window.
struct Stretch {
    /// Where it begins among the windows of its image.
    at: usize,
    /// Where it begins in the image; `None` in the padding around it.
    image_at: Option<usize>,
    length: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ⟨gather(x), c⟩ = ⟨x, scatter(c)⟩ for all x and c: what backpropagation relies on.
    #[test]
    fn scatter_is_the_adjoint_of_gather() {
        for (kernel, stride, padding) in [(3, 1, 1), (4, 2, 1), (6, 2, 2), (3, 2, 1), (1, 1, 0)] {
            let conv = Convolution {
                input: [7, 5, 3],
                channels: 2,
                kernel,
                stride,
                padding,
            };
            let windows = Windows::of_convolution(&conv);
            let image: Vec<f32> = (0..windows.image_size())
                .map(|i| ((i * 7919) % 101) as f32 - 50.0)
                .collect();
            let c: Vec<f32> = (0..windows.count() * windows.size())
                .map(|i| ((i * 31) % 17) as f32 - 8.0)
                .collect();
            let (mut gathered, mut scattered) = (vec![9.0; c.len()], vec![0.0; image.len()]);
            windows.gather(&image, &mut gathered);
            windows.scatter_add(&c, &mut scattered);
            let dot =
                |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            assert_eq!(
                dot(&gathered, &c),
                dot(&image, &scattered),
                "kernel {kernel} stride {stride}"
            );
        }
    }
}
