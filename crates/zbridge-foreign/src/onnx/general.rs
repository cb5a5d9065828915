use crate::ForeignError;
use crate::onnx::{Dimension, Graph, Port, workers};
use rten::{LoadError, LoadErrorKind, Model, ModelOptions, NodeId, RunOptions, ThreadPool};
use rten_tensor::prelude::*;
use rten_tensor::{Tensor, TensorView};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A graph of any operators, run by `rten`.
#[derive(Debug)]
pub(super) struct General {
    path: PathBuf,
    model: Model,
    input: NodeId,
    outputs: Vec<NodeId>,
    input_shape: Vec<usize>,
    output_shapes: Vec<Vec<usize>>,
    batch: Batch,
}

/// How many rows go in at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Batch {
    /// As many as the network was written for: the last batch is filled up.
    Fixed(usize),
    /// Any number up to this one.
    UpTo(usize),
}

/// One output of a run: its numbers, and its shape with the batch.
type Output = (Vec<f32>, Vec<usize>);

impl General {
    /// The network in the bytes of an ONNX file, whose weights may lie in `data`.
    ///
    /// # Errors
    /// Every [`ForeignError`] of files, operators and shapes.
    pub(super) fn open(
        path: &Path,
        graph: &Graph,
        bytes: Vec<u8>,
        data: BTreeMap<String, Vec<u8>>,
        port: &Port,
        input_shape: Vec<usize>,
    ) -> Result<Self, ForeignError> {
        let model = load(path, bytes, data)?;
        let (input, outputs) = (model.input_ids()[0], model.output_ids().to_vec());
        let (path, batch) = (path.to_path_buf(), Batch::of(port));
        let mut network = Self {
            path,
            model,
            input,
            outputs,
            input_shape,
            output_shapes: Vec::new(),
            batch,
        };
        network.probe()?;
        if graph.is_convolutional() {
            let ends = network.output_shapes.iter().chain([&network.input_shape]);
            network.batch = network
                .batch
                .for_windows(ends.map(|shape| shape.iter().product::<usize>()).sum());
        }
        Ok(network)
    }

    /// The shape of one row of each output.
    pub(super) fn output_shapes(&self) -> &[Vec<usize>] {
        &self.output_shapes
    }

    /// How many rows it takes at once, where it takes no other number.
    pub(super) fn fixed_batch(&self) -> Option<usize> {
        match self.batch {
            Batch::Fixed(rows) => Some(rows),
            Batch::UpTo(_) => None,
        }
    }

    /// The outputs named by `wanted`, each `[rows, output_shape]`, for rows of the input.
    ///
    /// # Errors
    /// [`ForeignError::Engine`].
    pub(super) fn run(
        &self,
        rows: &[f32],
        wanted: &[usize],
    ) -> Result<Vec<Vec<f32>>, ForeignError> {
        let size = self.input_shape.iter().product::<usize>().max(1);
        let at_once = self.batch.rows();
        let batches: Vec<&[f32]> = rows.chunks(at_once * size).collect();
        let parts = workers::map(batches.len(), |i, pool| {
            self.run_batch(batches[i], wanted, pool)
        })?;
        let mut outputs = vec![Vec::new(); wanted.len()];
        for part in parts {
            outputs
                .iter_mut()
                .zip(part)
                .for_each(|(output, values)| output.extend(values));
        }
        Ok(outputs)
    }

    /// Runs zeros to learn the shapes of the outputs, and what goes wrong before anybody's data is
    /// there.
    fn probe(&mut self) -> Result<(), ForeignError> {
        let asked = self.batch;
        let error = match self.probe_as(asked) {
            Ok(shapes) => {
                self.output_shapes = shapes;
                return Ok(());
            }
            Err(error) if asked == Batch::Fixed(1) => return Err(error),
            Err(error) => error,
        };
        // Exporters that follow an example can fix its one row somewhere behind an input that
        // claims to be free.
        self.output_shapes = self.probe_as(Batch::Fixed(1)).map_err(|_| error)?;
        self.batch = Batch::Fixed(1);
        Ok(())
    }

    fn probe_as(&self, batch: Batch) -> Result<Vec<Vec<usize>>, ForeignError> {
        let rows = if let Batch::Fixed(rows) = batch {
            rows
        } else {
            2
        };
        let zeros = vec![0.0; rows * self.input_shape.iter().product::<usize>()];
        let wanted: Vec<usize> = (0..self.outputs.len()).collect();
        let outputs =
            workers::map(1, |_, pool| self.run_rows(&zeros, rows, &wanted, pool))?.remove(0);
        outputs
            .into_iter()
            .map(|(_, shape)| self.row_shape(&shape, rows))
            .collect()
    }

    /// The shape of one row of an output, once its first dimension is the batch.
    fn row_shape(&self, shape: &[usize], rows: usize) -> Result<Vec<usize>, ForeignError> {
        match shape.split_first() {
            Some((&first, row)) if first == rows => Ok(row.to_vec()),
            _ => Err(self.failed(
                "on a batch",
                format!("{rows} rows gave an output of shape {shape:?}"),
            )),
        }
    }

    /// Outputs of one batch, those of rows that only fill it up left out.
    fn run_batch(
        &self,
        rows: &[f32],
        wanted: &[usize],
        pool: &Arc<ThreadPool>,
    ) -> Result<Vec<Vec<f32>>, ForeignError> {
        let count = rows.len() / self.input_shape.iter().product::<usize>().max(1);
        let outputs = match self.batch {
            Batch::Fixed(full) if full > count => {
                let mut filled = rows.to_vec();
                filled.resize(rows.len() / count.max(1) * full, 0.0);
                self.run_rows(&filled, full, wanted, pool)?
            }
            _ => self.run_rows(rows, count, wanted, pool)?,
        };
        let own = |(&output, (mut values, shape)): (&usize, Output)| {
            let row: usize = self.output_shapes[output].iter().product();
            if shape[1..] != self.output_shapes[output] || values.len() < count * row {
                return Err(self.failed(
                    "on a batch",
                    format!("an output changed its shape to {shape:?}"),
                ));
            }
            values.truncate(count * row);
            Ok(values)
        };
        wanted.iter().zip(outputs).map(own).collect()
    }

    fn run_rows(
        &self,
        rows: &[f32],
        count: usize,
        wanted: &[usize],
        pool: &Arc<ThreadPool>,
    ) -> Result<Vec<Output>, ForeignError> {
        let shape: Vec<usize> = [count].iter().chain(&self.input_shape).copied().collect();
        let input = TensorView::from_data(shape.as_slice(), rows);
        let outputs: Vec<NodeId> = wanted.iter().map(|&output| self.outputs[output]).collect();
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(pool)));
        let run = || {
            self.model
                .run(vec![(self.input, input.into())], &outputs, Some(options))
        };
        let failed = |reason: String| self.failed("while it ran", reason);
        let values =
            catch_unwind(AssertUnwindSafe(run)).map_err(|panic| failed(panic_message(&*panic)))?;
        let tensor = |value: rten::Value| -> Result<Output, ForeignError> {
            let tensor: Tensor<f32> = value
                .try_into()
                .map_err(|_| failed("an output holds no floats".into()))?;
            Ok((tensor.to_vec(), tensor.shape().to_vec()))
        };
        values
            .map_err(|error| failed(error.to_string()))?
            .into_iter()
            .map(tensor)
            .collect()
    }

    fn failed(&self, during: &str, reason: String) -> ForeignError {
        ForeignError::Engine {
            path: self.path.clone(),
            during: during.into(),
            reason,
        }
    }
}

impl Batch {
    /// Numbers that go into and come out of a convolutional network at once: few, so that what lies
    /// between layers stays in cache.
    const NUMBERS_AT_ONCE: usize = 8192;
    /// Rows that a network may ask for: one that was written for more fails when it gets these.
    const MOST_ROWS: usize = 1 << 16;
    /// Rows of any other network: many, so that its weights are read seldom.
    const ROWS_AT_ONCE: usize = 128;

    fn of(input: &Port) -> Self {
        match input.shape.as_deref().and_then(|shape| shape.first()) {
            Some(Dimension::Fixed(rows)) => Self::Fixed((*rows).clamp(1, Self::MOST_ROWS)),
            _ => Self::UpTo(Self::ROWS_AT_ONCE),
        }
    }

    /// The same for a convolutional network whose rows come to so many numbers.
    fn for_windows(self, numbers: usize) -> Self {
        match self {
            Self::Fixed(rows) => Self::Fixed(rows),
            Self::UpTo(rows) => Self::UpTo((Self::NUMBERS_AT_ONCE / numbers.max(1)).clamp(1, rows)),
        }
    }

    fn rows(self) -> usize {
        match self {
            Self::Fixed(rows) | Self::UpTo(rows) => rows,
        }
    }
}

fn load(
    path: &Path,
    bytes: Vec<u8>,
    data: BTreeMap<String, Vec<u8>>,
) -> Result<Model, ForeignError> {
    let mut options = ModelOptions::with_all_ops();
    options.prepack_weights(true);
    for (name, bytes) in data {
        options.external_data(&name, bytes);
    }
    let loaded = catch_unwind(AssertUnwindSafe(|| options.load(bytes)));
    let failed = |reason: String| ForeignError::Engine {
        path: path.into(),
        during: "while it was opened".into(),
        reason,
    };
    loaded
        .map_err(|panic| failed(panic_message(&*panic)))?
        .map_err(|error| load_error(path, &error))
}

fn load_error(path: &Path, error: &LoadError) -> ForeignError {
    let reason = error.to_string();
    let told = reason
        .split_once("operator error: ")
        .and_then(|(_, rest)| rest.split_once(" operator "));
    match (error.kind(), told) {
        (LoadErrorKind::OperatorInvalid, Some((operator, why))) => ForeignError::Operator {
            path: path.into(),
            node: error.node().unwrap_or_default().into(),
            operator: operator.into(),
            remedy: remedy(operator, why),
        },
        (LoadErrorKind::ParseError | LoadErrorKind::ExternalDataError, _) => {
            ForeignError::Damaged {
                path: path.into(),
                place: "its tensors".into(),
                why: reason,
            }
        }
        _ => ForeignError::Engine {
            path: path.into(),
            during: "while it was opened".into(),
            reason,
        },
    }
}

fn remedy(operator: &str, why: &str) -> &'static str {
    if operator.starts_with("Random") || operator == "Dropout" || operator == "Multinomial" {
        "export the network without its draws, with the mean and the log-variance as outputs, after `model.eval()`"
    } else if why.contains("opset version") {
        "this version of it is too old: export with `opset_version=17` or later"
    } else {
        "write it with other operators before exporting, or encode to a latents file where the model was trained"
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "the engine stopped: {}",
        text.unwrap_or("for a reason it did not tell")
    )
}
