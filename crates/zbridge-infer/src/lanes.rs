//! Blocks of rows, a lane of a vector for each row.

use zbridge_nn::AlignedBuffer;

/// Rows of a block, which go through a network together.
pub(crate) const ROWS: usize = 32;

/// One number of each row of a block.
pub(crate) type Lanes = [f32; ROWS];

/// Lanes for the columns of a block, which begin on a line of the cache.
#[derive(Debug, Default, Clone)]
pub(crate) struct LaneBuffer(AlignedBuffer);

impl LaneBuffer {
    /// Gives the buffer this many columns, and returns them; what they hold has no meaning.
    pub(crate) fn resize(&mut self, columns: usize) -> &mut [Lanes] {
        self.0.resize(columns * ROWS).as_chunks_mut().0
    }

    pub(crate) fn as_slice(&self) -> &[Lanes] {
        self.0.as_slice().as_chunks().0
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [Lanes] {
        self.0.as_mut_slice().as_chunks_mut().0
    }
}

/// Columns that are copied together, so that they are in the nearest cache for all rows.
const COLUMNS: usize = 16;

/// Copies `rows` `[at most 32, width]` to `lanes`, one for each column; lanes without a row are 0.
pub(crate) fn rows_to_lanes(rows: &[f32], width: usize, lanes: &mut [Lanes]) {
    lanes.fill([0.0; ROWS]);
    for (part, lanes) in lanes.chunks_mut(COLUMNS).enumerate() {
        for (lane, row) in rows.chunks_exact(width).enumerate() {
            for (lanes, value) in lanes.iter_mut().zip(&row[part * COLUMNS..]) {
                lanes[lane] = *value;
            }
        }
    }
}

/// Copies `lanes`, one for each column, to `rows` `[at most 32, width]`.
pub(crate) fn lanes_to_rows(lanes: &[Lanes], rows: &mut [f32]) {
    for (part, columns) in lanes.chunks(COLUMNS).enumerate() {
        for (lane, row) in rows.chunks_exact_mut(lanes.len()).enumerate() {
            for (value, lanes) in row[part * COLUMNS..].iter_mut().zip(columns) {
                *value = lanes[lane];
            }
        }
    }
}
