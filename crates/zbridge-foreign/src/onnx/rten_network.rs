use super::batch_size::BatchSize;
use super::graph::Graph;
use super::parallel_map;
use super::rten_error::{caught, load_error};
use crate::ForeignError;
use ndarray::{Array2, ArrayView2, Axis};
use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value};
use rten_tensor::prelude::*;
use rten_tensor::{Tensor, TensorView};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A network of any operators, run by `rten`.
#[derive(Debug)]
pub(super) struct RtenNetwork {
    path: PathBuf,
    model: Model,
    input: NodeId,
    outputs: Vec<NodeId>,
    input_shape: Vec<usize>,
    output_shapes: Vec<Vec<usize>>,
    batch: BatchSize,
}

/// The bytes of an ONNX file, and of its data files by the names that it has for them.
pub(super) struct OnnxBytes {
    pub(super) model: Vec<u8>,
    pub(super) data: BTreeMap<String, Vec<u8>>,
}

/// An output as the engine returns it: values of `shape`, whose first dimension is the batch.
struct RawOutput {
    values: Vec<f32>,
    shape: Vec<usize>,
}

/// Rows of a network that takes any number of them when its outputs are looked at: two, so that one
/// that can take only one row fails.
const PROBE_ROWS: usize = 2;

impl RtenNetwork {
    /// Returns the network in an ONNX file, whose rows have `input_shape`.
    ///
    /// # Errors
    /// Every [`ForeignError`] of operators and shapes.
    pub(super) fn open(
        path: &Path,
        graph: &Graph,
        bytes: OnnxBytes,
        input_shape: &[usize],
    ) -> Result<Self, ForeignError> {
        let model = load(path, bytes)?;
        let mut network = Self {
            path: path.into(),
            input: model.input_ids()[0],
            outputs: model.output_ids().to_vec(),
            model,
            input_shape: input_shape.to_vec(),
            output_shapes: Vec::new(),
            batch: BatchSize::of(&graph.inputs[0]),
        };
        // A graph that cannot run fails here, before there is data.
        network.probe()?;
        if graph.is_convolutional() {
            network.batch = network.batch.for_windows(network.numbers_of_a_row());
        }
        Ok(network)
    }

    /// Returns the shape of one row of each output.
    pub(super) fn output_shapes(&self) -> &[Vec<usize>] {
        &self.output_shapes
    }

    /// Returns how many rows it takes at once, if it takes no other number.
    pub(super) fn fixed_batch(&self) -> Option<usize> {
        self.batch.fixed()
    }

    /// Returns the outputs named by `wanted`, each `[rows, output]`, for `rows` `[rows, input]`.
    ///
    /// # Errors
    /// [`ForeignError::Engine`].
    pub(super) fn run(
        &self,
        rows: ArrayView2<'_, f32>,
        wanted: &[usize],
    ) -> Result<Vec<Array2<f32>>, ForeignError> {
        let at_once = self.batch.rows();
        let batches: Vec<_> = rows.axis_chunks_iter(Axis(0), at_once).collect();
        let parts = parallel_map::map(batches.len(), |i, pool| {
            self.run_batch(batches[i], wanted, pool)
        })?;
        let mut outputs = Vec::new();
        for (place, &output) in wanted.iter().enumerate() {
            let parts = parts.iter().map(|part| &part[place]);
            outputs.push(joined(parts, self.output_size(output)));
        }
        Ok(outputs)
    }

    /// Runs zeros to learn the shapes of the outputs, and what goes wrong before there is data.
    fn probe(&mut self) -> Result<(), ForeignError> {
        let stated = self.batch;
        self.output_shapes = match self.probed_shapes(stated) {
            Ok(shapes) => shapes,
            Err(error) if stated == BatchSize::Fixed(1) => return Err(error),
            Err(error) => {
                // Exporters that trace an example can fix its one row somewhere behind an input
                // that is stated to be free. If that is not it either, the first error tells more.
                self.batch = BatchSize::Fixed(1);
                self.probed_shapes(self.batch).map_err(|_| error)?
            }
        };
        Ok(())
    }

    fn probed_shapes(&self, batch: BatchSize) -> Result<Vec<Vec<usize>>, ForeignError> {
        let rows = batch.fixed().unwrap_or(PROBE_ROWS);
        let zeros = Array2::zeros((rows, self.input_size()));
        let wanted: Vec<usize> = (0..self.outputs.len()).collect();
        let runs = parallel_map::map(1, |_, pool| self.run_rows(zeros.view(), &wanted, pool))?;
        let outputs = runs.into_iter().flatten();
        outputs
            .map(|output| self.row_shape(output.shape, rows))
            .collect()
    }

    /// Returns the shape of one row of an output, whose first dimension must be the batch.
    fn row_shape(&self, shape: Vec<usize>, rows: usize) -> Result<Vec<usize>, ForeignError> {
        match shape.split_first() {
            Some((&first, row)) if first == rows => Ok(row.to_vec()),
            // Something in the graph mixes the rows, or the output is a constant.
            _ => {
                Err(self.failed_on_batch(format!("{rows} rows gave an output of shape {shape:?}")))
            }
        }
    }

    /// Returns the outputs of one batch, those of rows that only fill it up left out.
    fn run_batch(
        &self,
        rows: ArrayView2<'_, f32>,
        wanted: &[usize],
        pool: &Arc<ThreadPool>,
    ) -> Result<Vec<Array2<f32>>, ForeignError> {
        let outputs = match self.batch {
            // Only the last batch has fewer rows.
            BatchSize::Fixed(full) if full > rows.nrows() => {
                self.run_rows(filled_up(rows, full).view(), wanted, pool)?
            }
            _ => self.run_rows(rows, wanted, pool)?,
        };
        let outputs = wanted.iter().zip(outputs);
        outputs
            .map(|(&output, raw)| self.first_rows(output, raw, rows.nrows()))
            .collect()
    }

    /// Returns the first rows of an output, `[rows, output]`.
    fn first_rows(
        &self,
        output: usize,
        raw: RawOutput,
        rows: usize,
    ) -> Result<Array2<f32>, ForeignError> {
        let RawOutput { mut values, shape } = raw;
        let size = self.output_size(output);
        // The shape may depend on the values, which were zeros when it was looked at.
        let is_expected = shape.get(1..) == Some(self.output_shapes[output].as_slice());
        if !is_expected || values.len() < rows * size {
            return Err(self.failed_on_batch(format!("an output changed its shape to {shape:?}")));
        }
        values.truncate(rows * size);
        let values = Array2::from_shape_vec((rows, size), values);
        Ok(values.expect("cut to the size of this shape"))
    }

    /// Runs the engine on rows that are exactly one batch.
    fn run_rows(
        &self,
        rows: ArrayView2<'_, f32>,
        wanted: &[usize],
        pool: &Arc<ThreadPool>,
    ) -> Result<Vec<RawOutput>, ForeignError> {
        let values = self.run_engine(rows, wanted, pool)?;
        let outputs = values.into_iter();
        outputs.map(|value| self.raw_output(value)).collect()
    }

    fn run_engine(
        &self,
        rows: ArrayView2<'_, f32>,
        wanted: &[usize],
        pool: &Arc<ThreadPool>,
    ) -> Result<Vec<Value>, ForeignError> {
        let shape = self.batch_shape(rows.nrows());
        let values = rows.as_slice().expect("rows are row-major");
        let input = TensorView::from_data(shape.as_slice(), values);
        let outputs: Vec<NodeId> = wanted.iter().map(|&output| self.outputs[output]).collect();
        // The pool of the calling thread: the engine's own would use all cores for each batch.
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(pool)));
        let result = caught(|| {
            let inputs = vec![(self.input, input.into())];
            self.model.run(inputs, &outputs, Some(options))
        });
        let result = result.map_err(|panic| self.failed_while_running(panic))?;
        result.map_err(|error| self.failed_while_running(error.to_string()))
    }

    fn raw_output(&self, value: Value) -> Result<RawOutput, ForeignError> {
        let tensor: Tensor<f32> = value
            .try_into()
            .map_err(|_| self.failed_while_running("an output holds no floats".into()))?;
        Ok(RawOutput {
            values: tensor.to_vec(),
            shape: tensor.shape().to_vec(),
        })
    }

    fn batch_shape(&self, rows: usize) -> Vec<usize> {
        [&[rows], self.input_shape.as_slice()].concat()
    }

    fn input_size(&self) -> usize {
        self.input_shape.iter().product()
    }

    fn output_size(&self, output: usize) -> usize {
        self.output_shapes[output].iter().product()
    }

    fn numbers_of_a_row(&self) -> usize {
        let outputs = (0..self.output_shapes.len()).map(|output| self.output_size(output));
        self.input_size() + outputs.sum::<usize>()
    }

    fn failed_while_running(&self, reason: String) -> ForeignError {
        ForeignError::engine(&self.path, "while it ran", reason)
    }

    fn failed_on_batch(&self, reason: String) -> ForeignError {
        ForeignError::engine(&self.path, "on a batch", reason)
    }
}

/// Returns parts with consecutive rows as one array, `[rows, size]`.
fn joined<'a>(parts: impl Iterator<Item = &'a Array2<f32>>, size: usize) -> Array2<f32> {
    let mut whole = Array2::zeros((0, size));
    for part in parts {
        let joined = whole.append(Axis(0), part.view());
        joined.expect("all parts have rows of this size");
    }
    whole
}

/// Returns the rows with rows of zeros below them, `full` altogether.
fn filled_up(rows: ArrayView2<'_, f32>, full: usize) -> Array2<f32> {
    let mut filled = Array2::zeros((full, rows.ncols()));
    for (mut to, from) in filled.outer_iter_mut().zip(rows.outer_iter()) {
        to.assign(&from);
    }
    filled
}

fn load(path: &Path, bytes: OnnxBytes) -> Result<Model, ForeignError> {
    let mut options = ModelOptions::with_all_ops();
    // Opening takes longer, and every run is faster.
    options.prepack_weights(true);
    for (name, data) in bytes.data {
        options.external_data(&name, data);
    }
    let loaded = caught(|| options.load(bytes.model));
    let loaded =
        loaded.map_err(|panic| ForeignError::engine(path, "while it was opened", panic))?;
    loaded.map_err(|error| load_error(path, &error))
}
