use serde::Serialize;

/// How the game between the discriminator and the other two stands at a step.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Game {
    /// Mean −log D(x, z) of encoded pairs: what the discriminator loses on them; ln 2 when it
    /// cannot tell.
    pub encoded_nats: f64,
    /// Mean −log (1 − D(x, z)) of generated pairs.
    pub generated_nats: f64,
    /// Mean log p(x|z) of the reconstructions, pixel by pixel as a Bernoulli's; nothing when the
    /// objective has none.
    pub reconstruction_nats: Option<f64>,
    /// Mean squared distance between two generated observations over that between two of the data.
    pub spread: f64,
}

impl Game {
    /// The least [`spread`](Self::spread) of a generator that draws more than the same observation
    /// again and again.
    pub const LEAST_SPREAD: f64 = 0.25;

    /// The game's value, E log D + E log (1 − D): −2 ln 2 when the discriminator cannot tell, 0
    /// when it has won.
    ///
    /// # Source
    /// Dumoulin et al. 2016, eq. 1.
    pub fn value_nats(&self) -> f64 {
        -self.encoded_nats - self.generated_nats
    }

    /// Whether the generated observations are all but one. Classes of observations that are missing
    /// do not show here.
    pub fn collapsed(&self) -> bool {
        self.spread < Self::LEAST_SPREAD
    }
}

/// What a step adds up over its rows for a [`Game`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) encoded_nats: f64,
    pub(super) generated_nats: f64,
    pub(super) reconstruction_nats: f64,
    /// Σ ‖x_i − x_{i+1}‖² of generated observations, and of the data's.
    pub(super) distances: [f64; 2],
}

impl Tally {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            encoded_nats: self.encoded_nats + other.encoded_nats,
            generated_nats: self.generated_nats + other.generated_nats,
            reconstruction_nats: self.reconstruction_nats + other.reconstruction_nats,
            distances: [
                self.distances[0] + other.distances[0],
                self.distances[1] + other.distances[1],
            ],
        }
    }

    pub(super) fn game(self, rows: usize, reconstructs: bool) -> Game {
        let mean = |sum: f64| sum / rows as f64;
        Game {
            encoded_nats: mean(self.encoded_nats),
            generated_nats: mean(self.generated_nats),
            reconstruction_nats: reconstructs.then(|| mean(self.reconstruction_nats)),
            spread: self.distances[0] / self.distances[1].max(f64::MIN_POSITIVE),
        }
    }
}

/// Σ ‖x_i − x_{i+1}‖² over the rows.
pub(super) fn squared_distances(rows: &[f32], size: usize) -> f64 {
    // Neighbours stand for random pairs: the order of a batch is random.
    let pairs = rows.chunks_exact(size).zip(rows.chunks_exact(size).skip(1));
    let distance =
        |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    pairs.map(|pair| f64::from(distance(pair))).sum()
}
