//! How outputs lie over inputs along one side of a grid.

use crate::grid_convolution::GridSide;
use std::ops::Range;

/// One side of a grid, seen from its *places*: from place q, output `step · q + phase` sees the
/// inputs `input_step · q + offset`, for a few offsets.
///
/// A convolution has one phase. A transposed convolution with stride s has s of them: it is s × s
/// ordinary convolutions that take turns, one for each phase of an output's place modulo s
/// (sub-pixel convolution, Shi et al. 2016).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    kernel: usize,
    padding: usize,
    input_step: usize,
    pub(crate) step: usize,
    /// From the kernel's row for one offset to that for the next: 1, or, transposed, back by the
    /// stride.
    tap_step: isize,
}

/// The part of a window that lies inside the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inside {
    /// Its first input.
    pub(crate) first: usize,
    /// How many inputs it has.
    pub(crate) count: usize,
    /// Inputs of the window before its first.
    pub(crate) skipped: usize,
}

impl Inside {
    /// Which offsets of the window it has, at `numbers` numbers for each.
    pub(crate) fn offsets(&self, numbers: usize) -> Range<usize> {
        self.skipped * numbers..(self.skipped + self.count) * numbers
    }
}

impl Axis {
    pub(crate) fn new(side: GridSide, transposed: bool) -> Self {
        let stride = side.stride;
        let (input_step, step) = if transposed { (1, stride) } else { (stride, 1) };
        Self {
            inputs: side.inputs,
            outputs: side.outputs,
            kernel: side.kernel,
            padding: side.padding,
            input_step,
            step,
            tap_step: if transposed { -(stride as isize) } else { 1 },
        }
    }

    /// Places that cover all outputs.
    pub(crate) fn places(&self) -> usize {
        self.outputs.div_ceil(self.step)
    }

    /// Which row of the kernel joins an output of `phase` to the input at `offset`.
    pub(crate) fn tap(&self, phase: usize, offset: isize) -> Option<usize> {
        let tap = (self.padding + phase) as isize + self.tap_step * offset;
        usize::try_from(tap).ok().filter(|tap| *tap < self.kernel)
    }

    /// The offsets from the first to the last at which an output of one of these phases sees an
    /// input.
    pub(crate) fn offsets(&self, phases: impl Iterator<Item = usize>) -> Range<isize> {
        let far = (self.kernel + self.padding + self.step) as isize;
        let mut all = 0..0;
        for phase in phases {
            for offset in (-far..far).filter(|offset| self.tap(phase, *offset).is_some()) {
                all = match all.is_empty() {
                    true => offset..offset + 1,
                    false => all.start.min(offset)..all.end.max(offset + 1),
                };
            }
        }
        all
    }

    /// The part of the window `offsets` that is inside the grid, seen from `place`.
    pub(crate) fn inside(&self, offsets: &Range<isize>, place: usize) -> Inside {
        let at = (place * self.input_step) as isize;
        let first = offsets.start.max(-at).min(offsets.end);
        let end = offsets.end.min(self.inputs as isize - at).max(first);
        Inside {
            first: (at + first).max(0) as usize,
            count: (end - first) as usize,
            skipped: (first - offsets.start) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transposed(kernel: usize, padding: usize) -> Axis {
        let side = GridSide {
            inputs: 7,
            outputs: 14,
            kernel,
            stride: 2,
            padding,
        };
        Axis::new(side, true)
    }

    #[test]
    fn the_phases_of_a_transposed_convolution_share_its_kernel() {
        let four = transposed(4, 1);
        let offsets = [0, 1].map(|phase| four.offsets(std::iter::once(phase)));
        assert_eq!(offsets, [-1..1, 0..2]);
        assert_eq!(
            [-1, 0].map(|offset| four.tap(0, offset)),
            [Some(3), Some(1)]
        );
        assert_eq!([0, 1].map(|offset| four.tap(1, offset)), [Some(2), Some(0)]);
        let six = transposed(6, 2);
        assert_eq!(
            six.offsets(0..2),
            -1..2,
            "both phases see the same three inputs"
        );
    }

    #[test]
    fn a_window_ends_at_the_edge() {
        let side = GridSide {
            inputs: 5,
            outputs: 5,
            kernel: 3,
            stride: 1,
            padding: 1,
        };
        let axis = Axis::new(side, false);
        let inside = [0, 2, 4].map(|place| axis.inside(&(-1..2), place));
        let expected = [(0, 2, 1), (1, 3, 0), (3, 2, 0)];
        let expected = expected.map(|(first, count, skipped)| Inside {
            first,
            count,
            skipped,
        });
        assert_eq!(inside, expected);
    }
}
