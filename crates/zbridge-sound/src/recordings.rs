use crate::{SoundError, Waveform, spectrogram};
use ndarray::Array2;
use rayon::prelude::*;
use std::io;
use std::path::{Path, PathBuf};
use zbridge_core::{EventKind, Observations, Spectrogram};

/// The recordings of a folder, as spectrograms.
#[derive(Debug, Clone, PartialEq)]
pub struct Recordings {
    /// The names of the files without `.wav`, sorted.
    pub ids: Vec<String>,
    /// Their spectrograms, `[files, bands · frames]`.
    pub sounds: Observations,
}

impl Recordings {
    /// Returns the spectrogram of the sound in one WAV file, `[1, bands · frames]`.
    ///
    /// # Errors
    /// As [`Waveform::read`].
    pub fn read_one(path: &Path, kind: &Spectrogram) -> Result<Observations, SoundError> {
        let levels = read_levels(path, kind)?;
        Ok(observations(&[levels], kind))
    }

    /// Returns the spectrograms of all `.wav` files in `folder`, sorted by name.
    ///
    /// # Errors
    /// As [`Waveform::read`] and [`wav_files`].
    pub fn read(folder: &Path, kind: &Spectrogram) -> Result<Self, SoundError> {
        let paths = wav_files(folder)?;
        // In parallel, and in the order of the paths.
        let sounds = paths.par_iter().map(|path| read_levels(path, kind));
        let sounds = sounds.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            ids: paths.iter().map(|path| id(path)).collect(),
            sounds: observations(&sounds, kind),
        })
    }
}

/// Returns the `.wav` files in `folder`, sorted by name; at least one.
///
/// # Errors
/// [`SoundError::Read`]; [`SoundError::NoRecordings`].
pub fn wav_files(folder: &Path) -> Result<Vec<PathBuf>, SoundError> {
    let mut paths = list_wav_files(folder).map_err(|reason| SoundError::Read {
        path: folder.to_owned(),
        reason,
    })?;
    if paths.is_empty() {
        return Err(SoundError::NoRecordings {
            path: folder.to_owned(),
        });
    }
    paths.sort();
    Ok(paths)
}

fn list_wav_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension();
        if extension.is_some_and(|extension| extension.eq_ignore_ascii_case("wav")) {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn read_levels(path: &Path, kind: &Spectrogram) -> Result<Array2<f32>, SoundError> {
    spectrogram(&Waveform::read(path, kind.sample_rate)?, kind)
}

fn observations(sounds: &[Array2<f32>], kind: &Spectrogram) -> Observations {
    let values = sounds.iter().flatten().copied().collect();
    Observations::new(values, EventKind::Sound(*kind)).expect("whole sounds of finite levels")
}

/// Returns the name of a file without its extension.
fn id(path: &Path) -> String {
    // A file with an extension has a name before it.
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Spectrogram = Spectrogram {
        sample_rate: 8000,
        window: 128,
        hop: 64,
        bands: 10,
        frames: 16,
        decibels: 60,
    };

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (i, name) in names.iter().enumerate() {
            let samples = (0..800)
                .map(|t| (0.1 * (i + 1) as f32 * t as f32).sin())
                .collect();
            Waveform {
                sample_rate: 8000,
                samples,
            }
            .write(&folder.path().join(name))
            .unwrap();
        }
        folder
    }

    #[test]
    fn recordings_are_sorted_by_name() {
        let folder = folder(&["b.wav", "a.WAV"]);
        std::fs::write(folder.path().join("notes.txt"), b"").unwrap();
        let recordings = Recordings::read(folder.path(), &KIND).unwrap();
        assert_eq!(recordings.ids, ["a", "b"]);
        let one = Recordings::read_one(&folder.path().join("b.wav"), &KIND).unwrap();
        assert_eq!(one.row(0), recordings.sounds.row(1));
    }

    #[test]
    fn a_folder_without_recordings_is_an_error() {
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(
            Recordings::read(empty.path(), &KIND),
            Err(SoundError::NoRecordings { .. })
        ));
    }
}
