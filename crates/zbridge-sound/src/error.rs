use std::path::PathBuf;

/// What can be wrong with sounds that come in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoundError {
    /// A file or folder cannot be opened or read.
    #[error("{path}: cannot be read: {reason}; check the path and its permissions")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// A file cannot be written.
    #[error("{path}: cannot be written: {reason}; nothing was written")]
    Write {
        /// The file that was to appear.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// A file is not a WAV file that can be read.
    #[error(
        "{path}: {why}; a WAV file of 8 to 32 bits a sample, or of 32-bit floats, is needed: convert it, or get it again"
    )]
    Wav {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A sound has no sample that is not zero.
    #[error(
        "{path}: is silent: {samples} samples, all zero or none; record it again, or leave it out"
    )]
    Silent {
        /// The file.
        path: PathBuf,
        /// How many samples it has.
        samples: usize,
    },
    /// A folder holds no recordings.
    #[error("{path}: holds no .wav files; name the folder that does")]
    NoRecordings {
        /// The folder.
        path: PathBuf,
    },
    /// A recording's name does not say who speaks which digit.
    #[error(
        "{path}: this name is not DIGIT_SPEAKER_NUMBER.wav, as in 7_jackson_12.wav; give the folder of spoken digits, or name the file so"
    )]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// A sample rate that cannot be converted.
    #[error("{path}: {from} samples a second cannot be made {to}: {why}")]
    SampleRate {
        /// The file.
        path: PathBuf,
        /// Samples a second of the file.
        from: u32,
        /// Samples a second that are needed.
        to: usize,
        /// What the converter says.
        why: String,
    },
}

impl SoundError {
    /// Whether the user's file is at fault, and not a place to write to.
    pub fn is_bad_input(&self) -> bool {
        !matches!(self, Self::Write { .. })
    }
}
