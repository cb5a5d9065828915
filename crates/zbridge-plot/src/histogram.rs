mod drawing;

/// How many values lie between two edges.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bin {
    /// Lower edge.
    pub low: f64,
    /// Upper edge.
    pub high: f64,
    /// Number, or share, of the values between them.
    pub count: f64,
}

/// Where the bars of a histogram should end: a band over its whole width.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExpectedBand {
    /// The name in the legend, such as “95 % of bars if the values are uniform”.
    pub name: String,
    /// The mean height of a bar; drawn dashed.
    pub expected: f64,
    /// Lower edge of the band.
    pub low: f64,
    /// Upper edge of the band.
    pub high: f64,
}

/// Bars over bins, with the band in which they should end.
///
/// ```
/// use zbridge_plot::{ExpectedBand, Figure, Histogram};
///
/// let chart = Histogram {
///     title: "Probability-integral transform of z₁".into(),
///     x_label: "F(z₁)".into(),
///     y_label: "held-out pairs".into(),
///     band: Some(ExpectedBand {
///         name: "95 % if uniform".into(),
///         expected: 25.0,
///         low: 16.0,
///         high: 35.0,
///     }),
///     ..Histogram::of_equal_bins(0.0, 1.0, &[22, 27, 31, 20])
/// };
/// assert_eq!(chart.bins[1].low, 0.25);
/// assert!(Figure::from(chart).to_svg().contains("95 % if uniform"));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// The title above the chart.
    pub title: String,
    /// What was sorted into bins, with its unit.
    pub x_label: String,
    /// What was counted.
    pub y_label: String,
    /// The name of the bars in the legend; may be empty.
    pub name: String,
    /// The bars.
    pub bins: Vec<Bin>,
    /// Where they should end.
    pub band: Option<ExpectedBand>,
}

impl Histogram {
    /// A histogram without texts whose bins divide the range from `low` to `high` equally.
    pub fn of_equal_bins(low: f64, high: f64, counts: &[usize]) -> Self {
        let edge = |index: usize| low + (high - low) * index as f64 / counts.len() as f64;
        let bins = counts.iter().enumerate().map(|(index, &count)| Bin {
            low: edge(index),
            high: edge(index + 1),
            count: count as f64,
        });
        Self {
            bins: bins.collect(),
            ..Self::default()
        }
    }
}
