mod drawing;

/// A named cloud of points.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Group {
    /// The name in the legend; the same name has the same colour and shape in every panel.
    pub name: String,
    /// Points `(x, y)`.
    pub points: Vec<(f64, f64)>,
    /// For points that are only there for comparison: what they are. They are drawn small and pale
    /// behind the others, and the legend says once what small and pale means.
    pub backdrop: Option<String>,
}

impl Group {
    /// A cloud of points.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.into(),
            points,
            backdrop: None,
        }
    }

    /// A cloud behind the others, in the colour of the group `name`, or grey if `name` is empty.
    ///
    /// `meaning` tells the legend what all pale points are, such as “the label VAE's own latents”.
    pub fn backdrop(
        name: impl Into<String>,
        meaning: impl Into<String>,
        points: Vec<(f64, f64)>,
    ) -> Self {
        Self {
            backdrop: Some(meaning.into()),
            ..Self::new(name, points)
        }
    }
}

/// Clouds of points in a plane.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scatter {
    /// The title above the chart.
    pub title: String,
    /// What the horizontal axis measures, with its unit.
    pub x_label: String,
    /// What the vertical axis measures, with its unit.
    pub y_label: String,
    /// The clouds.
    pub groups: Vec<Group>,
    /// Whether a unit has the same length on both axes.
    pub equal_aspect: bool,
}
