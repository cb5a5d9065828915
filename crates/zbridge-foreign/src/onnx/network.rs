use super::chain::Chain;
use super::graph::{self, Graph};
use super::port::Port;
use super::rten_network::{OnnxBytes, RtenNetwork};
use super::{external_data, rewrite};
use crate::shape::checked_size;
use crate::{ForeignError, file_access};
use ndarray::{Array2, ArrayView2};
use rten_onnx::onnx::ModelProto;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A network of one input, ready to run on any number of rows.
#[derive(Debug)]
pub(crate) struct Network {
    path: PathBuf,
    graph: Graph,
    /// The shape of one row of the input.
    input_shape: Vec<usize>,
    runner: Runner,
}

/// What runs a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// The kernels of zbridge's own networks: for graphs that are one layer after another.
    Chain,
    /// The crate `rten`: for all others.
    Rten,
}

#[derive(Debug)]
enum Runner {
    Chain(Box<Chain>),
    Rten(Box<RtenNetwork>),
}

/// Numbers of a row above which a mistake is likelier than a model.
const MOST_NUMBERS: usize = 1 << 25;

impl Network {
    /// Returns the network in an ONNX file. Its input is `[batch, input_shape]`; the file must
    /// state its shape if none is given.
    ///
    /// # Errors
    /// Every [`ForeignError`] of files, operators and inputs.
    pub(crate) fn open(path: &Path, input_shape: Option<&[usize]>) -> Result<Self, ForeignError> {
        Self::open_with(path, input_shape, true)
    }

    /// Does the same; `as_chain` says whether [`Engine::Chain`] may run it.
    fn open_with(
        path: &Path,
        given_shape: Option<&[usize]>,
        as_chain: bool,
    ) -> Result<Self, ForeignError> {
        let mut file = OnnxFile::read(path)?;
        let port = only_input(path, &file.graph)?;
        let as_chain = as_chain && can_be_chain(port);
        // Weights before the shape: a file that names strange places is refused for that.
        let data = external_data::take(&mut file.model, path)?;
        let input_shape = input_shape(path, port, given_shape)?;
        let runner = match as_chain {
            true => Chain::read(&file.model, &data, &input_shape).map(Runner::chain),
            false => None,
        };
        let graph = file.graph.clone();
        let runner = match runner {
            Some(chain) => chain,
            None => file.into_rten(data, &input_shape)?,
        };
        Ok(Self {
            path: path.into(),
            graph,
            input_shape,
            runner,
        })
    }

    /// Returns the network of a graph that was built here, with its weights in `data`. `path` is
    /// where the weights came from.
    pub(crate) fn from_graph(
        path: &Path,
        model: &ModelProto,
        data: BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, ForeignError> {
        let graph = Graph::of(model);
        let input_shape = input_shape(path, only_input(path, &graph)?, None)?;
        // Graphs that are built here add values to earlier ones, so they are no chains.
        let model = encoded(model, path)?;
        let runner = Runner::rten(path, &graph, OnnxBytes { model, data }, &input_shape)?;
        Ok(Self {
            path: path.into(),
            graph,
            input_shape,
            runner,
        })
    }

    /// Returns the file that the network came from.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what the file states of itself.
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Returns the shape of one row of the input.
    pub(crate) fn input_shape(&self) -> &[usize] {
        &self.input_shape
    }

    /// Returns the shape of one row of each output.
    pub(crate) fn output_shapes(&self) -> &[Vec<usize>] {
        match &self.runner {
            Runner::Chain(chain) => chain.output_shapes(),
            Runner::Rten(network) => network.output_shapes(),
        }
    }

    /// Returns what runs the network.
    pub(crate) fn engine(&self) -> Engine {
        match &self.runner {
            Runner::Chain(_) => Engine::Chain,
            Runner::Rten(_) => Engine::Rten,
        }
    }

    /// Returns how many rows the network takes at once, if it takes no other number.
    pub(crate) fn fixed_batch(&self) -> Option<usize> {
        match &self.runner {
            Runner::Chain(_) => None,
            Runner::Rten(network) => network.fixed_batch(),
        }
    }

    /// Returns the outputs named by `wanted`, each `[rows, output]`, for row-major `rows`
    /// `[rows, input]`.
    ///
    /// # Errors
    /// [`ForeignError::Engine`].
    pub(crate) fn run(
        &self,
        rows: ArrayView2<'_, f32>,
        wanted: &[usize],
    ) -> Result<Vec<Array2<f32>>, ForeignError> {
        match &self.runner {
            Runner::Chain(chain) => Ok(chain.run(rows, wanted)),
            Runner::Rten(network) => network.run(rows, wanted),
        }
    }
}

/// An ONNX file in memory.
struct OnnxFile<'a> {
    path: &'a Path,
    bytes: Vec<u8>,
    model: ModelProto,
    graph: Graph,
}

impl<'a> OnnxFile<'a> {
    fn read(path: &'a Path) -> Result<Self, ForeignError> {
        let bytes = file_access::read(path)?;
        let model = graph::parse(&bytes, path)?;
        Ok(Self {
            path,
            bytes,
            graph: Graph::of(&model),
            model,
        })
    }

    /// Returns the general engine with this network, whose weights are partly in `data`.
    fn into_rten(
        mut self,
        data: BTreeMap<String, Vec<u8>>,
        input_shape: &[usize],
    ) -> Result<Runner, ForeignError> {
        let is_changed = rewrite::rewrite(&mut self.model) || !data.is_empty();
        let model = match is_changed {
            true => encoded(&self.model, self.path)?,
            // The file itself: encoding it again could lose what is not known here.
            false => self.bytes,
        };
        let bytes = OnnxBytes { model, data };
        Runner::rten(self.path, &self.graph, bytes, input_shape)
    }
}

impl Runner {
    fn chain(chain: Chain) -> Self {
        Self::Chain(Box::new(chain))
    }

    fn rten(
        path: &Path,
        graph: &Graph,
        bytes: OnnxBytes,
        input_shape: &[usize],
    ) -> Result<Self, ForeignError> {
        let network = RtenNetwork::open(path, graph, bytes, input_shape)?;
        Ok(Self::Rten(Box::new(network)))
    }
}

/// Chains take floats of single precision, in batches of any size.
fn can_be_chain(input: &Port) -> bool {
    input.number_type == "float32" && input.fixed_batch().is_none()
}

fn encoded(model: &ModelProto, path: &Path) -> Result<Vec<u8>, ForeignError> {
    let bytes = model.write_buf();
    bytes.map_err(|error| ForeignError::engine(path, "while it was opened", error.to_string()))
}

fn only_input<'a>(path: &Path, graph: &'a Graph) -> Result<&'a Port, ForeignError> {
    let (why, remedy) = match graph.inputs.as_slice() {
        [port] if port.is_float() => return Ok(port),
        [port] => (
            format!("its input is {port}"),
            "export it so that it takes floats",
        ),
        ports => {
            let names: Vec<String> = ports.iter().map(Port::to_string).collect();
            (
                format!("it has {} inputs: {}", ports.len(), names.join("; ")),
                "export a module that takes the observation, or the latent, and nothing else",
            )
        }
    };
    Err(ForeignError::Input {
        path: path.into(),
        why,
        remedy,
    })
}

/// Returns the shape of one row: the given one, or the one that the file states.
fn input_shape(
    path: &Path,
    port: &Port,
    given: Option<&[usize]>,
) -> Result<Vec<usize>, ForeignError> {
    let is_usable = |shape: &[usize]| {
        checked_size(shape).is_some_and(|size| (1..=MOST_NUMBERS).contains(&size))
    };
    let why = match given {
        // What was stated or inferred for the whole model counts more than this file.
        Some(given) if port.takes_rows(given) => return Ok(given.to_vec()),
        Some(given) => {
            format!("its input is {port}, but rows of shape {given:?} are asked for")
        }
        None => match port.row_shape() {
            Some(stated) if is_usable(&stated) => return Ok(stated),
            _ => format!("its input is {port}: the size of a row is not known"),
        },
    };
    let remedy = "[event] for an encoder, `shape` in [latent] for a decoder";
    Err(ForeignError::unresolved(path, why, remedy))
}

#[cfg(test)]
mod tests;
