use serde::{Deserialize, Serialize};
use std::borrow::Cow;
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
            (
                Self::Nhwc,
                EventKind::Image {
                    channels,
                    height,
                    width,
                },
            ) => vec![*height, *width, *channels],
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
        Self {
            scale: vec![1.0],
            shift: vec![0.0],
        }
    }

    /// `low` for 0 and `high` for 1.
    pub(crate) fn range(low: f32, high: f32) -> Self {
        Self {
            scale: vec![high - low],
            shift: vec![low],
        }
    }

    /// (x − mean) / sd, a mean and a standard deviation for each channel.
    pub(crate) fn standardised(means: &[f32], sds: &[f32]) -> Self {
        let scale: Vec<f32> = sds.iter().map(|sd| 1.0 / sd).collect();
        let shift = means
            .iter()
            .zip(&scale)
            .map(|(mean, scale)| -mean * scale)
            .collect();
        Self { scale, shift }
    }

    /// (scale, shift) of a channel.
    fn of(&self, channel: usize) -> (f32, f32) {
        let at = |values: &[f32]| values.get(channel).or(values.first()).copied();
        (
            at(&self.scale).unwrap_or(1.0),
            at(&self.shift).unwrap_or(0.0),
        )
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
        let channels = if let EventKind::Image { channels, .. } = event {
            *channels
        } else {
            1
        };
        Self {
            values,
            layout,
            channels,
            pixels: (event.size() / channels.max(1)).max(1),
        }
    }

    /// Observations, `[batch, event]`, in the network's order and range.
    pub(crate) fn to_network<'a>(&self, observations: &'a [f32]) -> Cow<'a, [f32]> {
        if self.keeps_order() && self.keeps_values() {
            return Cow::Borrowed(observations);
        }
        let mut rendered = observations.to_vec();
        for (from, to) in self
            .rows(observations)
            .zip(rendered.chunks_exact_mut(self.size()))
        {
            for (channel, from) in from.chunks_exact(self.pixels).enumerate() {
                let (scale, shift) = self.values.of(channel);
                let place = |pixel| self.place_in_network(channel, pixel);
                from.iter()
                    .enumerate()
                    .for_each(|(pixel, value)| to[place(pixel)] = scale * value + shift);
            }
        }
        Cow::Owned(rendered)
    }

    /// The network's outputs as observations; numbers stay as they are where they are no values but
    /// logits, say.
    pub(crate) fn to_observations(&self, outputs: Vec<f32>, are_values: bool) -> Vec<f32> {
        if self.keeps_order() && (!are_values || self.keeps_values()) {
            return outputs;
        }
        let mut observations = outputs.clone();
        for (from, to) in self
            .rows(&outputs)
            .zip(observations.chunks_exact_mut(self.size()))
        {
            for (channel, to) in to.chunks_exact_mut(self.pixels).enumerate() {
                let (scale, shift) = if are_values {
                    self.values.of(channel)
                } else {
                    (1.0, 0.0)
                };
                let place = |pixel| self.place_in_network(channel, pixel);
                to.iter_mut()
                    .enumerate()
                    .for_each(|(pixel, value)| *value = (from[place(pixel)] - shift) / scale);
            }
        }
        observations
    }

    fn keeps_order(&self) -> bool {
        self.layout != Layout::Nhwc || self.channels == 1
    }

    fn keeps_values(&self) -> bool {
        (0..self.channels).all(|channel| self.values.of(channel) == (1.0, 0.0))
    }

    fn rows<'a>(&self, values: &'a [f32]) -> impl Iterator<Item = &'a [f32]> {
        values.chunks_exact(self.size())
    }

    fn size(&self) -> usize {
        (self.channels * self.pixels).max(1)
    }

    /// Where the network has a pixel of a channel.
    fn place_in_network(&self, channel: usize, pixel: usize) -> usize {
        if self.layout == Layout::Nhwc {
            pixel * self.channels + channel
        } else {
            channel * self.pixels + pixel
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_undoes_the_way_there() {
        let event = EventKind::Image {
            channels: 3,
            height: 2,
            width: 2,
        };
        let values = Values::standardised(&[0.1, 0.2, 0.3], &[0.5, 1.0, 2.0]);
        let rendering = Rendering::new(values, Layout::Nhwc, &event);
        let observations: Vec<f32> = (0..24).map(|i| i as f32 / 24.0).collect();
        let rendered = rendering.to_network(&observations);
        assert!(
            (rendered[1] - (observations[4] - 0.2)).abs() < 1e-6,
            "the second channel of the first pixel"
        );
        let back = rendering.to_observations(rendered.into_owned(), true);
        assert!(
            back.iter()
                .zip(&observations)
                .all(|(a, b)| (a - b).abs() < 1e-6)
        );
    }

    #[test]
    fn numbers_that_stay_as_they_are_are_not_copied() {
        let event = EventKind::Image {
            channels: 1,
            height: 2,
            width: 2,
        };
        let observations = [0.0, 0.5, 0.25, 1.0];
        let rendering = |layout| Rendering::new(Values::plain(), layout, &event);
        for layout in [Layout::Nchw, Layout::Nhwc, Layout::Flat] {
            assert!(
                matches!(rendering(layout).to_network(&observations), Cow::Borrowed(same) if same == observations)
            );
        }
        assert_eq!(
            rendering(Layout::Flat).to_observations(observations.to_vec(), true),
            observations
        );
    }

    #[test]
    fn a_range_has_its_ends_where_it_says() {
        let event = EventKind::Array { shape: vec![2] };
        let rendering = Rendering::new(Values::range(-1.0, 1.0), Layout::Nchw, &event);
        assert_eq!(*rendering.to_network(&[0.0, 1.0]), [-1.0, 1.0]);
    }
}
