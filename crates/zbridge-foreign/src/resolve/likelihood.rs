use super::resolver::Resolver;
use crate::ForeignError;
use crate::decoding::DecoderOutputs;
use crate::manifest::LikelihoodKind;
use crate::onnx::Graph;
use zbridge_core::EventKind;
use zbridge_nn::Likelihood;

/// What the output of a decoder is, and p(x|z) if it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ResolvedLikelihood {
    pub(crate) outputs: DecoderOutputs,
    pub(crate) likelihood: Option<Likelihood>,
}

/// A likelihood that was inferred, and the evidence for it.
struct LikelihoodGuess {
    likelihood: Likelihood,
    outputs: DecoderOutputs,
    why: &'static str,
}

/// Levels of the values of a discretised logistic distribution: those of a byte.
const DEFAULT_LEVELS: u16 = 256;

impl Resolver<'_> {
    /// Returns what an output of a decoder is, by the manifest or by its graph.
    pub(crate) fn likelihood(
        &mut self,
        graph: &Graph,
        output: usize,
        event: &EventKind,
    ) -> Result<ResolvedLikelihood, ForeignError> {
        match self.manifest.likelihood.kind {
            Some(kind) => self.stated_likelihood(kind, graph, output, event),
            None => Ok(self.guessed_likelihood(graph, output, event)),
        }
    }

    fn stated_likelihood(
        &mut self,
        kind: LikelihoodKind,
        graph: &Graph,
        output: usize,
        event: &EventKind,
    ) -> Result<ResolvedLikelihood, ForeignError> {
        let stated_outputs = self.manifest.likelihood.outputs;
        let (likelihood, outputs) = match kind {
            LikelihoodKind::None => (None, stated_outputs.or(Some(DecoderOutputs::Means))),
            LikelihoodKind::Gaussian => (Some(self.gaussian()?), Some(DecoderOutputs::Means)),
            LikelihoodKind::DiscretisedLogistic => (
                Some(self.discretised_logistic()?),
                Some(DecoderOutputs::Means),
            ),
            LikelihoodKind::Bernoulli => (Some(Likelihood::Bernoulli), stated_outputs),
            LikelihoodKind::Categorical => (Some(categorical(event)), stated_outputs),
        };
        Ok(ResolvedLikelihood {
            outputs: outputs.unwrap_or_else(|| self.guessed_decoder_outputs(graph, output)),
            likelihood,
        })
    }

    fn gaussian(&self) -> Result<Likelihood, ForeignError> {
        let sd = self.positive("sd", self.manifest.likelihood.sd)?;
        Ok(Likelihood::Gaussian { sd })
    }

    fn discretised_logistic(&self) -> Result<Likelihood, ForeignError> {
        let section = &self.manifest.likelihood;
        Ok(Likelihood::DiscretisedLogistic {
            scale: self.positive("scale", section.scale)?,
            levels: section.levels.unwrap_or(DEFAULT_LEVELS),
        })
    }

    fn positive(&self, key: &str, stated: Option<f32>) -> Result<f32, ForeignError> {
        match stated {
            Some(value) if value.is_finite() && value > 0.0 => Ok(value),
            Some(_) => Err(self.manifest.wrong("likelihood", key, "must be positive")),
            None => {
                let why = format!("this kind needs `{key}`");
                Err(self.manifest.wrong("likelihood", "kind", why))
            }
        }
    }

    /// Returns whether a decoder of a known density gives probabilities or logits.
    fn guessed_decoder_outputs(&mut self, graph: &Graph, output: usize) -> DecoderOutputs {
        let last = &graph.evidence.last_operators[output].name;
        let outputs = match last.as_str() {
            "Sigmoid" | "Softmax" => DecoderOutputs::Probabilities,
            _ => DecoderOutputs::Logits,
        };
        let why = format!("the decoder ends in {last}");
        self.guess("likelihood.outputs", outputs_value(outputs), why);
        outputs
    }

    fn guessed_likelihood(
        &mut self,
        graph: &Graph,
        output: usize,
        event: &EventKind,
    ) -> ResolvedLikelihood {
        let last = &graph.evidence.last_operators[output].name;
        let name = &graph.outputs[output].name;
        let Some(guess) = guess(last, name, event) else {
            let why = "nothing in the graph tells how probable an observation is";
            self.guess("likelihood.kind", "\"none\"", why);
            return ResolvedLikelihood {
                outputs: DecoderOutputs::Means,
                likelihood: None,
            };
        };
        let kind = match guess.likelihood {
            Likelihood::Bernoulli => "\"bernoulli\"",
            _ => "\"categorical\"",
        };
        self.guess("likelihood.kind", kind, guess.why);
        self.guess(
            "likelihood.outputs",
            outputs_value(guess.outputs),
            guess.why,
        );
        ResolvedLikelihood {
            outputs: guess.outputs,
            likelihood: Some(guess.likelihood),
        }
    }
}

fn categorical(event: &EventKind) -> Likelihood {
    match event {
        EventKind::Text { vocabulary, .. } => Likelihood::Categoricals {
            classes: vocabulary.len(),
        },
        _ => Likelihood::Categorical,
    }
}

/// Returns the likelihood of an output of this name that comes from the operator `last`; `None` if
/// neither tells it.
fn guess(last: &str, name: &str, event: &EventKind) -> Option<LikelihoodGuess> {
    use DecoderOutputs::{Logits, Probabilities};
    let is_class = matches!(event, EventKind::Class { .. });
    let (outputs, why) = match last {
        "Softmax" if is_class => (Probabilities, "the decoder ends in a softmax"),
        "LogSoftmax" if is_class => (Logits, "the decoder ends in a log-softmax"),
        _ if is_class => (Logits, "a decoder of classes without a softmax"),
        "Sigmoid" => (Probabilities, "the decoder ends in a sigmoid"),
        _ if name.to_lowercase().contains("logit") => (Logits, "the output's name"),
        _ => return None,
    };
    let likelihood = match is_class {
        true => Likelihood::Categorical,
        false => Likelihood::Bernoulli,
    };
    Some(LikelihoodGuess {
        likelihood,
        outputs,
        why,
    })
}

/// Returns the outputs as a manifest writes them.
fn outputs_value(outputs: DecoderOutputs) -> &'static str {
    match outputs {
        DecoderOutputs::Probabilities => "\"probabilities\"",
        DecoderOutputs::Logits => "\"logits\"",
        DecoderOutputs::Means => "\"means\"",
    }
}
