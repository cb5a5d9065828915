//! The weights of a network, packed for passes forward.

use crate::kernels::aligned_buffer::AlignedBuffer;
use crate::kernels::packed_weight::{Panels, Weight, pack, panel_width};
use crate::{Layer, Network};
use rayon::prelude::*;
use std::ops::Range;

/// The weights of a network's linear layers, transposed into panels in the order in which products
/// on the way forward read them. They are packed once for all parts of a batch;
/// [`default`](Self::default) holds none.
#[derive(Debug, Default, Clone)]
pub struct PackedWeights {
    values: AlignedBuffer,
    panel_width: usize,
    /// Where the weight of each layer lies; empty for a layer without one.
    layers: Vec<Range<usize>>,
}

/// Weights begin a multiple of this apart: a line of the cache.
const LINE: usize = 16;

/// A panel of a weight, and where it goes.
struct Panel<'a> {
    weight: &'a [f32],
    inputs: usize,
    packed: &'a mut [f32],
}

impl PackedWeights {
    /// Packs the weights of `network` out of its `parameters`, on all cores.
    ///
    /// # Panics
    /// When `parameters` has another length than the network's.
    pub fn pack(&mut self, network: &Network, parameters: &[f32]) {
        assert_eq!(
            parameters.len(),
            network.parameter_count(),
            "parameters of the network"
        );
        self.panel_width = panel_width();
        let length = self.place_layers(network);
        let values = self.values.with_length(length);
        let panels = panels(network, parameters, self.panel_width, values);
        panels
            .into_par_iter()
            .for_each(|panel| pack(panel.weight, panel.inputs, self.panel_width, panel.packed));
    }

    /// Gives every layer its range of the values, and returns the length of all.
    fn place_layers(&mut self, network: &Network) -> usize {
        self.layers.clear();
        let mut end = 0;
        for index in 0..network.layers().len() {
            let length = linear_weight(network, index).map_or(0, |(range, _)| range.len());
            self.layers.push(end..end + length);
            end += length.next_multiple_of(LINE);
        }
        end
    }

    /// The packed weight of a linear layer; `None` if there is none.
    pub(crate) fn of_layer(&self, index: usize) -> Option<Weight<'_>> {
        let range = self.layers.get(index).filter(|range| !range.is_empty())?;
        let values = &self.values.values()[range.clone()];
        Some(Weight::Packed(Panels {
            values,
            panel_width: self.panel_width,
        }))
    }
}

/// The panels of all weights, each with its part of `packed`.
fn panels<'a>(
    network: &Network,
    parameters: &'a [f32],
    panel_width: usize,
    packed: &'a mut [f32],
) -> Vec<Panel<'a>> {
    let (mut rest, mut panels) = (packed, vec![]);
    for index in 0..network.layers().len() {
        let Some((range, inputs)) = linear_weight(network, index) else {
            continue;
        };
        let (own, others) = rest.split_at_mut(range.len().next_multiple_of(LINE));
        rest = others;
        let weights = parameters[range].chunks(panel_width * inputs);
        for (weight, packed) in weights.zip(own.chunks_mut(panel_width * inputs)) {
            panels.push(Panel {
                weight,
                inputs,
                // The last panel may be narrower, and what pads it to a line is nobody's.
                packed: &mut packed[..weight.len()],
            });
        }
    }
    panels
}

/// Where the weight of layer `index` lies among the parameters, and its inputs, if it is linear.
fn linear_weight(network: &Network, index: usize) -> Option<(Range<usize>, usize)> {
    match network.layers()[index] {
        Layer::Linear { inputs, .. } => Some((network.ranges(index).next()?, inputs)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mode, Tape};
    use zbridge_core::RandomStream;

    #[test]
    fn passes_with_packed_weights_are_the_same() {
        let network = Network::new(vec![
            Layer::Linear {
                inputs: 256,
                outputs: 70,
            },
            Layer::BatchNorm { width: 70 },
            Layer::Silu,
            Layer::Linear {
                inputs: 70,
                outputs: 3,
            },
        ])
        .unwrap();
        let mut stream = RandomStream::named(8, "forward");
        let parameters = network.initial_parameters(&mut stream);
        let (mut input, mut weights) = (vec![0.0; 20 * 256], PackedWeights::default());
        stream.fill_standard_normal(&mut input);
        weights.pack(&network, &parameters);
        let one = network
            .forward(&parameters, &input, Mode::Training, &mut Tape::default())
            .to_vec();
        let other = network
            .forward_with(
                &parameters,
                &weights,
                &input,
                Mode::Training,
                &mut Tape::default(),
            )
            .to_vec();
        for (one, other) in one.iter().zip(other) {
            assert!((one - other).abs() < 1e-5, "{one} against {other}");
        }
    }
}
