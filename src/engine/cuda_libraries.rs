//! CUDA's libraries, loaded when a GPU is asked for, not when the program starts.
//!
//! Mental model: candle links against `libcuda` and its like, and a program so linked does not start where one of them is missing: on
//! the login node of a cluster, in a container without the driver, in the sandbox's own copy of it. So the functions that candle calls
//! are defined here, each a jump through a table; the linker then finds nothing missing and drops the libraries (`--as-needed`). The
//! table is filled from the libraries by [`load`]. Before that, or where one is missing, a function answers with an error code.
//!
//! What a function takes does not matter: a jump leaves registers and stack alone. A function that the list lacks is found by the
//! linker in the library, as before: the program is as right, but needs that library to start. So it is wherever the jumps are not
//! written for: on other systems than Linux, on other processors than x86-64.
#![expect(
    unsafe_code,
    reason = "a library of another program's is loaded, and its functions are found by name"
)]

use std::ffi::c_void;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use libloading::Library;

/// What a function answers that is not there. For the driver `CUDA_ERROR_STUB_LIBRARY` (cuda.h); an error to the other libraries, too.
const NOT_THERE: u32 = 34;

extern "C" fn not_there() -> u32 {
    NOT_THERE
}

macro_rules! jumps {
    ($($function:literal)*) => {
        const FUNCTIONS: &[&str] = &[$($function),*];

        static TABLE: [AtomicPtr<c_void>; FUNCTIONS.len()] =
            [const { AtomicPtr::new(not_there as extern "C" fn() -> u32 as *mut c_void) }; FUNCTIONS.len()];

        std::arch::global_asm!(
            ".text",
            ".set spotter_cuda_slot, 0",
            $(
                concat!(".globl ", $function),
                concat!(".type ", $function, ", @function"),
                ".balign 8",
                concat!($function, ": jmp *({table} + spotter_cuda_slot)(%rip)"),
                ".set spotter_cuda_slot, spotter_cuda_slot + 8",
            )*
            table = sym TABLE,
            options(att_syntax),
        );
    };
}

// What `nm -D --undefined-only` lists of a program that is linked without this file.
jumps! {
    "cuCtxDestroy_v2"
    "cuCtxGetCurrent"
    "cuCtxSetCurrent"
    "cuDeviceGet"
    "cuDeviceGetAttribute"
    "cuDevicePrimaryCtxRelease_v2"
    "cuDevicePrimaryCtxRetain"
    "cuEventCreate"
    "cuEventDestroy_v2"
    "cuEventRecord"
    "cuGetErrorString"
    "cuInit"
    "cuLaunchKernel"
    "cuMemAllocAsync"
    "cuMemAlloc_v2"
    "cuMemFreeAsync"
    "cuMemFree_v2"
    "cuMemGetInfo_v2"
    "cuMemcpyDtoDAsync_v2"
    "cuMemcpyDtoHAsync_v2"
    "cuMemcpyHtoDAsync_v2"
    "cuMemcpyPeerAsync"
    "cuMemsetD8Async"
    "cuModuleGetFunction"
    "cuModuleLoad"
    "cuModuleLoadData"
    "cuModuleUnload"
    "cuStreamDestroy_v2"
    "cuStreamIsCapturing"
    "cuStreamSynchronize"
    "cuStreamWaitEvent"
    "cublasCreate_v2"
    "cublasDestroy_v2"
    "cublasDgemmStridedBatched"
    "cublasGemmStridedBatchedEx"
    "cublasSetStream_v2"
    "curandCreateGenerator"
    "curandDestroyGenerator"
    "curandSetPseudoRandomGeneratorSeed"
    "curandSetStream"
}

/// The libraries, by what their functions begin with; a longer beginning stands first.
const LIBRARIES: [(&str, &[&str]); 3] = [
    (
        "cublas",
        &["libcublas.so.13", "libcublas.so.12", "libcublas.so"],
    ),
    ("curand", &["libcurand.so.10", "libcurand.so"]),
    ("cu", &["libcuda.so.1", "libcuda.so"]),
];

/// Load them and fill the table; the first call decides.
///
/// # Errors
/// The library that is missing, by the names that were tried.
pub(super) fn load() -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    LOADED.get_or_init(fill).clone()
}

fn fill() -> Result<(), String> {
    let mut loaded = Vec::new();
    for (beginning, names) in LIBRARIES {
        let library = names.iter().find_map(|name| {
            // SAFETY: NVIDIA's libraries, by the names under which the loader knows them; what they run when loaded is theirs.
            unsafe { Library::new(*name) }.ok()
        });
        let library = library.ok_or_else(|| format!("{} cannot be loaded", names.join(" or ")))?;
        loaded.push((beginning, library));
    }
    for (name, slot) in FUNCTIONS.iter().zip(&TABLE) {
        let found = loaded
            .iter()
            .find(|(beginning, _)| name.starts_with(beginning));
        let Some((_, library)) = found else { continue };
        // SAFETY: the symbol is only kept as an address; who jumps there is candle, with the arguments of that function.
        let function = unsafe { library.get::<*mut c_void>(name.as_bytes()) };
        let address = function.ok().map(|function| *function);
        // A library that is older than the function leaves its slot as it was.
        if let Some(address) = address {
            slot.store(address, Ordering::Release);
        }
    }
    // For as long as the program runs.
    loaded
        .into_iter()
        .for_each(|(_, library)| std::mem::forget(library));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" {
        fn cuInit(flags: u32) -> u32;
    }

    #[test]
    fn without_a_driver_what_is_missing_is_named_and_a_call_comes_back_with_an_error() {
        if crate::engine::device::driver().is_ok() {
            return;
        }
        let why = load().unwrap_err();
        assert!(why.starts_with("libcu"), "{why}");
        // SAFETY: an integer in, an integer out; it is ours.
        assert_eq!(unsafe { cuInit(0) }, NOT_THERE);
    }
}
