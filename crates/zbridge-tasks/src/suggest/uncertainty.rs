use crate::Error;
use rayon::prelude::*;
use zbridge::translate;
use zbridge_bridge::Conditional;
use zbridge_core::{Moments, Observer, Posterior, RandomStream, Stage};

/// Draws of the bridge for each item.
const DRAWS: usize = 16;

/// Returns for each item what the bridge leaves open of its partner: the variance of draws of the
/// target given the item, over the variance of all draws, mean over the dimensions that vary at
/// all. 0 is sure, 1 as unsure as without the item; `[items]`.
///
/// Row `i` uses the stream `("suggest/draws", seed).child(i)`.
///
/// # Errors
/// [`Error`] if dimensions do not belong together, or the observer stops the work.
pub(super) fn uncertainty(
    density: &Conditional,
    items: &Posterior,
    seed: u64,
    observer: &dyn Observer,
) -> Result<Vec<f64>, Error> {
    let streams = RandomStream::named(seed, "suggest/draws");
    let stage = Stage::new(observer, "asking the bridge", items.rows() as u64);
    let of_row = |row: usize| -> Result<Vec<Moments>, Error> {
        let mut stream = streams.child(row as u64);
        let draws = translate(density, &items.select(&[row]), DRAWS, &mut stream)?;
        stage.advance(1)?;
        let mut moments = vec![Moments::default(); draws.dim()];
        for draw in draws.view().outer_iter() {
            for (moments, &value) in moments.iter_mut().zip(draw) {
                moments.push(f64::from(value));
            }
        }
        Ok(moments)
    };
    let rows = (0..items.rows()).into_par_iter();
    let moments: Vec<Vec<Moments>> = rows.map(of_row).collect::<Result<_, _>>()?;
    let whole = whole_variances(&moments);
    let varying: Vec<usize> = (0..whole.len()).filter(|&i| whole[i] > 0.0).collect();
    let open = |moments: &Vec<Moments>| {
        let shares = varying.iter().map(|&i| moments[i].variance() / whole[i]);
        shares.sum::<f64>() / varying.len().max(1) as f64
    };
    Ok(moments.iter().map(open).collect())
}

/// Returns the variance of all draws, dimension by dimension: that of the means of the items plus
/// the mean of their variances.
fn whole_variances(moments: &[Vec<Moments>]) -> Vec<f64> {
    let dim = moments.first().map_or(0, Vec::len);
    let mut whole = vec![];
    for column in 0..dim {
        let (mut means, mut variances) = (Moments::default(), Moments::default());
        for row in moments {
            means.push(row[column].mean());
            variances.push(row[column].variance());
        }
        whole.push(means.variance() + variances.mean());
    }
    whole
}
