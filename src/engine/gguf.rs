//! GGUF files (versions 2 and 3): metadata and tensors, read in place.
//!
//! Source of the format: `docs/gguf.md` of the ggml project. Mental model: a header with counts, key-value pairs, a list of
//! tensors (name, shape, type, offset), then aligned data; nothing is copied, a tensor is a slice of the file. A large model is split
//! into several such files, with the metadata in the first. A file is untrusted: every count and offset is checked against what is there before it is used.

use std::collections::HashMap;

use super::EngineError;
use super::kernels::Format;
use super::weights::{Tensor, bytes_of};

/// Most of anything that a file may claim to hold.
const MOST: u64 = 1 << 24;

/// A value of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Any unsigned integer, or a signed one that is not negative.
    Unsigned(u64),
    /// A negative integer.
    Signed(i64),
    /// Any float.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(&'a str),
    /// A row of values.
    List(Vec<Self>),
}

/// See the module.
pub struct Gguf<'a> {
    values: HashMap<&'a str, Value<'a>>,
    tensors: HashMap<&'a str, Tensor<'a>>,
}

impl<'a> Gguf<'a> {
    /// Read the head of a file.
    ///
    /// # Errors
    /// Where it is no GGUF file, of another version, cut off, or holds a tensor of an unknown type.
    pub fn read(bytes: &'a [u8], origin: &str) -> Result<Self, EngineError> {
        Self::parse(bytes).map_err(|why| EngineError::Weights {
            origin: origin.to_owned(),
            why,
        })
    }

    fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let mut at = Reader {
            bytes,
            at: 0,
            listed: 0,
        };
        if at.take(4)? != b"GGUF" {
            return Err("it does not begin as a GGUF file".into());
        }
        let version = at.u32()?;
        if !(2..=3).contains(&version) {
            return Err(format!("GGUF version {version}; known: 2 and 3"));
        }
        let (tensors, pairs) = (at.count()?, at.count()?);
        let mut values = HashMap::new();
        for _ in 0..pairs {
            let key = at.text()?;
            let kind = at.u32()?;
            let value = at.value(kind, 0)?;
            values.insert(key, value);
        }
        let mut found = Vec::new();
        for _ in 0..tensors {
            let name = at.text()?;
            let dimensions = at.u32()?;
            if dimensions > 4 {
                return Err(format!("`{name}` has {dimensions} dimensions"));
            }
            let mut shape = Vec::new();
            for _ in 0..dimensions {
                let size = usize::try_from(at.u64()?).ok().filter(|size| *size > 0);
                shape.push(size.ok_or_else(|| format!("`{name}` has an impossible size"))?);
            }
            // The file has the fastest dimension first.
            shape.reverse();
            let kind = at.u32()?;
            let offset = at.u64()?;
            found.push((name, shape, kind, offset));
        }
        let alignment = match values.get("general.alignment") {
            Some(Value::Unsigned(alignment @ 1..=65_536)) if alignment.is_power_of_two() => {
                usize::try_from(*alignment).unwrap_or(32)
            }
            None => 32,
            Some(other) => return Err(format!("an alignment of {other:?}")),
        };
        let data = at.at.next_multiple_of(alignment);
        let mut tensors = HashMap::new();
        for (name, shape, kind, offset) in found {
            let format = Format::from_ggml(kind).ok_or_else(|| {
                format!("`{name}` is of ggml type {kind}, which is not read here")
            })?;
            let size = bytes_of(format, &shape)
                .ok_or_else(|| format!("`{name}`: {shape:?} is no shape for {format:?}"))?;
            let begin = usize::try_from(offset)
                .ok()
                .and_then(|offset| data.checked_add(offset));
            let end = begin.and_then(|begin| begin.checked_add(size));
            let within = begin
                .zip(end)
                .and_then(|(begin, end)| bytes.get(begin..end));
            let Some(within) = within else {
                return Err(format!(
                    "`{name}` should end at byte {}, but the file has {}: it is cut off",
                    end.map_or("?".to_owned(), |end| end.to_string()),
                    bytes.len()
                ));
            };
            let tensor = Tensor {
                format,
                shape,
                bytes: within,
            };
            tensors.insert(name, tensor);
        }
        Ok(Self { values, tensors })
    }

    /// Take the tensors of the files behind the first one of a model that is split; the metadata is the first one's.
    #[must_use]
    pub(super) fn with(mut self, others: impl IntoIterator<Item = Self>) -> Self {
        self.tensors
            .extend(others.into_iter().flat_map(|other| other.tensors));
        self
    }

    /// A value of the metadata.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Value<'a>> {
        self.values.get(key)
    }

    /// A text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&'a str> {
        match self.values.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A count.
    #[must_use]
    pub fn unsigned(&self, key: &str) -> Option<u64> {
        match self.values.get(key)? {
            Value::Unsigned(number) => Some(*number),
            _ => None,
        }
    }

    /// A number.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "none needs more than single precision"
    )]
    pub fn float(&self, key: &str) -> Option<f32> {
        match self.values.get(key)? {
            Value::Float(number) => Some(*number as f32),
            Value::Unsigned(number) => Some(*number as f32),
            _ => None,
        }
    }

    /// The length of a list.
    #[must_use]
    pub fn length(&self, key: &str) -> Option<usize> {
        match self.values.get(key)? {
            Value::List(list) => Some(list.len()),
            _ => None,
        }
    }

    /// Formats and shapes of all tensors.
    pub(super) fn shapes(&self) -> impl Iterator<Item = (Format, &[usize])> {
        let tensors = self.tensors.values();
        tensors.map(|tensor| (tensor.format, tensor.shape.as_slice()))
    }

    /// A tensor, in place.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<Tensor<'a>> {
        self.tensors.get(name).cloned()
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Entries of all lists: each takes more memory than it has bytes in the file.
    listed: u64,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| format!("its head is cut off at byte {}", self.at))?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let taken = self.take(N)?;
        taken
            .try_into()
            .map_err(|error: std::array::TryFromSliceError| error.to_string())
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }

    fn count(&mut self) -> Result<u64, String> {
        let count = self.u64()?;
        if count > MOST {
            return Err(format!("it claims {count} entries at byte {}", self.at));
        }
        Ok(count)
    }

    fn text(&mut self) -> Result<&'a str, String> {
        let length = usize::try_from(self.u64()?).map_err(|error| error.to_string())?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|error| format!("at byte {}: {error}", self.at))
    }

    fn value(&mut self, kind: u32, depth: u32) -> Result<Value<'a>, String> {
        let signed = |number: i64| match u64::try_from(number) {
            Ok(number) => Value::Unsigned(number),
            Err(_) => Value::Signed(number),
        };
        Ok(match kind {
            0 => Value::Unsigned(u64::from(u8::from_le_bytes(self.array()?))),
            1 => signed(i64::from(i8::from_le_bytes(self.array()?))),
            2 => Value::Unsigned(u64::from(u16::from_le_bytes(self.array()?))),
            3 => signed(i64::from(i16::from_le_bytes(self.array()?))),
            4 => Value::Unsigned(u64::from(self.u32()?)),
            5 => signed(i64::from(i32::from_le_bytes(self.array()?))),
            6 => Value::Float(f64::from(f32::from_le_bytes(self.array()?))),
            7 => Value::Bool(self.take(1)? != [0]),
            8 => Value::Text(self.text()?),
            9 if depth < 4 => {
                let (kind, count) = (self.u32()?, self.count()?);
                self.listed += count;
                if self.listed > MOST {
                    return Err(format!(
                        "its lists claim {} entries at byte {}",
                        self.listed, self.at
                    ));
                }
                let mut list = Vec::new();
                for _ in 0..count {
                    list.push(self.value(kind, depth + 1)?);
                }
                Value::List(list)
            }
            10 => Value::Unsigned(self.u64()?),
            11 => signed(i64::from_le_bytes(self.array()?)),
            12 => Value::Float(f64::from_le_bytes(self.array()?)),
            other => return Err(format!("a value of type {other} at byte {}", self.at)),
        })
    }
}
