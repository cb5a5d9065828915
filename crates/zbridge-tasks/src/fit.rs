use crate::doctor::doubts;
use crate::models::prior_sample_posteriors;
use crate::paired_files::{PairedFiles, read_some};
use crate::{Error, open_model};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;
use zbridge::GivenModel;
use zbridge_bridge::{
    Bridge, CheckedConfig, Comparison, Direction, DirectionGap, FitData, Recipe, Views,
};
use zbridge_core::{Observer, Posterior};
use zbridge_data::LatentsFile;
use zbridge_nn::NnError;

/// What is to be fitted.
#[derive(Debug, Clone)]
pub struct FitRequest {
    /// Latents file of modality x.
    pub x: PathBuf,
    /// Latents file of modality y.
    pub y: PathBuf,
    /// CSV with the header `x,y` that pairs them; without it, equal ids are pairs.
    pub pairs: Option<PathBuf>,
    /// Latents of x whose partners nobody knows.
    pub x_unpaired: Option<PathBuf>,
    /// Latents of y whose partners nobody knows.
    pub y_unpaired: Option<PathBuf>,
    /// Where a side of images has no latents without partners: so many draws from its model, if
    /// zbridge can open it.
    pub prior_draws: usize,
    /// How.
    pub config: CheckedConfig,
    /// The bridge file to write.
    pub out: PathBuf,
}

/// What was fitted.
#[derive(Debug, Clone, Serialize)]
pub struct FitReport {
    /// Pairs it was fitted on.
    pub pairs: usize,
    /// Latents without partners that took part, of x and of y.
    pub unpaired: [Unpaired; 2],
    /// What was handed in and not used, each in a sentence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// (dimensions of x's latents, of y's).
    pub dims: (usize, usize),
    /// Recipe.
    pub recipe: String,
    /// The divergence that the paper's recipe was fitted under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divergence: Option<String>,
    /// Seed.
    pub seed: u64,
    /// q(z_y|z_x).
    pub x_to_y: DirectionReport,
    /// q(z_x|z_y).
    pub y_to_x: DirectionReport,
    /// How far the joints of the two directions are apart, on the pairs they were fitted on.
    pub direction_gap: Option<DirectionGap>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What was written.
    pub files: Vec<PathBuf>,
}

/// Latents without partners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Unpaired {
    /// How many.
    pub rows: usize,
    /// Whether they are of observations that the given model made itself, from its prior.
    pub prior_samples: bool,
}

/// How one direction was fitted.
#[derive(Debug, Clone, Serialize)]
pub struct DirectionReport {
    /// What was chosen and why, in one line; none for the paper's recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// Every candidate with what held-out pairs say of it.
    pub comparison: Comparison,
    /// The objective at the end of the last fit, in nats: for the paper's recipe the mean
    /// divergence of a pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective_nats: Option<f64>,
}

impl DirectionReport {
    fn of(bridge: &Bridge, direction: Direction, objective_nats: Option<f64>) -> Self {
        let comparison = bridge.comparison(direction).clone();
        Self {
            choice: comparison.taken().map(|_| comparison.to_string()),
            comparison,
            objective_nats,
        }
    }
}

/// Fits both directions on the pairs and writes the bridge file.
///
/// # Errors
/// [`Error`] when a file cannot be read, ids do not join, the fit diverges or is interrupted; then
/// nothing is written.
pub fn fit(request: &FitRequest, observer: &dyn Observer) -> Result<FitReport, Error> {
    let start = Instant::now();
    let PairedFiles {
        x,
        y,
        x_rows,
        y_rows,
    } = PairedFiles::read(&request.x, &request.y, request.pairs.as_deref())?;
    let x_side = Paired::new(&x, &x_rows, unpaired(request, &request.x_unpaired, &x)?);
    let y_side = Paired::new(&y, &y_rows, unpaired(request, &request.y_unpaired, &y)?);
    let data = FitData::pairs(&x_side.pairs, &y_side.pairs)
        .with_unpaired_x(x_side.unpaired())
        .with_unpaired_y(y_side.unpaired())
        .with_views(x_side.views(), y_side.views());
    let mut bridge = Bridge::fit(&data, &request.config, observer)?;
    for (side, path, paired) in [
        ("x", &request.x_unpaired, &x_side),
        ("y", &request.y_unpaired, &y_side),
    ] {
        let Unpaired {
            rows,
            prior_samples,
        } = paired.unpaired_rows();
        let of_prior = prior_samples.then(|| format!("{rows} draws from the model's prior"));
        if let Some(origin) = path
            .as_ref()
            .map(|path| path.display().to_string())
            .or(of_prior)
        {
            bridge.record_provenance(&format!("{side}.unpaired_latents"), origin);
        }
    }
    for (side, file, path) in [("x", &x, &request.x), ("y", &y, &request.y)] {
        bridge.record_provenance(&format!("{side}.latents"), path.display().to_string());
        bridge.record_provenance(
            &format!("{side}.{LATENT_SHAPE}"),
            serde_json::to_string(&file.latent_shape).unwrap_or_default(),
        );
        for (key, value) in &file.metadata {
            bridge.record_provenance(&format!("{side}.{key}"), value);
        }
    }
    let mut notes = notes(request, [&x_side, &y_side]);
    notes.extend(doubts(
        (&x, &y),
        (&x_rows, &y_rows),
        (&request.x, &request.y),
        request.config.seed,
    ));
    bridge.record_provenance("version", env!("CARGO_PKG_VERSION"));
    bridge.write(&request.out)?;
    let last = |direction| bridge.curve(direction).objective_nats.last().copied();
    Ok(FitReport {
        pairs: bridge.pairs(),
        dims: bridge.dims(),
        unpaired: [&x_side, &y_side].map(Paired::unpaired_rows),
        notes,
        recipe: request.config.recipe.name().to_string(),
        divergence: match &request.config.recipe {
            Recipe::Paper(settings) => Some(settings.divergence.to_string()),
            _ => None,
        },
        seed: request.config.seed,
        x_to_y: DirectionReport::of(&bridge, Direction::XToY, last(Direction::XToY)),
        y_to_x: DirectionReport::of(&bridge, Direction::YToX, last(Direction::YToX)),
        direction_gap: bridge.gap().cloned(),
        seconds: start.elapsed().as_secs_f64(),
        files: vec![request.out.clone()],
    })
}

/// What one side brings to a fit.
struct Paired {
    /// Posteriors of the pairs, in their order.
    pairs: Posterior,
    pair_views: Option<Posterior>,
    unpaired: Option<LatentsFile>,
}

impl Paired {
    fn new(file: &LatentsFile, rows: &[usize], unpaired: Option<LatentsFile>) -> Self {
        Self {
            pairs: file.posterior.select(rows),
            pair_views: file.views_of(rows),
            unpaired,
        }
    }

    fn unpaired(&self) -> Option<&Posterior> {
        self.unpaired.as_ref().map(|file| &file.posterior)
    }

    fn views(&self) -> Views<'_> {
        Views {
            pairs: self.pair_views.as_ref(),
            unpaired: self.unpaired.as_ref().and_then(|file| file.views.as_ref()),
        }
    }

    /// How many latents without partners there are, and whether they are of the model's own making.
    fn unpaired_rows(&self) -> Unpaired {
        let prior_samples = self
            .unpaired
            .as_ref()
            .is_some_and(|file| file.metadata.contains_key(PRIOR));
        Unpaired {
            rows: self.unpaired().map_or(0, Posterior::rows),
            prior_samples,
        }
    }

    fn has_views(&self) -> bool {
        self.views().pairs.or(self.views().unpaired).is_some()
    }
}

/// The latents without partners of a side: those of the file, or else the side's own model's.
fn unpaired(
    request: &FitRequest,
    path: &Option<PathBuf>,
    pairs: &LatentsFile,
) -> Result<Option<LatentsFile>, Error> {
    if let Some(path) = path {
        return Ok(Some(read_some(path)?));
    }
    if request.prior_draws == 0 || matches!(request.config.recipe, Recipe::Paper(_)) {
        return Ok(None);
    }
    let given = pairs
        .metadata
        .get("model")
        .and_then(|name| open_model(name).ok());
    let recorded = pairs.metadata.get("model_digest");
    // Classes are few and all known; another model than the one that encoded the pairs would only
    // mislead.
    match given
        .filter(|given| given.is_image() && recorded.is_none_or(|digest| *digest == given.digest))
    {
        Some(given) => {
            let posterior =
                prior_sample_posteriors(&given, request.prior_draws, request.config.seed)?;
            let metadata = BTreeMap::from([(PRIOR.to_owned(), given.name)]);
            Ok(Some(LatentsFile {
                metadata,
                ..LatentsFile::numbered(posterior)
            }))
        }
        None => Ok(None),
    }
}

/// The provenance key of the shape of one latent of a side, as its file had it.
pub(crate) const LATENT_SHAPE: &str = "latent_shape";

/// The metadata key that tells latents of a model's own making from others.
const PRIOR: &str = "prior_of";

/// What was handed in and not used, each in a sentence.
fn notes(request: &FitRequest, sides: [&Paired; 2]) -> Vec<String> {
    let mut notes = vec![];
    if matches!(request.config.recipe, Recipe::Paper(_)) {
        if sides.iter().any(|side| side.unpaired.is_some()) {
            notes.push("the recipe paper makes no use of latents without partners".to_owned());
        }
        if sides.iter().any(|side| side.has_views()) {
            notes.push("the recipe paper makes no use of augmented views".to_owned());
        }
    }
    notes
}
