//! Files mapped into memory, for reading.
//!
//! The one place of the engine that maps: what is behind [`Mapped::bytes`] is the file as it is, so that a checkpoint of many
//! gigabytes is read by touching it. A file that another program cuts short while it is mapped kills the process, as in every
//! program that maps weights; nothing here can prevent that.
#![expect(unsafe_code, reason = "mapping a file is unsafe")]

use std::fs::File;
use std::path::Path;

use super::EngineError;

/// A mapped file.
pub struct Mapped(memmap2::Mmap);

impl Mapped {
    /// Map a file.
    ///
    /// # Errors
    /// Where it cannot be opened or mapped.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        let failed = |error: std::io::Error| EngineError::File {
            path: path.display().to_string(),
            source: error,
        };
        let file = File::open(path).map_err(failed)?;
        // SAFETY: the map is private and read-only; see the module on files that change.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(failed)?;
        Ok(Self(map))
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}
