//! The steps of a network.

use crate::activation::{Activation, activate};
use crate::column_steps::{
    Affine, AffineKernel, ColumnGroups, GroupNormKernel, InterpolationKernel, PreluKernel, Tap,
};
use crate::lanes::LaneBuffer;
use crate::stencil::Stencil;
use crate::weighted_sums::TileWidths;
use std::ops::Range;
use zbridge_nn::{InstructionSet, transpose_each};

// A network has a handful of steps, so that the size of one does not matter.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Stencil(Stencil),
    /// Of the columns in this range.
    Activation(Activation, Range<usize>),
    /// By column; columns are repeated.
    Affine(Vec<Affine>),
    /// `slope · x` on the negative side, by column; slopes are repeated.
    Prelu(Vec<f32>),
    /// Each row is a matrix `[rows, columns]`, which is transposed.
    Transpose {
        rows: usize,
        columns: usize,
    },
    /// The columns of the input that are the output's.
    Gather(Vec<u32>),
    /// The weighted sums of columns that are the output's columns.
    Interpolate(Vec<[Tap; 4]>),
    /// Each group of columns with mean 0 and variance 1.
    GroupNorm {
        groups: ColumnGroups,
        /// What is added to a variance.
        epsilon: f32,
    },
}

/// A block of rows on its way through a network, and working space.
#[derive(Debug, Default, Clone)]
pub(crate) struct Block {
    /// One for each column.
    pub(crate) values: LaneBuffer,
    next: LaneBuffer,
    scratch: LaneBuffer,
}

impl Step {
    /// Takes a block of `rows` rows through the step.
    pub(crate) fn apply(&self, set: InstructionSet, rows: usize, block: &mut Block) {
        match self {
            Self::Activation(activation, columns) => {
                let values = block.values.as_mut_slice();
                let end = columns.end.min(values.len());
                activate(set, *activation, &mut values[columns.start..end]);
            }
            Self::Affine(columns) => {
                set.run(AffineKernel {
                    values: block.values.as_mut_slice(),
                    columns,
                });
            }
            Self::Prelu(slopes) => {
                set.run(PreluKernel {
                    values: block.values.as_mut_slice(),
                    slopes,
                });
            }
            Self::GroupNorm { groups, epsilon } => set.run(GroupNormKernel {
                values: block.values.as_mut_slice(),
                groups,
                epsilon: *epsilon,
                statistics: block.scratch.resize(2 * groups.sizes.len()),
            }),
            Self::Stencil(_) | Self::Transpose { .. } | Self::Gather(_) | Self::Interpolate(_) => {
                self.replace(set, rows, block)
            }
        }
    }

    /// Does the steps whose outputs are other columns than their inputs.
    fn replace(&self, set: InstructionSet, rows: usize, block: &mut Block) {
        let outputs = block
            .next
            .resize(self.outputs(block.values.as_slice().len()));
        let inputs = block.values.as_slice();
        match self {
            Self::Stencil(stencil) => {
                let tile = block.scratch.resize(TileWidths::MOST);
                stencil.apply(set, inputs, rows, tile, outputs);
            }
            Self::Transpose { rows, columns } => transpose_each(inputs, *rows, *columns, outputs),
            Self::Gather(columns) => {
                for (output, &column) in outputs.iter_mut().zip(columns) {
                    *output = inputs[column as usize];
                }
            }
            Self::Interpolate(taps) => set.run(InterpolationKernel {
                inputs,
                taps,
                outputs,
            }),
            _ => unreachable!("a step in place"),
        }
        std::mem::swap(&mut block.values, &mut block.next);
    }

    /// Columns behind the step, for `inputs` columns before it.
    fn outputs(&self, inputs: usize) -> usize {
        match self {
            Self::Stencil(stencil) => stencil.width(),
            Self::Gather(columns) => columns.len(),
            Self::Interpolate(taps) => taps.len(),
            _ => inputs,
        }
    }
}
