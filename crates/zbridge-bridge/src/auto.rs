//! The automatic recipe: try the ladder on pairs held out, let the informative direction label what
//! has no partner, fit the other direction on that, and keep of all this what held-out pairs say is
//! better.

use crate::agreement::Agreement;
use crate::bridge::Direction;
use crate::candidate::{Aggregate, Candidate, Ground, aggregate_components, fit_flow};
use crate::comparison::{Comparison, Trial, simplest_within_an_error};
use crate::conditional::Conditional;
use crate::curve::FitCurve;
use crate::density::{Density, Family};
use crate::effort::Effort;
use crate::families::{Mixture, SharedCode, responsibilities};
use crate::frame::{Frame, FramedPosterior};
use crate::labelled::LabelledPairs;
use crate::maximum_likelihood::PosteriorPairs;
use crate::refine::{Refinement, refine};
use crate::shared_codes::{CodedTargets, SharedCodes, Side};
use crate::{BridgeError, CheckedConfig, FitData, Views};
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use zbridge_core::{Estimate, Latents, Posterior, Progress, RandomStream, ShapeError, Stage};

/// One direction as it was fitted.
pub(crate) struct FittedDirection {
    pub(crate) conditional: Conditional,
    pub(crate) curve: FitCurve,
    pub(crate) comparison: Comparison,
}

/// Hears of steps done in a direction, and says whether to go on.
pub(crate) type Observer<'o> = &'o (dyn Fn(Direction, usize) -> bool + Sync);

/// Returns an observer of a fit that reports each of its steps as one step of `direction`.
pub(crate) fn step_observer(
    observe: Observer<'_>,
    direction: Direction,
) -> impl Fn(&Progress<'_>) -> ControlFlow<()> + Sync {
    move |_: &Progress<'_>| match observe(direction, 1) {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    }
}

/// Both directions: (x→y, y→x).
pub(crate) fn fit(
    data: &FitData<'_>,
    effort: &Effort,
    config: &CheckedConfig,
    observe: Observer<'_>,
) -> Result<(FittedDirection, FittedDirection), BridgeError> {
    let fitter = Fitter::new(data, effort, config, observe);
    let mut directions = fitter.ladder()?;
    if fitter.may_share_codes() {
        fitter.look_for_codes(&mut directions)?;
    } else if let Some(informative) = fitter.informative(&directions) {
        fitter.learn_from_unpaired(informative, &mut directions)?;
    }
    fitter.finish(directions)
}

/// One latent space: its frame, the pairs' posteriors in it, and those without partners.
struct Space {
    frame: Frame,
    pairs: FramedPosterior,
    unpaired: Option<FramedPosterior>,
}

/// Pairs to fit on, and pairs to judge by.
struct Split {
    fit: Vec<usize>,
    judge: Vec<usize>,
}

/// What is known of a direction before its last fit.
struct Undecided {
    direction: Direction,
    candidates: Vec<Candidate>,
    /// The inverse temperature that suits each candidate.
    sharpness: Vec<f32>,
    trials: Vec<Trial>,
    /// log q of every judged pair, for each trial.
    nats: Vec<Vec<f64>>,
    chosen: usize,
    /// How the last fit goes about.
    route: Route,
    /// Whether no bridge at all is best described by the flows of shared codes that nobody reads.
    silent: bool,
}

/// How a direction is fitted in the end.
enum Route {
    /// On the pairs.
    Pairs,
    /// A tied mixture refined on unpaired posteriors of its source, with the sharpness that
    /// calibrates it.
    Refined { sharpness: f32 },
    /// On unpaired posteriors of its target that the other direction labels.
    Labelled { agreed: bool },
    /// By codes that both sides share.
    Coded,
}

/// A part of the pairs: the number of a split, or the number of splits for all of them.
type Part = usize;

struct Fitter<'f> {
    x: Space,
    y: Space,
    splits: Vec<Split>,
    /// Every pair: what the last fits are on.
    all: Vec<usize>,
    /// Components of each target's aggregate posterior, by direction, then by the part of the pairs
    /// they come from.
    components: Vec<OnceLock<Result<Aggregate, ShapeError>>>,
    effort: &'f Effort,
    streams: RandomStream,
    observe: Observer<'f>,
}

/// Inverse temperatures among which the one that calibrates a refined mixture is chosen. None is
/// below 1: a trial knows fewer pairs than the last fit and is surer of more mistakes, so that it
/// is believed only when it is too unsure.
const SHARPNESSES: [f32; 4] = [1.0, 1.15, 1.3, 1.5];
/// Inverse temperatures at which a refined mixture may be judged, for the same reason: by its best.
const JUDGED_AT: [f32; 4] = [0.3, 0.5, 0.7, 1.0];
/// The same where pairs are too few for anybody to be sure.
const SHARPNESSES_OF_FEW: [f32; 7] = [0.3, 0.5, 0.7, 1.0, 1.15, 1.3, 1.5];
/// Fewer pairs than these are few.
const FEW_PAIRS: usize = 128;
/// Pairs below which no shared code is looked for: a code that few pairs reveal is learned by
/// heart.
pub(crate) const LEAST_PAIRS_FOR_CODES: usize = 64;
/// Share of the steps of a last fit after which shared codes are judged.
const TRIAL_SHARE: f64 = 0.4;
/// Draws of each judged pair over which its log density is averaged.
const JUDGE_DRAWS: usize = 4;

impl<'f> Fitter<'f> {
    fn new(
        data: &FitData<'_>,
        effort: &'f Effort,
        config: &CheckedConfig,
        observe: Observer<'f>,
    ) -> Self {
        let space =
            |pairs: &Posterior, unpaired: Option<&Posterior>, views: Views<'_>, directions| {
                let all: Vec<_> = std::iter::once(pairs).chain(unpaired).collect();
                let frame = Frame::keeping(&all, directions);
                let inside = |posterior: &Posterior, views: Option<&Posterior>| {
                    frame
                        .inside(posterior)
                        .with_views(views.map(|views| frame.inside(views)))
                };
                let unpaired = unpaired.map(|posterior| inside(posterior, views.unpaired));
                Space {
                    pairs: inside(pairs, views.pairs),
                    unpaired,
                    frame,
                }
            };
        let streams = RandomStream::named(config.seed, "fit/auto");
        let splits = splits(data.x.rows(), &mut streams.child(0));
        Self {
            x: space(data.x, data.x_unpaired, data.x_views, config.directions[0]),
            y: space(data.y, data.y_unpaired, data.y_views, config.directions[1]),
            all: (0..data.x.rows()).collect(),
            components: (0..2 * (splits.len() + 1))
                .map(|_| OnceLock::new())
                .collect(),
            splits,
            effort,
            streams,
            observe,
        }
    }

    /// (source, target) of a direction.
    fn spaces(&self, direction: Direction) -> (&Space, &Space) {
        match direction {
            Direction::XToY => (&self.x, &self.y),
            Direction::YToX => (&self.y, &self.x),
        }
    }

    /// The ladder of a direction.
    fn candidates(&self, direction: Direction) -> Vec<Candidate> {
        let (source, target) = self.spaces(direction);
        self.effort
            .candidates(target.frame.active(), source.pairs.has_views())
    }

    fn stream(&self, direction: Direction, purpose: u64) -> RandomStream {
        self.streams.child(1 + direction as u64).child(purpose)
    }

    /// Every candidate of both directions, fitted on a part of the pairs and judged on the others.
    fn ladder(&self) -> Result<[Undecided; 2], BridgeError> {
        let each = [Direction::XToY, Direction::YToX];
        let jobs: Vec<(Direction, usize, Candidate, usize)> = each
            .into_iter()
            .flat_map(|direction| {
                let candidates = self.candidates(direction);
                let splits = 0..self.splits.len();
                splits.flat_map(move |split| {
                    let candidates = candidates.clone().into_iter().enumerate();
                    candidates
                        .map(move |(index, candidate)| (direction, index, candidate, split))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let judged: Vec<Vec<Vec<f64>>> = jobs
            .par_iter()
            .map(|&(direction, index, candidate, split)| {
                let stream = self.stream(direction, 100 + (index * 8 + split) as u64);
                let (fitted, _) = self.fit_on_pairs(direction, candidate, split, &stream)?;
                let at = |&s: &f32| {
                    self.judge(direction, &fitted.sharpened(s), &self.splits[split].judge)
                };
                self.ladder_sharpnesses(candidate.family)
                    .iter()
                    .map(at)
                    .collect()
            })
            .collect::<Result<_, _>>()?;
        Ok(each.map(|direction| {
            let candidates = self.candidates(direction);
            let (mut nats, mut sharpness) = (Vec::new(), Vec::new());
            for (index, candidate) in candidates.iter().enumerate() {
                let of = jobs
                    .iter()
                    .zip(&judged)
                    .filter(|((of, place, ..), _)| (*of, *place) == (direction, index));
                let splits: Vec<&Vec<Vec<f64>>> = of.map(|(_, judged)| judged).collect();
                let joined = |at: usize| {
                    splits
                        .iter()
                        .flat_map(|split| &split[at])
                        .copied()
                        .collect::<Vec<f64>>()
                };
                let choices = self.ladder_sharpnesses(candidate.family);
                let each = choices
                    .iter()
                    .enumerate()
                    .map(|(at, &sharpness)| (joined(at), sharpness));
                let best = each
                    .max_by(|(a, _), (b, _)| total(a).total_cmp(&total(b)))
                    .unwrap_or_default();
                nats.push(best.0);
                sharpness.push(best.1);
            }
            let chosen = self
                .effort
                .forced(&candidates)
                .unwrap_or_else(|| simplest_within_an_error(&nats));
            let trial = |(candidate, nats_of): (&Candidate, &Vec<f64>)| Trial {
                family: candidate.family,
                steps: candidate.steps,
                unpaired: false,
                agreed: false,
                gain_nats: gain(nats_of, &nats[0]),
            };
            let trials = candidates.iter().zip(&nats).map(trial).collect();
            Undecided {
                direction,
                candidates,
                sharpness,
                trials,
                nats,
                chosen,
                route: Route::Pairs,
                silent: false,
            }
        }))
    }

    /// Inverse temperatures at which the ladder judges a family, to take the best. A mixture that
    /// read a dozen pairs is too sure of itself, and would lose against no bridge at all although
    /// it knows a lot.
    fn ladder_sharpnesses(&self, family: Family) -> &'static [f32] {
        let few =
            self.all.len() < FEW_PAIRS && matches!(family, Family::TiedMixture | Family::Mixture);
        if few { &JUDGED_AT } else { &[1.0] }
    }

    /// Inverse temperatures among which the one that calibrates a refined mixture is chosen.
    fn refined_sharpnesses(&self) -> &'static [f32] {
        if self.all.len() < FEW_PAIRS {
            &SHARPNESSES_OF_FEW
        } else {
            &SHARPNESSES
        }
    }

    /// A candidate of a direction, fitted on these pairs.
    fn fit_on_pairs(
        &self,
        direction: Direction,
        candidate: Candidate,
        part: Part,
        stream: &RandomStream,
    ) -> Result<(Conditional, FitCurve), BridgeError> {
        let (source, target) = self.spaces(direction);
        let pairs = self.pairs(direction, part);
        let components = &|| self.components(direction, part);
        let ground = Ground {
            pairs: &pairs,
            source: &source.frame,
            target: &target.frame,
            components,
        };
        let observer = step_observer(self.observe, direction);
        let stage = Stage::new(&observer, "fitting", 0);
        let (density, curve) = candidate.fit(&ground, &stream.child(1), &stage)?;
        Ok((
            Conditional::new(source.frame.clone(), target.frame.clone(), vec![density]),
            curve,
        ))
    }

    fn pairs(&self, direction: Direction, part: Part) -> PosteriorPairs<'_> {
        let (source, target) = self.spaces(direction);
        let rows = self.part(part);
        PosteriorPairs {
            source: &source.pairs,
            target: &target.pairs,
            frame: &source.frame,
            rows,
        }
    }

    /// The pairs of a part: those that a split fits on, or all of them.
    fn part(&self, part: Part) -> &[usize] {
        self.splits.get(part).map_or(&self.all, |split| &split.fit)
    }

    /// Components of a direction's target, from a part of the pairs and whatever has no partner;
    /// found once.
    fn components(&self, direction: Direction, part: Part) -> Result<&Aggregate, ShapeError> {
        let place = direction as usize * (self.splits.len() + 1) + part;
        let components = self.components[place].get_or_init(|| {
            let (_, target) = self.spaces(direction);
            let every: Vec<usize> =
                (0..target.unpaired.as_ref().map_or(0, FramedPosterior::rows)).collect();
            let mut parts: Vec<(&FramedPosterior, &[usize])> =
                vec![(&target.pairs, self.part(part))];
            parts.extend(
                target
                    .unpaired
                    .as_ref()
                    .map(|unpaired| (unpaired, every.as_slice())),
            );
            aggregate_components(
                &target.frame,
                &parts,
                &mut self.stream(direction, 10 + part as u64),
            )
        });
        components.as_ref().map_err(Clone::clone)
    }

    /// log q(target|source) of pairs, each the mean over a few draws of both posteriors, in the
    /// coordinates of the frame.
    fn judge(
        &self,
        direction: Direction,
        conditional: &Conditional,
        rows: &[usize],
    ) -> Result<Vec<f64>, BridgeError> {
        let (source, target) = self.spaces(direction);
        let mut stream = self.stream(direction, 1);
        let mut totals = vec![0.0; rows.len()];
        for _ in 0..JUDGE_DRAWS {
            let (mut points, mut sources) = (Vec::new(), Vec::new());
            target.pairs.draw(rows, &mut stream, &mut points);
            source.pairs.draw(rows, &mut stream, &mut sources);
            let features =
                Latents::clamped(source.frame.features(sources), source.frame.feature_width())?;
            let points = Latents::clamped(points, target.frame.active())?;
            let nats = conditional.log_prob_judged(&features, &points)?;
            totals
                .iter_mut()
                .zip(nats)
                .for_each(|(total, nats)| *total += nats / JUDGE_DRAWS as f64);
        }
        Ok(totals)
    }

    /// The summed Brier score of a tied mixture's weights for judged pairs, each averaged over
    /// draws of the source's posterior, against the components that the target's draws belong to. A
    /// proper score, and a bounded one: a few sure mistakes do not make every other reading less
    /// sure, as they do by likelihood.
    fn misread(
        &self,
        direction: Direction,
        conditional: &Conditional,
        rows: &[usize],
    ) -> Result<f64, BridgeError> {
        let (source, target) = self.spaces(direction);
        let Some(mixture) = conditional.members.first().and_then(Density::as_mixture) else {
            return Ok(0.0);
        };
        let (mut stream, mut read, mut points) =
            (self.stream(direction, 2), Vec::new(), Vec::new());
        for _ in 0..JUDGE_DRAWS {
            source.pairs.draw(rows, &mut stream, &mut points);
            let features = source.frame.features(std::mem::take(&mut points));
            let features = Latents::clamped(features, source.frame.feature_width())?;
            let log_weights = mixture.log_weights_given(&features)?;
            read.resize(log_weights.values().len(), 0.0);
            read.iter_mut()
                .zip(log_weights.values())
                .for_each(|(read, nats)| *read += nats.exp() / JUDGE_DRAWS as f32);
        }
        target.pairs.draw(rows, &mut stream, &mut points);
        let truth = responsibilities(mixture.components(), &points);
        Ok(read
            .iter()
            .zip(truth)
            .map(|(read, truth)| f64::from((read - truth) * (read - truth)))
            .sum())
    }

    /// The direction whose latents tell more, if they tell anything and its source has posteriors
    /// without partners.
    fn informative(&self, directions: &[Undecided; 2]) -> Option<Direction> {
        let tells = |undecided: &&Undecided| {
            let unpaired = &self.spaces(undecided.direction).0.unpaired;
            let tells = undecided.trials[undecided.chosen].family != Family::Independent;
            unpaired
                .as_ref()
                .is_some_and(|unpaired| unpaired.rows() >= 2)
                && tells
        };
        let gain = |undecided: &Undecided| undecided.trials[undecided.chosen].gain_nats.mean;
        directions
            .iter()
            .filter(tells)
            .max_by(|a, b| gain(a).total_cmp(&gain(b)))
            .map(|undecided| undecided.direction)
    }

    /// Tries refinement and labelling on the same splits as the ladder, and takes what is better
    /// there.
    fn learn_from_unpaired(
        &self,
        informative: Direction,
        directions: &mut [Undecided; 2],
    ) -> Result<(), BridgeError> {
        let broad = informative.reverse();
        let [a, b] = directions;
        let (reader, painter) = if a.direction == informative {
            (a, b)
        } else {
            (b, a)
        };
        let refinable = self.refinable(reader);
        let share = 2.0 / self.splits.len().max(2) as f64;
        let rungs = self
            .effort
            .labelled_candidates(self.spaces(broad).1.frame.active(), share);
        let per_split = |(index, split): (usize, &Split)| -> Result<Tried, BridgeError> {
            let stream = self.stream(informative, 200 + index as u64);
            let refined = match refinable {
                true => Some(
                    self.refined(
                        informative,
                        index,
                        self.effort.trial_refinement(split.fit.len(), share),
                        &stream,
                    )?
                    .0,
                ),
                false => None,
            };
            let judged = |refined: &Conditional| -> Result<Judged, BridgeError> {
                let nats = |s| self.judge(informative, &refined.sharpened(s), &split.judge);
                let misread = |s| self.misread(informative, &refined.sharpened(s), &split.judge);
                Ok(Judged {
                    nats: JUDGED_AT.into_iter().map(nats).collect::<Result<_, _>>()?,
                    misread: self
                        .refined_sharpnesses()
                        .iter()
                        .copied()
                        .map(misread)
                        .collect::<Result<_, _>>()?,
                })
            };
            let refined_judged = refined.as_ref().map(judged).transpose()?;
            let (fallback, sharpness) = (
                reader.candidates[reader.chosen],
                reader.sharpness[reader.chosen],
            );
            let labeller = match refined {
                Some(refined) => refined,
                None => self
                    .fit_on_pairs(informative, fallback, index, &stream.child(9))?
                    .0
                    .sharpened(sharpness),
            };
            let critic = Agreement::of(&labeller).map(Arc::new);
            let mut painted = Vec::new();
            for (rung, candidate) in rungs.iter().enumerate() {
                let stream = self.stream(broad, 300 + (8 * rung + index) as u64);
                let (mut fitted, _) =
                    self.fit_on_labelled(broad, *candidate, &labeller, index, &stream)?;
                painted.push(self.judge(broad, &fitted, &split.judge)?);
                if critic.is_some() {
                    fitted.critic.clone_from(&critic);
                    painted.push(self.judge(broad, &fitted, &split.judge)?);
                }
            }
            Ok(Tried {
                refined: refined_judged,
                painted,
                agreed: critic.is_some(),
            })
        };
        let tried: Vec<Tried> = self
            .splits
            .par_iter()
            .enumerate()
            .map(per_split)
            .collect::<Result<_, _>>()?;
        let joined = |pick: &dyn Fn(&Tried) -> Option<&Vec<f64>>| -> Option<Vec<f64>> {
            let parts: Option<Vec<&Vec<f64>>> = tried.iter().map(pick).collect();
            parts.map(|parts| parts.into_iter().flatten().copied().collect())
        };
        let misread = |index: usize| -> f64 {
            tried
                .iter()
                .filter_map(|tried| tried.refined.as_ref()?.misread.get(index))
                .sum()
        };
        let sharpnesses = self.refined_sharpnesses();
        let best = (0..sharpnesses.len())
            .min_by(|&a, &b| misread(a).total_cmp(&misread(b)))
            .unwrap_or(0);
        let refined = (0..JUDGED_AT.len())
            .filter_map(|at| joined(&|tried| tried.refined.as_ref()?.nats.get(at)));
        if let Some(nats) = refined.max_by(|a, b| total(a).total_cmp(&total(b))) {
            let steps = self.effort.refinement(self.x.pairs.rows()).optimiser.steps;
            let route = Route::Refined {
                sharpness: sharpnesses[best],
            };
            reader.consider(Family::TiedMixture, steps, nats, (true, false), route);
        }
        let stride = if tried.iter().all(|tried| tried.agreed) {
            2
        } else {
            1
        };
        // Only a tied mixture can be asked to agree: if the informative direction ended as another
        // family, nobody can.
        let ways = if reader.trials[reader.chosen].family == Family::TiedMixture {
            stride
        } else {
            1
        };
        for (rung, candidate) in rungs.iter().enumerate() {
            for way in 0..ways {
                if let Some(nats) = joined(&|tried| tried.painted.get(rung * stride + way)) {
                    let agreed = way == 1;
                    painter.consider(
                        candidate.family,
                        candidate.steps,
                        nats,
                        (true, agreed),
                        Route::Labelled { agreed },
                    );
                }
            }
        }
        Ok(())
    }

    /// Whether codes that both sides share are looked for: where one side is discrete, its
    /// posteriors are the codes.
    fn may_share_codes(&self) -> bool {
        let continuous = self.x.frame.atoms().is_none() && self.y.frame.atoms().is_none();
        let wanted = continuous
            && self.effort.allows(Family::SharedCode)
            && self.all.len() >= LEAST_PAIRS_FOR_CODES;
        wanted || self.effort.insists_on(Family::SharedCode)
    }

    /// Tries codes that both sides share on the same splits as the ladder, both ways at once.
    fn look_for_codes(&self, directions: &mut [Undecided; 2]) -> Result<(), BridgeError> {
        let share = TRIAL_SHARE * 2.0 / self.splits.len().max(2) as f64;
        let per_split = |part: Part| -> Result<[CodesTried; 2], BridgeError> {
            let codes = self.learn_codes(part, share, &self.streams.child(500 + part as u64))?;
            let judge = &self.splits[part].judge;
            let tried = |direction: Direction| -> Result<CodesTried, BridgeError> {
                let stream = self.stream(direction, 510 + part as u64);
                let density = self.fit_given_codes(direction, &codes, part, share, &stream)?;
                let conditional = self.conditional(direction, density.clone());
                let nats = |&s: &f32| self.judge(direction, &conditional.sharpened(s), judge);
                let silent = self.conditional(direction, density.silenced(&codes.log_prior)?);
                Ok(CodesTried {
                    nats: JUDGED_AT.iter().map(nats).collect::<Result<_, _>>()?,
                    silent: self.judge(direction, &silent, judge)?,
                })
            };
            let (x_to_y, y_to_x) =
                rayon::join(|| tried(Direction::XToY), || tried(Direction::YToX));
            Ok([x_to_y?, y_to_x?])
        };
        let tried: Vec<[CodesTried; 2]> = (0..self.splits.len())
            .into_par_iter()
            .map(per_split)
            .collect::<Result<_, _>>()?;
        for (place, undecided) in directions.iter_mut().enumerate() {
            let joined = |pick: &dyn Fn(&CodesTried) -> &Vec<f64>| -> Vec<f64> {
                tried
                    .iter()
                    .flat_map(|tried| pick(&tried[place]))
                    .copied()
                    .collect()
            };
            undecided.compare_with_silence(joined(&|tried| &tried.silent));
            let each = (0..JUDGED_AT.len()).map(|at| joined(&|tried| &tried.nats[at]));
            let best = each
                .max_by(|a, b| total(a).total_cmp(&total(b)))
                .unwrap_or_default();
            let steps = self.effort.code_learning(1.0).optimiser.steps;
            undecided.consider(Family::SharedCode, steps, best, (true, false), Route::Coded);
            if self.effort.insists_on(Family::SharedCode) {
                undecided.chosen = undecided.trials.len() - 1;
                undecided.route = Route::Coded;
            }
        }
        Ok(())
    }

    fn learn_codes(
        &self,
        part: Part,
        share: f64,
        streams: &RandomStream,
    ) -> Result<SharedCodes, BridgeError> {
        let sides = [self.side(&self.x, part), self.side(&self.y, part)];
        let widths = [self.x.frame.active(), self.y.frame.active()];
        let learning = self.effort.code_learning(share);
        let observer = step_observer(self.observe, Direction::XToY);
        let stage = Stage::new(&observer, "learning shared codes", 0);
        SharedCodes::learn(sides, widths, &learning, streams, &stage)
    }

    fn side<'s>(&'s self, space: &'s Space, part: Part) -> Side<'s> {
        Side {
            pairs: &space.pairs,
            unpaired: space.unpaired.as_ref(),
            rows: self.part(part),
        }
    }

    /// The density of a direction by codes that both sides share.
    fn fit_given_codes(
        &self,
        direction: Direction,
        codes: &SharedCodes,
        part: Part,
        share: f64,
        streams: &RandomStream,
    ) -> Result<SharedCode, BridgeError> {
        let (source, target) = self.spaces(direction);
        let [x, y] = &codes.readers;
        let (reader, recogniser) = if direction == Direction::XToY {
            (x, y)
        } else {
            (y, x)
        };
        let dim = target.frame.active();
        let targets = CodedTargets::whitened(
            self.side(target, part),
            recogniser,
            dim,
            &mut streams.child(2),
        );
        let widths = (codes.log_prior.len(), dim);
        let steps = self.effort.coded_flow_steps(share);
        let observer = step_observer(self.observe, direction);
        let stage = Stage::new(&observer, "fitting", 0);
        let (flow, _) = fit_flow(&targets, widths, steps, streams, &stage)?;
        let inputs = source.frame.feature_width();
        Ok(SharedCode::new(
            inputs,
            reader.clone(),
            (flow, targets.covariance),
            recogniser.clone(),
        )?)
    }

    fn conditional(&self, direction: Direction, density: SharedCode) -> Conditional {
        let (source, target) = self.spaces(direction);
        Conditional::new(
            source.frame.clone(),
            target.frame.clone(),
            vec![Density::SharedCode(density)],
        )
    }

    /// Whether refinement is a candidate: the ladder took a tied mixture, or may have.
    fn refinable(&self, reader: &Undecided) -> bool {
        self.effort.allows(Family::TiedMixture)
            && reader
                .candidates
                .iter()
                .zip(&reader.trials)
                .any(|(candidate, trial)| {
                    let best = reader.trials[reader.chosen].gain_nats;
                    candidate.family == Family::TiedMixture
                        && trial.gain_nats.mean > 0.5 * best.mean
                })
    }

    /// A tied mixture of the informative direction, refined on unpaired posteriors, and the
    /// objective on the pairs.
    fn refined(
        &self,
        direction: Direction,
        part: Part,
        refinement: Refinement,
        stream: &RandomStream,
    ) -> Result<(Conditional, FitCurve), BridgeError> {
        let (source, target) = self.spaces(direction);
        let Some(unpaired) = &source.unpaired else {
            return Err(zbridge_core::Interrupted.into());
        };
        let pairs = self.pairs(direction, part);
        let (components, log_weights) = self.components(direction, part)?.clone();
        let inputs = source.frame.feature_width();
        let hidden = self.effort.reader_hidden();
        let dropout = self.effort.reader_dropout(self.part(part).len());
        let start = Mixture::initial(
            inputs,
            components,
            &log_weights,
            &hidden,
            dropout,
            false,
            &mut stream.child(1),
        )?;
        let observer = step_observer(self.observe, direction);
        let stage = Stage::new(&observer, "refining", 0);
        let (mixture, curve) = refine(
            start,
            &pairs,
            (&source.frame, unpaired),
            &refinement,
            &stream.child(2),
            &stage,
        )?;
        let members = vec![Density::Mixture(mixture)];
        Ok((
            Conditional::new(source.frame.clone(), target.frame.clone(), members),
            curve,
        ))
    }

    /// A candidate of the broad direction, fitted on posteriors that `labeller` gives partners to,
    /// and on the pairs.
    fn fit_on_labelled(
        &self,
        direction: Direction,
        candidate: Candidate,
        labeller: &Conditional,
        part: Part,
        stream: &RandomStream,
    ) -> Result<(Conditional, FitCurve), BridgeError> {
        let (source, target) = self.spaces(direction);
        let Some(unpaired) = &target.unpaired else {
            return Err(zbridge_core::Interrupted.into());
        };
        let labelled = LabelledPairs::new(
            self.pairs(direction, part),
            unpaired,
            labeller,
            &mut stream.child(3),
        )?;
        let components = &|| self.components(direction, part);
        let ground = Ground {
            pairs: &labelled,
            source: &source.frame,
            target: &target.frame,
            components,
        };
        let observer = step_observer(self.observe, direction);
        let stage = Stage::new(&observer, "fitting", 0);
        let (density, curve) = candidate.fit(&ground, &stream.child(1), &stage)?;
        Ok((
            Conditional::new(source.frame.clone(), target.frame.clone(), vec![density]),
            curve,
        ))
    }

    /// The last fits, on all pairs.
    fn finish(
        &self,
        directions: [Undecided; 2],
    ) -> Result<(FittedDirection, FittedDirection), BridgeError> {
        // A labelled direction needs the finished other one; everything else has no order.
        let codes = self.last_codes(&directions)?;
        let [mut first, mut second] = directions;
        if matches!(first.route, Route::Labelled { .. }) {
            std::mem::swap(&mut first, &mut second);
        }
        let (first, second) = match second.route {
            Route::Labelled { .. } => {
                let first = self.last_fit(first, None, &codes)?;
                let second = self.last_fit(second, Some(&first.conditional), &codes)?;
                (first, second)
            }
            _ => {
                let (first, second) = rayon::join(
                    || self.last_fit(first, None, &codes),
                    || self.last_fit(second, None, &codes),
                );
                (first?, second?)
            }
        };
        let x_first =
            first.conditional.source == self.x.frame && first.conditional.target == self.y.frame;
        Ok(if x_first {
            (first, second)
        } else {
            (second, first)
        })
    }

    /// Codes that both sides share, from all pairs, for each member of an ensemble; none where
    /// nobody needs them.
    fn last_codes(&self, directions: &[Undecided; 2]) -> Result<Vec<SharedCodes>, BridgeError> {
        let needed = directions.iter().any(Undecided::needs_codes);
        let members = if needed {
            self.effort.members(Family::SharedCode)
        } else {
            0
        };
        let learn = |member: usize| {
            self.learn_codes(
                self.splits.len(),
                1.0,
                &self.streams.child(520 + member as u64),
            )
        };
        (0..members).into_par_iter().map(learn).collect()
    }

    /// An ensemble of a direction on all pairs, its members side by side.
    fn last_fit(
        &self,
        undecided: Undecided,
        labeller: Option<&Conditional>,
        codes: &[SharedCodes],
    ) -> Result<FittedDirection, BridgeError> {
        let (direction, part) = (undecided.direction, self.splits.len());
        let trial = &undecided.trials[undecided.chosen];
        let members = if undecided.needs_codes() {
            codes.len()
        } else {
            self.effort.members(trial.family)
        };
        let member = |index: usize| -> Result<(Conditional, FitCurve), BridgeError> {
            let stream = self.stream(direction, 400 + index as u64);
            match (&undecided.route, labeller) {
                (Route::Refined { sharpness }, _) => {
                    let refinement = self.effort.refinement(self.all.len());
                    let (refined, curve) = self.refined(direction, part, refinement, &stream)?;
                    Ok((refined.sharpened(*sharpness), curve))
                }
                _ if undecided.needs_codes() => {
                    let codes = &codes[index];
                    let density = self.fit_given_codes(direction, codes, part, 1.0, &stream)?;
                    let reads = matches!(undecided.route, Route::Coded);
                    let density = if reads {
                        density
                    } else {
                        density.silenced(&codes.log_prior)?
                    };
                    Ok((self.conditional(direction, density), codes.curve.clone()))
                }
                (Route::Labelled { .. }, Some(labeller)) => {
                    let candidate = self.effort.last_candidate(trial.family);
                    self.fit_on_labelled(direction, candidate, labeller, part, &stream)
                }
                _ => {
                    let candidate = undecided.candidates[undecided.chosen];
                    let (fitted, curve) = self.fit_on_pairs(direction, candidate, part, &stream)?;
                    Ok((
                        fitted.sharpened(undecided.sharpness[undecided.chosen]),
                        curve,
                    ))
                }
            }
        };
        let fitted: Vec<_> = (0..members)
            .into_par_iter()
            .map(member)
            .collect::<Result<_, _>>()?;
        let curve = fitted
            .first()
            .map(|(_, curve)| curve.clone())
            .unwrap_or_default();
        let (source, target) = self.spaces(direction);
        let densities = fitted
            .into_iter()
            .flat_map(|(conditional, _)| conditional.members)
            .collect();
        let mut conditional =
            Conditional::new(source.frame.clone(), target.frame.clone(), densities);
        if let (Route::Labelled { agreed: true }, Some(labeller)) = (&undecided.route, labeller) {
            conditional.critic = Agreement::of(labeller).map(Arc::new);
        }
        let comparison = Comparison {
            trials: undecided.trials,
            chosen: undecided.chosen,
            members,
        };
        Ok(FittedDirection {
            conditional,
            curve,
            comparison,
        })
    }
}

/// What one split says of codes that both sides share, in one direction.
struct CodesTried {
    /// log q of each judged pair at each of [`JUDGED_AT`].
    nats: Vec<Vec<f64>>,
    /// The same of the density that does not read its source.
    silent: Vec<f64>,
}

/// What one split says of the ways to learn from unpaired posteriors.
struct Tried {
    refined: Option<Judged>,
    /// log q of the judged pairs for each candidate of the other direction, with and without
    /// agreement.
    painted: Vec<Vec<f64>>,
    agreed: bool,
}

/// A refined mixture on judged pairs.
struct Judged {
    /// log q of each pair at each of [`JUDGED_AT`].
    nats: Vec<Vec<f64>>,
    /// Summed Brier score of its weights at each sharpness that it may get.
    misread: Vec<f64>,
}

impl Undecided {
    /// Adds a trial, and takes it when it is better than what was taken; where it only adds the
    /// other direction's agreement, unless it is worse by more than two standard errors: of two
    /// densities that the pairs cannot tell apart, the one on which both directions agree.
    fn consider(
        &mut self,
        family: Family,
        steps: usize,
        nats: Vec<f64>,
        (unpaired, agreed): (bool, bool),
        route: Route,
    ) {
        let gain_nats = gain(&nats, &self.nats[0]);
        let over_taken = Estimate::of(
            nats.iter()
                .zip(&self.nats[self.chosen])
                .map(|(new, old)| new - old),
        );
        self.trials.push(Trial {
            family,
            steps,
            unpaired,
            agreed,
            gain_nats,
        });
        self.nats.push(nats);
        let needed = if agreed && self.is_labelled() {
            -2.0 * over_taken.standard_error
        } else {
            0.0
        };
        if over_taken.mean > needed {
            self.chosen = self.trials.len() - 1;
            self.route = route;
        }
    }
}

impl Undecided {
    /// Lets `silent`, the log densities of flows that do not read their source, stand for no
    /// bridge, if they describe the target better than what stood for it: what a bridge is credited
    /// with is what it reads, not how well it knows the target.
    fn compare_with_silence(&mut self, silent: Vec<f64>) {
        if total(&silent) <= total(&self.nats[0]) {
            return;
        }
        self.nats[0] = silent;
        self.silent = true;
        for (trial, nats) in self.trials.iter_mut().zip(&self.nats) {
            trial.gain_nats = gain(nats, &self.nats[0]);
        }
        self.chosen = simplest_within_an_error(&self.nats);
    }

    /// Whether its last fit is by codes that both sides share.
    fn needs_codes(&self) -> bool {
        matches!(self.route, Route::Coded) || (self.silent && self.chosen == 0)
    }

    fn is_labelled(&self) -> bool {
        matches!(self.route, Route::Labelled { .. })
    }
}

fn total(nats: &[f64]) -> f64 {
    nats.iter().sum()
}

fn gain(nats: &[f64], independent: &[f64]) -> Estimate {
    Estimate::of(
        nats.iter()
            .zip(independent)
            .map(|(nats, alone)| nats - alone),
    )
}

/// Ways to hold a quarter of the pairs out: every quarter once where pairs are few, one where there
/// are plenty.
fn splits(pairs: usize, stream: &mut RandomStream) -> Vec<Split> {
    const MOST_JUDGED: usize = 1024;
    let order = stream.permutation(pairs);
    let held = (pairs / 4).clamp(1, MOST_JUDGED);
    let ways = match pairs {
        0..128 => 4,
        128..8192 => 2,
        _ => 1,
    };
    let ways = ways.min(pairs / held);
    let split = |way: usize| {
        let judged = way * held..((way + 1) * held).min(pairs);
        let fit = (0..pairs)
            .filter(|place| !judged.contains(place))
            .map(|place| order[place])
            .collect();
        Split {
            fit,
            judge: order[judged.clone()].to_vec(),
        }
    };
    (0..ways).map(split).collect()
}
