use ndarray::{Array2, ArrayView1, ArrayView2};

/// Returns `image`, `[height, width]`, scaled down to `[height, width]` pixels: each pixel is the
/// mean of the area that it covers.
pub fn area_average(image: ArrayView2<'_, f32>, [height, width]: [usize; 2]) -> Array2<f32> {
    // The mean of a rectangle is the mean over rows of the means along rows.
    let narrow = average_rows(image, width);
    let low = average_rows(narrow.t(), height);
    low.reversed_axes().as_standard_layout().into_owned()
}

/// Returns the image with every row averaged down to `width` pixels.
fn average_rows(image: ArrayView2<'_, f32>, width: usize) -> Array2<f32> {
    let step = image.ncols() as f32 / width as f32;
    let mut averaged = Array2::zeros((image.nrows(), width));
    for (row, mut averaged_row) in image.outer_iter().zip(averaged.outer_iter_mut()) {
        for (x, pixel) in averaged_row.iter_mut().enumerate() {
            *pixel = mean_between(row, x as f32 * step, (x + 1) as f32 * step);
        }
    }
    averaged
}

/// Returns the mean of a step function, whose value from `x` to `x + 1` is `row[x]`, between
/// `start` and `end`.
fn mean_between(row: ArrayView1<'_, f32>, start: f32, end: f32) -> f32 {
    // Rounding can put the end after the last pixel.
    let pixels = start as usize..(end.ceil() as usize).min(row.len());
    let (mut sum, mut weight) = (0.0, 0.0);
    for x in pixels {
        // The ends cover a part of a pixel.
        let covered = (end.min((x + 1) as f32) - start.max(x as f32)).max(0.0);
        sum += covered * row[x];
        weight += covered;
    }
    sum / weight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averaging_keeps_the_mean_of_any_size() {
        let image = Array2::from_shape_fn((31, 37), |(y, x)| ((37 * y + x) % 7) as f32 / 6.0);
        let averaged = area_average(image.view(), [17, 20]);
        assert_eq!(averaged.dim(), (17, 20));
        assert!((averaged.mean().unwrap() - image.mean().unwrap()).abs() < 1e-4);
        assert_eq!(area_average(image.view(), [31, 37]), image);
        let line = Array2::ones((400, 1));
        assert_eq!(
            area_average(line.view(), [20, 1]),
            Array2::<f32>::ones((20, 1))
        );
    }
}
