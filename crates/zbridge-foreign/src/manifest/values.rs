//! Values of a manifest that can be written in more than one way.

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use std::fmt;

/// An output by its name, or by its place, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OutputName {
    Name(String),
    Place(usize),
}

/// What 0 and 1 of an observation are in a network: `"-1..1"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: f32,
    pub(crate) high: f32,
}

/// One number, or one for each channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Numbers(pub(crate) Vec<f32>);

impl Range {
    pub(crate) const UNIT: Self = Self {
        low: 0.0,
        high: 1.0,
    };
    pub(crate) const SYMMETRIC: Self = Self {
        low: -1.0,
        high: 1.0,
    };
    pub(crate) const BYTES: Self = Self {
        low: 0.0,
        high: 255.0,
    };

    /// Returns the range in a text `low..high`; `None` if it is no range.
    fn parse(text: &str) -> Option<Self> {
        let (low, high) = text.split_once("..")?;
        let low: f32 = low.trim().parse().ok()?;
        let high: f32 = high.trim().parse().ok()?;
        // `f32` also parses `inf` and `nan`.
        let is_range = low.is_finite() && high.is_finite() && low < high;
        is_range.then_some(Self { low, high })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.low, self.high)
    }
}

impl fmt::Display for OutputName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Place(place) => place.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "the range {text:?}: expected \"0..1\", \"-1..1\", \"0..255\" or another \
                 \"low..high\""
            ))
        })
    }
}

impl<'de> Deserialize<'de> for OutputName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OutputNameVisitor)
    }
}

struct OutputNameVisitor;

impl Visitor<'_> for OutputNameVisitor {
    type Value = OutputName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an output's name or its place, from 0")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<OutputName, E> {
        Ok(OutputName::Name(name.into()))
    }

    fn visit_i64<E: de::Error>(self, place: i64) -> Result<OutputName, E> {
        match usize::try_from(place) {
            Ok(place) => Ok(OutputName::Place(place)),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(place), &self)),
        }
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumbersVisitor)
    }
}

struct NumbersVisitor;

impl<'de> Visitor<'de> for NumbersVisitor {
    type Value = Numbers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a list with a number for each channel")
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Numbers, E> {
        Ok(Numbers(vec![number as f32]))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Numbers, E> {
        Ok(Numbers(vec![number as f32]))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Numbers, A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = list.next_element()? {
            numbers.push(number);
        }
        Ok(Numbers(numbers))
    }
}
