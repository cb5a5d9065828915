//! Colours: ten for series that all readers can tell apart, and those of text and lines.

use std::borrow::Cow;

/// Where an SVG is shown, which decides how its colours and fonts are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// A file of its own: dark on white, with its own font.
    #[default]
    Standalone,
    /// Inside an HTML page. The page's style sheet sets the font and the CSS variables `--ink`
    /// (text), `--ink-muted` (ticks and notes), `--ink-grid` (grid lines), `--paper` (background)
    /// and `--series-0` to `--series-9`.
    StyleSheet,
}

/// What a colour is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    /// Text.
    Text,
    /// Tick labels, axes and notes.
    Muted,
    /// Grid lines.
    Grid,
    /// The background of everything.
    Paper,
    /// The series or group with this index; the eleventh has the colour of the first.
    Series(usize),
}

/// Ten colours for series on a light background.
///
/// They come from the palettes of Okabe and Ito and of Paul Tol, moved until every pair is at least
/// 20 units of CIE L\*a\*b\* apart for normal, red-blind, green-blind and blue-blind readers; a
/// test checks this.
pub const LIGHT_PALETTE: [&str; 10] = [
    "#075ea2", "#e33e0f", "#06975b", "#bd8bbb", "#dfab00", "#56b3ff", "#67115e", "#76a647",
    "#231e8a", "#776372",
];

/// The same hues, lighter, for a dark background.
pub const DARK_PALETTE: [&str; 10] = [
    "#56a0fb", "#f2552e", "#50e1a0", "#c086bd", "#e4d031", "#b3effa", "#9f3aab", "#b8d973",
    "#705bf7", "#898d82",
];

impl Colour {
    /// The colour as the value of an SVG attribute.
    pub(crate) fn svg(self, theme: Theme) -> Cow<'static, str> {
        match theme {
            Theme::Standalone => self.hex().into(),
            Theme::StyleSheet => self.css_variable(),
        }
    }

    /// Red, green and blue on a light background.
    pub(crate) fn rgb(self) -> [u8; 3] {
        let hex = self.hex();
        // Two digits each for red, green and blue, after the `#`.
        [1, 3, 5].map(|start| {
            u8::from_str_radix(&hex[start..start + 2], 16)
                .expect("the colours below are written as #rrggbb")
        })
    }

    fn hex(self) -> &'static str {
        match self {
            Self::Text => "#1b1f24",
            Self::Muted => "#57606a",
            Self::Grid => "#e4e7eb",
            Self::Paper => "#ffffff",
            Self::Series(index) => LIGHT_PALETTE[index % LIGHT_PALETTE.len()],
        }
    }

    fn css_variable(self) -> Cow<'static, str> {
        match self {
            Self::Text => "var(--ink)".into(),
            Self::Muted => "var(--ink-muted)".into(),
            Self::Grid => "var(--ink-grid)".into(),
            Self::Paper => "var(--paper)".into(),
            Self::Series(index) => format!("var(--series-{})", index % LIGHT_PALETTE.len()).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Machado, Oliveira and Fernandes (2009), severity 1: protanopia, deuteranopia, tritanopia;
    /// and normal sight.
    const READERS: [[[f64; 3]; 3]; 4] = [
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ],
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    ];

    fn linear(hex: &str) -> [f64; 3] {
        [1, 3, 5].map(|at| {
            let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        })
    }

    fn times(matrix: [[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| {
            row.iter()
                .zip(v)
                .map(|(a, b)| a * b)
                .sum::<f64>()
                .clamp(0.0, 1.0)
        })
    }

    /// CIE L*a*b* under D65.
    fn lab(rgb: [f64; 3]) -> [f64; 3] {
        let to_xyz = [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ];
        let [x, y, z] =
            to_xyz.map(|row: [f64; 3]| row.iter().zip(rgb).map(|(a, b)| a * b).sum::<f64>());
        let f = |t: f64| {
            if t > 0.008856 {
                t.cbrt()
            } else {
                7.787 * t + 16.0 / 116.0
            }
        };
        let (fx, fy, fz) = (f(x / 0.95047), f(y), f(z / 1.08883));
        [116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)]
    }

    fn distance(a: &str, b: &str, sight: [[f64; 3]; 3]) -> f64 {
        let (a, b) = (lab(times(sight, linear(a))), lab(times(sight, linear(b))));
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>()
            .sqrt()
    }

    #[test]
    fn every_colour_is_red_green_and_blue() {
        assert_eq!(Colour::Series(10).rgb(), [0x07, 0x5e, 0xa2]);
        for colour in [Colour::Text, Colour::Muted, Colour::Grid, Colour::Paper] {
            assert!(
                colour.rgb()[0] <= colour.rgb()[2],
                "{colour:?} is a cold grey"
            );
        }
        for (index, hex) in LIGHT_PALETTE.iter().enumerate() {
            let [red, green, blue] = Colour::Series(index).rgb();
            assert_eq!(*hex, format!("#{red:02x}{green:02x}{blue:02x}"));
        }
    }

    #[test]
    fn every_pair_of_colours_differs_for_every_reader() {
        for palette in [LIGHT_PALETTE, DARK_PALETTE] {
            for (first, a) in palette.iter().enumerate() {
                for b in &palette[first + 1..] {
                    for (reader, matrix) in READERS.into_iter().enumerate() {
                        let apart = distance(a, b, matrix);
                        assert!(
                            apart > 20.0,
                            "{a} and {b} are {apart:.1} apart for reader {reader}"
                        );
                    }
                }
            }
        }
    }
}
