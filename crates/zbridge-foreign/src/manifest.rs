//! `model.toml`: what is to be known about a model besides its networks. Everything in it may be
//! left out.

use crate::decoding::DecoderOutputs;
use crate::encoding::Spread;
use crate::rendering::{Layout, Values};
use crate::{ForeignError, file_bytes};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use std::fmt;
use std::path::{Path, PathBuf};
use zbridge_core::{EventKind, Spectrogram};

/// The name of a manifest in a model's folder.
pub(crate) const FILE_NAME: &str = "model.toml";

/// Bytes of a manifest that are read: far above any that a person writes, vocabulary of words
/// included.
const MOST_BYTES: u64 = 4 << 20;

/// A manifest as it is written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Manifest {
    /// What users call the model.
    pub(crate) name: Option<String>,
    /// A folder of diffusers' `AutoencoderKL`, in place of networks.
    pub(crate) autoencoder: Option<String>,
    pub(crate) event: Option<Event>,
    pub(crate) encoder: EncoderSection,
    pub(crate) decoder: DecoderSection,
    pub(crate) latent: LatentSection,
    pub(crate) likelihood: LikelihoodSection,
    #[serde(skip)]
    source: Source,
}

/// `[encoder]`: its file, what its outputs are, and what it takes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct EncoderSection {
    pub(crate) file: Option<String>,
    pub(crate) mean: Option<OutputName>,
    pub(crate) log_variance: Option<OutputName>,
    pub(crate) variance: Option<OutputName>,
    pub(crate) standard_deviation: Option<OutputName>,
    pub(crate) log_standard_deviation: Option<OutputName>,
    /// One output that has the means, and then what `second-half` says.
    pub(crate) halves: Option<OutputName>,
    pub(crate) second_half: Option<Spread>,
    pub(crate) point: Option<OutputName>,
    pub(crate) samples: Option<OutputName>,
    pub(crate) layout: Option<Layout>,
    pub(crate) range: Option<Range>,
    pub(crate) channel_means: Option<Vec<f32>>,
    pub(crate) channel_sds: Option<Vec<f32>>,
}

/// `[decoder]`: its file, its output, and what that gives.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DecoderSection {
    pub(crate) file: Option<String>,
    pub(crate) output: Option<OutputName>,
    pub(crate) layout: Option<Layout>,
    pub(crate) range: Option<Range>,
    pub(crate) channel_means: Option<Vec<f32>>,
    pub(crate) channel_sds: Option<Vec<f32>>,
}

/// `[latent]`: its shape in the networks, and how users see it: (z − shift) · scale.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LatentSection {
    pub(crate) shape: Option<Vec<usize>>,
    pub(crate) shift: Option<Numbers>,
    pub(crate) scale: Option<Numbers>,
}

/// `[likelihood]`: how the decoder's output defines p(x|z).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LikelihoodSection {
    pub(crate) kind: Option<LikelihoodKind>,
    /// For `bernoulli` and `categorical`.
    pub(crate) outputs: Option<DecoderOutputs>,
    /// For `gaussian`: σ of observations in 0..1.
    pub(crate) sd: Option<f32>,
    /// For `discretised-logistic`.
    pub(crate) scale: Option<f32>,
    /// For `discretised-logistic`: 256 unless told.
    pub(crate) levels: Option<u16>,
}

/// The densities that a manifest can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LikelihoodKind {
    Bernoulli,
    Gaussian,
    Categorical,
    DiscretisedLogistic,
    None,
}

/// `[event]`: what an observation is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) enum Event {
    Image {
        #[serde(default = "one")]
        channels: usize,
        height: usize,
        width: usize,
    },
    Class {
        classes: usize,
    },
    Sound {
        #[serde(rename = "sample-rate")]
        sample_rate: usize,
        window: usize,
        hop: usize,
        bands: usize,
        frames: usize,
        decibels: usize,
    },
    Text {
        length: usize,
        vocabulary: Vec<String>,
    },
    Array {
        shape: Vec<usize>,
    },
}

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

/// Where a manifest came from: for errors that name the line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Source {
    path: PathBuf,
    text: String,
}

fn one() -> usize {
    1
}

impl Manifest {
    /// The manifest in a file.
    ///
    /// # Errors
    /// [`ForeignError::Manifest`] with the line; those of reading.
    pub(crate) fn read(path: &Path) -> Result<Self, ForeignError> {
        Self::parse(&file_bytes::read_text(path, MOST_BYTES)?, path)
    }

    /// The manifest in a text.
    ///
    /// # Errors
    /// [`ForeignError::Manifest`] with the line.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, ForeignError> {
        let source = Source {
            path: path.into(),
            text: text.into(),
        };
        let wrong = |error: toml::de::Error| {
            let line = error.span().map_or(1, |span| line_at(text, span.start));
            source.wrong(line, error.message().to_string())
        };
        let mut manifest: Self = toml::from_str(text).map_err(wrong)?;
        manifest.source = source;
        Ok(manifest)
    }

    /// The error that `key` of `section` (empty for the top) is wrong.
    pub(crate) fn wrong(&self, section: &str, key: &str, why: String) -> ForeignError {
        let place = if section.is_empty() {
            format!("`{key}`")
        } else {
            format!("`{key}` in [{section}]")
        };
        self.source
            .wrong(self.source.line_of(section, key), format!("{place}: {why}"))
    }
}

impl Source {
    fn wrong(&self, line: usize, why: String) -> ForeignError {
        ForeignError::Manifest {
            path: self.path.clone(),
            line,
            why,
        }
    }

    /// The line of a key, or of its section, or 1: good enough for a text that was parsed.
    fn line_of(&self, section: &str, key: &str) -> usize {
        let (mut current, mut header) = (String::new(), 1);
        for (line, text) in self.text.lines().enumerate() {
            let text = text.trim();
            if let Some(name) = text
                .strip_prefix('[')
                .and_then(|text| text.split(']').next())
            {
                current = name.trim().into();
                header = if current == section { line + 1 } else { header };
            } else if current == section
                && text
                    .split('=')
                    .next()
                    .is_some_and(|name| name.trim() == key)
            {
                return line + 1;
            }
        }
        header
    }
}

/// The line of a byte, from 1.
fn line_at(text: &str, byte: usize) -> usize {
    1 + text
        .bytes()
        .take(byte)
        .filter(|&byte| byte == b'\n')
        .count()
}

impl From<Event> for EventKind {
    fn from(event: Event) -> Self {
        match event {
            Event::Image {
                channels,
                height,
                width,
            } => Self::Image {
                channels,
                height,
                width,
            },
            Event::Class { classes } => Self::Class { classes },
            Event::Sound {
                sample_rate,
                window,
                hop,
                bands,
                frames,
                decibels,
            } => Self::Sound(Spectrogram {
                sample_rate,
                window,
                hop,
                bands,
                frames,
                decibels,
            }),
            Event::Text { length, vocabulary } => Self::Text { length, vocabulary },
            Event::Array { shape } => Self::Array { shape },
        }
    }
}

impl Range {
    pub(crate) fn values(self) -> Values {
        Values::range(self.low, self.high)
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

impl<'de> Deserialize<'de> for OutputName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrPlace;
        impl Visitor<'_> for NameOrPlace {
            type Value = OutputName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an output's name or its place, from 0")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<OutputName, E> {
                Ok(OutputName::Name(name.into()))
            }

            fn visit_i64<E: de::Error>(self, place: i64) -> Result<OutputName, E> {
                let wrong = |_| E::invalid_value(de::Unexpected::Signed(place), &self);
                usize::try_from(place).map(OutputName::Place).map_err(wrong)
            }
        }
        deserializer.deserialize_any(NameOrPlace)
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || {
            de::Error::custom(format!(
                "the range {text:?}: expected \"0..1\", \"-1..1\", \"0..255\" or another \"low..high\""
            ))
        };
        let (low, high) = text.split_once("..").ok_or_else(wrong)?;
        let number = |text: &str| {
            text.trim()
                .parse::<f32>()
                .ok()
                .filter(|number| number.is_finite())
        };
        match (number(low), number(high)) {
            (Some(low), Some(high)) if low < high => Ok(Self { low, high }),
            _ => Err(wrong()),
        }
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
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
        deserializer.deserialize_any(OneOrMany)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Manifest, ForeignError> {
        Manifest::parse(text, Path::new("m/model.toml"))
    }

    fn message(text: &str) -> String {
        parsed(text).unwrap_err().to_string()
    }

    #[test]
    fn everything_may_be_left_out_and_everything_may_be_said() {
        assert!(parsed("").is_ok());
        let manifest = parsed(
            "name = \"faces\"\n[event]\nkind = \"image\"\nheight = 4\nwidth = 4\n[encoder]\nfile = \"e.onnx\"\n\
             mean = \"mu\"\nlog-variance = 1\nrange = \"-1..1\"\nlayout = \"nhwc\"\n[latent]\nshape = [2, 2]\n\
             scale = [1, 0.5]\nshift = 3\n[likelihood]\nkind = \"gaussian\"\nsd = 0.1\n",
        )
        .unwrap();
        assert_eq!(manifest.encoder.log_variance, Some(OutputName::Place(1)));
        assert_eq!(
            manifest.encoder.range,
            Some(Range {
                low: -1.0,
                high: 1.0
            })
        );
        assert_eq!(manifest.latent.scale, Some(Numbers(vec![1.0, 0.5])));
        assert_eq!(
            manifest.event,
            Some(Event::Image {
                channels: 1,
                height: 4,
                width: 4
            })
        );
    }

    #[test]
    fn errors_name_file_line_key_and_what_is_allowed() {
        let unknown = message("name = \"a\"\n[encoder]\nmeen = \"mu\"\n");
        assert!(
            unknown.starts_with("m/model.toml, line 3") && unknown.contains("meen"),
            "{unknown}"
        );
        assert!(unknown.contains("log-variance"), "{unknown}");
        let kind = message("[likelihood]\n\nkind = \"poisson\"\n");
        assert!(
            kind.contains("line 3") && kind.contains("bernoulli"),
            "{kind}"
        );
        let range = message("[decoder]\nrange = \"1..0\"\n");
        assert!(
            range.contains("line 2") && range.contains("-1..1"),
            "{range}"
        );
        let place = message("[decoder]\noutput = -1\n");
        assert!(
            place.contains("line 2") && place.contains("from 0"),
            "{place}"
        );
        let event = message("[event]\nkind = \"image\"\nheight = 4\nwidth = 4\ndepth = 2\n");
        assert!(event.contains("depth"), "{event}");
    }

    #[test]
    fn what_is_wrong_only_beside_the_networks_has_its_line_too() {
        let manifest = parsed("[encoder]\nmean = \"a\"\n\n[decoder]\noutput = \"b\"\n").unwrap();
        let error = manifest
            .wrong("decoder", "output", "no such output".into())
            .to_string();
        assert_eq!(
            error,
            "m/model.toml, line 5: `output` in [decoder]: no such output"
        );
    }
}
