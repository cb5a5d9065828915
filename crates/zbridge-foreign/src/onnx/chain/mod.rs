//! Graphs that are a chain of steps from one input, run by [`FixedNetwork`]: most networks of
//! autoencoders. Such a graph is lowered as a whole, or not at all; all others run on the general
//! engine.
//!
//! Supported are linear layers, several of one value too; convolutions, transposed ones, and both
//! in groups, of images and sounds; activations, of one operator or several; normalisations by
//! running statistics, by channel and by group; constants that scale and shift; interpolation; and
//! operators that only move numbers. Not supported are sums and products of two values, operators
//! that look at other rows, and shapes that are known late.

mod activation_pattern;
mod activations;
mod constants;
mod convolution;
mod graph_lowering;
mod known_sizes;
mod linear_layers;
mod live_values;
mod lower;
mod reshape;
mod resize;
mod row_axis;
mod scaling;
mod term;
mod view;
mod view_operators;

use super::parallel_map;
use lower::{LoweredGraph, lower};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};
use rten_onnx::onnx::ModelProto;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use zbridge_infer::{FixedNetwork, Workspace};
use zbridge_nn::BufferPool;

/// A graph that is a chain, ready to run.
#[derive(Debug)]
pub(super) struct Chain {
    network: FixedNetwork,
    /// The shape of one row of each output; the network has them side by side.
    output_shapes: Vec<Vec<usize>>,
    workspaces: BufferPool<Workspace>,
}

/// Rows that a core takes at once.
const ROWS_AT_ONCE: usize = 2 * FixedNetwork::ROWS_AT_ONCE;

impl Chain {
    /// Returns the chain that a model is, with rows of this shape; `None` if it is none, or has
    /// weights that are no floats.
    pub(super) fn read(
        model: &ModelProto,
        data: &BTreeMap<String, Vec<u8>>,
        input_shape: &[usize],
    ) -> Option<Self> {
        let LoweredGraph {
            network,
            output_shapes,
        } = lower(model, data, input_shape)?;
        Some(Self {
            network,
            output_shapes,
            workspaces: BufferPool::default(),
        })
    }

    pub(super) fn output_shapes(&self) -> &[Vec<usize>] {
        &self.output_shapes
    }

    /// Returns the outputs named by `wanted`, each `[rows, output]`, for row-major `rows`
    /// `[rows, input]`.
    pub(super) fn run(&self, rows: ArrayView2<'_, f32>, wanted: &[usize]) -> Vec<Array2<f32>> {
        let columns: Vec<_> = wanted.iter().map(|&output| self.columns(output)).collect();
        // Cores write to these directly, so that no output is copied twice.
        let empty = |columns: &Range<usize>| Array2::zeros((rows.nrows(), columns.len()));
        let mut outputs: Vec<Array2<f32>> = columns.iter().map(empty).collect();
        self.fill(blocks(&rows, &mut outputs), &columns);
        outputs
    }

    /// Fills blocks on all cores.
    fn fill(&self, blocks: Vec<Block<'_>>, columns: &[Range<usize>]) {
        // Every block is locked once, by the core that fills it.
        let blocks: Vec<_> = blocks.into_iter().map(Mutex::new).collect();
        let Ok(_) = parallel_map::map(blocks.len(), |block, _| {
            let mut block = blocks[block].lock().unwrap_or_else(PoisonError::into_inner);
            self.fill_block(&mut block, columns);
            Ok::<_, Infallible>(())
        });
    }

    /// Writes the `columns` of the network's output to the parts of a block.
    fn fill_block(&self, block: &mut Block<'_>, columns: &[Range<usize>]) {
        self.workspaces.with(|workspace| {
            let outputs = self.network.forward(block.rows.view(), workspace);
            for (part, columns) in block.outputs.iter_mut().zip(columns) {
                part.assign(&outputs.slice_axis(Axis(1), columns.clone().into()));
            }
        });
    }

    /// Returns the columns of an output among those of the network.
    fn columns(&self, output: usize) -> Range<usize> {
        let size = |shape: &Vec<usize>| shape.iter().product::<usize>();
        let start = self.output_shapes[..output].iter().map(size).sum();
        start..start + size(&self.output_shapes[output])
    }
}

/// Some rows, and their part of each output.
struct Block<'a> {
    rows: ArrayView2<'a, f32>,
    outputs: Vec<ArrayViewMut2<'a, f32>>,
}

fn blocks<'a>(rows: &'a ArrayView2<'_, f32>, outputs: &'a mut [Array2<f32>]) -> Vec<Block<'a>> {
    let mut blocks = Vec::new();
    for rows in rows.axis_chunks_iter(Axis(0), ROWS_AT_ONCE) {
        blocks.push(Block {
            rows,
            outputs: Vec::new(),
        });
    }
    for output in outputs {
        let parts = output.axis_chunks_iter_mut(Axis(0), ROWS_AT_ONCE);
        for (block, part) in blocks.iter_mut().zip(parts) {
            block.outputs.push(part);
        }
    }
    blocks
}
