/// What became of the answers given with about the same confidence.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ConfidenceBin {
    /// Lower edge of the bin.
    pub low: f64,
    /// Upper edge of the bin.
    pub high: f64,
    /// Mean confidence of the answers in it; NaN where there are none.
    pub confidence: f64,
    /// Share of them that was right; NaN where there are none.
    pub accuracy: f64,
    /// Interval in which that share lies.
    pub interval: Option<(f64, f64)>,
    /// How many answers fell into the bin.
    pub count: usize,
}

/// Accuracy over confidence, beside the diagonal on which they agree, above the numbers of answers.
///
/// Both axes run from 0 to 1. A bar from the diagonal to the accuracy shows by how much the answers
/// were too sure (below) or not sure enough (above).
///
/// ```
/// use zbridge_report::{ConfidenceBin, Figure, ReliabilityDiagram};
///
/// let bin = ConfidenceBin {
///     low: 0.9, high: 1.0, confidence: 0.97, accuracy: 0.95, interval: Some((0.93, 0.965)), count: 812,
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
    /// What stands above the chart.
    pub title: String,
    /// What the horizontal axis measures.
    pub x_label: String,
    /// What the vertical axis measures.
    pub y_label: String,
    /// What the legend says of the points.
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

impl ReliabilityDiagram {
    /// Points of the bins that have answers.
    pub(crate) fn points(&self) -> Vec<(f64, f64)> {
        self.bins
            .iter()
            .filter(|bin| bin.count > 0)
            .map(|bin| (bin.confidence, bin.accuracy))
            .collect()
    }
}
