use crate::Family;
use serde::{Deserialize, Serialize};
use std::fmt;
use zbridge_core::Estimate;

/// What held-out pairs say of one candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its family.
    pub family: Family,
    /// Optimiser steps of its last fit, which may be longer than that of the trial; of a flow on
    /// labelled latents those of the trial.
    pub steps: usize,
    /// Whether posteriors without partners took part.
    pub unpaired: bool,
    /// Whether labels were spread to them by their neighbours first.
    #[serde(default)]
    pub spread: bool,
    /// Whether draws are accepted by the other direction's agreement.
    pub agreed: bool,
    /// Mean log q(target|source) of held-out pairs minus that of the target's marginal, in nats: a
    /// lower bound on the mutual information of the latents, up to the error of the marginal. The
    /// marginal is the better of two: a mixture of Gaussians, and flows of shared codes that do not
    /// depend on their source.
    pub gain_nats: Estimate,
}

/// The candidates of one direction, and which was taken.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Comparison {
    /// From the simplest to the richest.
    pub trials: Vec<Trial>,
    /// Number of the one that was taken.
    pub chosen: usize,
    /// Members of the ensemble that was fitted in the end.
    pub members: usize,
}

impl Comparison {
    /// Returns the trial that was taken; `None` if nothing was compared.
    pub fn taken(&self) -> Option<&Trial> {
        self.trials.get(self.chosen)
    }

    /// Returns the best of the trials that were not taken.
    fn best_of_others(&self) -> Option<&Trial> {
        let others = self
            .trials
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != self.chosen);
        others
            .map(|(_, trial)| trial)
            .max_by(|a, b| a.gain_nats.mean.total_cmp(&b.gain_nats.mean))
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
        if self.spread {
            f.write_str(" and label spreading")?;
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
        let gain = &taken.gain_nats;
        let (mean, error) = (gain.mean, gain.standard_error);
        write!(
            f,
            "{taken}: {mean:+.2} ± {error:.2} nats over no bridge on held-out pairs"
        )?;
        match self.best_of_others() {
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
            spread: false,
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
