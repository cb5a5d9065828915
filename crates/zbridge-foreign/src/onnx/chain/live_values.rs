use super::view::View;
use crate::onnx::operator::Operator;
use rten_onnx::onnx::GraphProto;
use std::collections::{HashMap, HashSet};

/// The values of a graph that later nodes use, with the columns of the network that hold them.
pub(super) struct LiveValues<'a> {
    views: HashMap<&'a str, View>,
    /// The shape of every value so far: it may be asked for after the numbers are gone.
    shapes: HashMap<&'a str, Vec<usize>>,
    /// How often each value is an input of a node, or an output of the graph.
    uses: HashMap<&'a str, usize>,
    /// How many of these uses are still to come.
    remaining: HashMap<&'a str, usize>,
}

impl<'a> LiveValues<'a> {
    pub(super) fn of(graph: &'a GraphProto) -> Self {
        let uses = count_uses(graph);
        Self {
            views: HashMap::new(),
            shapes: HashMap::new(),
            remaining: uses.clone(),
            uses,
        }
    }

    /// Returns the shape of a value that exists, or existed.
    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.shapes.get(name).map(Vec::as_slice)
    }

    pub(super) fn get(&self, name: &str) -> Option<&View> {
        self.views.get(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// Returns how often a value is used in the whole graph.
    pub(super) fn uses(&self, name: &str) -> usize {
        self.uses.get(name).copied().unwrap_or(0)
    }

    /// Adds a value.
    pub(super) fn put(&mut self, name: &'a str, view: View) {
        self.shapes.insert(name, view.shape().to_vec());
        // A value without uses would keep others from changing its columns.
        if self.remaining.get(name).is_some_and(|uses| *uses > 0) {
            self.views.insert(name, view);
        }
    }

    /// Returns a value for a use that does not change its columns; after its last use it is
    /// forgotten.
    pub(super) fn share(&mut self, name: &'a str) -> Option<View> {
        let view = self.views.get(name)?.clone();
        let remaining = self.remaining.get_mut(name)?;
        *remaining = remaining.saturating_sub(1);
        if *remaining == 0 {
            self.views.remove(name);
        }
        Some(view)
    }

    /// Removes a value of which one use is left, so that its columns may change; `None` if there
    /// are more, or if another value shares a column.
    pub(super) fn take(&mut self, name: &str) -> Option<View> {
        self.take_with_uses(name, 1)
    }

    /// Removes a value all uses of which are in nodes that become one step; `None` if another value
    /// shares a column.
    pub(super) fn take_for_all_uses(&mut self, name: &str) -> Option<View> {
        let uses = *self.remaining.get(name)?;
        self.take_with_uses(name, uses)
    }

    /// Removes the only value that is left, of which `uses` uses are to come.
    pub(super) fn take_only(&mut self, name: &str, uses: usize) -> Option<View> {
        let view = self.take_with_uses(name, uses)?;
        self.views.is_empty().then_some(view)
    }

    fn take_with_uses(&mut self, name: &str, uses: usize) -> Option<View> {
        let view = self.views.remove(name)?;
        let is_free = self.remaining.get(name) == Some(&uses) && self.is_apart(&view);
        is_free.then_some(view)
    }

    /// Returns whether no other value shares a column with this one.
    fn is_apart(&self, view: &View) -> bool {
        let own: HashSet<usize> = view.columns().iter().copied().collect();
        let mut others = self.views.values().flat_map(View::columns);
        !others.any(|column| own.contains(column))
    }
}

/// Questions for a shape do not count as uses: they need no numbers.
fn count_uses(graph: &GraphProto) -> HashMap<&str, usize> {
    let mut uses = HashMap::new();
    let nodes = graph.node.iter().map(Operator);
    let nodes = nodes.filter(|node| node.name() != "Shape");
    let outputs = graph.output.iter();
    let outputs = outputs.filter_map(|output| output.name.as_deref());
    for name in nodes.flat_map(Operator::inputs).chain(outputs) {
        *uses.entry(name).or_default() += 1;
    }
    uses
}
