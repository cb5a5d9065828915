use super::Settling;
use crate::ForeignError;
use crate::decoding::DecoderOutputs;
use crate::manifest::LikelihoodKind;
use crate::onnx::Graph;
use zbridge_core::EventKind;
use zbridge_nn::Likelihood;

/// What the output is, and p(x|z) if it is known.
pub(crate) type Density = (DecoderOutputs, Option<Likelihood>);

impl Settling<'_> {
    pub(super) fn likelihood(
        &mut self,
        graph: &Graph,
        output: usize,
        event: &EventKind,
    ) -> Result<Density, ForeignError> {
        match self.manifest.likelihood.kind {
            Some(kind) => self.said_likelihood(kind, graph, output, event),
            None => Ok(self.guessed_likelihood(graph, output, event)),
        }
    }

    fn said_likelihood(
        &mut self,
        kind: LikelihoodKind,
        graph: &Graph,
        output: usize,
        event: &EventKind,
    ) -> Result<Density, ForeignError> {
        let section = &self.manifest.likelihood;
        let positive = |key: &str, value: Option<f32>| match value {
            Some(value) if value.is_finite() && value > 0.0 => Ok(value),
            Some(_) => Err(self
                .manifest
                .wrong("likelihood", key, "must be positive".into())),
            None => {
                Err(self
                    .manifest
                    .wrong("likelihood", "kind", format!("this kind needs `{key}`")))
            }
        };
        let likelihood = match kind {
            LikelihoodKind::None => {
                return Ok((section.outputs.unwrap_or(DecoderOutputs::Means), None));
            }
            LikelihoodKind::Gaussian => Likelihood::Gaussian {
                sd: positive("sd", section.sd)?,
            },
            LikelihoodKind::DiscretisedLogistic => {
                let levels = section.levels.unwrap_or(256);
                Likelihood::DiscretisedLogistic {
                    scale: positive("scale", section.scale)?,
                    levels,
                }
            }
            LikelihoodKind::Bernoulli => Likelihood::Bernoulli,
            LikelihoodKind::Categorical => match event {
                EventKind::Text { vocabulary, .. } => Likelihood::Categoricals {
                    classes: vocabulary.len(),
                },
                _ => Likelihood::Categorical,
            },
        };
        if matches!(
            kind,
            LikelihoodKind::Gaussian | LikelihoodKind::DiscretisedLogistic
        ) {
            return Ok((DecoderOutputs::Means, Some(likelihood)));
        }
        let outputs = section
            .outputs
            .unwrap_or_else(|| self.guessed_outputs(graph, output));
        Ok((outputs, Some(likelihood)))
    }

    /// Whether a decoder of a known density gives probabilities or logits.
    fn guessed_outputs(&mut self, graph: &Graph, output: usize) -> DecoderOutputs {
        let last = graph.last_operators[output].name.clone();
        let bounded = matches!(last.as_str(), "Sigmoid" | "Softmax");
        let outputs = if bounded {
            DecoderOutputs::Probabilities
        } else {
            DecoderOutputs::Logits
        };
        let value = if bounded {
            "\"probabilities\""
        } else {
            "\"logits\""
        };
        self.guess(
            "likelihood.outputs",
            value,
            format!("the decoder ends in {last}"),
        );
        outputs
    }

    fn guessed_likelihood(&mut self, graph: &Graph, output: usize, event: &EventKind) -> Density {
        let (last, name) = (
            graph.last_operators[output].name.clone(),
            graph.outputs[output].name.to_lowercase(),
        );
        let is_class = matches!(event, EventKind::Class { .. });
        let named_logits = name.contains("logit");
        let (kind, outputs, why) = match last.as_str() {
            "Sigmoid" if !is_class => (
                Likelihood::Bernoulli,
                DecoderOutputs::Probabilities,
                "the decoder ends in a sigmoid",
            ),
            "Softmax" if is_class => (
                Likelihood::Categorical,
                DecoderOutputs::Probabilities,
                "the decoder ends in a softmax",
            ),
            "LogSoftmax" if is_class => (
                Likelihood::Categorical,
                DecoderOutputs::Logits,
                "the decoder ends in a log-softmax",
            ),
            _ if is_class => (
                Likelihood::Categorical,
                DecoderOutputs::Logits,
                "a decoder of classes without a softmax",
            ),
            _ if named_logits => (
                Likelihood::Bernoulli,
                DecoderOutputs::Logits,
                "the output's name",
            ),
            _ => {
                self.guess(
                    "likelihood.kind",
                    "\"none\"",
                    "nothing in the graph tells how probable an observation is",
                );
                return (DecoderOutputs::Means, None);
            }
        };
        let name = if kind == Likelihood::Bernoulli {
            "\"bernoulli\""
        } else {
            "\"categorical\""
        };
        let given = if outputs == DecoderOutputs::Logits {
            "\"logits\""
        } else {
            "\"probabilities\""
        };
        self.guess("likelihood.kind", name, why);
        self.guess("likelihood.outputs", given, why);
        (outputs, Some(kind))
    }
}

/// What the first output of a decoder is, and p(x|z) where the manifest, or the graph, tells it.
pub(crate) fn density(
    manifest: &crate::manifest::Manifest,
    model: &std::path::Path,
    graph: &Graph,
    event: &EventKind,
    guesses: &mut Vec<crate::Guess>,
) -> Result<Density, ForeignError> {
    let mut settling = Settling {
        model,
        manifest,
        guesses: Vec::new(),
    };
    let density = settling.likelihood(graph, 0, event);
    guesses.append(&mut settling.guesses);
    density
}
