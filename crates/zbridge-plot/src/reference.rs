/// A value with which others are compared, drawn as a dashed line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reference {
    /// What the value is.
    pub name: String,
    /// The value.
    pub value: f64,
}

impl Reference {
    /// A named value.
    pub fn new(name: impl Into<String>, value: f64) -> Self {
        Self {
            name: name.into(),
            value,
        }
    }
}
