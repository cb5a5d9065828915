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

/// A panel of a weight, and where it goes.
struct Panel<'a> {
    weight: &'a [f32],
    inputs: usize,
    packed: &'a mut [f32],
}

/// Numbers of a line of the cache: weights begin a multiple of this apart.
const LINE: usize = 16;

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
        let width = panel_width();
        self.panel_width = width;
        let panels = self.panels(network, parameters);
        panels
            .into_par_iter()
            .for_each(|panel| pack(panel.weight, panel.inputs, width, panel.packed));
    }

    /// Makes space for each weight, and cuts it into panels.
    fn panels<'a>(&'a mut self, network: &Network, parameters: &'a [f32]) -> Vec<Panel<'a>> {
        let weights: Vec<_> = (0..network.layers().len())
            .map(|layer| linear_weight(network, layer))
            .collect();
        self.layers.clear();
        let mut end = 0;
        for weight in &weights {
            let length = weight.as_ref().map_or(0, |weight| weight.range.len());
            self.layers.push(end..end + length);
            end += length.next_multiple_of(LINE);
        }
        let (mut rest, mut panels) = (self.values.resize(end), vec![]);
        for LinearWeight { range, inputs } in weights.into_iter().flatten() {
            let (own, others) = rest.split_at_mut(range.len().next_multiple_of(LINE));
            rest = others;
            let size = self.panel_width * inputs;
            let own = own[..range.len()].chunks_mut(size);
            for (weight, packed) in parameters[range].chunks(size).zip(own) {
                panels.push(Panel {
                    weight,
                    inputs,
                    packed,
                });
            }
        }
        panels
    }

    /// The packed weight of a linear layer; `None` if there is none.
    pub(crate) fn of_layer(&self, index: usize) -> Option<Weight<'_>> {
        let range = self.layers.get(index).filter(|range| !range.is_empty())?;
        let values = &self.values.as_slice()[range.clone()];
        Some(Weight::Packed(Panels {
            values,
            panel_width: self.panel_width,
        }))
    }
}

/// The weight of a linear layer, `[outputs, inputs]`.
struct LinearWeight {
    /// Where it lies among the parameters.
    range: Range<usize>,
    inputs: usize,
}

/// The weight of layer `index`; `None` if it is not linear.
fn linear_weight(network: &Network, index: usize) -> Option<LinearWeight> {
    match network.layers()[index] {
        Layer::Linear { inputs, .. } => Some(LinearWeight {
            range: network.ranges(index).next()?,
            inputs,
        }),
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
