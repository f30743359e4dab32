//! One form of an activation with arrays to compute on.

use actgrad::catalogue::{Row, Ufunc};
use actgrad::operands::{Kernels, Operand, compute};
use actgrad::storage::Storage;
use half::{bf16, f16};

use crate::buffer::Buffer;

/// A kernel with its operands.
pub struct Call {
    kernels: Kernels,
    storage: Storage,
    count: usize,
    operands: Vec<Operand>,
    /// What the operands point to.
    _buffers: Vec<Buffer>,
}

impl Call {
    /// `count` elements of every gradient, x and result; the parameters are single numbers.
    pub fn new(row: &Row, ufunc: &Ufunc, storage: Storage, count: usize) -> Call {
        let stride = storage.item_size() as isize;
        let mut buffers = Vec::new();
        let mut operands = Vec::new();
        for &name in &ufunc.operands {
            let parameter = row.parameters.iter().find(|parameter| parameter.name == name);
            let buffer = match parameter {
                Some(parameter) => filled(storage, 1, |_| parameter.default.unwrap_or(0.25)),
                None => filled(storage, count, |i| element(row.name, name, i)),
            };
            let stride = if parameter.is_some() { 0 } else { stride };
            operands.push(Operand { pointer: buffer.pointer(), stride });
            buffers.push(buffer);
        }
        for _ in 0..ufunc.kernels.outputs {
            let buffer = filled(storage, count, |_| 0.0);
            operands.push(Operand { pointer: buffer.pointer(), stride });
            buffers.push(buffer);
        }
        Call { kernels: ufunc.kernels, storage, count, operands, _buffers: buffers }
    }

    pub fn run(&mut self) {
        // SAFETY: every operand points to a buffer of `count` elements, or of one where its stride
        // is 0, which lives as long as `self`; `&mut` keeps other threads away.
        unsafe { compute(&self.kernels, self.storage, &self.operands, self.count) };
    }

    /// The bytes of all arrays read and written.
    pub fn bytes(&self) -> usize {
        let arrays = self.operands.iter().filter(|operand| operand.stride != 0).count();
        arrays * self.count * self.storage.item_size()
    }
}

/// Where the functions bend: steps of the golden ratio through [-8, 8), or (0, 1) for a logit.
fn element(function: &str, operand: &str, index: usize) -> f64 {
    let fraction = (index as f64 * 0.618_033_988_749_895 + 0.5).fract();
    match (function, operand) {
        ("logit", "x") => 0.001 + 0.998 * fraction,
        _ => 16.0 * fraction - 8.0,
    }
}

/// `count` numbers of a storage format.
fn filled(storage: Storage, count: usize, element: impl Fn(usize) -> f64) -> Buffer {
    let size = storage.item_size();
    let mut buffer = Buffer::new(count * size);
    for (i, place) in buffer.bytes_mut().chunks_exact_mut(size).take(count).enumerate() {
        let value = element(i);
        match storage {
            Storage::Float16 => place.copy_from_slice(&f16::from_f64(value).to_ne_bytes()),
            Storage::Bfloat16 => place.copy_from_slice(&bf16::from_f64(value).to_ne_bytes()),
            Storage::Float32 => place.copy_from_slice(&(value as f32).to_ne_bytes()),
            Storage::Float64 => place.copy_from_slice(&value.to_ne_bytes()),
        }
    }
    buffer
}

/// The storage formats by the names NumPy has for them.
pub fn storage_name(storage: Storage) -> &'static str {
    match storage {
        Storage::Float16 => "float16",
        Storage::Bfloat16 => "bfloat16",
        Storage::Float32 => "float32",
        Storage::Float64 => "float64",
    }
}
