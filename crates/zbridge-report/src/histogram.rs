use crate::axis::Span;

/// How many values fell between two edges.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bin {
    /// Lower edge.
    pub low: f64,
    /// Upper edge.
    pub high: f64,
    /// Number, or share, of the values between them.
    pub count: f64,
}

/// Where the bars of a histogram should end, as a band over its whole width.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExpectedBand {
    /// What the legend says, such as “95 % of bars, were the values uniform”.
    pub name: String,
    /// What a bar's height is on average; drawn dashed.
    pub expected: f64,
    /// The band's lower edge.
    pub low: f64,
    /// The band's upper edge.
    pub high: f64,
}

/// Bars over bins, with the band in which they should end.
///
/// ```
/// use zbridge_report::{ExpectedBand, Figure, Histogram};
///
/// let pit = Histogram {
///     title: "Probability-integral transform of z₁".into(),
///     x_label: "F(z₁)".into(),
///     y_label: "held-out pairs".into(),
///     band: Some(ExpectedBand { name: "95 % if uniform".into(), expected: 25.0, low: 16.0, high: 35.0 }),
///     ..Histogram::of_equal_bins(0.0, 1.0, &[22, 27, 31, 20])
/// };
/// assert_eq!(Figure::from(pit).data()[0].rows.len(), 4);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// What stands above the chart.
    pub title: String,
    /// What was sorted into bins, with its unit.
    pub x_label: String,
    /// What is counted.
    pub y_label: String,
    /// What the legend says of the bars; may be empty.
    pub name: String,
    /// The bars.
    pub bins: Vec<Bin>,
    /// Where they should end.
    pub band: Option<ExpectedBand>,
}

impl Histogram {
    /// Bars of equal width that fill the range from `low` to `high`, without words.
    pub fn of_equal_bins(low: f64, high: f64, counts: &[usize]) -> Self {
        let edge = |at: usize| low + (high - low) * at as f64 / counts.len() as f64;
        let bin = |(at, &count): (usize, &usize)| Bin {
            low: edge(at),
            high: edge(at + 1),
            count: count as f64,
        };
        Self {
            bins: counts.iter().enumerate().map(bin).collect(),
            ..Self::default()
        }
    }

    /// Lower ends, upper ends and the heights that must fit on the axes.
    pub(crate) fn corners(&self) -> Vec<(f64, f64)> {
        self.bins
            .iter()
            .flat_map(|bin| [(bin.low, bin.count), (bin.high, bin.count)])
            .collect()
    }

    /// Heights from zero to the highest of bars and band; up to one where all are zero.
    pub(crate) fn heights(&self, drawn: Option<Span>) -> Option<Span> {
        let span = drawn?;
        let band = self.band.as_ref().map_or(0.0, |band| band.high);
        let high = span.high.max(if band.is_finite() { band } else { 0.0 });
        Some(Span {
            low: span.low.min(0.0),
            high: if high > 0.0 { high } else { 1.0 },
        })
    }
}
