use zbridge_core::RandomStream;

/// Something that a caption says of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// Square, ellipse or heart.
    Shape,
    /// Small or big.
    Size,
    /// Red, green, blue, yellow or pink.
    Colour,
    /// The quarter of the picture that the shape is in.
    Place,
    /// Light or dark.
    Background,
}

impl Attribute {
    /// All of them, in the order in which the levels take them up.
    pub const ALL: [Self; 5] = [
        Self::Shape,
        Self::Size,
        Self::Colour,
        Self::Place,
        Self::Background,
    ];

    /// What users call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shape => "shape",
            Self::Size => "size",
            Self::Colour => "colour",
            Self::Place => "place",
            Self::Background => "background",
        }
    }

    /// The attribute that users call `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|attribute| attribute.name() == name)
    }

    /// What a caption says for each of its classes.
    pub fn phrases(self) -> &'static [&'static str] {
        match self {
            Self::Shape => &["square", "ellipse", "heart"],
            Self::Size => &["small", "big"],
            Self::Colour => &["red", "green", "blue", "yellow", "pink"],
            Self::Place => &[
                "at top left",
                "at top right",
                "at bottom left",
                "at bottom right",
            ],
            Self::Background => &["on light", "on dark"],
        }
    }

    /// How many classes it has.
    pub fn classes(self) -> usize {
        self.phrases().len()
    }
}

/// How much is said of a scene: level 1 names its shape, each further one an attribute more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Shape.
    L1 = 1,
    /// Shape and size.
    L2,
    /// Shape, size and colour.
    L3,
    /// Shape, size, colour and place.
    L4,
    /// Shape, size, colour, place and background.
    L5,
}

impl Level {
    /// All of them, first to last.
    pub const ALL: [Self; 5] = [Self::L1, Self::L2, Self::L3, Self::L4, Self::L5];

    /// The level of this number, from 1 to 5.
    pub fn of_number(number: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.number() == number)
    }

    /// Its number, from 1 to 5.
    pub fn number(self) -> usize {
        self as usize
    }

    /// The attributes that it names.
    pub fn attributes(self) -> &'static [Attribute] {
        &Attribute::ALL[..self.number()]
    }
}

/// What a caption says of a scene: a class of each attribute that its level names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Attributes {
    level: Level,
    /// In the order of [`Attribute::ALL`]; 0 where the level names nothing.
    classes: [u8; 5],
}

/// The order in which a caption speaks.
const SPOKEN: [Attribute; 5] = [
    Attribute::Size,
    Attribute::Colour,
    Attribute::Shape,
    Attribute::Place,
    Attribute::Background,
];

impl Attributes {
    /// A uniform draw of each attribute that `level` names.
    pub fn drawn(level: Level, stream: &mut RandomStream) -> Self {
        let mut classes = [0; 5];
        for (class, attribute) in classes.iter_mut().zip(level.attributes()) {
            *class = stream.below(attribute.classes()) as u8;
        }
        Self { level, classes }
    }

    /// Every combination that `level` has, those of the last attribute side by side.
    pub fn all(level: Level) -> Vec<Self> {
        let mut all = vec![Self {
            level,
            classes: [0; 5],
        }];
        for (place, attribute) in level.attributes().iter().enumerate() {
            all = all
                .iter()
                .flat_map(|one| (0..attribute.classes()).map(|class| one.with(place, class as u8)))
                .collect();
        }
        all
    }

    /// The combination with these classes, in the order of [`Level::attributes`]; none when there
    /// is no such one.
    pub fn of_classes(level: Level, classes: &[u8]) -> Option<Self> {
        let known = level
            .attributes()
            .iter()
            .zip(classes)
            .all(|(attribute, class)| usize::from(*class) < attribute.classes());
        let mut all = [0; 5];
        all.get_mut(..classes.len())?.copy_from_slice(classes);
        (known && classes.len() == level.number()).then_some(Self {
            level,
            classes: all,
        })
    }

    /// A number for each combination of a level, from 0, in the order of [`all`](Self::all).
    pub fn key(&self) -> u16 {
        let places = self.level.attributes().iter().zip(&self.classes);
        places.fold(0, |key, (attribute, class)| {
            key * attribute.classes() as u16 + u16::from(*class)
        })
    }

    /// The combination of this number; none when the level has fewer.
    pub fn of_key(level: Level, key: u16) -> Option<Self> {
        Self::all(level).get(usize::from(key)).copied()
    }

    fn with(mut self, place: usize, class: u8) -> Self {
        self.classes[place] = class;
        self
    }

    /// How many attributes are named.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The class of an attribute, if the level names it.
    pub fn class(&self, attribute: Attribute) -> Option<u8> {
        self.level
            .attributes()
            .contains(&attribute)
            .then(|| self.classes[attribute as usize])
    }

    /// In words: `small red heart at top left on dark`, or as much of it as the level names.
    pub fn caption(&self) -> String {
        let phrase = |attribute: Attribute| {
            self.class(attribute)
                .map(|class| attribute.phrases()[usize::from(class)])
        };
        SPOKEN
            .into_iter()
            .filter_map(phrase)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// What `caption` says, when it is word by word what some level's captions look like.
    pub fn of_caption(caption: &str) -> Option<Self> {
        let mut found = [None; 5];
        let mut rest = caption;
        for attribute in SPOKEN {
            if let Some((class, after)) = spoken(attribute, rest) {
                (found[attribute as usize], rest) = (Some(class), after);
            }
        }
        let level = Level::of_number(found.iter().take_while(|class| class.is_some()).count())?;
        let skipped = found[level.number()..].iter().any(Option::is_some);
        let classes = found.map(Option::unwrap_or_default);
        (rest.is_empty() && !skipped && !caption.ends_with(' ')).then_some(Self { level, classes })
    }
}

/// The class whose phrase `text` begins with, and what stands behind it.
fn spoken(attribute: Attribute, text: &str) -> Option<(u8, &str)> {
    attribute
        .phrases()
        .iter()
        .zip(0..)
        .find_map(|(phrase, class)| {
            let after = text.strip_prefix(phrase)?;
            if after.is_empty() {
                Some((class, after))
            } else {
                Some((class, after.strip_prefix(' ')?))
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_are_read_back_and_none_stands_for_two_scenes() {
        for level in Level::ALL {
            let all = Attributes::all(level);
            assert_eq!(
                all.len(),
                level
                    .attributes()
                    .iter()
                    .map(|attribute| attribute.classes())
                    .product::<usize>()
            );
            for attributes in all {
                assert_eq!(
                    Attributes::of_caption(&attributes.caption()),
                    Some(attributes)
                );
            }
        }
    }

    #[test]
    fn keys_count_all_combinations_in_order() {
        for level in Level::ALL {
            for (key, attributes) in Attributes::all(level).into_iter().enumerate() {
                assert_eq!(attributes.key(), key as u16);
                assert_eq!(Attributes::of_key(level, key as u16), Some(attributes));
                assert_eq!(
                    Attributes::of_classes(level, &attributes.classes[..level.number()]),
                    Some(attributes)
                );
            }
        }
        assert_eq!(Attributes::of_key(Level::L1, 3), None);
        assert_eq!(Attributes::of_classes(Level::L2, &[0, 2]), None);
        assert_eq!(Attributes::of_classes(Level::L2, &[0]), None);
    }

    #[test]
    fn captions_sound_as_people_speak() {
        let said = |caption: &str| {
            Attributes::of_caption(caption).map(|a| (a.level().number(), a.classes))
        };
        assert_eq!(said("heart"), Some((1, [2, 0, 0, 0, 0])));
        assert_eq!(said("small red heart"), Some((3, [2, 0, 0, 0, 0])));
        assert_eq!(
            said("big pink square at bottom right on dark"),
            Some((5, [0, 1, 4, 3, 1]))
        );
    }

    #[test]
    fn what_no_level_says_is_not_read() {
        let wrong = [
            "",
            "small",
            "red heart",
            "heart small",
            "small  heart",
            "small heart ",
            " small heart",
            "small hearts",
            "small red heart at top",
            "small red heart on dark",
            "small small heart",
            "small red heart at top left on dark on dark",
        ];
        for caption in wrong {
            assert_eq!(Attributes::of_caption(caption), None, "{caption:?}");
        }
    }

    #[test]
    fn names_and_numbers_lead_back() {
        assert!(
            Attribute::ALL
                .into_iter()
                .all(|attribute| Attribute::named(attribute.name()) == Some(attribute))
        );
        assert!(
            Level::ALL
                .into_iter()
                .all(|level| Level::of_number(level.number()) == Some(level))
        );
        assert_eq!(
            (
                Level::of_number(0),
                Level::of_number(6),
                Attribute::named("taste")
            ),
            (None, None, None)
        );
    }
}
