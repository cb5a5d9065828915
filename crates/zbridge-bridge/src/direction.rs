use serde::{Deserialize, Serialize};
use std::fmt;

/// Which conditional of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// q(z_y|z_x).
    #[serde(rename = "x→y")]
    XToY,
    /// q(z_x|z_y).
    #[serde(rename = "y→x")]
    YToX,
}

impl Direction {
    /// Both directions.
    pub const BOTH: [Self; 2] = [Self::XToY, Self::YToX];

    /// Returns the other direction.
    #[must_use]
    pub fn reverse(self) -> Self {
        match self {
            Self::XToY => Self::YToX,
            Self::YToX => Self::XToY,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::XToY => "x → y",
            Self::YToX => "y → x",
        })
    }
}

/// One value for each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Directions<T> {
    /// Of q(z_y|z_x).
    pub x_to_y: T,
    /// Of q(z_x|z_y).
    pub y_to_x: T,
}

impl<T> Directions<T> {
    /// Returns the values that `of` returns for the two directions, x → y first.
    pub fn from_fn(mut of: impl FnMut(Direction) -> T) -> Self {
        Self {
            x_to_y: of(Direction::XToY),
            y_to_x: of(Direction::YToX),
        }
    }

    /// Returns the values of `direction` and of the other one.
    pub fn from_pair(direction: Direction, value: T, of_the_other: T) -> Self {
        match direction {
            Direction::XToY => Self {
                x_to_y: value,
                y_to_x: of_the_other,
            },
            Direction::YToX => Self {
                x_to_y: of_the_other,
                y_to_x: value,
            },
        }
    }

    /// Returns the value of `direction`.
    pub fn get(&self, direction: Direction) -> &T {
        match direction {
            Direction::XToY => &self.x_to_y,
            Direction::YToX => &self.y_to_x,
        }
    }

    /// Returns the value of `direction`, to change it.
    pub fn get_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::XToY => &mut self.x_to_y,
            Direction::YToX => &mut self.y_to_x,
        }
    }

    /// Returns the values of `direction` and of the other one.
    pub fn split(self, direction: Direction) -> (T, T) {
        match direction {
            Direction::XToY => (self.x_to_y, self.y_to_x),
            Direction::YToX => (self.y_to_x, self.x_to_y),
        }
    }

    /// Returns references to both values.
    pub fn as_ref(&self) -> Directions<&T> {
        Directions {
            x_to_y: &self.x_to_y,
            y_to_x: &self.y_to_x,
        }
    }

    /// Returns what `change` makes of the two values, x → y first.
    pub fn map<U>(self, mut change: impl FnMut(Direction, T) -> U) -> Directions<U> {
        Directions {
            x_to_y: change(Direction::XToY, self.x_to_y),
            y_to_x: change(Direction::YToX, self.y_to_x),
        }
    }

    /// Returns what `change` makes of the two values, which it works on at the same time.
    pub fn join<U: Send>(self, change: impl Fn(Direction, T) -> U + Sync) -> Directions<U>
    where
        T: Send,
    {
        let (x_to_y, y_to_x) = rayon::join(
            || change(Direction::XToY, self.x_to_y),
            || change(Direction::YToX, self.y_to_x),
        );
        Directions { x_to_y, y_to_x }
    }
}

impl<T, E> Directions<Result<T, E>> {
    /// Returns both values.
    ///
    /// # Errors
    /// That of x → y if both are errors.
    pub fn transpose(self) -> Result<Directions<T>, E> {
        Ok(Directions {
            x_to_y: self.x_to_y?,
            y_to_x: self.y_to_x?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_with_their_direction() {
        let named = Directions::from_fn(|direction| direction.to_string());
        assert_eq!(named.get(Direction::YToX), "y → x");
        let joined = named.clone().join(|direction, name| (direction, name));
        let mapped = named.clone().map(|direction, name| (direction, name));
        assert_eq!(joined, mapped);
        for direction in Direction::BOTH {
            assert_eq!(joined.get(direction).0, direction);
            let (value, other) = (direction, direction.reverse());
            let pair = Directions::from_pair(direction, value, other);
            assert_eq!(pair, Directions::from_fn(|direction| direction));
            assert_eq!(pair.split(direction), (value, other));
        }
    }

    #[test]
    fn the_error_of_x_to_y_comes_first() {
        let failed: Directions<Result<(), Direction>> = Directions::from_fn(Err);
        assert_eq!(failed.transpose(), Err(Direction::XToY));
    }
}
