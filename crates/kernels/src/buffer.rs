//! A growable, 64-byte aligned run of `f32`.

use std::alloc::{alloc_zeroed, dealloc, Layout};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Alignment of every buffer: one cache line, one AVX-512 vector.
const ALIGNMENT: usize = 64;

/// Memory for `bytes` more bytes could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory {
    /// The bytes that were asked for.
    pub bytes: usize,
}

impl std::fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no memory for {} more bytes", self.bytes)
    }
}

impl std::error::Error for OutOfMemory {}

/// A slice of `f32` that keeps its memory when it shrinks, so that a training step allocates only
/// when a batch exceeds every earlier one.
pub struct Buffer {
    memory: NonNull<f32>,
    length: usize,
    capacity: usize,
}

// SAFETY: a buffer owns its memory alone, as a `Vec<f32>` does.
unsafe impl Send for Buffer {}
// SAFETY: shared access only reads.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// An empty buffer that owns no memory.
    pub const fn new() -> Buffer {
        Buffer { memory: NonNull::dangling(), length: 0, capacity: 0 }
    }

    /// A buffer of `length` zeros.
    pub fn zeros(length: usize) -> Result<Buffer, OutOfMemory> {
        let mut buffer = Buffer::new();
        buffer.resize(length)?;
        Ok(buffer)
    }

    /// Sets the length. The contents are unspecified, but initialised: zeros where memory is new,
    /// earlier values elsewhere.
    pub fn resize(&mut self, length: usize) -> Result<(), OutOfMemory> {
        if length > self.capacity {
            let out_of_memory = OutOfMemory { bytes: length.saturating_mul(4) };
            let layout = Layout::array::<f32>(length)
                .and_then(|layout| layout.align_to(ALIGNMENT))
                .map_err(|_| out_of_memory)?;
            self.free();
            // SAFETY: `length` exceeds a capacity, so the layout is not empty.
            let memory = unsafe { alloc_zeroed(layout) }.cast::<f32>();
            self.memory = NonNull::new(memory).ok_or(out_of_memory)?;
            self.capacity = length;
        }
        self.length = length;
        Ok(())
    }

    /// Bytes of memory that the buffer owns.
    pub fn bytes(&self) -> usize {
        self.capacity * 4
    }

    fn free(&mut self) {
        if self.capacity > 0 {
            let layout = Layout::array::<f32>(self.capacity).and_then(|layout| layout.align_to(ALIGNMENT));
            // SAFETY: the same layout allocated this memory, which nothing else owns.
            unsafe { dealloc(self.memory.as_ptr().cast(), layout.expect("the layout was valid before")) };
        }
        (self.memory, self.length, self.capacity) = (NonNull::dangling(), 0, 0);
    }
}

impl Default for Buffer {
    fn default() -> Buffer {
        Buffer::new()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.free();
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `length` initialised floats are owned (none are read when dangling).
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), self.length) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: `length` initialised floats are owned, and the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_ptr(), self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_aligned_and_keeps_its_memory_when_it_shrinks() {
        let mut buffer = Buffer::zeros(1000).unwrap();
        assert_eq!(buffer.as_ptr() as usize % ALIGNMENT, 0);
        let before = buffer.as_ptr();
        buffer.resize(10).unwrap();
        buffer.resize(1000).unwrap();
        assert_eq!(buffer.as_ptr(), before);
        assert_eq!(buffer.bytes(), 4000);
    }

    #[test]
    fn refuses_what_cannot_be_had() {
        let mut buffer = Buffer::zeros(4).unwrap();
        assert!(buffer.resize(usize::MAX / 2).is_err());
        assert!(buffer.resize(1 << 60).is_err());
        buffer.resize(4).unwrap();
        assert_eq!(buffer.len(), 4);
    }
}
