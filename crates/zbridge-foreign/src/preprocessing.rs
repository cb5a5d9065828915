use crate::layout::Layout;
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis, CowArray, Ix2};
use zbridge_core::EventKind;

/// The numbers of one channel in a network for observations in 0..1: `scale · x + shift`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ChannelScale {
    scale: f32,
    shift: f32,
}

impl ChannelScale {
    /// Numbers as they are.
    pub(crate) const IDENTITY: Self = Self {
        scale: 1.0,
        shift: 0.0,
    };

    /// Returns the scale with `low` for 0 and `high` for 1.
    pub(crate) fn range(low: f32, high: f32) -> Self {
        Self {
            scale: high - low,
            shift: low,
        }
    }

    /// Returns the scale of `(x − mean) / sd`.
    pub(crate) fn standardised(mean: f32, sd: f32) -> Self {
        let scale = 1.0 / sd;
        Self {
            scale,
            shift: -mean * scale,
        }
    }
}

/// The way from observations to the numbers of a network, and back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Preprocessing {
    /// The scale of each channel.
    scales: Vec<ChannelScale>,
    channels_last: bool,
    /// Numbers of a channel.
    pixels: usize,
}

impl Preprocessing {
    /// Returns the preprocessing with one scale for each channel; of events that are no images, all
    /// numbers are one channel.
    ///
    /// # Panics
    /// If the number of scales is another.
    pub(crate) fn new(scales: Vec<ChannelScale>, layout: Layout, event: &EventKind) -> Self {
        let channels = channels(event);
        assert_eq!(scales.len(), channels, "a scale for each channel");
        Self {
            scales,
            channels_last: layout == Layout::Nhwc && channels > 1,
            pixels: event.size() / channels,
        }
    }

    /// Returns observations, `[rows, event]`, in the order and range of the network; they are
    /// copied only if they change.
    pub(crate) fn to_network<'a>(
        &self,
        observations: ArrayView2<'a, f32>,
    ) -> CowArray<'a, f32, Ix2> {
        if !self.channels_last && self.keeps_values() {
            return observations.into();
        }
        let shape = observations.dim();
        let mut scaled = self.channels_first(observations).to_owned();
        for (mut channel, scale) in scaled.axis_iter_mut(Axis(1)).zip(&self.scales) {
            channel.mapv_inplace(|x| scale.scale * x + scale.shift);
        }
        // Scaled first: a channel is one piece of memory before the swap.
        if self.channels_last {
            scaled = swapped(scaled.view());
        }
        as_rows(scaled, shape).into()
    }

    /// Returns the network's outputs, `[rows, event]`, in the order and range of observations.
    pub(crate) fn to_observations(&self, outputs: Array2<f32>) -> Array2<f32> {
        if self.keeps_values() {
            return self.to_observation_order(outputs);
        }
        let shape = outputs.dim();
        let ordered = self.to_observation_order(outputs);
        let mut values = self.channels_first(ordered.view()).to_owned();
        for (mut channel, scale) in values.axis_iter_mut(Axis(1)).zip(&self.scales) {
            channel.mapv_inplace(|value| (value - scale.shift) / scale.scale);
        }
        as_rows(values, shape)
    }

    /// Returns the network's outputs, `[rows, event]`, in the order of observations, without a
    /// change of range: for outputs that are no values, such as logits.
    pub(crate) fn to_observation_order(&self, outputs: Array2<f32>) -> Array2<f32> {
        if !self.channels_last {
            return outputs;
        }
        let shape = (outputs.nrows(), self.pixels, self.scales.len());
        let pixels = ArrayView3::from_shape(shape, row_major(&outputs));
        let channels = swapped(pixels.expect("whole observations"));
        as_rows(channels, outputs.dim())
    }

    fn keeps_values(&self) -> bool {
        self.scales
            .iter()
            .all(|scale| *scale == ChannelScale::IDENTITY)
    }

    /// Returns `[rows, channels, pixels]` for `[rows, event]`.
    fn channels_first<'a>(&self, rows: ArrayView2<'a, f32>) -> ArrayView3<'a, f32> {
        let shape = (rows.nrows(), self.scales.len(), self.pixels);
        rows.into_shape_with_order(shape)
            .expect("whole observations")
    }
}

/// Returns the number of channels of an image; 1 for other events.
pub(crate) fn channels(event: &EventKind) -> usize {
    match event {
        EventKind::Image { channels, .. } => *channels,
        _ => 1,
    }
}

/// Returns the array with its last two axes swapped, in standard layout.
fn swapped(array: ArrayView3<'_, f32>) -> Array3<f32> {
    let swapped = array.permuted_axes([0, 2, 1]);
    swapped.as_standard_layout().into_owned()
}

fn row_major(rows: &Array2<f32>) -> &[f32] {
    rows.as_slice().expect("rows are row-major")
}

/// Returns an array in standard layout as rows.
fn as_rows(array: Array3<f32>, shape: (usize, usize)) -> Array2<f32> {
    array
        .into_shape_with_order(shape)
        .expect("the same numbers as rows")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_way_back_undoes_the_way_there() {
        let event = EventKind::Image {
            channels: 3,
            height: 2,
            width: 2,
        };
        let scales = [(0.1, 0.5), (0.2, 1.0), (0.3, 2.0)];
        let scales = scales.map(|(mean, sd)| ChannelScale::standardised(mean, sd));
        let preprocessing = Preprocessing::new(scales.to_vec(), Layout::Nhwc, &event);
        let observations = Array2::from_shape_fn((2, 12), |(i, j)| (12 * i + j) as f32 / 24.0);
        let network = preprocessing.to_network(observations.view());
        assert!(
            (network[[0, 1]] - (observations[[0, 4]] - 0.2)).abs() < 1e-6,
            "the second channel of the first pixel"
        );
        let back = preprocessing.to_observations(network.into_owned());
        let gap = (&back - &observations).mapv(f32::abs);
        assert!(gap.iter().all(|gap| *gap < 1e-6));
    }

    #[test]
    fn numbers_that_stay_as_they_are_are_not_copied() {
        let event = EventKind::Image {
            channels: 1,
            height: 2,
            width: 2,
        };
        let observations = array![[0.0, 0.5, 0.25, 1.0]];
        for layout in [Layout::Nchw, Layout::Nhwc, Layout::Flat] {
            let preprocessing = Preprocessing::new(vec![ChannelScale::IDENTITY], layout, &event);
            let network = preprocessing.to_network(observations.view());
            assert!(network.is_view());
            assert_eq!(network, observations);
            let back = preprocessing.to_observations(observations.clone());
            assert_eq!(back, observations);
        }
    }

    #[test]
    fn a_range_has_the_stated_ends() {
        let event = EventKind::Array { shape: vec![2] };
        let scales = vec![ChannelScale::range(-1.0, 1.0)];
        let preprocessing = Preprocessing::new(scales, Layout::Nchw, &event);
        let ends = array![[0.0, 1.0]];
        let network = preprocessing.to_network(ends.view());
        assert_eq!(network, array![[-1.0, 1.0]]);
    }
}
