use super::MOST_NUMBERS;
use super::constants::Constants;
use super::operator::Operator;
use super::view::{View, size_of};
use rten_onnx::onnx::{GraphProto, ModelProto, OperatorSetIdProto};
use std::collections::{BTreeMap, HashMap, HashSet};
use zbridge_infer::FixedNetwork;

/// Goes through a graph's nodes in their order, with a network that grows by what they do.
///
/// The network has one row of columns at any time, so a step changes its input for good. It may do
/// so when nobody else looks at the same columns: every method here gives none otherwise, and the
/// graph is no chain.
pub(super) struct Follower<'a> {
    pub(super) graph: &'a GraphProto,
    pub(super) constants: Constants<'a>,
    pub(super) network: FixedNetwork,
    /// Values that somebody will still use.
    pub(super) live: HashMap<&'a str, View>,
    /// The shape of each value there was: it may be asked for when the numbers are gone.
    shapes: HashMap<&'a str, Vec<usize>>,
    /// How often a value is used, as an output of the graph too.
    pub(super) uses: HashMap<&'a str, usize>,
    /// How often from here on.
    pub(super) remaining: HashMap<&'a str, usize>,
    /// Places of nodes that were taken together with an earlier one.
    pub(super) done: HashSet<usize>,
}

/// A network, and the shape of one row of each of the outputs that it gives side by side.
type Followed = (FixedNetwork, Vec<Vec<usize>>);

impl<'a> Follower<'a> {
    pub(super) fn follow(
        model: &'a ModelProto,
        data: &'a BTreeMap<String, Vec<u8>>,
        input_shape: &[usize],
    ) -> Option<Followed> {
        let size = size_of(input_shape)
            .filter(|size| (1..=MOST_NUMBERS).contains(size) && is_recent(model))?;
        let (graph, constants) = (
            model.graph.as_ref()?,
            Constants::of(model.graph.as_ref()?, data),
        );
        let own: HashSet<_> = graph
            .initializer
            .iter()
            .filter_map(|tensor| tensor.name.as_deref())
            .collect();
        let mut inputs = graph
            .input
            .iter()
            .filter_map(|input| input.name.as_deref())
            .filter(|name| !own.contains(name));
        let (input, None) = (inputs.next()?, inputs.next()) else {
            return None;
        };
        let uses = uses(graph);
        let mut follower = Self {
            graph,
            constants,
            network: FixedNetwork::identity(size),
            live: HashMap::new(),
            shapes: HashMap::new(),
            remaining: uses.clone(),
            uses,
            done: HashSet::new(),
        };
        follower.put(input, View::in_order(input_shape, 0));
        for place in 0..graph.node.len() {
            follower.step(place)?;
        }
        follower.finish()
    }

    /// Puts the outputs side by side.
    fn finish(mut self) -> Option<Followed> {
        let names = self
            .graph
            .output
            .iter()
            .map(|output| output.name.as_deref());
        let outputs = names
            .map(|name| self.live.get(name?))
            .collect::<Option<Vec<_>>>()?;
        let columns: Vec<usize> = outputs
            .iter()
            .flat_map(|view| view.columns.iter().copied())
            .collect();
        let shapes = outputs.iter().map(|view| view.shape.clone()).collect();
        if columns.is_empty() || columns.len() > MOST_NUMBERS {
            return None;
        }
        self.network.gather(&columns);
        Some((self.network, shapes))
    }

    fn step(&mut self, place: usize) -> Option<()> {
        let node = Operator(&self.graph.node[place]);
        let Some(x) = node
            .inputs()
            .find(|name| self.shapes.contains_key(name))
            .filter(|_| !self.done.contains(&place))
        else {
            // It works on constants, or for somebody who will miss its output.
            self.constants.put_sizes(node);
            return Some(());
        };
        if node.name() == "Shape" {
            return self.constants.put_shape(node, &self.shapes[x]);
        }
        if let Some(found) = self.spelled_out(place, x) {
            return self.activate_spelled_out(found, x);
        }
        match node.name() {
            "Gemm" | "MatMul" => self.heads(x),
            "Conv" | "ConvTranspose" => self.convolution(node),
            "BatchNormalization" => self.batch_norm(node),
            "Add" | "Sub" | "Mul" | "Div" => self.scale_by_constant(node, x),
            "InstanceNormalization" => self.instance_norm(node),
            "PRelu" => self.prelu(node),
            "Resize" if node.text("mode", "nearest") != "nearest" => self.blended(node),
            "Concat" => self.concatenated(node),
            _ => match self.activation(node) {
                Some(activation) => self.activate(node, activation),
                None => self.look(node, x),
            },
        }
    }

    /// The view of a value that is used here for the last time, when nobody else looks at its
    /// columns.
    pub(super) fn take(&mut self, name: &'a str) -> Option<View> {
        let view = self
            .live
            .remove(name)
            .filter(|_| self.remaining[name] == 1)?;
        self.is_apart(&view).then_some(view)
    }

    /// The same, when there is no other value left.
    pub(super) fn take_last(&mut self, name: &'a str, uses: usize) -> Option<View> {
        self.live
            .remove(name)
            .filter(|_| self.remaining[name] == uses && self.live.is_empty())
    }

    pub(super) fn is_apart(&self, view: &View) -> bool {
        let own: HashSet<usize> = view.columns.iter().copied().collect();
        self.live
            .values()
            .all(|other| other.columns.iter().all(|column| !own.contains(column)))
    }

    /// A view in which no column comes twice.
    pub(super) fn without_repeats(&mut self, view: View) -> Option<View> {
        let different: HashSet<usize> = view.columns.iter().copied().collect();
        if different.len() == view.size() {
            Some(view)
        } else {
            self.side_by_side(view)
        }
    }

    /// A view of each of the network's columns, in some order.
    pub(super) fn spread(&mut self, view: View) -> Option<View> {
        let different: HashSet<usize> = view.columns.iter().copied().collect();
        let is_spread = different.len() == view.size() && view.size() == self.network.outputs();
        if is_spread && self.live.is_empty() {
            Some(view)
        } else {
            self.side_by_side(view)
        }
    }

    /// Moves the only value's numbers next to each other.
    pub(super) fn side_by_side(&mut self, view: View) -> Option<View> {
        self.gather(&view.columns)?;
        Some(View::in_order(&view.shape, 0))
    }

    /// Makes these the columns of the network, when no other value is left.
    pub(super) fn gather(&mut self, columns: &[usize]) -> Option<()> {
        if !self.live.is_empty() || columns.is_empty() || columns.len() > MOST_NUMBERS {
            return None;
        }
        self.network.gather(columns);
        Some(())
    }

    /// Takes note of a value.
    pub(super) fn put(&mut self, name: &'a str, view: View) {
        self.shapes.insert(name, view.shape.clone());
        if self.remaining.get(name).is_some_and(|uses| *uses > 0) {
            self.live.insert(name, view);
        }
    }

    /// Takes note that a value was used once more.
    pub(super) fn used(&mut self, name: &'a str) {
        let remaining = self.remaining.entry(name).or_default();
        *remaining = remaining.saturating_sub(1);
        if *remaining == 0 {
            self.live.remove(name);
        }
    }

    pub(super) fn shape_of(&self, name: &str) -> Option<&[usize]> {
        self.shapes.get(name).map(Vec::as_slice)
    }
}

/// Whether operators mean what they mean here: before this set, some of them had another way to
/// repeat constants.
fn is_recent(model: &ModelProto) -> bool {
    let own =
        |set: &&OperatorSetIdProto| matches!(set.domain.as_deref(), None | Some("" | "ai.onnx"));
    model
        .opset_import
        .iter()
        .find(own)
        .is_some_and(|set| set.version >= Some(9))
}

/// How many inputs and outputs each name is; a question for a shape does not count.
fn uses(graph: &GraphProto) -> HashMap<&str, usize> {
    let asked = graph
        .node
        .iter()
        .map(Operator)
        .filter(|node| node.name() != "Shape")
        .flat_map(Operator::inputs);
    let outputs = graph
        .output
        .iter()
        .filter_map(|output| output.name.as_deref());
    asked.chain(outputs).fold(HashMap::new(), |mut uses, name| {
        *uses.entry(name).or_default() += 1;
        uses
    })
}
