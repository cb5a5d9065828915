use super::discriminator::{Discriminator, DiscriminatorTape};
use zbridge_nn::InputGradient;

/// The zero-centred gradient penalty γ/2 · ‖∇D‖² at pairs, without a second derivative: along the
/// gradient's own direction the slope is the gradient's norm, and a central difference gives that
/// slope.
///
/// # Source
/// Mescheder et al. 2018, "Which training methods for GANs do actually converge?", eq. 9 and 10.
#[derive(Debug, Default)]
pub(super) struct GradientPenalty {
    /// The pairs moved up their gradients, then those moved down.
    observations: Vec<f32>,
    latents: Vec<f32>,
    tape: DiscriminatorTape,
}

/// How far is looked to either side: small beside pixels and latents, large beside rounding.
const LOOK: f32 = 0.05;

impl GradientPenalty {
    /// Looks to either side of `pairs`, along the direction of any multiple of their gradients.
    pub(super) fn look(
        &mut self,
        pairs: [&[f32]; 2],
        gradients: [&[f32]; 2],
        [size, dim]: [usize; 2],
    ) {
        let rows = gradients[0]
            .chunks_exact(size)
            .zip(gradients[1].chunks_exact(dim));
        let strides: Vec<f32> = rows.map(|(a, b)| stride(a.iter().chain(b))).collect();
        self.observations.clear();
        self.latents.clear();
        for side in [1.0, -1.0] {
            moved(
                pairs[0],
                gradients[0],
                size,
                side,
                &strides,
                &mut self.observations,
            );
            moved(
                pairs[1],
                gradients[1],
                dim,
                side,
                &strides,
                &mut self.latents,
            );
        }
    }

    /// The penalty summed over the pairs, each times `weight`; its gradient is added to
    /// `gradients`.
    pub(super) fn backward(
        &mut self,
        discriminator: &Discriminator,
        parameters: &[f32],
        weight: f32,
        gradients: &mut [f32],
    ) -> f64 {
        let logits = discriminator.forward(
            parameters,
            [&self.observations, &self.latents],
            &mut self.tape,
        );
        let (up, down) = logits.split_at(logits.len() / 2);
        // Central differences along the gradient: ‖∇D‖ up to terms of LOOK².
        let slopes: Vec<f32> = up
            .iter()
            .zip(down)
            .map(|(up, down)| (up - down) / (2.0 * LOOK))
            .collect();
        // d ½ slope² / d logits: slope / (2 LOOK) upwards, and minus that downwards.
        let share = weight / (2.0 * LOOK);
        let gradient: Vec<f32> = [share, -share]
            .iter()
            .flat_map(|share| slopes.iter().map(move |s| share * s))
            .collect();
        discriminator.backward(
            parameters,
            &gradient,
            gradients,
            InputGradient::Unused,
            &mut self.tape,
        );
        slopes
            .iter()
            .map(|slope| 0.5 * f64::from(weight * slope * slope))
            .sum()
    }
}

/// [`LOOK`] over the norm of a gradient; 0 where there is none.
fn stride<'g>(gradient: impl Iterator<Item = &'g f32>) -> f32 {
    let norm = gradient
        .map(|g| f64::from(*g) * f64::from(*g))
        .sum::<f64>()
        .sqrt();
    if norm > 0.0 {
        // For a norm next to 0, the quotient is beyond the range of f32.
        (f64::from(LOOK) / norm).min(f64::from(f32::MAX)) as f32
    } else {
        0.0
    }
}

fn moved(
    centre: &[f32],
    gradient: &[f32],
    width: usize,
    side: f32,
    strides: &[f32],
    out: &mut Vec<f32>,
) {
    for ((centre, gradient), stride) in centre
        .chunks_exact(width)
        .zip(gradient.chunks_exact(width))
        .zip(strides)
    {
        out.extend(
            centre
                .iter()
                .zip(gradient)
                .map(|(centre, g)| centre + side * stride * g),
        );
    }
}
