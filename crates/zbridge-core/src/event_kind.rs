use serde::{Deserialize, Serialize};

/// What the numbers of an observation mean: all that is needed to show, play or read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[non_exhaustive]
pub enum EventKind {
    /// An image with values in 0..1, `[channels, height, width]`.
    Image {
        /// 1 for grey, 3 for colour.
        channels: usize,
        /// Rows of pixels.
        height: usize,
        /// Columns of pixels.
        width: usize,
    },
    /// Probabilities of classes, `[classes]`; one-hot if the class is known.
    Class {
        /// The number of classes.
        classes: usize,
    },
    /// A sound of fixed length as a log-mel spectrogram, `[bands, frames]`, with values in 0..1.
    Sound(Spectrogram),
    /// A text as a row of symbols, `[length, symbols]`, each one-hot or probabilities of symbols.
    Text {
        /// The number of symbols of every text; shorter texts are padded with symbol 0.
        length: usize,
        /// The symbols, words or characters. The first is the padding.
        vocabulary: Vec<String>,
    },
    /// Numbers of unknown meaning, as a foreign model takes them.
    Array {
        /// The shape of one observation.
        shape: Vec<usize>,
    },
}

/// How a sound became a log-mel spectrogram, and so how it becomes a sound again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spectrogram {
    /// Samples per second.
    pub sample_rate: usize,
    /// Samples per window.
    pub window: usize,
    /// Samples from one window to the next.
    pub hop: usize,
    /// Bands of the mel scale, from 0 Hz to half the sample rate.
    pub bands: usize,
    /// Windows per sound: shorter ones are padded with silence.
    pub frames: usize,
    /// The number of decibels between the value 0 and the value 1. 1 stands for the loudest band of
    /// a sound.
    pub decibels: usize,
}

impl EventKind {
    /// Returns the number of values of one observation.
    pub fn size(&self) -> usize {
        self.shape().iter().product()
    }

    /// Returns the shape of one observation, as an array file stores it.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Image {
                channels,
                height,
                width,
            } => vec![*channels, *height, *width],
            Self::Class { classes } => vec![*classes],
            Self::Sound(sound) => vec![sound.bands, sound.frames],
            Self::Text { length, vocabulary } => vec![*length, vocabulary.len()],
            Self::Array { shape } => shape.clone(),
        }
    }

    /// Returns a description for messages, in the plural: `grey images of 28 × 28`.
    pub fn in_words(&self) -> String {
        match self {
            Self::Image {
                channels,
                height,
                width,
            } => match channels {
                1 => format!("grey images of {height} × {width}"),
                3 => format!("colour images of {height} × {width}"),
                _ => format!("images of {channels} channels, {height} × {width}"),
            },
            Self::Class { classes } => format!("{classes} classes"),
            Self::Sound(sound) => {
                let (seconds, rate) = (sound.seconds(), sound.sample_rate);
                format!("sounds of {seconds:.2} s at {rate} Hz")
            }
            Self::Text { length, vocabulary } => {
                let symbols = vocabulary.len();
                format!("texts of up to {length} symbols out of {symbols}")
            }
            Self::Array { shape } => format!("arrays of shape {shape:?}"),
        }
    }
}

impl Spectrogram {
    /// Returns the length of the sounds in samples.
    pub fn samples(&self) -> usize {
        self.frames * self.hop
    }

    /// Returns the length of the sounds in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples() as f64 / self.sample_rate as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_the_size_of_its_shape() {
        let image = EventKind::Image {
            channels: 3,
            height: 4,
            width: 5,
        };
        assert_eq!((image.size(), image.shape()), (60, vec![3, 4, 5]));
        assert_eq!(image.in_words(), "colour images of 4 × 5");
        let sound = Spectrogram {
            sample_rate: 8000,
            window: 256,
            hop: 100,
            bands: 40,
            frames: 80,
            decibels: 80,
        };
        assert_eq!(EventKind::Sound(sound).size(), 3200);
        assert_eq!(
            EventKind::Sound(sound).in_words(),
            "sounds of 1.00 s at 8000 Hz"
        );
    }
}
