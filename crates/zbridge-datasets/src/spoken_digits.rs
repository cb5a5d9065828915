use crate::DatasetError;
use sha2::{Digest, Sha256};
use std::path::Path;
use zbridge_core::{Spectrogram, hexadecimal};
use zbridge_sound::{Recordings, wav_files};

/// Spoken digits: recordings whose names say the digit, the speaker and a number.
///
/// # Source
/// Jackson et al., *Free Spoken Digit Dataset*: recordings 0 to 4 of each speaker and digit are for
/// testing.
#[derive(Debug, Clone, PartialEq)]
pub struct SpokenDigits {
    /// All recordings.
    pub recordings: Recordings,
    /// The digit of each recording.
    pub labels: Vec<u8>,
    /// The speaker of each recording.
    pub speakers: Vec<String>,
    /// The number of each recording among those of its speaker and digit.
    pub numbers: Vec<u32>,
}

/// Recordings with lower numbers are for testing.
const FIRST_TRAINING_NUMBER: u32 = 5;

/// What the name of a recording says.
struct RecordingName {
    digit: u8,
    speaker: String,
    number: u32,
}

impl SpokenDigits {
    /// Returns the recordings in `folder`, or in its subfolder `recordings`.
    ///
    /// # Errors
    /// As [`Recordings::read`]; [`DatasetError::RecordingName`] for a file that is not named so.
    pub fn read(folder: &Path, kind: &Spectrogram) -> Result<Self, DatasetError> {
        let subfolder = folder.join("recordings");
        let folder = match subfolder.is_dir() {
            true => &subfolder,
            false => folder,
        };
        // All names are checked before the sounds are read, which takes long.
        let names = read_names(folder)?;
        Ok(Self {
            recordings: Recordings::read(folder, kind)?,
            labels: names.iter().map(|name| name.digit).collect(),
            numbers: names.iter().map(|name| name.number).collect(),
            speakers: names.into_iter().map(|name| name.speaker).collect(),
        })
    }

    /// Returns the rows of the recordings for testing, or of the others.
    pub fn rows(&self, test: bool) -> Vec<usize> {
        let is_test = |row: &usize| self.numbers[*row] < FIRST_TRAINING_NUMBER;
        (0..self.numbers.len())
            .filter(|row| is_test(row) == test)
            .collect()
    }

    /// Returns the digits of these rows.
    pub fn labels_of(&self, rows: &[usize]) -> Vec<u8> {
        rows.iter().map(|&row| self.labels[row]).collect()
    }

    /// Returns the SHA-256 of the names and spectrograms, in hexadecimal.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for id in &self.recordings.ids {
            hash.update(id);
        }
        for value in self.recordings.sounds.values() {
            hash.update(value.to_le_bytes());
        }
        hexadecimal(&hash.finalize())
    }
}

/// Returns the names of the recordings in `folder`, in the order of [`wav_files`].
fn read_names(folder: &Path) -> Result<Vec<RecordingName>, DatasetError> {
    let mut names = Vec::new();
    for path in wav_files(folder)? {
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let name = name.and_then(RecordingName::parse);
        names.push(name.ok_or(DatasetError::RecordingName { path })?);
    }
    Ok(names)
}

impl RecordingName {
    /// Returns what a name such as `7_jackson_12` says; a speaker may have underscores.
    fn parse(name: &str) -> Option<Self> {
        let (digit, rest) = name.split_once('_')?;
        let (speaker, number) = rest.rsplit_once('_')?;
        Some(Self {
            digit: digit.parse().ok().filter(|digit| *digit < 10)?,
            speaker: speaker.to_owned(),
            number: number.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::path::PathBuf;
    use zbridge_sound::{SoundError, Waveform};

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
    fn names_tell_digit_speaker_and_part() {
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
    fn other_names_and_empty_folders_are_errors() {
        let wrong = folder(&["seven.wav"]);
        let error = SpokenDigits::read(wrong.path(), &KIND).unwrap_err();
        assert!(error.to_string().contains("seven.wav"), "{error}");
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(
            SpokenDigits::read(empty.path(), &KIND),
            Err(DatasetError::Sound(SoundError::NoRecordings { .. }))
        ));
    }

    /// Returns the folder of the real recordings, which `ZBRIDGE_SPEECH` names; says so if there is
    /// none.
    fn real_folder() -> Option<PathBuf> {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/fsdd");
        let folder = std::env::var_os("ZBRIDGE_SPEECH").map_or_else(beside, PathBuf::from);
        if folder.is_dir() {
            return Some(folder);
        }
        // The harness hides what a passing test prints with `eprintln`.
        _ = writeln!(
            std::io::stderr(),
            "skipped: no spoken digits at {}",
            folder.display()
        );
        None
    }

    #[test]
    fn the_real_recordings_are_the_published_ones() {
        let Some(folder) = real_folder() else { return };
        let digits = SpokenDigits::read(&folder, &KIND).unwrap();
        let (test, train) = (digits.rows(true), digits.rows(false));
        assert_eq!((test.len(), train.len()), (300, 2700));
        let labels = digits.labels_of(&test);
        for digit in 0..10 {
            assert_eq!(labels.iter().filter(|&&label| label == digit).count(), 30);
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
