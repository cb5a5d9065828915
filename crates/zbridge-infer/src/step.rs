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
    tile: LaneBuffer,
    statistics: LaneBuffer,
}

impl Step {
    /// Takes a block of `rows` rows through the step.
    pub(crate) fn apply(&self, set: InstructionSet, rows: usize, block: &mut Block) {
        let Block {
            values: buffer,
            next,
            tile,
            statistics,
        } = block;
        let values = buffer.as_mut_slice();
        match self {
            Self::Activation(activation, columns) => {
                let end = columns.end.min(values.len());
                return activate(set, *activation, &mut values[columns.start..end]);
            }
            Self::Affine(columns) => return set.run(AffineKernel { values, columns }),
            Self::Prelu(slopes) => return set.run(PreluKernel { values, slopes }),
            Self::GroupNorm { groups, epsilon } => {
                let statistics = statistics.resize(2 * groups.sizes.len());
                let epsilon = *epsilon;
                return set.run(GroupNormKernel {
                    values,
                    groups,
                    epsilon,
                    statistics,
                });
            }
            Self::Stencil(stencil) => {
                let outputs = next.resize(stencil.width());
                stencil.apply(set, values, rows, tile.resize(TileWidths::MOST), outputs);
            }
            Self::Transpose { rows, columns } => {
                let outputs = next.resize(values.len());
                transpose_each(values, *rows, *columns, outputs);
            }
            Self::Gather(columns) => {
                for (output, &column) in next.resize(columns.len()).iter_mut().zip(columns) {
                    *output = values[column as usize];
                }
            }
            Self::Interpolate(taps) => {
                let outputs = next.resize(taps.len());
                set.run(InterpolationKernel {
                    inputs: values,
                    taps,
                    outputs,
                });
            }
        }
        std::mem::swap(buffer, next);
    }
}
