use serde::{Deserialize, Serialize};
use std::fmt;
use zbridge_core::EventKind;

/// In which order a network has the numbers of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `[channels, height, width]`, as PyTorch has it, and zbridge.
    Nchw,
    /// `[height, width, channels]`, as TensorFlow and JAX have it.
    Nhwc,
    /// One row of numbers, channel by channel.
    Flat,
}

impl Layout {
    /// The shape of one observation as a network sees it.
    pub(crate) fn shape(self, event: &EventKind) -> Vec<usize> {
        match (self, event) {
            (Self::Nhwc, EventKind::Image { channels, height, width }) => vec![*height, *width, *channels],
            (Self::Flat, _) => vec![event.size()],
            _ => event.shape(),
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nchw => "nchw",
            Self::Nhwc => "nhwc",
            Self::Flat => "flat",
        })
    }
}

/// What a network's numbers are, for observations in 0..1: `scale · x + shift`, channel by channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Values {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Values {
    /// Numbers as they are.
    pub(crate) fn plain() -> Self {
        Self { scale: vec![1.0], shift: vec![0.0] }
    }

    /// `low` for 0 and `high` for 1.
    pub(crate) fn range(low: f32, high: f32) -> Self {
        Self { scale: vec![high - low], shift: vec![low] }
    }

    /// (x − mean) / sd, a mean and a standard deviation for each channel.
    pub(crate) fn standardised(means: &[f32], sds: &[f32]) -> Self {
        let scale: Vec<f32> = sds.iter().map(|sd| 1.0 / sd).collect();
        let shift = means.iter().zip(&scale).map(|(mean, scale)| -mean * scale).collect();
        Self { scale, shift }
    }

    /// (scale, shift) of a channel.
    fn of(&self, channel: usize) -> (f32, f32) {
        let at = |values: &[f32]| values.get(channel).or(values.first()).copied();
        (at(&self.scale).unwrap_or(1.0), at(&self.shift).unwrap_or(0.0))
    }
}

/// How observations become what a network takes, and the way back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rendering {
    /// Values in the network.
    values: Values,
    /// Order in the network.
    layout: Layout,
    channels: usize,
    pixels: usize,
}

impl Rendering {
    pub(crate) fn new(values: Values, layout: Layout, event: &EventKind) -> Self {
        let channels = if let EventKind::Image { channels, .. } = event { *channels } else { 1 };
        Self { values, layout, channels, pixels: event.size() / channels.max(1) }
    }

    /// Observations, `[batch, event]`, in the network's order and range.
    pub(crate) fn to_network(&self, observations: &[f32]) -> Vec<f32> {
        let mut rendered = observations.to_vec();
        for (from, to) in self.rows(observations).zip(rendered.chunks_exact_mut(self.size())) {
            for (place, value) in from.iter().enumerate() {
                let (scale, shift) = self.values.of(place / self.pixels);
                to[self.place_in_network(place)] = scale * value + shift;
            }
        }
        rendered
    }

    /// The network's outputs as observations; numbers stay as they are where they are no values but logits, say.
    pub(crate) fn to_observations(&self, outputs: &[f32], are_values: bool) -> Vec<f32> {
        let mut observations = outputs.to_vec();
        for (from, to) in self.rows(outputs).zip(observations.chunks_exact_mut(self.size())) {
            for (place, value) in to.iter_mut().enumerate() {
                let (scale, shift) = if are_values { self.values.of(place / self.pixels) } else { (1.0, 0.0) };
                *value = (from[self.place_in_network(place)] - shift) / scale;
            }
        }
        observations
    }

    fn rows<'a>(&self, values: &'a [f32]) -> impl Iterator<Item = &'a [f32]> {
        values.chunks_exact(self.size())
    }

    fn size(&self) -> usize {
        (self.channels * self.pixels).max(1)
    }

    /// Where the network has what an observation has at `place`.
    fn place_in_network(&self, place: usize) -> usize {
        let (channel, pixel) = (place / self.pixels, place % self.pixels);
        if self.layout == Layout::Nhwc { pixel * self.channels + channel } else { place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_undoes_the_way_there() {
        let event = EventKind::Image { channels: 3, height: 2, width: 2 };
        let values = Values::standardised(&[0.1, 0.2, 0.3], &[0.5, 1.0, 2.0]);
        let rendering = Rendering::new(values, Layout::Nhwc, &event);
        let observations: Vec<f32> = (0..24).map(|i| i as f32 / 24.0).collect();
        let rendered = rendering.to_network(&observations);
        assert!((rendered[1] - (observations[4] - 0.2)).abs() < 1e-6, "the second channel of the first pixel");
        let back = rendering.to_observations(&rendered, true);
        assert!(back.iter().zip(&observations).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn a_range_has_its_ends_where_it_says() {
        let event = EventKind::Array { shape: vec![2] };
        let rendering = Rendering::new(Values::range(-1.0, 1.0), Layout::Nchw, &event);
        assert_eq!(rendering.to_network(&[0.0, 1.0]), [-1.0, 1.0]);
    }
}
