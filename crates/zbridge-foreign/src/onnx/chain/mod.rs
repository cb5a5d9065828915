//! Graphs that are a chain of steps from one input, run by [`FixedNetwork`]: most networks of
//! autoencoders. Such a graph is taken whole, or not at all; what is not taken runs on the general
//! engine.
//!
//! Taken are linear layers, several of one value too; convolutions, transposed ones, and both in
//! groups, of images and sounds; activations, by name or spelled out; norms by running statistics,
//! by channel and by group; constants that scale and shift; upsampling; and whatever only moves
//! numbers. Not taken is what adds a value to an earlier one or multiplies them, draws on other
//! rows, or has shapes that are known late.

mod constants;
mod follower;
mod looks;
mod operator;
mod pointwise;
mod resize;
mod spelled_out;
mod sums;
mod view;

use crate::onnx::workers;
use follower::Follower;
use ndarray::{ArrayView2, Axis, Slice};
use rten_onnx::onnx::ModelProto;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use zbridge_infer::{FixedNetwork, Workspace};
use zbridge_nn::BufferPool;

/// A graph of that kind, ready to run.
#[derive(Debug)]
pub(super) struct Chain {
    inputs: usize,
    network: FixedNetwork,
    /// The shape of one row of each output; the network gives them side by side.
    output_shapes: Vec<Vec<usize>>,
    workspaces: BufferPool<Workspace>,
}

/// Rows that a core takes at once.
const ROWS_AT_ONCE: usize = 2 * FixedNetwork::ROWS_AT_ONCE;

/// Numbers of a row, at any place of a chain, above which the rows that go together would fill
/// memory.
const MOST_NUMBERS: usize = 1 << 20;

impl Chain {
    /// The chain that a model is, with rows of this shape; none where it is none, or has weights
    /// that are no floats.
    pub(super) fn read(
        model: &ModelProto,
        data: &BTreeMap<String, Vec<u8>>,
        input_shape: &[usize],
    ) -> Option<Self> {
        let (network, output_shapes) = Follower::follow(model, data, input_shape)?;
        Some(Self {
            inputs: input_shape.iter().product(),
            network,
            output_shapes,
            workspaces: BufferPool::default(),
        })
    }

    pub(super) fn output_shapes(&self) -> &[Vec<usize>] {
        &self.output_shapes
    }

    /// The outputs named by `wanted`, each `[rows, output_shape]`.
    pub(super) fn run(&self, rows: &[f32], wanted: &[usize]) -> Vec<Vec<f32>> {
        let columns: Vec<Range<usize>> =
            wanted.iter().map(|&output| self.columns(output)).collect();
        let count = rows.len() / self.inputs;
        let mut outputs: Vec<Vec<f32>> = columns
            .iter()
            .map(|columns| vec![0.0; count * columns.len()])
            .collect();
        let blocks = rows.chunks(ROWS_AT_ONCE * self.inputs).map(|rows| Block {
            rows,
            outputs: vec![],
        });
        let mut blocks: Vec<Block<'_>> = blocks.collect();
        for (output, columns) in outputs.iter_mut().zip(&columns) {
            let parts = output.chunks_mut(ROWS_AT_ONCE * columns.len());
            blocks
                .iter_mut()
                .zip(parts)
                .for_each(|(block, part)| block.outputs.push((columns.clone(), part)));
        }
        let blocks: Vec<Mutex<Block<'_>>> = blocks.into_iter().map(Mutex::new).collect();
        let Ok(_) = workers::map(blocks.len(), |block, _| {
            self.fill(&mut blocks[block].lock().unwrap_or_else(PoisonError::into_inner));
            Ok::<_, Infallible>(())
        });
        outputs
    }

    fn fill(&self, block: &mut Block<'_>) {
        self.workspaces.with(|workspace| {
            let shape = (block.rows.len() / self.inputs, self.inputs);
            let rows = ArrayView2::from_shape(shape, block.rows).expect("a block is whole rows");
            let found = self.network.forward(rows, workspace);
            for (columns, part) in &mut block.outputs {
                let found = found.slice_axis(Axis(1), Slice::from(columns.clone()));
                for (to, from) in part.iter_mut().zip(found) {
                    *to = *from;
                }
            }
        });
    }

    /// Where an output stands in the network's.
    fn columns(&self, output: usize) -> Range<usize> {
        let size = |shape: &Vec<usize>| shape.iter().product::<usize>();
        let start = self.output_shapes[..output].iter().map(size).sum();
        start..start + size(&self.output_shapes[output])
    }
}

/// Some rows, and their part of each output that is asked for.
struct Block<'a> {
    rows: &'a [f32],
    outputs: Vec<(Range<usize>, &'a mut [f32])>,
}
