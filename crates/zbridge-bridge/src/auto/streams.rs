use crate::Direction;
use zbridge_core::RandomStream;

/// The random streams of one automatic fit: each purpose has its own.
#[derive(Debug)]
pub(super) struct Streams {
    root: RandomStream,
}

/// What draws that concern both directions are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Which pairs are held out.
    Splits,
    /// Shared codes that are tried on a split.
    CodesOfSplit(usize),
    /// Shared codes of a member of the last ensembles.
    CodesOfMember(usize),
    /// Likely codes from a part of the pairs.
    LikelyCodes(usize),
}

/// What draws that concern one direction are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DirectionPurpose {
    /// Points of held-out pairs at which log densities are taken. The same for every candidate, so
    /// that they are compared on the same points.
    HeldOutDensities,
    /// Draws among which held-out targets are ranked.
    HeldOutRanks,
    /// Points of held-out pairs at which Brier scores are taken.
    BrierScores,
    /// Components of the target's aggregate posterior, from the pairs of a part.
    Components {
        /// Number of the part: of a split, or the number of splits for all pairs.
        part: usize,
    },
    /// The fit of a rung of the ladder on a split.
    Rung {
        /// Number of the rung.
        rung: usize,
        /// Number of the split.
        split: usize,
    },
    /// The labeller that is tried on a split: a refined mixture, or the best rung.
    Labeller {
        /// Number of the split.
        split: usize,
    },
    /// The labeller that learns spread labels first and is tried on a split.
    SpreadLabeller {
        /// Number of the split.
        split: usize,
    },
    /// The fit of a candidate on labelled latents of a split.
    Labelled {
        /// Number of the candidate.
        candidate: usize,
        /// Number of the split.
        split: usize,
    },
    /// The last fit of a member of the ensemble.
    LastFit {
        /// Number of the member.
        member: usize,
    },
    /// The flow given shared codes that is tried on a split.
    CodedFlow {
        /// Number of the split.
        split: usize,
    },
    /// The tilt of a part of the pairs.
    Tilt {
        /// Number of the part.
        part: usize,
    },
    /// The kernel regression of a part of the pairs.
    Regression {
        /// Number of the part.
        part: usize,
    },
}

impl Streams {
    /// Returns the streams of a fit with this seed.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            root: RandomStream::named(seed, "fit/auto"),
        }
    }

    /// Returns the stream of a purpose of both directions.
    pub(super) fn shared(&self, purpose: Purpose) -> RandomStream {
        self.root.child(purpose.number())
    }

    /// Returns the stream of a purpose of one direction.
    pub(super) fn of(&self, direction: Direction, purpose: DirectionPurpose) -> RandomStream {
        self.root
            .child(number_of(direction))
            .child(purpose.number())
    }
}

/// Returns the number of a direction's streams among those of [`Purpose`].
const fn number_of(direction: Direction) -> u64 {
    match direction {
        Direction::XToY => 1,
        Direction::YToX => 2,
    }
}

/// The numbers of one purpose: `first`, `first + 1`, … for the first `count` items. They are those
/// of version 0.1, and stay, so that the same seed gives the same bridge.
///
/// Further items are numbered from `(id + 1) · 2³²`: no two purposes meet, however many items there
/// are.
struct Numbers {
    id: u64,
    first: u64,
    count: u64,
}

impl Numbers {
    const fn of(&self, item: u64) -> u64 {
        if item < self.count {
            self.first + item
        } else {
            ((self.id + 1) << 32) + item
        }
    }
}

impl Purpose {
    fn number(self) -> u64 {
        let (id, first, count, item) = match self {
            Self::Splits => (0, 0, 1, 0),
            Self::CodesOfSplit(split) => (1, 500, 10, split),
            Self::CodesOfMember(member) => (2, 520, 80, member),
            Self::LikelyCodes(part) => (3, 900, 100, part),
        };
        Numbers { id, first, count }.of(item as u64)
    }
}

impl DirectionPurpose {
    /// Splits are at most [`MAX_SPLITS`](super::splits::MAX_SPLITS). The rungs of version 0.1 are
    /// numbered `100 + 8 · rung + split`, and its labellers `200 + split`: these are among those of
    /// rung 12, but of its splits 4 to 7, which do not exist.
    fn number(self) -> u64 {
        const STRIDE: usize = 8;
        let (id, first, count, item) = match self {
            Self::HeldOutDensities => (0, 1, 1, 0),
            Self::HeldOutRanks => (10, 3, 1, 0),
            Self::BrierScores => (1, 2, 1, 0),
            Self::Components { part } => (2, 10, 90, part),
            Self::Rung { rung, split } => (3, 100, 200, STRIDE * rung + split),
            Self::Labeller { split } => (4, 200, 4, split),
            Self::Labelled { candidate, split } => (5, 300, 100, STRIDE * candidate + split),
            Self::LastFit { member } => (6, 400, 100, member),
            Self::CodedFlow { split } => (7, 510, 90, split),
            Self::Regression { part } => (8, 700, 100, part),
            Self::SpreadLabeller { split } => (9, 600, 100, split),
            Self::Tilt { part } => (11, 800, 100, part),
        };
        Numbers { id, first, count }.of(item as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::splits::MAX_SPLITS;
    use super::*;
    use std::collections::HashMap;
    use std::fmt::Debug;

    /// More rungs, candidates and members than there are numbers for in version 0.1.
    const MANY: usize = 200;

    fn assert_distinct<P: Debug>(numbered: impl IntoIterator<Item = (P, u64)>) {
        let mut known: HashMap<u64, P> = HashMap::new();
        for (purpose, number) in numbered {
            if let Some(other) = known.insert(number, purpose) {
                panic!("{other:?} and {:?} have number {number}", known[&number]);
            }
        }
    }

    #[test]
    fn no_two_purposes_of_a_direction_share_a_number() {
        use DirectionPurpose::*;
        let mut purposes = vec![HeldOutDensities, HeldOutRanks, BrierScores];
        for part in 0..=MAX_SPLITS {
            purposes.extend([Components { part }, Regression { part }, Tilt { part }]);
        }
        for split in 0..MAX_SPLITS {
            purposes.extend([
                Labeller { split },
                CodedFlow { split },
                SpreadLabeller { split },
            ]);
            purposes.extend((0..MANY).map(|rung| Rung { rung, split }));
            purposes.extend((0..MANY).map(|candidate| Labelled { candidate, split }));
        }
        purposes.extend((0..MANY).map(|member| LastFit { member }));
        assert_distinct(
            purposes
                .into_iter()
                .map(|purpose| (purpose, purpose.number())),
        );
    }

    #[test]
    fn no_two_purposes_of_both_directions_share_a_number() {
        use Purpose::*;
        let mut purposes = vec![Splits];
        purposes.extend((0..MANY).flat_map(|i| [CodesOfSplit(i), CodesOfMember(i)]));
        let numbered = purposes
            .into_iter()
            .map(|purpose| (format!("{purpose:?}"), purpose.number()));
        let directions =
            Direction::BOTH.map(|direction| (direction.to_string(), number_of(direction)));
        assert_distinct(numbered.chain(directions));
    }

    #[test]
    fn the_numbers_of_version_0_1_stay() {
        use DirectionPurpose::*;
        let last_rung = Rung { rung: 13, split: 3 };
        assert_eq!(last_rung.number(), 207);
        assert_eq!(Components { part: 4 }.number(), 14);
        assert_eq!(Labeller { split: 3 }.number(), 203);
        assert_eq!(
            Labelled {
                candidate: 0,
                split: 1
            }
            .number(),
            301
        );
        assert_eq!(LastFit { member: 1 }.number(), 401);
        assert_eq!(CodedFlow { split: 1 }.number(), 511);
        assert_eq!(Purpose::CodesOfSplit(1).number(), 501);
        assert_eq!(Purpose::CodesOfMember(1).number(), 521);
    }
}
