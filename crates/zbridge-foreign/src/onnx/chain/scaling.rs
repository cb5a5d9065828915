//! Constants that scale and shift, and normalisations.

use super::graph_lowering::GraphLowering;
use super::view::View;
use crate::onnx::operator::Operator;
use ndarray::Array1;
use zbridge_infer::Affine;

const IDENTITY: Affine = Affine {
    factor: 1.0,
    offset: 0.0,
};

/// What ONNX adds to variances unless a node states it.
const DEFAULT_EPSILON: f32 = 1e-5;

impl<'a> GraphLowering<'a> {
    /// Lowers a normalisation by statistics that were fixed in training.
    pub(super) fn batch_norm(&mut self, node: Operator<'a>) -> Option<View> {
        let view = self.take_input(node)?;
        let channels = *view.shape().first()?;
        let [scales, shifts] = self.channel_constants(node, [1, 2], channels)?;
        let [means, variances] = self.channel_constants(node, [3, 4], channels)?;
        // Training would use the statistics of the batch.
        if node.int("training_mode", 0) != 0 {
            return None;
        }
        let epsilon = node.float("epsilon", DEFAULT_EPSILON);
        self.scale_channels(view, |c| {
            let factor = scales[c] / (variances[c] + epsilon).sqrt();
            let offset = shifts[c] - means[c] * factor;
            Affine { factor, offset }
        })
    }

    /// Lowers a normalisation of each channel over its own places. Exporters write group
    /// normalisation with it, each group as one channel.
    pub(super) fn instance_norm(&mut self, node: Operator<'a>) -> Option<View> {
        let view = self.take_input(node)?;
        let channels = *view.shape().first()?;
        let [scales, shifts] = self.channel_constants(node, [1, 2], channels)?;
        // The network normalises all of its columns at once.
        let view = self.covering(view)?;
        let groups = channel_of_columns(&view, channels);
        let epsilon = node.float("epsilon", DEFAULT_EPSILON);
        self.network.group_norm(&groups, epsilon);
        self.scale_channels(view, |c| Affine {
            factor: scales[c],
            offset: shifts[c],
        })
    }

    /// Returns two inputs that have a number for each channel.
    fn channel_constants(
        &self,
        node: Operator<'_>,
        places: [usize; 2],
        channels: usize,
    ) -> Option<[Array1<f32>; 2]> {
        let [first, second] = places.map(|place| node.input(place));
        Some([
            self.constants.vector(first?, channels)?,
            self.constants.vector(second?, channels)?,
        ])
    }

    /// Lowers a sum, difference, product or quotient of `x` and a constant.
    pub(super) fn scale_by_constant(&mut self, node: Operator<'a>, x: &'a str) -> Option<View> {
        let constant_first = node.input(0) != Some(x);
        let constant = match constant_first {
            true => node.input(0)?,
            // x + x and x · x have no constant.
            false => node.input(1).filter(|name| *name != x)?,
        };
        let constant = self.constants.floats(constant)?;
        let view = self.values.take(x)?;
        let mut scales = Vec::with_capacity(view.size());
        for c in view.broadcast(&constant)? {
            scales.push(scale_of(node.name(), c, constant_first)?);
        }
        self.scale(view, &scales)
    }

    /// Scales every channel of `[channels, places..]` by the numbers that `channel` returns for it.
    fn scale_channels(&mut self, view: View, channel: impl Fn(usize) -> Affine) -> Option<View> {
        let places: usize = view.shape()[1..].iter().product();
        let scales: Vec<Affine> = (0..view.size()).map(|i| channel(i / places)).collect();
        self.scale(view, &scales)
    }

    fn scale(&mut self, view: View, scales: &[Affine]) -> Option<View> {
        if scales.iter().all(|scale| *scale == IDENTITY) {
            return Some(view);
        }
        // A column that occurs twice could need two scales.
        let view = self.without_repeats(view)?;
        let columns = self.by_column(&view, scales, IDENTITY);
        self.network.affine(&columns);
        Some(view)
    }

    pub(super) fn prelu(&mut self, node: Operator<'a>) -> Option<View> {
        let slopes = self.constants.floats(node.input(1)?)?;
        let view = self.take_input(node)?;
        let slopes = view.broadcast(&slopes)?;
        let view = self.without_repeats(view)?;
        let columns = self.by_column(&view, &slopes, 1.0);
        self.network.prelu(&columns);
        Some(view)
    }
}

/// Returns the channel of each column, for a view that has each column of the network once.
fn channel_of_columns(view: &View, channels: usize) -> Vec<u32> {
    let places = view.size() / channels;
    let mut channel = vec![0; view.size()];
    for (i, &column) in view.columns().iter().enumerate() {
        channel[column] = (i / places) as u32;
    }
    channel
}

/// Returns what an operator does to a number beside the constant `c`; `None` for `c / x`.
fn scale_of(operator: &str, c: f32, constant_first: bool) -> Option<Affine> {
    let (factor, offset) = match operator {
        "Add" => (1.0, c),
        "Sub" if constant_first => (-1.0, c),
        "Sub" => (1.0, -c),
        "Mul" => (c, 0.0),
        "Div" if !constant_first => (1.0 / c, 0.0),
        _ => return None,
    };
    Some(Affine { factor, offset })
}
