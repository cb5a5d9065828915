use zbridge_core::RandomStream;

/// A property of a scene that a caption can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// Square, ellipse or heart.
    Shape,
    /// Small or big.
    Size,
    /// Red, green, blue, yellow or pink.
    Colour,
    /// The quarter of the picture in which the shape is.
    Place,
    /// Light or dark.
    Background,
}

impl Attribute {
    /// All attributes, in the order in which the levels add them.
    pub const ALL: [Self; 5] = [
        Self::Shape,
        Self::Size,
        Self::Colour,
        Self::Place,
        Self::Background,
    ];

    /// Returns its name for users.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shape => "shape",
            Self::Size => "size",
            Self::Colour => "colour",
            Self::Place => "place",
            Self::Background => "background",
        }
    }

    /// Returns the attribute with this name; `None` if there is none.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|attribute| attribute.name() == name)
    }

    /// Returns the words of a caption for each of its classes.
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

    /// Returns the number of its classes.
    pub fn classes(self) -> usize {
        self.phrases().len()
    }
}

/// The number of attributes that captions name: level 1 names the shape, and each further level
/// one attribute more.
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
    /// All levels, from the first to the last.
    pub const ALL: [Self; 5] = [Self::L1, Self::L2, Self::L3, Self::L4, Self::L5];

    /// Returns the level of this number, from 1 to 5; `None` for another number.
    pub fn of_number(number: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.number() == number)
    }

    /// Returns its number, from 1 to 5.
    pub fn number(self) -> usize {
        self as usize
    }

    /// Returns the attributes that it names.
    pub fn attributes(self) -> &'static [Attribute] {
        &Attribute::ALL[..self.number()]
    }
}

/// What a caption says of a scene: the class of each attribute that its level names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Attributes {
    level: Level,
    /// In the order of [`Attribute::ALL`]; 0 for attributes that the level does not name.
    classes: [u8; 5],
}

/// The order of the attributes in a caption.
const CAPTION_ORDER: [Attribute; 5] = [
    Attribute::Size,
    Attribute::Colour,
    Attribute::Shape,
    Attribute::Place,
    Attribute::Background,
];

impl Attributes {
    /// Returns a uniform draw of each attribute that `level` names.
    pub fn draw(level: Level, stream: &mut RandomStream) -> Self {
        let mut classes = [0; 5];
        for (class, attribute) in classes.iter_mut().zip(level.attributes()) {
            *class = stream.below(attribute.classes()) as u8;
        }
        Self { level, classes }
    }

    /// Returns every combination of a level; the last attribute changes fastest.
    pub fn all(level: Level) -> Vec<Self> {
        let mut all = vec![Self {
            level,
            classes: [0; 5],
        }];
        for (place, attribute) in level.attributes().iter().enumerate() {
            let mut extended = Vec::with_capacity(all.len() * attribute.classes());
            for combination in &all {
                for class in 0..attribute.classes() as u8 {
                    let mut combination: Self = *combination;
                    combination.classes[place] = class;
                    extended.push(combination);
                }
            }
            all = extended;
        }
        all
    }

    /// Returns the combination with these classes, in the order of [`Level::attributes`]; `None` if
    /// a class does not exist or their number is another one.
    pub fn of_classes(level: Level, classes: &[u8]) -> Option<Self> {
        let attributes = level.attributes();
        if classes.len() != attributes.len() {
            return None;
        }
        let mut combination = Self {
            level,
            classes: [0; 5],
        };
        for (place, (attribute, &class)) in attributes.iter().zip(classes).enumerate() {
            if usize::from(class) >= attribute.classes() {
                return None;
            }
            combination.classes[place] = class;
        }
        Some(combination)
    }

    /// Returns the number of the combination in [`all`](Self::all), from 0.
    pub fn key(&self) -> u16 {
        let mut key = 0;
        // A number in a mixed base, the last attribute in the lowest place.
        for (attribute, &class) in self.level.attributes().iter().zip(&self.classes) {
            key = key * attribute.classes() as u16 + u16::from(class);
        }
        key
    }

    /// Returns the combination of this number; `None` if the level has fewer.
    pub fn of_key(level: Level, key: u16) -> Option<Self> {
        Self::all(level).get(usize::from(key)).copied()
    }

    /// Returns the level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Returns the class of an attribute; `None` if the level does not name it.
    pub fn class(&self, attribute: Attribute) -> Option<u8> {
        self.level
            .attributes()
            .contains(&attribute)
            .then(|| self.classes[attribute as usize])
    }

    /// Returns the caption: `small red heart at top left on dark`, or as much of it as the level
    /// names.
    pub fn caption(&self) -> String {
        let mut phrases = Vec::with_capacity(CAPTION_ORDER.len());
        for attribute in CAPTION_ORDER {
            if let Some(class) = self.class(attribute) {
                phrases.push(attribute.phrases()[usize::from(class)]);
            }
        }
        phrases.join(" ")
    }

    /// Returns what `caption` says; `None` unless it is exactly a caption of some level.
    pub fn of_caption(caption: &str) -> Option<Self> {
        let mut found = [None; 5];
        let mut rest = caption;
        for attribute in CAPTION_ORDER {
            if let Some(named) = Named::at_start(attribute, rest) {
                found[attribute as usize] = Some(named.class);
                rest = named.rest;
            }
        }
        // A level names the first attributes and no others.
        let named = found.iter().take_while(|class| class.is_some()).count();
        let level = Level::of_number(named)?;
        let skips_one = found[named..].iter().any(Option::is_some);
        if !rest.is_empty() || skips_one || caption.ends_with(' ') {
            return None;
        }
        Some(Self {
            level,
            classes: found.map(Option::unwrap_or_default),
        })
    }
}

/// An attribute that a text names, and the text after it.
struct Named<'t> {
    class: u8,
    rest: &'t str,
}

impl<'t> Named<'t> {
    /// Returns the class with whose phrase `text` begins.
    fn at_start(attribute: Attribute, text: &'t str) -> Option<Self> {
        for (phrase, class) in attribute.phrases().iter().zip(0..) {
            let Some(rest) = text.strip_prefix(phrase) else {
                continue;
            };
            if rest.is_empty() {
                return Some(Self { class, rest });
            }
            // The phrase must end where a word ends.
            if let Some(rest) = rest.strip_prefix(' ') {
                return Some(Self { class, rest });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_are_read_back() {
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
    fn captions_name_attributes_in_the_order_of_english() {
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
    fn other_texts_are_not_captions() {
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
    fn attributes_and_levels_are_found_by_name_and_number() {
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
