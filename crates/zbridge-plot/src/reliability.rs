mod drawing;

/// What became of the answers that were given with about the same confidence.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ConfidenceBin {
    /// Lower edge of the bin.
    pub low: f64,
    /// Upper edge of the bin.
    pub high: f64,
    /// Mean confidence of the answers in it; NaN if there are none.
    pub confidence: f64,
    /// Share of them that was right; NaN if there are none.
    pub accuracy: f64,
    /// Ends of the interval of that share.
    pub interval: Option<(f64, f64)>,
    /// Number of answers in the bin.
    pub count: usize,
}

/// Accuracy over confidence, with the diagonal on which both agree, above the numbers of answers.
///
/// Both axes go from 0 to 1. A bar from the diagonal to the accuracy shows by how much the answers
/// were overconfident (below the diagonal) or underconfident (above).
///
/// ```
/// use zbridge_plot::{ConfidenceBin, Figure, ReliabilityDiagram};
///
/// let bin = ConfidenceBin {
///     low: 0.9,
///     high: 1.0,
///     confidence: 0.97,
///     accuracy: 0.95,
///     interval: Some((0.93, 0.965)),
///     count: 812,
/// };
/// let diagram = ReliabilityDiagram {
///     title: "Image → label, 256 pairs".into(),
///     bins: vec![bin],
///     ..ReliabilityDiagram::default()
/// };
/// assert!(Figure::from(diagram).to_svg().contains("confidence"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ReliabilityDiagram {
    /// The title above the chart.
    pub title: String,
    /// What the horizontal axis measures.
    pub x_label: String,
    /// What the vertical axis measures.
    pub y_label: String,
    /// The name of the points in the legend.
    pub name: String,
    /// The bins from left to right.
    pub bins: Vec<ConfidenceBin>,
}

impl Default for ReliabilityDiagram {
    fn default() -> Self {
        Self {
            title: String::new(),
            x_label: "confidence".into(),
            y_label: "accuracy".into(),
            name: "accuracy of the answers in a bin, with its 95 % interval".into(),
            bins: Vec::new(),
        }
    }
}
