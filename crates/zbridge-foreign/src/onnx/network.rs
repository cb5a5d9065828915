use crate::ForeignError;
use crate::file_bytes;
use crate::onnx::chain::Chain;
use crate::onnx::general::General;
use crate::onnx::{Dimension, Graph, Port, adapt, external_data, graph};
use rten_onnx::onnx::ModelProto;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A network of one input, ready to run on any number of rows.
#[derive(Debug)]
pub(crate) struct Network {
    path: PathBuf,
    graph: Graph,
    /// The shape of one row of the input.
    input_shape: Vec<usize>,
    engine: Engine,
}

/// What runs a network.
#[derive(Debug)]
enum Engine {
    Chain(Box<Chain>),
    General(Box<General>),
}

/// Numbers of a row above which a mistake is likelier than a model.
const MOST_NUMBERS: usize = 1 << 25;

impl Network {
    /// The network in an ONNX file, its input `[batch, input_shape]`; where no shape is given, the
    /// file must tell it.
    ///
    /// # Errors
    /// Every [`ForeignError`] of files, operators and inputs.
    pub(crate) fn open(path: &Path, input_shape: Option<&[usize]>) -> Result<Self, ForeignError> {
        Self::open_by(path, input_shape, true)
    }

    /// The same; `chains` says whether a chain may run as one.
    fn open_by(path: &Path, shape: Option<&[usize]>, chains: bool) -> Result<Self, ForeignError> {
        let bytes = file_bytes::read(path)?;
        let mut model = graph::parse(&bytes, path)?;
        let graph = Graph::of(&model);
        let port = only_input(path, &graph)?.clone();
        let data = external_data::take(&mut model, path)?;
        let input_shape = input_shape(path, &port, shape)?;
        let chain = Some(())
            .filter(|()| chains && port.is_free())
            .and_then(|()| Chain::read(&model, &data, &input_shape));
        let engine = match chain {
            Some(chain) => Engine::Chain(Box::new(chain)),
            None => {
                // What was not changed is opened from the file itself.
                let changed = adapt::adapt(&mut model) || !data.is_empty();
                let bytes = if changed {
                    written(&model, path)?
                } else {
                    bytes
                };
                Engine::General(Box::new(General::open(
                    path,
                    &graph,
                    bytes,
                    data,
                    &port,
                    input_shape.clone(),
                )?))
            }
        };
        Ok(Self {
            path: path.into(),
            graph,
            input_shape,
            engine,
        })
    }

    /// The network of a graph made here, its weights in `data`.
    pub(crate) fn from_graph(
        path: &Path,
        model: &ModelProto,
        data: BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, ForeignError> {
        let graph = Graph::of(model);
        let port = only_input(path, &graph)?;
        let input_shape = input_shape(path, port, None)?;
        let general = General::open(
            path,
            &graph,
            written(model, path)?,
            data,
            port,
            input_shape.clone(),
        )?;
        Ok(Self {
            path: path.into(),
            graph,
            input_shape,
            engine: Engine::General(Box::new(general)),
        })
    }

    /// The file that it came from.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says of itself.
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The shape of one row of the input.
    pub(crate) fn input_shape(&self) -> &[usize] {
        &self.input_shape
    }

    /// The shape of one row of each output.
    pub(crate) fn output_shapes(&self) -> &[Vec<usize>] {
        match &self.engine {
            Engine::Chain(chain) => chain.output_shapes(),
            Engine::General(general) => general.output_shapes(),
        }
    }

    /// What runs it: `chain`, the kernel of zbridge's own networks, or `rten`.
    pub(crate) fn engine(&self) -> &'static str {
        match &self.engine {
            Engine::Chain(_) => "chain",
            Engine::General(_) => "rten",
        }
    }

    /// How many rows it takes at once, where it takes no other number.
    pub(crate) fn fixed_batch(&self) -> Option<usize> {
        match &self.engine {
            Engine::Chain(_) => None,
            Engine::General(general) => general.fixed_batch(),
        }
    }

    /// The outputs named by `wanted`, each `[rows, output_shape]`, for rows of the input.
    ///
    /// # Errors
    /// [`ForeignError::Engine`].
    pub(crate) fn run(
        &self,
        rows: &[f32],
        wanted: &[usize],
    ) -> Result<Vec<Vec<f32>>, ForeignError> {
        match &self.engine {
            Engine::Chain(chain) => Ok(chain.run(rows, wanted)),
            Engine::General(general) => general.run(rows, wanted),
        }
    }
}

fn written(model: &ModelProto, path: &Path) -> Result<Vec<u8>, ForeignError> {
    let failed = |error: rten_onnx::protobuf::ProtobufError| ForeignError::Engine {
        path: path.into(),
        during: "while it was opened".into(),
        reason: error.to_string(),
    };
    model.write_buf().map_err(failed)
}

fn only_input<'a>(path: &Path, graph: &'a Graph) -> Result<&'a Port, ForeignError> {
    let wrong = |why: String, remedy| ForeignError::Input {
        path: path.into(),
        why,
        remedy,
    };
    match graph.inputs.as_slice() {
        [port]
            if ["float32", "float16", "float64", "double", "float"]
                .contains(&port.number_type.as_str()) =>
        {
            Ok(port)
        }
        [port] => Err(wrong(
            format!("its input is {port}"),
            "export it so that it takes floats",
        )),
        ports => {
            let names: Vec<String> = ports.iter().map(ToString::to_string).collect();
            let why = format!("it has {} inputs: {}", ports.len(), names.join("; "));
            Err(wrong(
                why,
                "export a module that takes the observation, or the latent, and nothing else",
            ))
        }
    }
}

fn input_shape(
    path: &Path,
    port: &Port,
    given: Option<&[usize]>,
) -> Result<Vec<usize>, ForeignError> {
    let told = port.row_shape();
    let fits = |given: &[usize]| match &port.shape {
        None => true,
        Some(shape) => {
            let same = |(dimension, size): (&Dimension, &usize)| match dimension {
                Dimension::Fixed(fixed) => fixed == size,
                Dimension::Free(_) => true,
            };
            shape.len() == given.len() + 1 && shape[1..].iter().zip(given).all(same)
        }
    };
    let unsettled = |why: String| ForeignError::Unsettled {
        path: path.into(),
        why,
        remedy: "[event] for an encoder, `shape` in [latent] for a decoder".into(),
    };
    let sensible = |shape: &[usize]| {
        shape
            .iter()
            .try_fold(1usize, |size, &dim| size.checked_mul(dim))
            .is_some_and(|size| size <= MOST_NUMBERS)
    };
    match (told.filter(|told| sensible(told)), given) {
        (_, Some(given)) if fits(given) => Ok(given.to_vec()),
        (_, Some(given)) => Err(unsettled(format!(
            "its input is {port}, but rows of shape {given:?} are asked for"
        ))),
        (Some(told), None) if told.iter().all(|&size| size > 0) => Ok(told),
        (_, None) => Err(unsettled(format!(
            "its input is {port}: the size of a row is not known"
        ))),
    }
}

#[cfg(test)]
mod tests;
