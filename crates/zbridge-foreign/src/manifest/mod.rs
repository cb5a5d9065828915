//! `model.toml`: what is known about a model besides its networks. Every key of it may be left out.

mod event_section;
mod sections;
mod source;
mod values;

pub(crate) use event_section::{EventSection, event_value};
pub(crate) use sections::{
    DecoderSection, EncoderSection, LatentSection, LikelihoodKind, LikelihoodSection, StatedScale,
    WrongKey,
};
pub(crate) use values::{Numbers, OutputName, Range};

use crate::{ForeignError, file_access};
use serde::Deserialize;
use source::Source;
use std::path::Path;

/// The name of a manifest in a model's folder.
pub(crate) const FILE_NAME: &str = "model.toml";

/// The largest manifest that is read, in bytes: far above any that a person writes, vocabulary of
/// words included.
const LARGEST_MANIFEST: u64 = 4 << 20;

/// A manifest as it is written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Manifest {
    /// What users call the model.
    pub(crate) name: Option<String>,
    /// A folder of diffusers' `AutoencoderKL`, in place of networks.
    pub(crate) autoencoder: Option<String>,
    pub(crate) event: Option<EventSection>,
    pub(crate) encoder: EncoderSection,
    pub(crate) decoder: DecoderSection,
    pub(crate) latent: LatentSection,
    pub(crate) likelihood: LikelihoodSection,
    #[serde(skip)]
    source: Source,
}

impl Manifest {
    /// Returns the manifest in a file.
    ///
    /// # Errors
    /// [`ForeignError::Manifest`] with the line; those of reading.
    pub(crate) fn read(path: &Path) -> Result<Self, ForeignError> {
        Self::parse(&file_access::read_text(path, LARGEST_MANIFEST)?, path)
    }

    /// Returns the manifest in a text; `path` is for errors.
    ///
    /// # Errors
    /// [`ForeignError::Manifest`] with the line.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, ForeignError> {
        let source = Source::new(path, text);
        match toml::from_str(text) {
            Ok(manifest) => Ok(Self { source, ..manifest }),
            Err(error) => Err(source.syntax_error(&error)),
        }
    }

    /// Returns the error that `key` of `section` (empty for the top) is wrong.
    pub(crate) fn wrong(&self, section: &str, key: &str, why: impl Into<String>) -> ForeignError {
        self.source.wrong_value(section, key, &why.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder_outputs::EncoderOutputs;
    use crate::spread::Spread;

    fn parsed(text: &str) -> Result<Manifest, ForeignError> {
        Manifest::parse(text, Path::new("m/model.toml"))
    }

    fn message(text: &str) -> String {
        parsed(text).unwrap_err().to_string()
    }

    #[test]
    fn every_key_may_be_left_out_and_every_key_may_be_stated() {
        assert!(parsed("").is_ok());
        let manifest = parsed(
            "name = \"faces\"\n[event]\nkind = \"image\"\nheight = 4\nwidth = 4\n[encoder]\nfile = \"e.onnx\"\n\
             mean = \"mu\"\nlog-variance = 1\nrange = \"-1..1\"\nlayout = \"nhwc\"\n[latent]\nshape = [2, 2]\n\
             scale = [1, 0.5]\nshift = 3\n[likelihood]\nkind = \"gaussian\"\nsd = 0.1\n",
        )
        .unwrap();
        assert_eq!(
            manifest.encoder.outputs(),
            Ok(Some(EncoderOutputs::Gaussian {
                mean: &OutputName::Name("mu".into()),
                spread: &OutputName::Place(1),
                kind: Spread::LogVariance,
            }))
        );
        assert_eq!(
            manifest.encoder.scale(),
            Ok(Some(StatedScale::Range(Range::SYMMETRIC)))
        );
        assert_eq!(manifest.latent.scale, Some(Numbers(vec![1.0, 0.5])));
        assert_eq!(
            manifest.event,
            Some(EventSection::Image {
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
    fn a_value_that_only_the_networks_refuse_has_its_line_too() {
        let manifest = parsed("[encoder]\nmean = \"a\"\n\n[decoder]\noutput = \"b\"\n").unwrap();
        let error = manifest
            .wrong("decoder", "output", "no such output")
            .to_string();
        assert_eq!(
            error,
            "m/model.toml, line 5: `output` in [decoder]: no such output"
        );
    }
}
