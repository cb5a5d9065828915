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
    resolved: ResolvedLikelihood,
    why: &'static str,
}

impl LikelihoodGuess {
    fn new(likelihood: Option<Likelihood>, outputs: DecoderOutputs, why: &'static str) -> Self {
        let resolved = ResolvedLikelihood {
            outputs,
            likelihood,
        };
        Self { resolved, why }
    }
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
            // Both are bounded by 0 and 1, unlike logits.
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
        let LikelihoodGuess { resolved, why } = guess(last, name, event);
        self.guess("likelihood.kind", kind_value(resolved.likelihood), why);
        if resolved.likelihood.is_some() {
            self.guess("likelihood.outputs", outputs_value(resolved.outputs), why);
        }
        resolved
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

/// Returns the likelihood of an output of this name that comes from the operator `last`.
fn guess(last: &str, name: &str, event: &EventKind) -> LikelihoodGuess {
    match event {
        EventKind::Class { .. } => class_guess(last),
        _ => pixel_guess(last, name),
    }
}

fn class_guess(last: &str) -> LikelihoodGuess {
    let (outputs, why) = match last {
        "Softmax" => (
            DecoderOutputs::Probabilities,
            "the decoder ends in a softmax",
        ),
        "LogSoftmax" => (DecoderOutputs::Logits, "the decoder ends in a log-softmax"),
        _ => (
            DecoderOutputs::Logits,
            "a decoder of classes without a softmax",
        ),
    };
    LikelihoodGuess::new(Some(Likelihood::Categorical), outputs, why)
}

fn pixel_guess(last: &str, name: &str) -> LikelihoodGuess {
    let bernoulli = Some(Likelihood::Bernoulli);
    if last == "Sigmoid" {
        let why = "the decoder ends in a sigmoid";
        return LikelihoodGuess::new(bernoulli, DecoderOutputs::Probabilities, why);
    }
    if name.to_lowercase().contains("logit") {
        return LikelihoodGuess::new(bernoulli, DecoderOutputs::Logits, "the output's name");
    }
    // Without a likelihood nothing wrong is computed, only less.
    let why = "nothing in the graph tells how probable an observation is";
    LikelihoodGuess::new(None, DecoderOutputs::Means, why)
}

/// Returns the kind of a likelihood that can be inferred as a manifest writes it.
fn kind_value(likelihood: Option<Likelihood>) -> &'static str {
    match likelihood {
        Some(Likelihood::Bernoulli) => "\"bernoulli\"",
        Some(_) => "\"categorical\"",
        None => "\"none\"",
    }
}

/// Returns the outputs as a manifest writes them.
fn outputs_value(outputs: DecoderOutputs) -> &'static str {
    match outputs {
        DecoderOutputs::Probabilities => "\"probabilities\"",
        DecoderOutputs::Logits => "\"logits\"",
        DecoderOutputs::Means => "\"means\"",
    }
}
