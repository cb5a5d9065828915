//! Observations as files that can be viewed, heard, read, or loaded.

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
    /// A sound, or a file for each of several.
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
    /// Returns whether several files of it can be joined to one.
    pub(crate) fn is_numbers(self) -> bool {
        matches!(self, Self::Array | Self::Tensors)
    }

    /// Returns the format that the extension of a file names.
    ///
    /// # Errors
    /// [`Error::Usage`] if it names none, or one of other observations than these.
    pub(crate) fn of(out: &Path, event: &EventKind) -> Result<Self, Error> {
        let Some(format) = Self::of_extension(out) else {
            return Err(Error::usage(format!(
                "{}: end the name of the output in .png, .wav, .txt, .npy or .safetensors",
                out.display()
            )));
        };
        if format.fits(event) {
            return Ok(format);
        }
        Err(Error::usage(format!(
            "{}: the target model makes {}; write them to {}",
            out.display(),
            event.in_words(),
            fitting(event)
        )))
    }

    fn of_extension(out: &Path) -> Option<Self> {
        match out.extension()?.to_str()? {
            "png" => Some(Self::Picture),
            "wav" => Some(Self::Sound),
            "txt" => Some(Self::Text),
            "npy" => Some(Self::Array),
            "safetensors" => Some(Self::Tensors),
            _ => None,
        }
    }

    fn fits(self, event: &EventKind) -> bool {
        match self {
            Self::Picture => matches!(event, EventKind::Image { .. }),
            Self::Sound => matches!(event, EventKind::Sound(_)),
            Self::Text => matches!(event, EventKind::Text { .. }),
            Self::Array | Self::Tensors => true,
        }
    }

    /// Writes the observations, `count` for each input, and returns the files. Sounds get their
    /// phases from `stream`.
    ///
    /// # Errors
    /// [`Error`] if a file cannot be written, or the observations are of another kind.
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
                let columns = match count {
                    // One row of the sheet for each input, if there are several outputs of it.
                    0 | 1 => outputs.rows().min(10),
                    _ => count.min(20),
                };
                pictures::write_sheet(out, outputs, columns)?;
            }
            (Self::Sound, EventKind::Sound(kind)) => {
                return write_sounds(out, outputs, kind, stream);
            }
            (Self::Sound, other) => {
                let message = format!("{} cannot be written as sounds", other.in_words());
                return Err(Error::usage(message));
            }
            (Self::Text, _) => write_texts(out, outputs)?,
            (Self::Tensors, _) => tensors(shape, outputs).write(out, Precision::Single)?,
            (Self::Array, _) => zbridge_data::write_npy_f32(out, &shape, outputs.values())?,
        }
        Ok(vec![out.to_owned()])
    }
}

fn write_texts(out: &Path, outputs: &Observations) -> Result<(), Error> {
    let texts = outputs.texts().ok_or_else(|| {
        let kind = outputs.kind().in_words();
        Error::usage(format!("{kind} cannot be written as texts"))
    })?;
    let lines = texts.join("\n") + "\n";
    zbridge_data::write_atomically(out, |file| file.write_all(lines.as_bytes()))?;
    Ok(())
}

/// Returns the extensions of files that observations of a kind can be written to.
fn fitting(event: &EventKind) -> &'static str {
    match event {
        EventKind::Image { .. } => ".png, .npy or .safetensors",
        EventKind::Sound(_) => ".wav, .npy or .safetensors",
        EventKind::Text { .. } => ".txt, .npy or .safetensors",
        _ => ".npy or .safetensors",
    }
}

/// Writes one sound to the file itself, several to files in its place that are numbered from 0.
fn write_sounds(
    out: &Path,
    outputs: &Observations,
    kind: &Spectrogram,
    stream: &RandomStream,
) -> Result<Vec<PathBuf>, Error> {
    let sounds = to_waveforms(outputs.values(), kind, stream);
    let stem = out.file_stem().unwrap_or_default().to_string_lossy();
    let mut paths = vec![];
    for (index, sound) in sounds.iter().enumerate() {
        let path = match sounds.len() {
            1 => out.to_owned(),
            _ => out.with_file_name(format!("{stem}-{index}.wav")),
        };
        sound.write(&path)?;
        paths.push(path);
    }
    Ok(paths)
}

fn tensors(shape: Vec<usize>, outputs: &Observations) -> WeightsFile {
    let mut file = WeightsFile::default();
    let values = outputs.values().to_vec();
    let samples = StoredTensor { shape, values };
    file.tensors.insert("samples".into(), samples);
    if matches!(outputs.kind(), EventKind::Class { .. }) {
        let values: Vec<f32> = outputs.argmax().iter().map(|&class| class as f32).collect();
        let shape = vec![values.len()];
        let classes = StoredTensor { shape, values };
        file.tensors.insert("classes".into(), classes);
    }
    file
}
