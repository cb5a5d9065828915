use crate::Error;
use std::fmt;
use std::str::FromStr;
use zbridge::{Bridge, Direction};

/// A side of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Modality x.
    X,
    /// Modality y.
    Y,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::X => Self::Y,
            Self::Y => Self::X,
        }
    }

    /// The direction that leads to it.
    pub(crate) fn direction_to(self) -> Direction {
        match self {
            Self::X => Direction::YToX,
            Self::Y => Direction::XToY,
        }
    }

    /// Dimensions of its latents.
    pub(crate) fn dim(self, bridge: &Bridge) -> usize {
        match self {
            Self::X => bridge.dims().0,
            Self::Y => bridge.dims().1,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::X { "x" } else { "y" })
    }
}

impl FromStr for Side {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "x" => Ok(Self::X),
            "y" => Ok(Self::Y),
            _ => Err(Error::usage(format!(
                "`{name}`: a bridge has the sides x and y"
            ))),
        }
    }
}
