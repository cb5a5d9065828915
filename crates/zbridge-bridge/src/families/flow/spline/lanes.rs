//! Arithmetic on one number for each of 32 splines, without branches.

use super::BOX;

/// The number of splines of a block. Loops over lanes have no branch, and are long enough that the
/// compiler makes vector instructions of them instead of unrolling them: 16 lanes are a tenth
/// slower, 8 lanes two thirds.
pub(super) const LANES: usize = 32;

/// One number for each spline of a block.
pub(super) type Lanes = [f32; LANES];

/// Returns the values of a block, filled up with zeros.
pub(super) fn padded(values: &[f32]) -> Lanes {
    let mut lanes = [0.0; LANES];
    lanes[..values.len()].copy_from_slice(values);
    lanes
}

/// Returns 1 or 0: a condition without a branch.
#[inline(always)]
pub(super) fn one_if(condition: bool) -> f32 {
    f32::from(u8::from(condition))
}

/// Returns the positions clamped to the box; `inside` becomes 1 for those that were in it, else 0.
pub(super) fn into_box(values: &Lanes, inside: &mut Lanes) -> Lanes {
    *inside = values.map(|value| if value.abs() < BOX { 1.0 } else { 0.0 });
    values.map(|value| value.clamp(-BOX, BOX))
}

/// Returns the natural logarithm of a positive normal number to about 1e-7, without a branch: the
/// scheme of FreeBSD's `logf`.
#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    // The bits of √½: x = 2^exponent · (1 + f) with 1 + f between √½ and √2.
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let above = x.to_bits().wrapping_sub(SQRT_HALF);
    let exponent = ((above as i32) >> 23) as f32;
    let f = f32::from_bits((above & 0x007f_ffff).wrapping_add(SQRT_HALF)) - 1.0;
    // ln(1 + f) = 2 artanh s, a series in s² that converges fast.
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let series = z * (0.666_666_6 + w * 0.284_987_87) + w * (0.400_009_72 + w * 0.242_790_79);
    let half_square = 0.5 * f * f;
    // ln 2 in two parts, of which the product of the larger with any exponent is exact.
    s * (half_square + series) + exponent * 9.058_001e-6 - half_square + f + exponent * 0.693_138_1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_is_accurate() {
        for i in -2000..2000 {
            let x = (i as f32 * 0.04).exp();
            let exact = f64::from(x).ln();
            let error = (f64::from(ln(x)) - exact).abs();
            assert!(error < 2e-7 * exact.abs().max(1.0), "ln {x}");
        }
    }
}
