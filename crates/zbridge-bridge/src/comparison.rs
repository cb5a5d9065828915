use crate::Family;
use serde::{Deserialize, Serialize};
use std::fmt;
use zbridge_core::Estimate;

/// What the pairs that a fit did not see say of one candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its family.
    pub family: Family,
    /// Optimiser steps of its fit: of the last one where the trial itself was shorter, but for
    /// flows on labelled latents.
    pub steps: usize,
    /// Whether posteriors without partners took part.
    pub unpaired: bool,
    /// Whether draws are accepted by the other direction's agreement.
    pub agreed: bool,
    /// Mean log q(target|source) of held-out pairs less that of the target's own distribution, in
    /// nats: a lower bound on what the latents tell of each other, up to the error of the latter.
    /// Its own distribution is what describes these pairs best: a mixture of Gaussians, or the
    /// flows of shared codes that do not read their source.
    pub gain_nats: Estimate,
}

/// The candidates of one direction, and which was taken.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Comparison {
    /// From the simplest to the richest.
    pub trials: Vec<Trial>,
    /// The one that was taken.
    pub chosen: usize,
    /// Members of the ensemble that was fitted in the end.
    pub members: usize,
}

impl Comparison {
    /// The trial that was taken; none where nothing was compared.
    pub fn taken(&self) -> Option<&Trial> {
        self.trials.get(self.chosen)
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.family)?;
        if self.steps > 0 {
            write!(f, " ({} steps)", self.steps)?;
        }
        if self.unpaired {
            f.write_str(" with unpaired latents")?;
        }
        if self.agreed {
            f.write_str(" and agreement of the other direction")?;
        }
        Ok(())
    }
}

/// What was chosen and why, in one line.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(taken) = self.taken() else {
            return f.write_str("nothing was compared");
        };
        let Estimate {
            mean,
            standard_error,
            ..
        } = taken.gain_nats;
        write!(
            f,
            "{taken}: {mean:+.2} ± {standard_error:.2} nats over no bridge on held-out pairs"
        )?;
        let others = self
            .trials
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != self.chosen);
        let next = others
            .map(|(_, trial)| trial)
            .max_by(|a, b| a.gain_nats.mean.total_cmp(&b.gain_nats.mean));
        match next {
            Some(next) => write!(f, "; next {next}: {:+.2}", next.gain_nats.mean),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_says_what_and_why() {
        let trial = |family, mean| Trial {
            family,
            steps: 100,
            unpaired: false,
            agreed: false,
            gain_nats: Estimate {
                mean,
                standard_error: 0.1,
                count: 10,
            },
        };
        let trials = vec![
            trial(Family::Independent, 0.0),
            trial(Family::Gaussian, 1.5),
            trial(Family::Flow, 1.2),
        ];
        let text = Comparison {
            trials,
            chosen: 1,
            members: 2,
        }
        .to_string();
        assert!(
            text.starts_with("gaussian (100 steps): +1.50 ± 0.10 nats"),
            "{text}"
        );
        assert!(text.ends_with("next flow (100 steps): +1.20"), "{text}");
    }
}
