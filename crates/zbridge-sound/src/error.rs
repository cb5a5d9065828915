use std::path::PathBuf;

/// Why a sound could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoundError {
    /// A file or folder cannot be opened or read.
    #[error("{}: cannot be read: {reason}; check the path and its permissions", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        reason: std::io::Error,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written: {reason}; nothing was written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        reason: std::io::Error,
    },
    /// A file is not a WAV file that can be read.
    #[error(
        "{}: {reason}; a WAV file of 8 to 32 bits a sample, or of 32-bit floats, is needed: \
         convert it, or get it again", path.display()
    )]
    Wav {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A sound has no sample that is not zero.
    #[error(
        "{sound}: is silent: {samples} samples, all zero or none; record it again, or leave it out"
    )]
    Silent {
        /// The sound: its file, if it has one.
        sound: String,
        /// The number of its samples.
        samples: usize,
    },
    /// A folder has no recordings.
    #[error("{}: holds no .wav files; name the folder that does", path.display())]
    NoRecordings {
        /// The folder.
        path: PathBuf,
    },
    /// A sample rate that cannot be converted.
    #[error(
        "{}: a sample rate of {from} Hz cannot be converted to {to} Hz: {reason}", path.display()
    )]
    SampleRate {
        /// The file.
        path: PathBuf,
        /// The sample rate of the file, in Hz.
        from: usize,
        /// The sample rate that is needed, in Hz.
        to: usize,
        /// The error of the converter.
        reason: String,
    },
}

impl SoundError {
    /// Returns whether a file that was read is at fault; false if a file could not be written.
    pub fn is_bad_input(&self) -> bool {
        !matches!(self, Self::Write { .. })
    }
}
