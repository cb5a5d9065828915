use crate::named_enum::named_enum;
use crate::rows::{clamped, side_by_side};
use zbridge_core::{Latents, Posterior, RandomStream};

named_enum! {
    /// What of a source's posterior a density is given.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum SourceReading("source reading") {
        /// A draw (paper, section 3.1): what is uncertain in the source is uncertain in the target.
        #[default]
        Draw = "draw",
        /// Its mean. From a draw no regression can be as sharp as from the mean: its noise is one
        /// of errors in variables.
        Mean = "mean",
        /// Its mean and its log-variances, side by side: an encoder also tells something of an
        /// observation by how certain it is.
        Parameters = "parameters",
    }
}

impl SourceReading {
    /// Returns what a density is given of each posterior, `draws` rows for each, side by side:
    /// `[rows · draws, dim]`, of parameters `[rows · draws, 2 · dim]`.
    pub(crate) fn of(
        self,
        posterior: &Posterior,
        draws: usize,
        stream: &mut RandomStream,
    ) -> Latents {
        match self {
            Self::Draw => posterior.sample_each(draws, stream),
            Self::Mean => posterior.moments().mean().repeat_each(draws),
            Self::Parameters => {
                let moments = posterior.moments();
                let (means, log_vars) = (moments.mean().view(), moments.log_var().view());
                clamped(side_by_side(means, log_vars))
                    .expect("the moments of a posterior are numbers")
                    .repeat_each(draws)
            }
        }
    }
}
