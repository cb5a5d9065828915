//! Products of matrices by the kernels of the `gemm` crates: the one place of this workspace that
//! holds `unsafe`.
//!
//! `gemm` itself looks only at the processor, so its parts are called here: the function that it
//! would choose where nothing is capped, and otherwise that of the capped
//! [`InstructionSet`].

use super::matrix::Matrix;
use crate::instruction_set::InstructionSet;
use gemm_common::Parallelism;
use gemm_common::gemm::{gemm_basic_generic, set_lhs_packing_threshold_single_thread};
use gemm_common::microkernel::{HMicroKernelFn, MicroKernelFn};
use gemm_common::simd::MixedSimd;
use gemm_f32::gemm::f32::get_gemm_fn;
use std::sync::Once;

/// What happens to the values that are already in the destination.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accumulation {
    /// They are overwritten.
    Overwrite,
    /// The product is added to them.
    Add,
}

/// `destination ← left · right` (or `+=`), where the destination's rows are `stride` apart.
pub(crate) fn product(
    destination: &mut [f32],
    stride: usize,
    accumulation: Accumulation,
    left: Matrix,
    right: Matrix,
) {
    let (rows, columns) = (left.rows(), right.columns());
    assert_eq!(
        left.columns(),
        right.rows(),
        "inner dimensions of a product"
    );
    if rows == 0 || columns == 0 {
        return;
    }
    let reach = (rows - 1) * stride + columns;
    assert!(
        columns <= stride && destination.len() >= reach,
        "a destination of {rows} × {columns}"
    );
    read_in_place();
    // `gemm` prefers destinations whose columns lie together, so ours is transposed unless it has
    // one column.
    let destination = destination.as_mut_ptr();
    let add = accumulation == Accumulation::Add;
    let call = match stride {
        1 => Call {
            destination,
            strides: [stride, 1],
            add,
            left,
            right,
        },
        _ => Call {
            destination,
            strides: [1, stride],
            add,
            left: right.transposed(),
            right: left.transposed(),
        },
    };
    // SAFETY: each pointer stays inside its slice: whoever made the matrices, and the assertions
    // above, checked that all their elements lie there; `destination` is borrowed exclusively, so
    // it does not overlap with the operands, and its rows do not overlap each other.
    #[allow(unsafe_code)]
    unsafe {
        call.run(InstructionSet::current());
    }
}

/// Lets `gemm` read a factor where it lies, unless it is read more than 256 · 6 times: packing it
/// takes longer than reading it once more. 256 is the most that may be set, for the whole process.
fn read_in_place() {
    static READ_IN_PLACE: Once = Once::new();
    READ_IN_PLACE.call_once(|| set_lhs_packing_threshold_single_thread(256));
}

/// A product as `gemm` takes it.
struct Call<'a> {
    destination: *mut f32,
    /// From a row of the destination to the next, and from a column.
    strides: [usize; 2],
    add: bool,
    left: Matrix<'a>,
    right: Matrix<'a>,
}

#[allow(unsafe_code)]
impl Call<'_> {
    /// # Safety
    /// All elements of the three matrices lie in memory of theirs, and the destination's overlap
    /// neither each other nor those of the factors.
    unsafe fn run(self, set: InstructionSet) {
        // SAFETY: as this function asks.
        unsafe {
            match set {
                set if set == InstructionSet::best() => self.run_with_best(),
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx2 => {
                    use gemm_f32::microkernel::fma::f32::{H_M, H_N, H_UKR, MR_DIV_N, NR, UKR};
                    let simd = gemm_common::simd::V3::try_new();
                    self.run_with::<_, 8, { 8 * MR_DIV_N }, MR_DIV_N, NR, H_M, H_N>(
                        simd, &UKR, &H_UKR,
                    );
                }
                _ => {
                    use gemm_f32::microkernel::scalar::f32::{H_M, H_N, H_UKR, MR_DIV_N, NR, UKR};
                    let simd = Some(gemm_common::simd::Scalar);
                    self.run_with::<_, 1, MR_DIV_N, MR_DIV_N, NR, H_M, H_N>(simd, &UKR, &H_UKR);
                }
            }
        }
    }

    /// With what `gemm` takes for the best instruction set of the processor.
    ///
    /// # Safety
    /// As for [`run`](Self::run).
    unsafe fn run_with_best(self) {
        // SAFETY: as this function asks.
        unsafe {
            get_gemm_fn()(
                self.left.rows(),
                self.right.columns(),
                self.left.columns(),
                self.destination,
                self.strides[1] as isize,
                self.strides[0] as isize,
                self.add,
                self.left.values().as_ptr(),
                self.left.column_stride() as isize,
                self.left.row_stride() as isize,
                self.right.values().as_ptr(),
                self.right.column_stride() as isize,
                self.right.row_stride() as isize,
                1.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }

    /// With given kernels: their vectors hold `N` numbers, their tiles `MR` = `MR_DIV_N` · `N` by
    /// `NR`, and `H_M` by `H_N` for products with an inner dimension that both factors have
    /// innermost.
    ///
    /// # Safety
    /// As for [`run`](Self::run).
    unsafe fn run_with<
        S: MixedSimd<f32, f32, f32, f32>,
        const N: usize,
        const MR: usize,
        const MR_DIV_N: usize,
        const NR: usize,
        const H_M: usize,
        const H_N: usize,
    >(
        self,
        simd: Option<S>,
        kernels: &[[MicroKernelFn<f32>; NR]; MR_DIV_N],
        horizontal_kernels: &[[HMicroKernelFn<f32>; H_N]; H_M],
    ) {
        let simd = simd.expect("an instruction set that was found available");
        // SAFETY: as this function asks.
        unsafe {
            gemm_basic_generic::<_, f32, N, MR, NR, MR_DIV_N, H_M, H_N>(
                simd,
                self.left.rows(),
                self.right.columns(),
                self.left.columns(),
                self.destination,
                self.strides[1] as isize,
                self.strides[0] as isize,
                self.add,
                self.left.values().as_ptr(),
                self.left.column_stride() as isize,
                self.left.row_stride() as isize,
                self.right.values().as_ptr(),
                self.right.column_stride() as isize,
                self.right.row_stride() as isize,
                1.0,
                1.0,
                false,
                false,
                false,
                |a, b, c| a * b + c,
                kernels,
                horizontal_kernels,
                false,
                Parallelism::None,
            );
        }
    }
}
