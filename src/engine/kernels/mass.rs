//! Where packed weights lie: memory of their own, in large pages where the system has them.
//!
//! A decoded token reads every weight once. With pages of 4 KiB the processor looks up a translation for each of them, and what it
//! reads ahead by itself ends with each; with 2 MiB both come five hundred times more rarely. A large page is asked for where a
//! matrix fills it: its end, and what is smaller, lie in small ones, as rounding up would cost more than it brings.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Instant;

use bytemuck::{Pod, Zeroable};
use memmap2::MmapMut;

use super::error::KernelError;

/// A large page, bytes.
const LARGE: usize = 2 << 20;

enum Memory<T> {
    Vector(Vec<T>),
    Pages {
        /// A whole number of large pages: only such a mapping begins where one can begin.
        pages: MmapMut,
        /// Of the elements.
        bytes: usize,
        of: PhantomData<T>,
    },
}

/// A slice of weights; see the module.
pub(super) struct Mass<T>(Memory<T>);

impl<T: Pod> Mass<T> {
    /// So many zeros.
    pub(super) fn zeroed(count: usize) -> Result<Self, KernelError>
    where
        T: Zeroable,
    {
        let bytes = count
            .checked_mul(size_of::<T>())
            .ok_or(KernelError::TooLarge)?;
        if bytes < LARGE {
            let vector = bytemuck::allocation::try_zeroed_vec(count);
            return Ok(Self(Memory::Vector(
                vector.map_err(|()| KernelError::TooLarge)?,
            )));
        }
        let mapped = bytes
            .checked_next_multiple_of(LARGE)
            .ok_or(KernelError::TooLarge)?;
        // What is never touched takes no memory.
        let pages = MmapMut::map_anon(mapped).map_err(|_refused| KernelError::TooLarge)?;
        // A wish: where it is not granted, pages are small and everything else is the same.
        #[cfg(target_os = "linux")]
        let _ = pages.advise_range(memmap2::Advice::HugePage, 0, bytes / LARGE * LARGE);
        Ok(Self(Memory::Pages {
            pages,
            bytes,
            of: PhantomData,
        }))
    }
}

impl<T: Pod> Deref for Mass<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Memory::Vector(vector) => vector,
            // A mapping begins at a page, and these bytes are a whole number of elements.
            Memory::Pages { pages, bytes, .. } => {
                bytemuck::cast_slice(pages.get(..*bytes).unwrap_or_default())
            }
        }
    }
}

impl<T: Pod> DerefMut for Mass<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Memory::Vector(vector) => vector,
            Memory::Pages { pages, bytes, .. } => {
                bytemuck::cast_slice_mut(pages.get_mut(..*bytes).unwrap_or_default())
            }
        }
    }
}

impl<T: Pod> Clone for Mass<T> {
    fn clone(&self) -> Self {
        Self(Memory::Vector(self.to_vec()))
    }
}

impl<T: Pod> fmt::Debug for Mass<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {} bytes", self.len(), size_of::<T>())
    }
}

/// Bytes a second that so many threads read from memory as weights lie in it, the best of five times: the bound of decoding.
///
/// # Errors
/// Where there is no memory for it (384 MiB).
pub fn read_speed(threads: usize) -> Result<f64, KernelError> {
    const LINES: usize = 6 << 20;
    let mut mass = Mass::<[u64; 8]>::zeroed(LINES)?;
    // Pages that nothing was written to are all one page.
    mass.fill([7; 8]);
    let mut best = f64::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        std::thread::scope(|scope| {
            for part in mass.chunks(LINES.div_ceil(threads.max(1))) {
                scope.spawn(move || {
                    // Eight sums, so that additions do not wait for each other.
                    let mut sums = [0_u64; 8];
                    for line in part {
                        for (sum, word) in sums.iter_mut().zip(line) {
                            *sum = sum.wrapping_add(*word);
                        }
                    }
                    std::hint::black_box(sums);
                });
            }
        });
        best = best.min(began.elapsed().as_secs_f64());
    }
    Ok(size_of_val::<[[u64; 8]]>(&mass) as f64 / best)
}

#[cfg(test)]
mod tests {
    use super::super::layout::Unit8;
    use super::*;

    #[test]
    fn large_and_small_masses_are_zeroed_aligned_slices_of_their_length() {
        for count in [0, 1, LARGE / size_of::<Unit8>() + 1] {
            let mut mass = Mass::<Unit8>::zeroed(count).unwrap();
            assert_eq!(mass.len(), count);
            assert!(mass.as_ptr().cast::<Unit8>().is_aligned());
            assert!(mass.iter().all(|unit| unit.lines[1][7][63] == 0));
            if let Some(last) = mass.last_mut() {
                last.lines[0][0][0] = 7;
                assert_eq!(mass.clone().last().unwrap().lines[0][0][0], 7);
            }
        }
        assert!(Mass::<Unit8>::zeroed(usize::MAX / 8).is_err());
    }
}
