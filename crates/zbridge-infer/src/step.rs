//! The steps of a network.

use crate::activation::{Activation, activate};
use crate::column_steps::{Affine, ColumnGroups, Tap, affine, group_norm, interpolate, prelu};
use crate::lanes::Lanes;
use crate::stencil::Stencil;
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
    pub(crate) values: Vec<Lanes>,
    next: Vec<Lanes>,
    sums: Vec<Lanes>,
    statistics: Vec<Lanes>,
}

impl Step {
    /// Takes a block of `rows` rows through the step.
    pub(crate) fn apply(&self, set: InstructionSet, rows: usize, block: &mut Block) {
        let Block {
            values,
            next,
            sums,
            statistics,
        } = block;
        match self {
            Self::Activation(activation, columns) => {
                let end = columns.end.min(values.len());
                return activate(set, *activation, &mut values[columns.start..end]);
            }
            Self::Affine(columns) => return affine(set, values, columns),
            Self::Prelu(slopes) => return prelu(set, values, slopes),
            Self::GroupNorm { groups, epsilon } => {
                return group_norm(set, values, groups, *epsilon, statistics);
            }
            Self::Stencil(stencil) => stencil.apply(set, values, rows, sums, next),
            Self::Transpose { rows, columns } => {
                next.resize(values.len(), Lanes::ZERO);
                transpose_each(values, *rows, *columns, next);
            }
            Self::Gather(columns) => {
                next.clear();
                next.extend(columns.iter().map(|&column| values[column as usize]));
            }
            Self::Interpolate(taps) => {
                next.resize(taps.len(), Lanes::ZERO);
                interpolate(set, values, taps, next);
            }
        }
        std::mem::swap(values, next);
    }
}
