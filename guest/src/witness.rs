//! What `workloads/ticker.c` must print, from its nonce and its count alone.
//!
//! The buffer is [`WORDS`] words in [`SLICES`] slices of equal size; all arithmetic wraps:
//! - at the start `word[i] = mix(nonce + i)`;
//! - after tick n, from 1, each i of slice n mod 64 gets `word[i] = mix((nonce ^ mix(n)) + i)`;
//! - the sum is that of `word[i] * (2 i + 1)`: odd factors, so that no lost bit and no two swapped words hide.

/// Words of 8 bytes in the buffer of 4 MiB.
pub const WORDS: u64 = 4 * 1024 * 1024 / 8;

/// Slices, of which each tick rewrites one.
pub const SLICES: u64 = 64;

const SLICE_WORDS: u64 = WORDS / SLICES;

/// The sum that a ticker with this nonce must print at a tick.
#[derive(Clone, Debug)]
pub struct Expected {
    nonce: u64,
    /// The last tick whose slice is in `slices`.
    written: u64,
    /// The share of each slice in the sum. Each depends on the nonce and on the last tick that wrote it only.
    slices: Vec<u64>,
}

impl Expected {
    /// Before the first tick.
    pub fn new(nonce: u64) -> Self {
        Self { nonce, written: 0, slices: (0..SLICES).map(|slice| slice_sum(slice, nonce)).collect() }
    }

    /// The sum at tick `n`, which shows what the ticks before it wrote. Going on costs one slice a tick and never more than all of them; going back costs
    /// a fresh start.
    pub fn advance_to(&mut self, n: u64) -> u64 {
        let written = n.saturating_sub(1);
        if written < self.written {
            *self = Self::new(self.nonce);
        }
        // Of the ticks that wrote the same slice only the last one shows.
        let first = (self.written + 1).max((written + 1).saturating_sub(SLICES));
        for tick in first..=written {
            let slice = tick % SLICES;
            self.slices[slice as usize] = slice_sum(slice, self.nonce ^ mix(tick));
        }
        self.written = written;
        self.slices.iter().fold(0, |sum, slice| sum.wrapping_add(*slice))
    }
}

fn slice_sum(slice: u64, seed: u64) -> u64 {
    let first = slice * SLICE_WORDS;
    (first..first + SLICE_WORDS).fold(0, |sum: u64, i| {
        let word = mix(seed.wrapping_add(i));
        sum.wrapping_add(word.wrapping_mul(2 * i + 1))
    })
}

/// The finaliser of splitmix64.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
