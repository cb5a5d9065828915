use crate::named_enum::named_enum;

named_enum! {
    /// The families of conditional densities, from the simplest to the richest.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Family("family") {
        /// The target's own distribution, whatever the source is: what shuffled pairs deserve.
        Independent = "independent",
        /// A Gaussian whose mean is linear in the source, with one full covariance; closed form.
        LinearGaussian = "linear-gaussian",
        /// The mean of a Gaussian process, with one full covariance around it; closed form.
        KernelRegression = "kernel-regression",
        /// The target's own distribution, tilted by how well source and target agree: by what pairs
        /// each is similar to.
        Relative = "relative",
        /// A kernel regression, tilted in the same way.
        RelativeRegression = "relative-regression",
        /// The mean of a Gaussian process, with a diagonal Gaussian of the whitened residual whose
        /// parameters a network gives.
        KernelGaussian = "kernel-gaussian",
        /// The mean of a Gaussian process, with a flow of the whitened residual.
        KernelFlow = "kernel-flow",
        /// A diagonal Gaussian whose parameters a network gives: the paper's (eq. 1).
        Gaussian = "gaussian",
        /// A Gaussian with full covariance whose parameters a network gives.
        FullGaussian = "full-gaussian",
        /// A mixture of fixed components, those of the target's aggregate posterior; a network
        /// gives their weights.
        TiedMixture = "tied-mixture",
        /// A mixture density network: weights, means and variances depend on the source (Bishop
        /// 1994).
        Mixture = "mixture",
        /// Couplings of rational-quadratic splines (Durkan et al. 2019).
        Flow = "flow",
        /// An ordinary differential equation whose velocity a network gives (Lipman et al. 2023).
        FlowMatching = "flow-matching",
        /// A discrete code that both latent spaces share, inferred from the source, and a flow
        /// given the code; both directions are learned at once.
        SharedCode = "shared-code",
    }
}

impl Family {
    /// The families that a recipe can ask for: all but independence.
    pub const FITTED: &'static [Self] = Self::ALL.split_at(1).1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_can_ask_for_every_family_but_independence() {
        assert_eq!(Family::ALL.len(), Family::FITTED.len() + 1);
        assert!(!Family::FITTED.contains(&Family::Independent));
    }
}
