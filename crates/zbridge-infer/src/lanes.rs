//! Blocks of rows, a lane of a vector for each row.

/// Rows of a block, which go through a network together.
pub(crate) const ROWS: usize = 32;

/// One number of each row of a block.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(64))]
pub(crate) struct Lanes(pub(crate) [f32; ROWS]);

impl Lanes {
    pub(crate) const ZERO: Self = Self([0.0; ROWS]);
}

/// Columns that are copied together, so that they are in the nearest cache for all rows.
const COLUMNS: usize = 16;

/// Copies `rows` `[at most 32, width]` to `lanes`, one for each column; lanes without a row are 0.
pub(crate) fn rows_to_lanes(rows: &[f32], width: usize, lanes: &mut Vec<Lanes>) {
    lanes.clear();
    lanes.resize(width, Lanes::ZERO);
    for (part, lanes) in lanes.chunks_mut(COLUMNS).enumerate() {
        for (lane, row) in rows.chunks_exact(width).enumerate() {
            for (lanes, value) in lanes.iter_mut().zip(&row[part * COLUMNS..]) {
                lanes.0[lane] = *value;
            }
        }
    }
}

/// Copies `lanes`, one for each column, to `rows` `[at most 32, width]`.
pub(crate) fn lanes_to_rows(lanes: &[Lanes], rows: &mut [f32]) {
    for (part, columns) in lanes.chunks(COLUMNS).enumerate() {
        for (lane, row) in rows.chunks_exact_mut(lanes.len()).enumerate() {
            for (value, lanes) in row[part * COLUMNS..].iter_mut().zip(columns) {
                *value = lanes.0[lane];
            }
        }
    }
}
