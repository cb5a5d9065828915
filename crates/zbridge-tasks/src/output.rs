//! What users get: observations as files that can be looked at, heard, read, or loaded.

use crate::{Error, pictures};
use std::fmt;
use std::path::{Path, PathBuf};
use zbridge_core::{EventKind, Observations, RandomStream, Spectrogram};
use zbridge_nn::{Precision, StoredTensor, WeightsFile};
use zbridge_sound::to_waveforms;

/// How observations are written, by the extension of their file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A sheet of images.
    Picture,
    /// A sound, or one file for each.
    Sound,
    /// A text a line.
    Text,
    /// Raw numbers.
    Array,
    /// Raw numbers with names.
    Tensors,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Picture => "pictures",
            Self::Sound => "sounds",
            Self::Text => "texts",
            Self::Array => "an array",
            Self::Tensors => "tensors",
        })
    }
}

impl Format {
    /// Whether files of it, one behind the other, are one file's rows.
    pub(crate) fn is_numbers(self) -> bool {
        matches!(self, Self::Array | Self::Tensors)
    }

    /// # Errors
    /// [`Error::Usage`] when the extension is unknown, or says another kind of observations than
    /// these.
    pub(crate) fn of(out: &Path, event: &EventKind) -> Result<Self, Error> {
        let format = match out.extension().and_then(|extension| extension.to_str()) {
            Some("png") => Self::Picture,
            Some("wav") => Self::Sound,
            Some("txt") => Self::Text,
            Some("npy") => Self::Array,
            Some("safetensors") => Self::Tensors,
            _ => {
                let message = format!(
                    "--out {}: end it in .png, .wav, .txt, .npy or .safetensors",
                    out.display()
                );
                return Err(Error::usage(message));
            }
        };
        let fits = match format {
            Self::Picture => matches!(event, EventKind::Image { .. }),
            Self::Sound => matches!(event, EventKind::Sound(_)),
            Self::Text => matches!(event, EventKind::Text { .. }),
            Self::Array | Self::Tensors => true,
        };
        if fits {
            return Ok(format);
        }
        let message = format!(
            "--out {}: the target model makes {}; write them to {}",
            out.display(),
            event.in_words(),
            fitting(event)
        );
        Err(Error::usage(message))
    }

    /// Writes the observations, `count` for each input; the files. Sounds get their phases from
    /// `stream`.
    ///
    /// # Errors
    /// [`Error`] when a file cannot be written.
    pub(crate) fn write(
        self,
        out: &Path,
        outputs: &Observations,
        count: usize,
        stream: &RandomStream,
    ) -> Result<Vec<PathBuf>, Error> {
        let mut shape = vec![outputs.rows()];
        shape.extend(outputs.kind().shape());
        match (self, outputs.kind()) {
            (Self::Picture, _) => {
                let columns = if count > 1 {
                    count.min(20)
                } else {
                    10.min(outputs.rows())
                };
                return Ok(vec![pictures::write_sheet(out, outputs, columns)?]);
            }
            (Self::Sound, EventKind::Sound(kind)) => {
                return write_sounds(out, outputs, kind, stream);
            }
            (Self::Text, _) => {
                let lines = outputs.texts().unwrap_or_default().join("\n") + "\n";
                zbridge_data::write_atomically(out, |file| file.write_all(lines.as_bytes()))?;
            }
            (Self::Tensors, _) => tensors(shape, outputs).write(out, Precision::Single)?,
            _ => zbridge_data::write_npy_f32(out, &shape, outputs.values())?,
        }
        Ok(vec![out.to_owned()])
    }
}

fn fitting(event: &EventKind) -> &'static str {
    match event {
        EventKind::Image { .. } => ".png, .npy or .safetensors",
        EventKind::Sound(_) => ".wav, .npy or .safetensors",
        EventKind::Text { .. } => ".txt, .npy or .safetensors",
        _ => ".npy or .safetensors",
    }
}

/// One sound as the file itself; several as files numbered from 0 in its place.
fn write_sounds(
    out: &Path,
    outputs: &Observations,
    kind: &Spectrogram,
    stream: &RandomStream,
) -> Result<Vec<PathBuf>, Error> {
    let sounds = to_waveforms(outputs.values(), kind, stream);
    let name = |place: usize| match sounds.len() {
        1 => out.to_owned(),
        _ => out.with_file_name(format!(
            "{}-{place}.wav",
            out.file_stem().unwrap_or_default().to_string_lossy()
        )),
    };
    let write = |(place, sound): (usize, &zbridge_sound::Waveform)| {
        sound.write(&name(place))?;
        Ok(name(place))
    };
    sounds.iter().enumerate().map(write).collect()
}

fn tensors(shape: Vec<usize>, outputs: &Observations) -> WeightsFile {
    let mut file = WeightsFile::default();
    file.tensors.insert(
        "samples".into(),
        StoredTensor {
            shape,
            values: outputs.values().to_vec(),
        },
    );
    if matches!(outputs.kind(), EventKind::Class { .. }) {
        let classes: Vec<f32> = outputs
            .argmax()
            .into_iter()
            .map(|class| class as f32)
            .collect();
        file.tensors.insert(
            "classes".into(),
            StoredTensor {
                shape: vec![classes.len()],
                values: classes,
            },
        );
    }
    file
}
