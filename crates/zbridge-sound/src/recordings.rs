use crate::{SoundError, Waveform, spectrogram};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use zbridge_core::{EventKind, Observations, Spectrogram};

/// Sounds of a folder, as a model sees them.
#[derive(Debug, Clone, PartialEq)]
pub struct Recordings {
    /// Names of the files without `.wav`, sorted.
    pub ids: Vec<String>,
    /// Their spectrograms.
    pub sounds: Observations,
}

impl Recordings {
    /// The sound in one WAV file, `[1, bands · frames]`.
    ///
    /// # Errors
    /// As [`Waveform::read`].
    pub fn read_one(path: &Path, kind: &Spectrogram) -> Result<Observations, SoundError> {
        Ok(observations(values(path, kind)?, kind))
    }

    /// The sounds of all `.wav` files in `folder`, sorted by name.
    ///
    /// # Errors
    /// As [`Waveform::read`]; [`SoundError::NoRecordings`].
    pub fn read(folder: &Path, kind: &Spectrogram) -> Result<Self, SoundError> {
        let paths = wav_files(folder)?;
        let rows: Result<Vec<Vec<f32>>, SoundError> =
            paths.par_iter().map(|path| values(path, kind)).collect();
        Ok(Self {
            ids: paths.iter().map(|path| stem(path)).collect(),
            sounds: observations(rows?.concat(), kind),
        })
    }
}

/// Spoken digits: recordings whose names say the digit, the speaker and a number, as in the Free
/// Spoken Digit Dataset (Jackson et al.), whose recordings 0 to 4 of each speaker and digit are for
/// testing.
#[derive(Debug, Clone, PartialEq)]
pub struct SpokenDigits {
    /// All recordings.
    pub recordings: Recordings,
    /// The digit of each.
    pub labels: Vec<u8>,
    /// Who speaks.
    pub speakers: Vec<String>,
    /// The number behind the speaker.
    pub numbers: Vec<u32>,
}

/// Numbers below this one are for testing.
const TEST_NUMBERS: u32 = 5;

impl SpokenDigits {
    /// The recordings in `folder`, or in its folder `recordings`.
    ///
    /// # Errors
    /// As [`Recordings::read`]; [`SoundError::Name`] for a file that is not named like one.
    pub fn read(folder: &Path, kind: &Spectrogram) -> Result<Self, SoundError> {
        let inner = folder.join("recordings");
        let folder = if inner.is_dir() {
            inner
        } else {
            folder.to_owned()
        };
        let (mut labels, mut speakers, mut numbers) = (vec![], vec![], vec![]);
        for path in wav_files(&folder)? {
            let (label, speaker, number) = parsed(&stem(&path)).ok_or(SoundError::Name { path })?;
            labels.push(label);
            speakers.push(speaker);
            numbers.push(number);
        }
        Ok(Self {
            recordings: Recordings::read(&folder, kind)?,
            labels,
            speakers,
            numbers,
        })
    }

    /// Rows of recordings for testing, or of the others.
    pub fn rows(&self, test: bool) -> Vec<usize> {
        (0..self.numbers.len())
            .filter(|&row| (self.numbers[row] < TEST_NUMBERS) == test)
            .collect()
    }

    /// The digits of these rows.
    pub fn labels_of(&self, rows: &[usize]) -> Vec<u8> {
        rows.iter().map(|&row| self.labels[row]).collect()
    }

    /// SHA-256 of names and spectrograms, hexadecimal.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        self.recordings
            .ids
            .iter()
            .for_each(|id| hash.update(id.as_bytes()));
        self.recordings
            .sounds
            .values()
            .iter()
            .for_each(|value| hash.update(value.to_le_bytes()));
        hash.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// Digit, speaker and number of `7_jackson_12`.
fn parsed(stem: &str) -> Option<(u8, String, u32)> {
    let (digit, rest) = stem.split_once('_')?;
    let (speaker, number) = rest.rsplit_once('_')?;
    let digit = digit.parse().ok().filter(|digit| *digit < 10)?;
    Some((digit, speaker.to_owned(), number.parse().ok()?))
}

fn values(path: &Path, kind: &Spectrogram) -> Result<Vec<f32>, SoundError> {
    spectrogram(&Waveform::read(path, kind.sample_rate)?, kind)
}

fn observations(values: Vec<f32>, kind: &Spectrogram) -> Observations {
    Observations::new(values, EventKind::Sound(*kind))
        .expect("levels are finite and rows are whole")
}

fn wav_files(folder: &Path) -> Result<Vec<PathBuf>, SoundError> {
    let unreadable = |reason| SoundError::Read {
        path: folder.to_owned(),
        reason,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("wav"))
        {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        Err(SoundError::NoRecordings {
            path: folder.to_owned(),
        })
    } else {
        Ok(paths)
    }
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
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
    fn names_tell_digit_speaker_and_half() {
        let folder = folder(&["7_ada_4.wav", "0_ada_5.wav", "7_jo_ann_12.wav"]);
        let digits = SpokenDigits::read(folder.path(), &KIND).unwrap();
        assert_eq!(digits.recordings.ids, ["0_ada_5", "7_ada_4", "7_jo_ann_12"]);
        assert_eq!(
            (&digits.labels[..], &digits.speakers[2][..]),
            (&[0, 7, 7][..], "jo_ann")
        );
        assert_eq!(
            (digits.rows(true), digits.rows(false)),
            (vec![1], vec![0, 2])
        );
        let one = Recordings::read_one(&folder.path().join("7_ada_4.wav"), &KIND).unwrap();
        assert_eq!(one.row(0), digits.recordings.sounds.row(1));
    }

    #[test]
    fn other_names_and_empty_folders_are_told() {
        let wrong = folder(&["seven.wav"]);
        assert!(
            SpokenDigits::read(wrong.path(), &KIND)
                .unwrap_err()
                .to_string()
                .contains("seven.wav")
        );
        assert!(Recordings::read(wrong.path(), &KIND).is_ok());
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(
            Recordings::read(empty.path(), &KIND),
            Err(SoundError::NoRecordings { .. })
        ));
    }

    /// The folder of the real recordings, named by `ZBRIDGE_SPEECH` or beside the workspace; says
    /// so when there is none.
    fn real_folder() -> Option<PathBuf> {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/fsdd");
        let folder = std::env::var_os("ZBRIDGE_SPEECH").map_or_else(beside, PathBuf::from);
        if folder.is_dir() {
            return Some(folder);
        }
        eprintln!("skipped: no spoken digits at {}", folder.display());
        None
    }

    #[test]
    fn the_real_recordings_are_the_published_ones() {
        let Some(folder) = real_folder() else { return };
        let digits = SpokenDigits::read(&folder, &KIND).unwrap();
        let (test, train) = (digits.rows(true), digits.rows(false));
        assert_eq!((test.len(), train.len()), (300, 2700));
        for digit in 0..10 {
            assert_eq!(
                digits
                    .labels_of(&test)
                    .iter()
                    .filter(|&&label| label == digit)
                    .count(),
                30
            );
        }
        let mut speakers = digits.speakers.clone();
        speakers.sort_unstable();
        speakers.dedup();
        assert_eq!(
            speakers,
            ["george", "jackson", "lucas", "nicolas", "theo", "yweweler"]
        );
    }
}
