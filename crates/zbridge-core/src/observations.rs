use crate::{RandomStream, ShapeError};
use serde::{Deserialize, Serialize};

/// What the numbers of an observation mean: all that is needed to show, hear or read it.
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
    /// Probabilities of classes, one-hot where the class is known.
    Class {
        /// How many classes.
        classes: usize,
    },
    /// A sound of one length as the logarithms of its energies, `[bands, frames]`, values in 0..1.
    Sound(Spectrogram),
    /// A text as a row of symbols, `[length, symbols]`, each one-hot or a symbol's probabilities.
    Text {
        /// Symbols of a text, those that fill it up among them.
        length: usize,
        /// What the symbols stand for, words or characters; the first fills up behind the end.
        vocabulary: Vec<String>,
    },
    /// Numbers of which nothing more is known, as a foreign model takes them.
    Array {
        /// The shape of one observation.
        shape: Vec<usize>,
    },
}

/// How a sound became a log-mel spectrogram, and so how it becomes a sound again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spectrogram {
    /// Samples a second.
    pub sample_rate: usize,
    /// Samples under a window.
    pub window: usize,
    /// Samples from one window to the next.
    pub hop: usize,
    /// Bands of the mel scale, from 0 Hz to half the sample rate.
    pub bands: usize,
    /// Windows of a sound: shorter ones are followed by silence.
    pub frames: usize,
    /// How many decibels below the loudest band of a sound the value 0 stands for; 1 stands for the
    /// loudest.
    pub decibels: usize,
}

impl EventKind {
    /// How many numbers one observation has.
    pub fn size(&self) -> usize {
        match self {
            Self::Image {
                channels,
                height,
                width,
            } => channels * height * width,
            Self::Class { classes } => *classes,
            Self::Sound(Spectrogram { bands, frames, .. }) => bands * frames,
            Self::Text { length, vocabulary } => length * vocabulary.len(),
            Self::Array { shape } => shape.iter().product(),
        }
    }

    /// The shape of one observation, as an array file stores it.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Image {
                channels,
                height,
                width,
            } => vec![*channels, *height, *width],
            Self::Class { classes } => vec![*classes],
            Self::Sound(Spectrogram { bands, frames, .. }) => vec![*bands, *frames],
            Self::Text { length, vocabulary } => vec![*length, vocabulary.len()],
            Self::Array { shape } => shape.clone(),
        }
    }

    /// What it is in a word or two, as users read it: "images of 28 × 28".
    pub fn in_words(&self) -> String {
        match self {
            Self::Image {
                channels: 1,
                height,
                width,
            } => format!("grey images of {height} × {width}"),
            Self::Image {
                channels: 3,
                height,
                width,
            } => format!("colour images of {height} × {width}"),
            Self::Image {
                channels,
                height,
                width,
            } => format!("images of {channels} channels, {height} × {width}"),
            Self::Class { classes } => format!("{classes} classes"),
            Self::Sound(sound) => format!(
                "sounds of {:.2} s at {} Hz",
                sound.seconds(),
                sound.sample_rate
            ),
            Self::Text { length, vocabulary } => {
                format!(
                    "texts of up to {length} symbols out of {}",
                    vocabulary.len()
                )
            }
            Self::Array { shape } => format!("arrays of shape {shape:?}"),
        }
    }
}

impl Spectrogram {
    /// How long the sounds are, in samples.
    pub fn samples(&self) -> usize {
        self.frames * self.hop
    }

    /// How long the sounds are, in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples() as f64 / self.sample_rate as f64
    }
}

/// A batch of observations of one modality: `[batch, event]`, finite, with what they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Observations {
    values: Vec<f32>,
    kind: EventKind,
}

impl Observations {
    /// The batch `[values.len() / kind.size(), kind.size()]`.
    ///
    /// # Errors
    /// [`ShapeError`] when the length is no whole number of observations or a value is not finite.
    pub fn new(values: Vec<f32>, kind: EventKind) -> Result<Self, ShapeError> {
        let checked = crate::Latents::from_vec(values, kind.size())?;
        Ok(Self {
            values: checked.into_vec(),
            kind,
        })
    }

    /// One-hot observations of known classes, `[batch, classes]`.
    ///
    /// # Errors
    /// [`ShapeError::UnknownClass`] with the first row whose class is not below `classes`.
    pub fn one_hot(labels: &[u8], classes: usize) -> Result<Self, ShapeError> {
        let mut values = vec![0.0; labels.len() * classes];
        for (row, (cells, &label)) in values.chunks_exact_mut(classes).zip(labels).enumerate() {
            let class = usize::from(label);
            *cells.get_mut(class).ok_or(ShapeError::UnknownClass {
                row,
                class,
                classes,
            })? = 1.0;
        }
        Ok(Self {
            values,
            kind: EventKind::Class { classes },
        })
    }

    /// How many observations.
    pub fn rows(&self) -> usize {
        self.values.len() / self.kind.size()
    }

    /// What they are.
    pub fn kind(&self) -> &EventKind {
        &self.kind
    }

    /// All values, `[batch, event]` row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Observation `row`, flattened.
    pub fn row(&self, row: usize) -> &[f32] {
        let size = self.kind.size();
        &self.values[row * size..(row + 1) * size]
    }

    /// The observations named by `rows`, in that order.
    pub fn select(&self, rows: &[usize]) -> Self {
        let values = rows
            .iter()
            .flat_map(|&row| self.row(row).iter().copied())
            .collect();
        Self {
            values,
            kind: self.kind.clone(),
        }
    }

    /// The same with every value 1 or 0, drawn with itself as the probability of 1; row `i` from
    /// `stream.child(first + i)`, so that an observation's draw does not depend on the others, nor
    /// on how many are looked at together.
    pub fn binarised(&self, stream: &RandomStream, first: usize) -> Self {
        let mut values = self.values.clone();
        for (row, values) in values.chunks_exact_mut(self.kind.size()).enumerate() {
            stream.child((first + row) as u64).binarise(values);
        }
        Self {
            values,
            kind: self.kind.clone(),
        }
    }

    /// The most probable class of each observation: the argument of the row's maximum.
    pub fn argmax(&self) -> Vec<usize> {
        let best = |row: &[f32]| {
            (0..row.len())
                .max_by(|&a, &b| row[a].total_cmp(&row[b]))
                .unwrap_or(0)
        };
        self.values
            .chunks_exact(self.kind.size())
            .map(best)
            .collect()
    }
}
