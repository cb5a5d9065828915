use super::constants::Constants;
use super::live_values::LiveValues;
use super::view::View;
use crate::onnx::operator::Operator;
use rten_onnx::onnx::GraphProto;
use std::collections::{BTreeMap, HashSet};
use zbridge_infer::FixedNetwork;

/// Numbers of a row, at any place of a chain, above which the rows that go together would fill
/// memory.
pub(super) const MOST_NUMBERS: usize = 1 << 20;

/// A network that grows by what the nodes of a graph do, in their order.
///
/// The network has one row of columns at any time, so a step changes its input for good. It may do
/// so if no other value needs the same columns. Otherwise, and for every node that is not
/// supported, the methods return `None`: the graph is no chain.
pub(super) struct GraphLowering<'a> {
    pub(super) graph: &'a GraphProto,
    pub(super) constants: Constants<'a>,
    pub(super) network: FixedNetwork,
    pub(super) values: LiveValues<'a>,
    /// Places of nodes that became one step with an earlier node.
    pub(super) fused: HashSet<usize>,
}

impl<'a> GraphLowering<'a> {
    /// Returns the lowering of a graph with one input, whose rows have this shape.
    pub(super) fn new(
        graph: &'a GraphProto,
        data: &'a BTreeMap<String, Vec<u8>>,
        input: &'a str,
        input_shape: &[usize],
    ) -> Self {
        let mut values = LiveValues::of(graph);
        // The network begins as its input.
        let view = View::in_order(input_shape, 0);
        let network = FixedNetwork::identity(view.size());
        values.put(input, view);
        Self {
            graph,
            constants: Constants::of(graph, data),
            network,
            values,
            fused: HashSet::new(),
        }
    }

    /// Returns the view of a node's first input, whose columns may be changed.
    pub(super) fn take_input(&mut self, node: Operator<'a>) -> Option<View> {
        self.values.take(node.input(0)?)
    }

    /// Returns the view of a node's first input, if no other value is left.
    pub(super) fn take_only_input(&mut self, node: Operator<'a>) -> Option<View> {
        self.values.take_only(node.input(0)?, 1)
    }

    /// Makes these the columns of the network, if no value is left that needs the others.
    pub(super) fn gather(&mut self, columns: &[usize]) -> Option<()> {
        let is_usable = (1..=MOST_NUMBERS).contains(&columns.len());
        let may_gather = is_usable && self.values.is_empty();
        may_gather.then(|| self.network.gather(columns))
    }

    /// Moves the numbers of the only value next to each other.
    pub(super) fn in_order(&mut self, view: View) -> Option<View> {
        self.gather(view.columns())?;
        Some(View::in_order(view.shape(), 0))
    }

    /// Returns a view of the value in which no column occurs twice.
    pub(super) fn without_repeats(&mut self, view: View) -> Option<View> {
        match has_repeats(&view) {
            true => self.in_order(view),
            false => Some(view),
        }
    }

    /// Returns a view of the value that has each column of the network once.
    pub(super) fn covering(&mut self, view: View) -> Option<View> {
        // Columns of other values would be changed too.
        let covers = view.size() == self.network.outputs() && !has_repeats(&view);
        match covers && self.values.is_empty() {
            true => Some(view),
            false => self.in_order(view),
        }
    }

    /// Returns the numbers of a view by column, `neutral` for columns that it does not have. If the
    /// columns repeat a few numbers over and over, only these are returned: the network repeats
    /// them itself.
    pub(super) fn by_column<T: Copy + PartialEq>(
        &self,
        view: &View,
        numbers: &[T],
        neutral: T,
    ) -> Vec<T> {
        let mut columns = vec![neutral; self.network.outputs()];
        for (&column, &number) in view.columns().iter().zip(numbers) {
            columns[column] = number;
        }
        columns.truncate(period(&columns));
        columns
    }
}

fn has_repeats(view: &View) -> bool {
    let different: HashSet<&usize> = view.columns().iter().collect();
    different.len() < view.size()
}

/// Returns the smallest size of parts that are all equal.
fn period<T: PartialEq>(numbers: &[T]) -> usize {
    let is_period = |size: usize| {
        numbers.len().is_multiple_of(size)
            && numbers.chunks(size).all(|part| part == &numbers[..size])
    };
    (1..numbers.len())
        .find(|&size| is_period(size))
        .unwrap_or(numbers.len())
}
