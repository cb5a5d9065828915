use crate::FormatError;
use std::fmt;

/// The kind of a file that holds arrays, which its first bytes tell, not its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Container {
    /// A safetensors file.
    Safetensors,
    /// One array, as `numpy.save` writes it.
    Npy,
    /// Several arrays, as `numpy.savez` and `numpy.savez_compressed` write them.
    Npz,
    /// A table with a column for each array.
    Parquet,
}

impl Container {
    /// Returns the kind of a file that starts with these bytes.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, FormatError> {
        match bytes {
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Ok(Self::Npy),
            // An archive begins with its first entry, or, if it has none, with its directory.
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Ok(Self::Npz),
            [b'P', b'A', b'R', b'1', ..] => Ok(Self::Parquet),
            // Eight bytes of length, then the header in JSON.
            [_, _, _, _, _, _, _, _, b'{', ..] => Ok(Self::Safetensors),
            _ => Err(FormatError::wrong_magic(
                "safetensors, .npy, .npz or Parquet",
                bytes,
            )),
        }
    }

    /// Returns what one of its arrays is called.
    pub(crate) fn part(self) -> &'static str {
        match self {
            Self::Safetensors => "tensor",
            Self::Npy | Self::Npz => "array",
            Self::Parquet => "column",
        }
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::Npy => "npy",
            Self::Npz => "npz",
            Self::Parquet => "Parquet",
        })
    }
}
