//! Descriptors: owning one that arrived as a number, and watching one that is owned.
#![expect(
    unsafe_code,
    reason = "ownership of a descriptor is a promise that the compiler cannot check"
)]

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use tokio::io::unix::AsyncFd;

/// Watch a descriptor for readiness.
pub(super) fn watched(fd: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` stays open and the same until it is dropped, which the `AsyncFd` does last.
    unsafe { AsyncFd::register(fd) }.map_err(|error| error.into_parts().1)
}

/// Own a descriptor that the kernel has just installed for this process by `recvmsg`.
pub(super) fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: the only callers pass numbers out of an `SCM_RIGHTS` message, which the kernel opened for this process
    // and nobody else here knows of.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
