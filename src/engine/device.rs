//! Where a model is computed: the kernels of this processor, a GPU, or tensors of candle on the processor.
//!
//! GPUs are cargo features (`cuda`, `metal`); a program without them says so and how to get one that has. A driver is looked
//! for before it is called: candle's call without one does not come back.

use std::fmt;
use std::panic::catch_unwind;
use std::path::Path;
use std::str::FromStr;

use candle_core::Device;

use super::EngineError;

/// What was wished for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Place {
    /// A GPU where this program has the feature and the machine the driver; else the kernels of this processor.
    #[default]
    Auto,
    /// The kernels of this processor.
    Cpu,
    /// An NVIDIA GPU, by its number.
    Cuda(usize),
    /// An Apple GPU.
    Metal,
    /// candle's own operators on the processor: slow, there to compare with.
    Tensors,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}`: known are auto, cpu, cuda, cuda:N, metal, candle");
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "metal" => Ok(Self::Metal),
            "candle" => Ok(Self::Tensors),
            _ => {
                let number = text.strip_prefix("cuda:").ok_or_else(bad)?;
                number.parse().map(Self::Cuda).map_err(|_no_number| bad())
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Metal => f.write_str("metal"),
            Self::Tensors => f.write_str("candle"),
        }
    }
}

impl Place {
    /// The device of tensors; `None` for the kernels of this processor.
    ///
    /// # Errors
    /// Where a GPU is wished for that this program or this machine has not.
    pub fn open(self) -> Result<Option<Device>, EngineError> {
        match self {
            Self::Tensors => Ok(Some(Device::Cpu)),
            Self::Cuda(number) => gpu_of_nvidia(number).map(Some),
            Self::Metal => gpu_of_apple().map(Some),
            Self::Auto if cfg!(feature = "cuda") && driver().is_ok() => gpu_of_nvidia(0).map(Some),
            Self::Auto if cfg!(feature = "metal") => gpu_of_apple().map(Some),
            Self::Auto | Self::Cpu => Ok(None),
        }
    }
}

/// Bytes that a device could give, where it says.
#[must_use]
pub fn free_memory(device: &Device) -> Option<u64> {
    match device {
        Device::Cpu => super::memory::free(),
        #[cfg(feature = "cuda")]
        Device::Cuda(gpu) => {
            let (free, _whole) = gpu.cuda_stream().context().mem_get_info().ok()?;
            u64::try_from(free).ok()
        }
        // Apple's GPUs share the machine's memory and refuse by themselves.
        _ => None,
    }
}

/// Whether this machine has NVIDIA's driver.
///
/// # Errors
/// What is missing, in a sentence.
pub fn driver() -> Result<(), String> {
    if Path::new("/dev/nvidiactl").exists() || Path::new("/dev/dxg").exists() {
        return Ok(());
    }
    Err("there is no NVIDIA driver here (no /dev/nvidiactl)".into())
}

fn gpu_of_nvidia(number: usize) -> Result<Device, EngineError> {
    if !cfg!(feature = "cuda") {
        return Err(EngineError::Device(
            "this program was built without CUDA: build it with `cargo build --release --features cuda`, or use --device cpu"
                .into(),
        ));
    }
    driver()
        .map_err(|why| EngineError::Device(format!("{why}: install it, or use --device cpu")))?;
    #[cfg(all(feature = "cuda", target_os = "linux", target_arch = "x86_64"))]
    super::cuda_libraries::load().map_err(|why| {
        let remedy = "put the toolkit's lib64 into LD_LIBRARY_PATH, or use --device cpu";
        EngineError::Device(format!("GPU {number}: {why}: {remedy}"))
    })?;
    opened(&format!("GPU {number}"), move || Device::new_cuda(number))
}

fn gpu_of_apple() -> Result<Device, EngineError> {
    if !cfg!(feature = "metal") {
        return Err(EngineError::Device(
            "this program was built without Metal: build it with `cargo build --release --features metal`, or use --device cpu"
                .into(),
        ));
    }
    opened("the GPU", || Device::new_metal(0))
}

/// A library that cannot be loaded is a panic of candle's.
fn opened(
    what: &str,
    open: impl FnOnce() -> candle_core::Result<Device> + std::panic::UnwindSafe,
) -> Result<Device, EngineError> {
    match catch_unwind(open) {
        Ok(Ok(device)) => Ok(device),
        Ok(Err(error)) => {
            let text = error.to_string();
            let why = text.lines().next().unwrap_or_default();
            Err(EngineError::Device(format!("{what}: {why}")))
        }
        Err(_panic) => Err(EngineError::Device(format!(
            "{what}: a library of CUDA cannot be loaded (libcuda, libcublas, libcurand): put the toolkit's lib64 into LD_LIBRARY_PATH"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written_and_what_is_missing_is_said() {
        for text in ["auto", "cpu", "cuda:1", "metal", "candle"] {
            let place: Place = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(Place::Cuda(0)));
        assert!("tpu".parse::<Place>().unwrap_err().contains("cuda:N"));
        assert!(Place::Cpu.open().unwrap().is_none());
        if !cfg!(feature = "cuda") {
            let why = Place::Cuda(0).open().unwrap_err().to_string();
            assert!(why.contains("--features cuda"), "{why}");
        }
    }
}
