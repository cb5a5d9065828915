use super::values::{Numbers, OutputName, Range};
use crate::decoding::DecoderOutputs;
use crate::encoder_outputs::EncoderOutputs;
use crate::layout::Layout;
use crate::spread::Spread;
use serde::Deserialize;

/// `[encoder]`: its file, what its outputs are, and what it takes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct EncoderSection {
    pub(crate) file: Option<String>,
    mean: Option<OutputName>,
    log_variance: Option<OutputName>,
    variance: Option<OutputName>,
    standard_deviation: Option<OutputName>,
    log_standard_deviation: Option<OutputName>,
    /// One output that has the means, and then what `second-half` states.
    halves: Option<OutputName>,
    second_half: Option<Spread>,
    point: Option<OutputName>,
    samples: Option<OutputName>,
    pub(crate) layout: Option<Layout>,
    range: Option<Range>,
    channel_means: Option<Vec<f32>>,
    channel_sds: Option<Vec<f32>>,
}

/// `[decoder]`: its file, its output, and the numbers of that.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DecoderSection {
    pub(crate) file: Option<String>,
    pub(crate) output: Option<OutputName>,
    pub(crate) layout: Option<Layout>,
    range: Option<Range>,
    channel_means: Option<Vec<f32>>,
    channel_sds: Option<Vec<f32>>,
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
    /// For `discretised-logistic`; 256 by default.
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

/// What a manifest states of a network's numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum StatedScale<'a> {
    Range(Range),
    Standardised { means: &'a [f32], sds: &'a [f32] },
}

/// A key of a section that is wrong, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrongKey {
    /// Empty for the section itself.
    pub(crate) key: String,
    pub(crate) why: &'static str,
}

const ONE_FORM: &str =
    "only one of `mean` with one spread, `halves`, `point` and `samples` can hold";

const NO_SPREAD: &str = "needs one of `log-variance`, `variance`, `standard-deviation`, \
                         `log-standard-deviation`; state `point` for a latent without spread";

const NO_MEAN: &str = "needs `mean` beside it";

impl WrongKey {
    fn new(key: impl Into<String>, why: &'static str) -> Self {
        Self {
            key: key.into(),
            why,
        }
    }
}

impl EncoderSection {
    /// Returns what the outputs are, by their names; `None` if nothing is stated.
    pub(crate) fn outputs(&self) -> Result<Option<EncoderOutputs<&OutputName>>, WrongKey> {
        let spreads = self.spreads();
        // The four ways in which encoders state a posterior.
        let forms = [&self.mean, &self.halves, &self.point, &self.samples];
        if spreads.len() > 1 || forms.into_iter().flatten().count() > 1 {
            return Err(WrongKey::new("", ONE_FORM));
        }
        match (&self.mean, spreads.first()) {
            (Some(mean), Some(&(kind, spread))) => {
                Ok(Some(EncoderOutputs::Gaussian { mean, spread, kind }))
            }
            (Some(_), None) => Err(WrongKey::new("mean", NO_SPREAD)),
            (None, Some((kind, _))) => Err(WrongKey::new(kind.to_string(), NO_MEAN)),
            (None, None) => Ok(self.single_output()),
        }
    }

    fn spreads(&self) -> Vec<(Spread, &OutputName)> {
        let keys = [
            (Spread::LogVariance, &self.log_variance),
            (Spread::Variance, &self.variance),
            (Spread::StandardDeviation, &self.standard_deviation),
            (Spread::LogStandardDeviation, &self.log_standard_deviation),
        ];
        let mut spreads = Vec::new();
        for (kind, name) in keys {
            spreads.extend(name.as_ref().map(|name| (kind, name)));
        }
        spreads
    }

    fn single_output(&self) -> Option<EncoderOutputs<&OutputName>> {
        if let Some(output) = &self.halves {
            let kind = self.second_half.unwrap_or(Spread::LogVariance);
            return Some(EncoderOutputs::Halves { output, kind });
        }
        let point = self.point.as_ref();
        let samples = self.samples.as_ref();
        let point = point.map(|output| EncoderOutputs::Point { output });
        point.or(samples.map(|output| EncoderOutputs::Samples { output }))
    }

    /// Returns the numbers that the encoder takes; `None` if nothing is stated.
    pub(crate) fn scale(&self) -> Result<Option<StatedScale<'_>>, WrongKey> {
        scale(self.range, &self.channel_means, &self.channel_sds)
    }
}

impl DecoderSection {
    /// Returns the numbers that the decoder gives; `None` if nothing is stated.
    pub(crate) fn scale(&self) -> Result<Option<StatedScale<'_>>, WrongKey> {
        scale(self.range, &self.channel_means, &self.channel_sds)
    }
}

fn scale<'a>(
    range: Option<Range>,
    means: &'a Option<Vec<f32>>,
    sds: &'a Option<Vec<f32>>,
) -> Result<Option<StatedScale<'a>>, WrongKey> {
    match (range, means, sds) {
        (None, None, None) => Ok(None),
        (Some(range), None, None) => Ok(Some(StatedScale::Range(range))),
        (None, Some(means), Some(sds)) => Ok(Some(StatedScale::Standardised { means, sds })),
        (Some(_), ..) => Err(WrongKey::new(
            "range",
            "either `range`, or `channel-means` and `channel-sds`",
        )),
        _ => Err(WrongKey::new(
            "channel-means",
            "needs `channel-sds`, and the other way round",
        )),
    }
}
