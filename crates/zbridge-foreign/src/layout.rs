use serde::{Deserialize, Serialize};
use std::fmt;
use zbridge_core::EventKind;

/// The order in which a network has the numbers of an image.
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
    /// Returns the shape of one observation in a network.
    pub(crate) fn shape(self, event: &EventKind) -> Vec<usize> {
        match (self, event) {
            (Self::Flat, _) => vec![event.size()],
            (
                Self::Nhwc,
                EventKind::Image {
                    channels,
                    height,
                    width,
                },
            ) => vec![*height, *width, *channels],
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
