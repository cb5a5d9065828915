//! Weights laid out for the way forward.

use crate::kernels::matmul::{PANEL, Weight, lay_out};
use crate::{Layer, Network};
use rayon::prelude::*;
use std::ops::Range;

/// The weights of a network's linear layers turned over into panels, in the order in which products
/// on the way forward read them. Made once for all parts of a batch; [`default`](Self::default)
/// holds none.
#[derive(Debug, Default, Clone)]
pub struct ForwardWeights {
    values: Vec<f32>,
    /// Of each layer, where its weights lie; empty without any.
    layers: Vec<Range<usize>>,
}

impl ForwardWeights {
    /// Takes the weights of `network` out of its `parameters`, on all cores.
    ///
    /// # Panics
    /// When `parameters` has another length than the network's.
    pub fn lay_out(&mut self, network: &Network, parameters: &[f32]) {
        assert_eq!(
            parameters.len(),
            network.parameter_count(),
            "parameters of the network"
        );
        self.values.resize(parameters.len(), 0.0);
        self.layers.clear();
        self.layers.resize(network.layers().len(), 0..0);
        let (mut rest, mut start, mut blocks) = (&mut *self.values, 0, vec![]);
        for (index, layer) in network.layers().iter().enumerate() {
            let (Layer::Linear { inputs, .. }, Some(range)) = (layer, network.ranges(index).next())
            else {
                continue;
            };
            let (own, others) = rest[range.start - start..].split_at_mut(range.len());
            let panels = parameters[range.clone()]
                .chunks(PANEL * inputs)
                .zip(own.chunks_mut(PANEL * inputs));
            blocks.extend(panels.map(|(weight, panel)| (weight, *inputs, panel)));
            (rest, start) = (others, range.end);
            self.layers[index] = range;
        }
        blocks
            .into_par_iter()
            .for_each(|(weight, inputs, panel)| lay_out(weight, inputs, panel));
    }

    /// Those of a linear layer, if they were laid out.
    pub(crate) fn of_layer(&self, index: usize) -> Option<Weight<'_>> {
        let range = self.layers.get(index).filter(|range| !range.is_empty());
        range.map(|range| Weight::Panels(&self.values[range.clone()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mode, Tape};
    use zbridge_core::RandomStream;

    #[test]
    fn passes_with_weights_laid_out_are_the_same() {
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
        let (mut input, mut weights) = (vec![0.0; 20 * 256], ForwardWeights::default());
        stream.fill_standard_normal(&mut input);
        weights.lay_out(&network, &parameters);
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
