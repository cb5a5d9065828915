use serde::{Deserialize, Serialize};

/// What a training by adversarial inference plays for, and what keeps it steady.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AliObjective {
    /// Weight of −log p(x|z) of a reconstruction, in nats an observation, in what encoder and
    /// generator minimise; 0 is ALI, more is ALICE with an explicit cost (Li et al. 2017, section
    /// 3.2).
    pub reconstruction_weight: f32,
    /// Weight γ of γ/2 · ‖∇D‖² at encoded and at generated pairs, the zero-centred penalty R1 and
    /// R2 (Mescheder et al. 2018).
    pub gradient_penalty: f32,
    /// Steps from one penalty to the next, each weighing as much as those left out (Karras et al.
    /// 2020, appendix B).
    pub penalty_every: u32,
    /// Share that the average of encoder's and generator's weights keeps in a step; the average is
    /// the model.
    pub averaging: f32,
}

impl Default for AliObjective {
    fn default() -> Self {
        Self {
            reconstruction_weight: 0.01,
            gradient_penalty: 0.03,
            penalty_every: 8,
            averaging: 0.999,
        }
    }
}

impl AliObjective {
    /// γ of the step after `steps` steps: 0 where the penalty is left out.
    pub(super) fn penalty_at(&self, steps: u32) -> f32 {
        let every = self.penalty_every.max(1);
        if steps.is_multiple_of(every) {
            // Weighs as much as a penalty in each of these steps.
            self.gradient_penalty * every as f32
        } else {
            0.0
        }
    }

    /// Share that the average keeps after `steps` steps; it forgets the first steps sooner.
    pub(super) fn averaging_at(&self, steps: u32) -> f32 {
        self.averaging
            .min((1.0 + steps as f32) / (10.0 + steps as f32))
    }
}
