use super::values::Renderings;
use super::{Encoder, Settling};
use crate::ForeignError;
use crate::encoding::{Encoding, Spread};
use crate::onnx::{Graph, Network};
use std::path::Path;
use zbridge_core::EventKind;

impl Settling<'_> {
    pub(super) fn encoder(
        &mut self,
        path: &Path,
        graph: &Graph,
        decoder: Option<&Graph>,
        event: &EventKind,
        values: &Renderings,
    ) -> Result<Encoder, ForeignError> {
        let told = graph.inputs.first().and_then(|port| port.row_shape());
        let shape = values.encoder_layout.shape(event);
        // A file may tell a shape that only looks otherwise, such as [28, 28] for an image of one
        // channel.
        let same_size = told.filter(|told| told.iter().product::<usize>() == event.size());
        let network = Network::open(path, Some(&same_size.unwrap_or(shape)))?;
        self.note_fixed_batch("encoder", &network);
        let encoding = match self.said_encoding(&network)? {
            Some(encoding) => encoding,
            None => self.guessed_encoding(&network, decoder)?,
        };
        if encoding
            .latent_shape(network.output_shapes())
            .is_none_or(|shape| shape.iter().product::<usize>() == 0)
        {
            let why = format!(
                "the encoder's outputs are no {}: it gives {}",
                words(encoding),
                given(&network)
            );
            return Err(self.unsettled(
                why,
                "`mean` and `log-variance`, `halves`, `point` or `samples` in [encoder]",
            ));
        }
        Ok(Encoder {
            network,
            rendering: values.encoder.clone(),
            encoding,
        })
    }

    /// What the manifest says of the outputs.
    fn said_encoding(&self, network: &Network) -> Result<Option<Encoding>, ForeignError> {
        let section = &self.manifest.encoder;
        let spreads = [
            &section.log_variance,
            &section.variance,
            &section.standard_deviation,
            &section.log_standard_deviation,
        ];
        let spread = spreads
            .into_iter()
            .zip(Spread::ALL)
            .find_map(|(name, kind)| name.as_ref().map(|name| (name, kind)));
        let place = |key: &str, name| self.place("encoder", key, name, network);
        let forms = [
            section.mean.is_some(),
            section.halves.is_some(),
            section.point.is_some(),
            section.samples.is_some(),
        ];
        let many = spreads.iter().filter(|spread| spread.is_some()).count() > 1;
        if forms.iter().filter(|&&form| form).count() > 1 || many {
            let why =
                "only one of `mean` with one spread, `halves`, `point` and `samples` can hold"
                    .to_string();
            return Err(self.manifest.wrong("encoder", "", why));
        }
        Ok(Some(
            match (
                &section.mean,
                spread,
                &section.halves,
                &section.point,
                &section.samples,
            ) {
                (Some(mean), Some((name, kind)), ..) => Encoding::Gaussian {
                    mean: place("mean", mean)?,
                    spread: place(&kind.to_string(), name)?,
                    kind,
                },
                (Some(_), None, ..) => {
                    let why = "needs one of `log-variance`, `variance`, `standard-deviation`, `log-standard-deviation`; \
                           say `point` for a latent without spread";
                    return Err(self.manifest.wrong("encoder", "mean", why.into()));
                }
                (None, Some((_, kind)), ..) => {
                    return Err(self.manifest.wrong(
                        "encoder",
                        &kind.to_string(),
                        "needs `mean` beside it".into(),
                    ));
                }
                (_, _, Some(output), ..) => {
                    let kind = section.second_half.unwrap_or(Spread::LogVariance);
                    Encoding::Halves {
                        output: place("halves", output)?,
                        kind,
                    }
                }
                (_, _, _, Some(output), _) => Encoding::Point {
                    output: place("point", output)?,
                },
                (_, _, _, _, Some(output)) => Encoding::Samples {
                    output: place("samples", output)?,
                },
                _ => return Ok(None),
            },
        ))
    }

    fn guessed_encoding(
        &mut self,
        network: &Network,
        decoder: Option<&Graph>,
    ) -> Result<Encoding, ForeignError> {
        let graph = network.graph().clone();
        let names: Vec<&str> = graph
            .outputs
            .iter()
            .map(|port| port.name.as_str())
            .collect();
        if let Some((mean, spread, kind)) = by_names(&names) {
            self.guess("encoder.mean", format!("{:?}", names[mean]), "its name");
            self.guess(
                &format!("encoder.{kind}"),
                format!("{:?}", names[spread]),
                "its name",
            );
            return Ok(Encoding::Gaussian { mean, spread, kind });
        }
        let shapes = network.output_shapes();
        match shapes {
            [output] => Ok(self.guessed_single(names[0], output, decoder)),
            [first, second] if first == second => {
                let kind = if graph.last_operators[1].name == "Softplus" {
                    Spread::StandardDeviation
                } else {
                    Spread::LogVariance
                };
                self.guess(
                    "encoder.mean",
                    format!("{:?}", names[0]),
                    "the first of two outputs of one shape",
                );
                let why = match kind {
                    Spread::StandardDeviation => {
                        "the second of two outputs of one shape, and it ends in a softplus"
                    }
                    _ => "the second of two outputs of one shape",
                };
                self.guess(&format!("encoder.{kind}"), format!("{:?}", names[1]), why);
                Ok(Encoding::Gaussian {
                    mean: 0,
                    spread: 1,
                    kind,
                })
            }
            _ => {
                let why = format!(
                    "the encoder gives {}, and nothing tells which is the mean",
                    given(network)
                );
                Err(self.unsettled(why, "`mean` and `log-variance` in [encoder]"))
            }
        }
    }

    /// What the only output is: both halves where its name says so, or where the decoder takes half
    /// as many numbers.
    fn guessed_single(&mut self, name: &str, shape: &[usize], decoder: Option<&Graph>) -> Encoding {
        let input = decoder
            .and_then(|graph| graph.inputs.first())
            .and_then(|port| port.row_shape());
        let (size, taken) = (
            shape.iter().product::<usize>(),
            input.map(|shape| shape.iter().product::<usize>()),
        );
        let is_even = shape.first().is_some_and(|first| first.is_multiple_of(2));
        let named = HALVES.iter().any(|word| plain(name).contains(word));
        let halves = is_even && taken.map_or(named, |taken| size == 2 * taken);
        let value = format!("{name:?}");
        if halves {
            let why = if taken.is_some() {
                "the only output, twice as large as what the decoder takes"
            } else {
                "its name"
            };
            self.guess("encoder.halves", value, why);
            self.guess(
                "encoder.second-half",
                format!("\"{}\"", Spread::LogVariance),
                "the usual form",
            );
            return Encoding::Halves {
                output: 0,
                kind: Spread::LogVariance,
            };
        }
        let why = match taken {
            Some(taken) if taken == size => "the only output, as large as what the decoder takes",
            _ => "the only output: a latent without spread",
        };
        self.guess("encoder.point", value, why);
        Encoding::Point { output: 0 }
    }
}

/// Names of outputs that hold means and log-variances together.
const HALVES: [&str; 4] = ["moments", "params", "parameters", "meanlogvar"];

/// Letters and digits of a name, in lower case.
fn plain(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// The places of mean and spread, where names tell both.
fn by_names(names: &[&str]) -> Option<(usize, usize, Spread)> {
    let spreads: Vec<Option<Spread>> = names
        .iter()
        .map(|name| spread_by_name(&plain(name)))
        .collect();
    let spread = spreads.iter().position(Option::is_some)?;
    let is_mean = |name: &str| {
        name.contains("mean") || name.contains("mu") || name == "m" || name.contains("loc")
    };
    let mean = (0..names.len())
        .find(|&place| spreads[place].is_none() && is_mean(&plain(names[place])))?;
    Some((mean, spread, spreads[spread]?))
}

fn spread_by_name(name: &str) -> Option<Spread> {
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if HALVES.iter().any(|word| name.contains(word)) {
        None
    } else if has(&["logvar", "lnvar", "logsigma2", "logsigmasq"]) {
        Some(Spread::LogVariance)
    } else if has(&["logstd", "logsd", "logsigma", "logscale"]) {
        Some(Spread::LogStandardDeviation)
    } else if has(&["var"]) {
        Some(Spread::Variance)
    } else if has(&["std", "sigma", "stdev", "deviation"]) || name == "sd" || name == "scale" {
        Some(Spread::StandardDeviation)
    } else {
        None
    }
}

fn words(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Gaussian { .. } => "mean and spread of one shape",
        Encoding::Halves { .. } => "two halves",
        Encoding::Point { .. } => "points",
        Encoding::Samples { .. } => "draws, `[draws, latent]` a row",
    }
}

fn given(network: &Network) -> String {
    let shapes = network.graph().outputs.iter().zip(network.output_shapes());
    shapes
        .map(|(port, shape)| format!("`{}` {shape:?}", port.name))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_means_and_spreads() {
        assert_eq!(
            by_names(&["z", "z_mean", "z_log_var"]),
            Some((1, 2, Spread::LogVariance))
        );
        assert_eq!(
            by_names(&["mu", "log_std"]),
            Some((0, 1, Spread::LogStandardDeviation))
        );
        assert_eq!(
            by_names(&["std", "mean"]),
            Some((1, 0, Spread::StandardDeviation))
        );
        assert_eq!(
            by_names(&["loc", "variance"]),
            Some((0, 1, Spread::Variance))
        );
        assert_eq!(by_names(&["output_0", "output_1"]), None);
        assert_eq!(by_names(&["mean_logvar"]), None);
    }
}
