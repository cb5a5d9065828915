//! The update of Adam, element by element.

use crate::instruction_set::vectorise;

/// The numbers of one step of Adam.
#[derive(Clone, Copy)]
pub(crate) struct AdamUpdate {
    /// β₁ and 1 − β₁.
    pub(crate) first: (f32, f32),
    /// β₂ and 1 − β₂.
    pub(crate) second: (f32, f32),
    /// The learning rate over the first bias correction.
    pub(crate) rate: f32,
    /// One over the second bias correction.
    pub(crate) second_correction: f32,
}

/// One Adam update in place (Kingma & Ba 2015, algorithm 1).
pub(crate) fn adam_update(
    parameters: &mut [f32],
    gradients: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    update: AdamUpdate,
) {
    vectorise(
        #[inline(always)]
        move || update.apply(parameters, gradients, first, second),
    );
}

impl AdamUpdate {
    #[inline(always)]
    fn apply(
        self,
        parameters: &mut [f32],
        gradients: &[f32],
        first: &mut [f32],
        second: &mut [f32],
    ) {
        let moments = first.iter_mut().zip(second);
        for ((p, &g), (m, v)) in parameters.iter_mut().zip(gradients).zip(moments) {
            *m = self.first.0 * *m + self.first.1 * g;
            *v = self.second.0 * *v + self.second.1 * g * g;
            *p -= self.rate * *m / ((*v * self.second_correction).sqrt() + 1e-8);
        }
    }
}
