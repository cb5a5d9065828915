use super::MOST_NUMBERS;
use super::constants::{Constants, clamped};
use super::operator::Operator;
use super::spelled_out::spelled_out;
use super::view::{View, size_of};
use rten_onnx::onnx::{GraphProto, ModelProto};
use std::collections::{BTreeMap, HashMap, HashSet};
use zbridge_nn::{Activation, FixedNetwork};

/// Goes through a graph's nodes in their order, with a network that grows by what they do.
///
/// The network has one row of columns at any time, so a step changes its input for good. It may do so when nobody else
/// looks at the same columns: every method here gives none otherwise, and the graph is no chain.
pub(super) struct Follower<'a> {
    pub(super) graph: &'a GraphProto,
    pub(super) constants: Constants<'a>,
    pub(super) network: FixedNetwork,
    /// Values that somebody will still use.
    live: HashMap<&'a str, View>,
    /// The shape of each value there was: it may be asked for when the numbers are gone.
    shapes: HashMap<&'a str, Vec<usize>>,
    /// How often a value is used, as an output of the graph too.
    uses: HashMap<&'a str, usize>,
    /// How often from here on.
    remaining: HashMap<&'a str, usize>,
    /// Places of nodes that were taken together with an earlier one.
    done: HashSet<usize>,
}

/// A network, and the shape of one row of each of the outputs that it gives side by side.
type Followed = (FixedNetwork, Vec<Vec<usize>>);

impl<'a> Follower<'a> {
    pub(super) fn follow(
        model: &'a ModelProto,
        data: &'a BTreeMap<String, Vec<u8>>,
        input_shape: &[usize],
    ) -> Option<Followed> {
        let size = size_of(input_shape)?;
        let (graph, constants) = (model.graph.as_ref()?, Constants::of(model.graph.as_ref()?, data));
        let own: HashSet<_> = graph.initializer.iter().filter_map(|tensor| tensor.name.as_deref()).collect();
        let mut inputs =
            graph.input.iter().filter_map(|input| input.name.as_deref()).filter(|name| !own.contains(name));
        let (input, None) = (inputs.next()?, inputs.next()) else { return None };
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
        if size == 0 || size > MOST_NUMBERS {
            return None;
        }
        follower.put(input, View::in_order(input_shape, 0));
        for place in 0..graph.node.len() {
            follower.step(place)?;
        }
        follower.finish()
    }

    /// Puts the outputs side by side.
    fn finish(mut self) -> Option<Followed> {
        let names = self.graph.output.iter().map(|output| output.name.as_deref());
        let outputs = names.map(|name| self.live.get(name?)).collect::<Option<Vec<_>>>()?;
        let columns: Vec<usize> = outputs.iter().flat_map(|view| view.columns.iter().copied()).collect();
        let shapes = outputs.iter().map(|view| view.shape.clone()).collect();
        if columns.is_empty() || columns.len() > MOST_NUMBERS {
            return None;
        }
        self.network.gather(&columns);
        Some((self.network, shapes))
    }

    fn step(&mut self, place: usize) -> Option<()> {
        let node = Operator(&self.graph.node[place]);
        let Some(x) = node.inputs().find(|name| self.shapes.contains_key(name)).filter(|_| !self.done.contains(&place))
        else {
            // It works on constants, or for somebody who will miss its output.
            self.constants.put_sizes(node);
            return Some(());
        };
        if node.name() == "Shape" {
            return self.constants.put_shape(node, &self.shapes[x]);
        }
        if self.uses[x] > 1 && self.step_spelled_out(place, x).is_some() {
            return Some(());
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

    /// Several nodes that are one activation.
    fn step_spelled_out(&mut self, place: usize, x: &'a str) -> Option<()> {
        let uses = |name: &str| self.uses.get(name).copied().unwrap_or(0);
        let found = spelled_out(&self.graph.node, place, x, &self.constants, uses)?;
        let view = self.live.remove(x)?;
        if self.remaining[x] != self.uses[x] || !self.is_apart(&view) {
            return None;
        }
        self.done.extend(found.nodes);
        self.activate_columns(&view, found.activation)?;
        self.put(found.output, view);
        Some(())
    }

    /// Other looks at the same numbers.
    fn look(&mut self, node: Operator<'a>, x: &'a str) -> Option<()> {
        let view = self.live.get(x)?.clone();
        self.used(x);
        if node.name() == "Split" {
            return self.split(node, &view);
        }
        let output = node.output()?;
        let looked = match node.name() {
            "Identity" => view,
            "Dropout" if node.input(2).is_none() => view,
            "Flatten" if node.int("axis", 1) == 1 => {
                let size = view.size();
                view.reshaped(&[size])?
            }
            "Reshape" => {
                let shape = self.reshape_target(node, &view.shape)?;
                view.reshaped(&shape)?
            }
            "Squeeze" | "Unsqueeze" => {
                let shape = self.squeezed(node, &view.shape)?;
                view.reshaped(&shape)?
            }
            "Transpose" => {
                let order = node.sizes("perm").filter(|order| order.first() == Some(&0))?;
                view.transposed(&order[1..].iter().map(|axis| axis - 1).collect::<Vec<_>>())?
            }
            "DepthToSpace" => {
                let side = usize::try_from(node.int("blocksize", 0)).ok()?;
                view.shuffled(side, node.text("mode", "DCR") == "CRD")?
            }
            "Slice" => self.sliced(node, view)?,
            "Resize" => self.repeated(node, &view)?,
            _ => return None,
        };
        self.put(output, looked);
        Some(())
    }

    fn reshape_target(&self, node: Operator<'a>, row: &[usize]) -> Option<Vec<usize>> {
        let target = self.constants.sizes(node.input(1)?)?;
        let (zero_copies, total) = (node.int("allowzero", 0) == 0, row.iter().product::<usize>());
        let dimension = |(axis, size): (usize, &Option<i64>)| match (*size)? {
            0 if zero_copies => row.get(axis).copied().map(Some),
            -1 => Some(None),
            size => usize::try_from(size).ok().map(Some),
        };
        let own = target.get(1..)?.iter().enumerate().map(dimension).collect::<Option<Vec<_>>>()?;
        let known = size_of(&own.iter().copied().flatten().collect::<Vec<_>>())?;
        let is_batch = match target[0] {
            None => true,
            Some(0) => zero_copies,
            // What is left is the batch when the rest is a row.
            Some(-1) => known == total && own.iter().all(Option::is_some),
            Some(_) => false,
        };
        let left = own.iter().filter(|size| size.is_none()).count();
        if !is_batch || left > 1 || known == 0 {
            return None;
        }
        Some(own.into_iter().map(|size| size.unwrap_or(total / known)).collect())
    }

    fn squeezed(&self, node: Operator<'a>, row: &[usize]) -> Option<Vec<usize>> {
        let axes = match node.attribute("axes") {
            Some(axes) => axes.ints.clone(),
            None => self.constants.ints(node.input(1)?)?,
        };
        let adds = node.name() == "Unsqueeze";
        let rank = row.len() + if adds { axes.len() } else { 0 };
        let mut axes = axes.iter().map(|&axis| own_axis(axis, rank)).collect::<Option<Vec<_>>>()?;
        axes.sort_unstable();
        let mut shape = row.to_vec();
        for (gone, axis) in axes.into_iter().enumerate() {
            match adds {
                true if axis <= shape.len() => shape.insert(axis, 1),
                false if shape.get(axis.checked_sub(gone)?) == Some(&1) => drop(shape.remove(axis - gone)),
                _ => return None,
            }
        }
        Some(shape)
    }

    fn split(&mut self, node: Operator<'a>, view: &View) -> Option<()> {
        let axis = own_axis(node.int("axis", 0), view.shape.len())?;
        let (size, parts) = (view.shape[axis], node.0.output.len());
        let said = match node.input(1) {
            Some(name) => Some(self.constants.ints(name)?),
            None => node.attribute("split").map(|attribute| attribute.ints.clone()),
        };
        let even = || vec![i64::try_from(size.div_ceil(parts)).unwrap_or(i64::MAX); parts];
        let mut start = 0usize;
        for (output, length) in node.0.output.iter().zip(said.unwrap_or_else(even)) {
            let end = start.checked_add(usize::try_from(length).ok()?)?.min(size);
            self.put(output, view.picked(axis, &(start..end).collect::<Vec<_>>())?);
            start = end;
        }
        (start == size).then_some(())
    }

    fn sliced(&self, node: Operator<'a>, view: View) -> Option<View> {
        let given = |place| self.constants.ints(node.input(place)?);
        let (starts, ends) = (given(1)?, given(2)?);
        let axes = if node.input(3).is_some() { given(3)? } else { (0..).take(starts.len()).collect() };
        if node.input(4).is_some() && given(4)?.iter().any(|step| *step != 1) {
            return None;
        }
        starts.iter().zip(ends).zip(axes).try_fold(view, |view, ((&start, end), axis)| {
            let axis = own_axis(axis, view.shape.len())?;
            let part = clamped(start, view.shape[axis])..clamped(end, view.shape[axis]);
            view.picked(axis, &part.collect::<Vec<_>>())
        })
    }

    /// Vectors side by side.
    fn concatenated(&mut self, node: Operator<'a>) -> Option<()> {
        let views = node.inputs().map(|name| self.live.get(name)).collect::<Option<Vec<_>>>()?;
        if views.iter().any(|view| view.shape.len() != 1) || own_axis(node.int("axis", 0), 1) != Some(0) {
            return None;
        }
        let columns: Vec<usize> = views.iter().flat_map(|view| view.columns.iter().copied()).collect();
        node.inputs().for_each(|name| self.used(name));
        self.put(node.output()?, View { shape: vec![columns.len()], columns });
        Some(())
    }

    fn batch_norm(&mut self, node: Operator<'a>) -> Option<()> {
        let view = self.take(node.input(0)?)?;
        let channels = *view.shape.first()?;
        let given = |place| self.constants.vector(node.input(place)?, channels);
        let (scales, shifts, means, variances) = (given(1)?, given(2)?, given(3)?, given(4)?);
        if node.int("training_mode", 0) != 0 {
            return None;
        }
        let epsilon = node.float("epsilon", 1e-5);
        let channel = |c: usize| {
            let factor = scales[c] / (variances[c] + epsilon).sqrt();
            (factor, shifts[c] - means[c] * factor)
        };
        let view = self.scale_channels(view, channel)?;
        self.put(node.output()?, view);
        Some(())
    }

    fn instance_norm(&mut self, node: Operator<'a>) -> Option<()> {
        let view = self.take(node.input(0)?)?;
        let channels = *view.shape.first()?;
        let given = |place| self.constants.vector(node.input(place)?, channels);
        let (scales, shifts) = (given(1)?, given(2)?);
        let view = self.spread(view)?;
        let (mut sets, places) = (vec![0; view.size()], view.size() / channels);
        view.columns.iter().enumerate().for_each(|(i, &column)| sets[column] = (i / places) as u32);
        self.network.standardise(&sets, node.float("epsilon", 1e-5));
        let view = self.scale_channels(view, |c| (scales[c], shifts[c]))?;
        self.put(node.output()?, view);
        Some(())
    }

    fn scale_by_constant(&mut self, node: Operator<'a>, x: &'a str) -> Option<()> {
        let other = (0..2).find(|place| node.input(*place) != Some(x))?;
        let (shape, values) = self.constants.floats(node.input(other)?)?;
        let view = self.take(x)?;
        let column: fn(f32) -> (f32, f32) = match (node.name(), other) {
            ("Add", _) => |c| (1.0, c),
            ("Sub", 1) => |c| (1.0, -c),
            ("Sub", _) => |c| (-1.0, c),
            ("Mul", _) => |c| (c, 0.0),
            ("Div", 1) => |c| (1.0 / c, 0.0),
            _ => return None,
        };
        let columns: Vec<_> = view.broadcast(&shape, &values)?.into_iter().map(column).collect();
        let view = self.scale(view, &columns)?;
        self.put(node.output()?, view);
        Some(())
    }

    fn scale_channels(&mut self, view: View, channel: impl Fn(usize) -> (f32, f32)) -> Option<View> {
        let places: usize = view.shape[1..].iter().product();
        let columns: Vec<_> = (0..view.size()).map(|i| channel(i / places)).collect();
        self.scale(view, &columns)
    }

    fn scale(&mut self, view: View, numbers: &[(f32, f32)]) -> Option<View> {
        if numbers.iter().all(|number| *number == (1.0, 0.0)) {
            return Some(view);
        }
        let view = self.without_repeats(view)?;
        self.network.scale(&self.by_column(&view, numbers, (1.0, 0.0)));
        Some(view)
    }

    fn prelu(&mut self, node: Operator<'a>) -> Option<()> {
        let (shape, slopes) = self.constants.floats(node.input(1)?)?;
        let view = self.take(node.input(0)?)?;
        let slopes = view.broadcast(&shape, &slopes)?;
        let view = self.without_repeats(view)?;
        self.network.bend(&self.by_column(&view, &slopes, 1.0));
        self.put(node.output()?, view);
        Some(())
    }

    /// What belongs to each column, `usual` where the view does not look; as short as the columns repeat it.
    fn by_column<T: Copy + PartialEq>(&self, view: &View, numbers: &[T], usual: T) -> Vec<T> {
        let mut columns = vec![usual; self.network.outputs()];
        view.columns.iter().zip(numbers).for_each(|(&column, &number)| columns[column] = number);
        let repeats = |size: &usize| columns.chunks(*size).all(|part| part == &columns[..*size]);
        let sizes = (1..=columns.len()).filter(|size| columns.len().is_multiple_of(*size));
        let size = sizes.into_iter().find(repeats).unwrap_or(columns.len());
        columns.truncate(size);
        columns
    }

    fn activation(&self, node: Operator<'a>) -> Option<Activation> {
        Some(match node.name() {
            "Relu" => Activation::Clip(0.0, f32::INFINITY),
            "LeakyRelu" => Activation::LeakyRelu(Some(node.float("alpha", 0.01)).filter(|slope| *slope <= 1.0)?),
            "Clip" => {
                let bound = |place, attribute, usual| match node.input(place) {
                    Some(name) => self.constants.scalar(name),
                    None => Some(node.float(attribute, usual)),
                };
                Activation::Clip(bound(1, "min", f32::NEG_INFINITY)?, bound(2, "max", f32::INFINITY)?)
            }
            "Elu" => Activation::Elu(node.float("alpha", 1.0)),
            "Sigmoid" => Activation::Sigmoid,
            "Tanh" => Activation::Tanh,
            "Gelu" if node.text("approximate", "none") == "tanh" => Activation::GeluTanh,
            "Gelu" => Activation::Gelu,
            "Softplus" => Activation::Softplus,
            "Mish" => Activation::Mish,
            _ => return None,
        })
    }

    fn activate(&mut self, node: Operator<'a>, activation: Activation) -> Option<()> {
        let view = self.take(node.input(0)?)?;
        self.activate_columns(&view, activation)?;
        self.put(node.output()?, view);
        Some(())
    }

    fn activate_columns(&mut self, view: &View, activation: Activation) -> Option<()> {
        if self.live.is_empty() {
            self.network.activate(activation);
            return Some(());
        }
        let (first, last) = (*view.columns.iter().min()?, *view.columns.iter().max()?);
        let between: HashSet<usize> = view.columns.iter().copied().collect();
        (between.len() == last + 1 - first).then(|| self.network.activate_columns(activation, first..last + 1))
    }

    /// The view of a value that is used here for the last time, when nobody else looks at its columns.
    pub(super) fn take(&mut self, name: &'a str) -> Option<View> {
        let view = self.live.remove(name).filter(|_| self.remaining[name] == 1)?;
        self.is_apart(&view).then_some(view)
    }

    /// The same, when there is no other value left.
    pub(super) fn take_last(&mut self, name: &'a str, uses: usize) -> Option<View> {
        self.live.remove(name).filter(|_| self.remaining[name] == uses && self.live.is_empty())
    }

    fn is_apart(&self, view: &View) -> bool {
        let own: HashSet<usize> = view.columns.iter().copied().collect();
        self.live.values().all(|other| other.columns.iter().all(|column| !own.contains(column)))
    }

    /// A view in which no column comes twice.
    fn without_repeats(&mut self, view: View) -> Option<View> {
        let different: HashSet<usize> = view.columns.iter().copied().collect();
        if different.len() == view.size() { Some(view) } else { self.side_by_side(view) }
    }

    /// A view of each of the network's columns, in some order.
    fn spread(&mut self, view: View) -> Option<View> {
        let different: HashSet<usize> = view.columns.iter().copied().collect();
        let is_spread = different.len() == view.size() && view.size() == self.network.outputs();
        if is_spread && self.live.is_empty() { Some(view) } else { self.side_by_side(view) }
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
    fn used(&mut self, name: &'a str) {
        let remaining = self.remaining.entry(name).or_default();
        *remaining = remaining.saturating_sub(1);
        if *remaining == 0 {
            self.live.remove(name);
        }
    }

    /// Marks nodes that were taken together with an earlier one.
    pub(super) fn take_nodes(&mut self, places: impl IntoIterator<Item = usize>) {
        self.done.extend(places);
    }

    pub(super) fn shape_of(&self, name: &str) -> Option<&[usize]> {
        self.shapes.get(name).map(Vec::as_slice)
    }
}

/// How many inputs and outputs each name is; a question for a shape does not count.
fn uses(graph: &GraphProto) -> HashMap<&str, usize> {
    let asked = graph.node.iter().map(Operator).filter(|node| node.name() != "Shape").flat_map(Operator::inputs);
    let outputs = graph.output.iter().filter_map(|output| output.name.as_deref());
    asked.chain(outputs).fold(HashMap::new(), |mut uses, name| {
        *uses.entry(name).or_default() += 1;
        uses
    })
}

/// A dimension of a row for one of a batch: none for that of the rows.
fn own_axis(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 {
        usize::try_from(axis + i64::try_from(rank).ok()? + 1).ok()?
    } else {
        usize::try_from(axis).ok()?
    };
    axis.checked_sub(1).filter(|axis| *axis < rank)
}
