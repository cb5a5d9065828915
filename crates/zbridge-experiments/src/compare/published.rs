//! Figures that others published on the same work.

/// What a system reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Published {
    pub(super) system: &'static str,
    /// Pairs of image and label that it was trained on.
    pub(super) pairs: usize,
    /// What was reached.
    pub(super) figure: f64,
}

/// log p(x|label) of grey MNIST images in nats, importance-sampled.
///
/// # Source
/// Wu and Goodman (2018), *Multimodal generative models for scalable weakly-supervised learning*,
/// table 2.
pub(super) const GREY: [Published; 3] = [
    Published {
        system: "CVAE",
        pairs: 60_000,
        figure: -87.77,
    },
    Published {
        system: "MVAE",
        pairs: 60_000,
        figure: -88.57,
    },
    Published {
        system: "JMVAE",
        pairs: 60_000,
        figure: -88.70,
    },
];

/// The same of black and white images.
///
/// # Source
/// As [`GREY`].
pub(super) const BINARY: [Published; 3] = [
    Published {
        system: "CVAE",
        pairs: 60_000,
        figure: -83.45,
    },
    Published {
        system: "MVAE",
        pairs: 60_000,
        figure: -83.97,
    },
    Published {
        system: "JMVAE",
        pairs: 60_000,
        figure: -83.99,
    },
];

/// Share of test images that get their label, by the number of labels that were seen.
///
/// # Source
/// Kingma, Mohamed, Jimenez Rezende and Welling (2014), *Semi-supervised learning with deep
/// generative models*, table 1: M1 with a transductive support vector machine on the latents of a
/// VAE that is given, as zbridge's is.
pub(super) const M1_TSVM: [Published; 4] = [
    Published {
        system: "M1+TSVM",
        pairs: 100,
        figure: 0.882,
    },
    Published {
        system: "M1+TSVM",
        pairs: 600,
        figure: 0.943,
    },
    Published {
        system: "M1+TSVM",
        pairs: 1000,
        figure: 0.958,
    },
    Published {
        system: "M1+TSVM",
        pairs: 3000,
        figure: 0.965,
    },
];
