/// The attributes in the order in which levels name them, each with its values as captions say them.
pub const ATTRIBUTES: [(&str, &[&str]); 5] = [
    ("shape", &["square", "ellipse", "heart"]),
    ("size", &["small", "big"]),
    ("colour", &["red", "green", "blue", "yellow", "pink"]),
    ("place", &["top left", "top right", "bottom left", "bottom right"]),
    ("background", &["light", "dark"]),
];

/// The highest level: how many attributes there are.
pub const LEVELS: u8 = 5;

/// What a scene shows: the first so many attributes, each as the number of its value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attributes(Vec<usize>);

impl Attributes {
    /// The attributes with these values, as many as the level.
    ///
    /// # Panics
    /// When there are none, more than five, or a value that does not exist.
    pub fn new(values: Vec<usize>) -> Self {
        assert!((1..=ATTRIBUTES.len()).contains(&values.len()), "{} attributes", values.len());
        for ((name, known), value) in ATTRIBUTES.iter().zip(&values) {
            assert!(*value < known.len(), "{name} {value}");
        }
        Self(values)
    }

    /// Their values, in the order of [`ATTRIBUTES`].
    pub fn values(&self) -> &[usize] {
        &self.0
    }

    /// How many there are.
    pub fn level(&self) -> u8 {
        self.0.len() as u8
    }

    /// "small red heart at top left on dark", as far as the level goes.
    pub fn caption(&self) -> String {
        let word = |place: usize| self.0.get(place).map(|&value| ATTRIBUTES[place].1[value]);
        let before = [word(1), word(2), word(0)].into_iter().flatten().map(str::to_owned);
        let behind = [word(3).map(|place| format!("at {place}")), word(4).map(|ground| format!("on {ground}"))];
        before.chain(behind.into_iter().flatten()).collect::<Vec<_>>().join(" ")
    }

    /// The attributes of which this is the caption, word for word; none when it is nobody's.
    pub fn of_caption(caption: &str) -> Option<Self> {
        let words: Vec<&str> = caption.split_whitespace().collect();
        let level = [1, 2, 3, 6, 8].iter().position(|&count| count == words.len())? as u8 + 1;
        Self::all(level).find(|attributes| attributes.caption() == caption)
    }

    /// Every combination of a level, in the order of their keys.
    pub fn all(level: u8) -> impl Iterator<Item = Self> {
        (0..Self::count(level)).map(move |key| Self::of_key(level, key))
    }

    /// How many combinations a level has: 3, 6, 30, 120, 240.
    pub fn count(level: u8) -> u16 {
        ATTRIBUTES[..usize::from(level)].iter().map(|(_, values)| values.len() as u16).product()
    }

    /// A number for each combination of a level, from 0.
    pub fn key(&self) -> u16 {
        let places = self.0.iter().zip(&ATTRIBUTES);
        places.fold(0, |key, (&value, (_, values))| key * values.len() as u16 + value as u16)
    }

    /// The combination of this number.
    ///
    /// # Panics
    /// When the level has no such number.
    pub fn of_key(level: u8, mut key: u16) -> Self {
        assert!(key < Self::count(level), "combination {key} of level {level}");
        let mut values = vec![0; usize::from(level)];
        for (value, (_, known)) in values.iter_mut().zip(&ATTRIBUTES).rev() {
            *value = usize::from(key) % known.len();
            key /= known.len() as u16;
        }
        Self(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_captions_name_every_combination_once() {
        let counts = [3, 6, 30, 120, 240];
        for level in 1..=LEVELS {
            assert_eq!(Attributes::count(level), counts[usize::from(level) - 1]);
            for (key, attributes) in Attributes::all(level).enumerate() {
                assert_eq!((attributes.key(), attributes.level()), (key as u16, level));
                assert_eq!(Attributes::of_caption(&attributes.caption()), Some(attributes));
            }
        }
    }

    #[test]
    fn captions_read_as_english_and_nothing_else_is_one() {
        assert_eq!(Attributes::new(vec![2, 0, 0, 0, 1]).caption(), "small red heart at top left on dark");
        for wrong in ["", "red small heart", "small red", "heart heart", "small red heart at top", "small Red heart"] {
            assert_eq!(Attributes::of_caption(wrong), None, "{wrong}");
        }
    }
}
