//! The relative representation of one side.

use crate::rows::{values_of, values_of_mut};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;
use zbridge_nn::exponentials;

/// The latents of pairs on one side, to which other latents of the side are compared: a(x) is how
/// similar x is to each of them, in a few views of the space.
///
/// A view is a direction in which x lies: its coordinates times `scales`, of length 1. Views differ
/// in how much directions count along which the space varies most. The similarity is a kernel of
/// the cosine, exp(4 (cos − 1)), less its mean over latents in general; a(x) has the similarities
/// of all views side by side, those of each of length 1 / √views, so that ⟨a, b⟩ ≤ 1.
///
/// # Source
/// Moschella et al. 2023, *Relative representations enable zero-shot latent space communication*.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Anchors {
    /// What coordinates are multiplied by, `[views, dim]`.
    pub(super) scales: Array2<f32>,
    /// The latents, `[anchors, dim]`.
    pub(super) points: Array2<f32>,
    /// The mean similarity to each anchor, `[views, anchors]`.
    pub(super) centres: Array2<f32>,
    /// The anchors in each view, `[anchors, dim]`.
    in_views: Vec<Array2<f32>>,
}

/// α: a view multiplies coordinates of variance e by (e + shrinkage)^(−α/2).
pub(super) const POWERS: [f32; 3] = [0.0, 0.25, 0.5];
/// The shrinkage, relative to the mean variance.
const SHRINKAGE: f32 = 0.1;
/// How fast similarity falls with the cosine.
const SHARPNESS: f32 = 4.0;
/// Coordinates beyond this, in standard deviations, count as this: squares stay finite.
const MAX_COORDINATE: f32 = 1e6;
/// Keeps a length of 0 from dividing.
const LEAST_LENGTH: f32 = 1e-12;
/// Rows that are compared at once.
const ROWS_AT_ONCE: usize = 256;

/// Returns what whitened coordinates are multiplied by in each view, `[views, dim]`. `spreads`
/// `[dim]` says how much the latent space varies along each; without it there is one view.
pub(super) fn scales_of_views(dim: usize, spreads: Option<ArrayView1<'_, f32>>) -> Array2<f32> {
    let Some(spreads) = spreads else {
        return Array2::ones((1, dim));
    };
    let largest = spreads.iter().fold(f32::MIN_POSITIVE, |a, b| a.max(*b));
    let spreads = spreads.mapv(|spread| spread / largest);
    let variances = &spreads * &spreads;
    let shrinkage = SHRINKAGE * variances.mean().unwrap_or(1.0);
    Array2::from_shape_fn((POWERS.len(), dim), |(view, column)| {
        spreads[column] * (variances[column] + shrinkage).powf(-POWERS[view] / 2.0)
    })
}

impl Anchors {
    /// Returns these latents as anchors, with similarities less their means over `others`.
    ///
    /// # Shapes
    /// `points` `[anchors, dim]`, `others` `[others, dim]`, `scales` `[views, dim]`.
    pub(super) fn of(
        points: Array2<f32>,
        others: ArrayView2<'_, f32>,
        scales: Array2<f32>,
    ) -> Self {
        let no_centres = Array2::zeros((scales.nrows(), points.nrows()));
        let mut anchors = Self::new(points, scales, no_centres);
        for view in 0..anchors.views() {
            let mean = anchors.similarities(others, view).mean_axis(Axis(0));
            if let Some(mean) = mean {
                anchors.centres.row_mut(view).assign(&mean);
            }
        }
        anchors
    }

    /// Returns these latents as anchors, with the means of similarities: `centres`
    /// `[views, anchors]`.
    pub(super) fn new(points: Array2<f32>, scales: Array2<f32>, centres: Array2<f32>) -> Self {
        let in_views = scales.rows().into_iter();
        let in_views = in_views.map(|scales| in_view(points.view(), scales));
        Self {
            in_views: in_views.collect(),
            scales,
            points,
            centres,
        }
    }

    /// Returns the number of anchors.
    pub(super) fn count(&self) -> usize {
        self.points.nrows()
    }

    /// Returns the number of views.
    pub(super) fn views(&self) -> usize {
        self.scales.nrows()
    }

    /// Returns a(x) for each of these latents `[rows, dim]`, `[rows, views · anchors]`.
    pub(super) fn relative(&self, rows: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut relative = Array2::zeros((rows.nrows(), self.views() * self.count()));
        let blocks: Vec<_> = rows
            .axis_chunks_iter(Axis(0), ROWS_AT_ONCE)
            .zip(relative.axis_chunks_iter_mut(Axis(0), ROWS_AT_ONCE))
            .collect();
        blocks.into_par_iter().for_each(|(rows, mut relative)| {
            let of_views = relative.axis_chunks_iter_mut(Axis(1), self.count());
            for (view, mut of_view) in of_views.enumerate() {
                self.compare(rows, view, of_view.view_mut());
                for mut row in of_view.rows_mut() {
                    row *= self.length_of_view() / length(row.view());
                }
            }
        });
        relative
    }

    /// Returns the centred similarities of these latents `[rows, dim]` in a view, `[rows,
    /// anchors]`.
    pub(super) fn similarities(&self, rows: ArrayView2<'_, f32>, view: usize) -> Array2<f32> {
        let mut similarities = Array2::zeros((rows.nrows(), self.count()));
        self.compare(rows, view, similarities.view_mut());
        similarities
    }

    /// Returns ⟨a_i, b(m_i + d_u)⟩ for relative representations a_i of the other side, where b is
    /// the representation of this one, `[rows, deviations]`. It costs no product of each sum with
    /// the anchors: those of its parts are added.
    ///
    /// # Shapes
    /// `others` `[rows, views · anchors]`, `means` `[rows, dim]`, `deviations` `[deviations, dim]`.
    pub(super) fn products_around(
        &self,
        others: ArrayView2<'_, f32>,
        means: ArrayView2<'_, f32>,
        deviations: ArrayView2<'_, f32>,
    ) -> Array2<f32> {
        let mut products = Array2::zeros((means.nrows(), deviations.nrows()));
        for view in 0..self.views() {
            let places = view * self.count()..(view + 1) * self.count();
            let others = others.slice_axis(Axis(1), places.into());
            let means = self.cosines_with(means, view);
            let deviations = self.cosines_with(deviations, view);
            let between = means.scaled.dot(&deviations.scaled.t());
            let rows: Vec<_> = products.outer_iter_mut().enumerate().collect();
            let rows = rows.into_par_iter();
            rows.for_each(|(row, mut products)| {
                let mut workspace = Workspace::of(self.count());
                for (draw, product) in products.iter_mut().enumerate() {
                    let square =
                        means.squares[row] + deviations.squares[draw] + 2.0 * between[[row, draw]];
                    let scale = 1.0 / (square.max(0.0).sqrt() + LEAST_LENGTH);
                    let cosines = values_of(means.products.row(row)).iter();
                    let cosines = cosines.zip(values_of(deviations.products.row(draw)));
                    for (input, (mean, deviation)) in workspace.inputs.iter_mut().zip(cosines) {
                        *input = SHARPNESS * ((mean + deviation) * scale - 1.0);
                    }
                    let similarities = workspace.centred_exponentials(self.centres.row(view));
                    let along = others.row(row).dot(&similarities);
                    *product += self.length_of_view() * along / length(similarities);
                }
            });
        }
        products
    }

    fn length_of_view(&self) -> f32 {
        1.0 / (self.views() as f32).sqrt()
    }

    /// Writes the centred similarities of these latents in a view, `[rows, anchors]`.
    fn compare(
        &self,
        rows: ArrayView2<'_, f32>,
        view: usize,
        mut similarities: ArrayViewMut2<'_, f32>,
    ) {
        let directions = in_view(rows, self.scales.row(view));
        let anchors = self.in_views[view].t();
        general_mat_mul(1.0, &directions, &anchors, 0.0, &mut similarities);
        let mut workspace = Workspace::of(self.count());
        for mut row in similarities.rows_mut() {
            for (input, cosine) in workspace.inputs.iter_mut().zip(values_of(row.view())) {
                *input = SHARPNESS * (cosine - 1.0);
            }
            row.assign(&workspace.centred_exponentials(self.centres.row(view)));
        }
    }

    fn cosines_with(&self, rows: ArrayView2<'_, f32>, view: usize) -> ScaledRows {
        let scaled = scaled(rows, self.scales.row(view));
        let mut products = Array2::zeros((rows.nrows(), self.count()));
        let anchors = self.in_views[view].t();
        general_mat_mul(1.0, &scaled, &anchors, 0.0, &mut products);
        let squares = scaled.rows().into_iter().map(|row| row.dot(&row));
        ScaledRows {
            squares: squares.collect(),
            products,
            scaled,
        }
    }
}

/// Latents in a view, of any length.
struct ScaledRows {
    /// `[rows, dim]`.
    scaled: Array2<f32>,
    /// Their squared lengths, `[rows]`.
    squares: Array1<f32>,
    /// Their products with the anchors, `[rows, anchors]`.
    products: Array2<f32>,
}

/// What the similarities of one latent are computed in.
struct Workspace {
    inputs: Vec<f32>,
    outputs: Array1<f32>,
}

impl Workspace {
    fn of(anchors: usize) -> Self {
        Self {
            inputs: vec![0.0; anchors],
            outputs: Array1::zeros(anchors),
        }
    }

    /// Returns the exponentials of the inputs, less these.
    fn centred_exponentials(&mut self, centres: ArrayView1<'_, f32>) -> ArrayView1<'_, f32> {
        let outputs = values_of_mut(self.outputs.view_mut());
        exponentials(&self.inputs, outputs);
        for (output, centre) in outputs.iter_mut().zip(values_of(centres)) {
            *output -= centre;
        }
        self.outputs.view()
    }
}

fn length(row: ArrayView1<'_, f32>) -> f32 {
    row.dot(&row).sqrt() + LEAST_LENGTH
}

fn scaled(rows: ArrayView2<'_, f32>, scales: ArrayView1<'_, f32>) -> Array2<f32> {
    let bounded = |value: f32| value.clamp(-MAX_COORDINATE, MAX_COORDINATE);
    Array2::from_shape_fn(rows.dim(), |(row, column)| {
        bounded(rows[[row, column]]) * scales[column]
    })
}

/// Returns the directions of latents in a view, each of length 1, `[rows, dim]`.
fn in_view(rows: ArrayView2<'_, f32>, scales: ArrayView1<'_, f32>) -> Array2<f32> {
    let mut directions = scaled(rows, scales);
    for mut row in directions.rows_mut() {
        row /= length(row.view());
    }
    directions
}
