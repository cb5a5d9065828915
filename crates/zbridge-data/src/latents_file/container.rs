use crate::DataError;
use std::fmt;
use std::path::Path;

/// What kind of file holds latents, told by its first bytes and not by its name.
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
    /// The container that starts like this.
    pub(super) fn of(path: &Path, bytes: &[u8]) -> Result<Self, DataError> {
        match bytes {
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Ok(Self::Npy),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Ok(Self::Npz),
            [b'P', b'A', b'R', b'1', ..] => Ok(Self::Parquet),
            // Eight bytes of length, then the header in JSON.
            [_, _, _, _, _, _, _, _, b'{', ..] => Ok(Self::Safetensors),
            _ => Err(unknown(path, bytes)),
        }
    }

    /// What its arrays are called.
    pub(super) fn part(self) -> &'static str {
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

fn unknown(path: &Path, bytes: &[u8]) -> DataError {
    let found = match bytes {
        [] => "nothing: it is empty".to_owned(),
        _ => bytes
            .iter()
            .take(9)
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .join(" "),
    };
    DataError::WrongMagic {
        path: path.to_owned(),
        format: "safetensors, .npy, .npz or Parquet",
        found,
    }
}
