use std::io;

/// The bytes of a file are not those of its format.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The file starts with other bytes than its format asks for.
    #[error("not {format}: it starts with {found}; check that this is the right file")]
    WrongMagic {
        /// The format that was expected, with its article.
        format: &'static str,
        /// What was found, in words or hexadecimal.
        found: String,
    },
    /// The header makes no sense.
    #[error("the header is wrong: {0}; the file is damaged or of another kind: get it again")]
    Header(String),
    /// The file has fewer bytes than its header says.
    #[error("ends too early: {expected} bytes expected, {found} found; copy or download it again")]
    Truncated {
        /// Bytes that the header asks for, itself included (after decompression).
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The file has more bytes than its header says.
    #[error(
        "goes on after its data: {expected} bytes expected, more found; the header or the file is \
         wrong: get it again"
    )]
    TrailingBytes {
        /// Bytes that the header asks for, itself included (after decompression).
        expected: u64,
    },
    /// The compressed data is damaged.
    #[error("the gzip data is damaged: {0}; copy or download it again")]
    Gzip(#[source] io::Error),
    /// A safetensors file cannot be parsed.
    #[error("not a sound safetensors file: {0}; write it again or copy it again")]
    Safetensors(String),
    /// An `.npz` archive cannot be read.
    #[error("not a sound npz archive: {place}: {reason}; write it again or copy it again")]
    Npz {
        /// The part of the archive.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// A Parquet file cannot be read.
    #[error(
        "not a Parquet file that can be read: {place}: {reason}; write it again or copy it again"
    )]
    Parquet {
        /// The part of the file.
        place: String,
        /// What is wrong there.
        reason: String,
    },
}

impl FormatError {
    /// Returns the error of a file that is not `format`, with the bytes that it starts with.
    pub(crate) fn wrong_magic(format: &'static str, beginning: &[u8]) -> Self {
        /// Enough to recognise most formats by.
        const SHOWN: usize = 9;
        let found = match beginning {
            [] => "nothing: it is empty".to_owned(),
            _ => hexadecimal(&beginning[..beginning.len().min(SHOWN)]),
        };
        Self::WrongMagic { format, found }
    }
}

/// Returns the bytes as pairs of hexadecimal digits with spaces between them.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}
